"""The pages on keys and on the ledger: every command runs, in their order, and shows what the pages say."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from gateway_infra_simulator import Simulator

from tests.integration.conftest import running

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = [
    *FENCE.findall((DOCS / "keys-and-budgets.md").read_text()),
    *FENCE.findall((DOCS / "ledger.md").read_text()),
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """What each command printed, one after the other in one folder."""
    folder = tmp_path_factory.mktemp("keys")
    with Simulator(keys=("sim-key",)) as sim, running(sim, folder) as gateway:
        environ = {**os.environ, "GATEWAY_MASTER_KEY": gateway.key}

        def run(command):
            script = command.replace("http://127.0.0.1:4000", gateway.url)
            done = subprocess.run(
                ["bash", "-euc", script], capture_output=True, text=True, env=environ, timeout=60, cwd=folder
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        printed = [run(command) for command in COMMANDS]
        deadline = time.monotonic() + 20  # the ledger is written off the client's path
        while sum(row["entries"] for row in json.loads(printed[-1])["spend"]) < 2 and time.monotonic() < deadline:
            printed[-1] = run(COMMANDS[-1])
        yield printed


def test_a_key_is_made_and_shown_once(shown):
    made = json.loads(shown[0])
    assert made["token"].startswith("sk-gw-")
    assert (made["alias"], made["budget"]["window"]) == ("alice", "daily")


def test_it_works_and_says_what_is_left(shown):
    assert shown[1].startswith("HTTP/1.1 200")
    assert re.search(r"anthropic-ratelimit-requests-remaining: 59\b", shown[1])
    assert re.search(r"gateway-cost-usd: 0\.\d+", shown[1])


def test_a_capability_that_it_lacks_is_refused_by_name(shown):
    error = json.loads(shown[2])["error"]
    assert (error["type"], error["message"]) == ("permission_error", "speed: this key may not use fast_mode.")


def test_a_call_that_the_budget_may_not_last_for_is_refused_with_its_next_day(shown):
    assert shown[3].startswith("HTTP/1.1 429")
    assert re.search(r"^retry-after: \d+", shown[3], re.MULTILINE)
    assert re.search(r"^x-should-retry: false", shown[3], re.MULTILINE)
    assert "insufficient_quota" in shown[3]


def test_the_same_request_is_answered_once(shown):
    first, second, replayed = shown[4].splitlines()
    assert first == second
    assert replayed == "gateway-replayed: true"


def test_the_ledger_knows_what_was_spent(shown):
    (row,) = [row for row in json.loads(shown[5])["spend"] if row.get("alias") == "alice" or row.get("model")]
    assert row["entries"] == 2


def test_no_command_is_left_out():
    assert len(COMMANDS) == 6
