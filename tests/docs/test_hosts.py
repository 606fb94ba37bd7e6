"""The page of the hosts: the sample configuration serves all four from the simulator, and every command of the page runs."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import free_port, wait_for

ROOT = Path(__file__).parents[2]
COMMANDS = re.findall(r"^```bash\n(.*?)^```$", (ROOT / "docs" / "hosts.md").read_text(), re.MULTILINE | re.DOTALL)
KEY = "sk-hosts-tests"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The command of the page, on another port and with a ledger of its own."""
    folder, port = tmp_path_factory.mktemp("hosts"), free_port()
    serve = [
        sys.executable,
        "-m",
        "gateway",
        "serve",
        "--config",
        str(ROOT / "deploy" / "hosts.yaml"),
        "--port",
        str(port),
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AZURE_", "VERTEX"))}
    log = folder / "log"
    with log.open("w") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "simulate", "--", *serve, "--workers", "1"],
            cwd=folder, stdout=sink, stderr=sink, env={**kept, "GATEWAY_MASTER_KEY": KEY},
        )  # fmt: skip
        try:
            wait_for(f"http://127.0.0.1:{port}/healthz", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def run(command, url):
    script = command.replace("http://127.0.0.1:4000", url)
    done = subprocess.run(
        ["bash", "-euc", script],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "GATEWAY_MASTER_KEY": KEY},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_name_is_served_and_priced_by_its_place(url):
    shared, *others = [line.split() for line in run(COMMANDS[0], url).splitlines()]
    assert shared[0] == "200"
    assert [line[:2] for line in others] == [
        ["200", "azure_ai/claude-opus-4-6#2"],
        ["200", "vertex_ai/claude-opus-4-6#2"],
        ["200", "bedrock/us.anthropic.claude-opus-4-6-v1"],
        ["200", "bedrock/converse/global.anthropic.claude-opus-4-6-v1"],
    ]
    costs = [float(line[2]) for line in others]
    assert costs[0] == costs[1] == costs[3] == pytest.approx(costs[2] / 1.1)


def test_what_a_host_lacks_is_named(url):
    shown = run(COMMANDS[1], url)
    assert shown.startswith("HTTP/1.1 200")
    assert "gateway-ignored-params: service_tier" in shown
    assert "gateway-dropped-betas: claude-code-20250219" in shown


def test_a_url_is_refused_by_a_host_that_takes_bytes(url):
    told = json.loads(run(COMMANDS[2], url))
    assert told["error"]["type"] == "invalid_request_error"
    assert "general_settings.fetch_urls" in told["error"]["message"]


def test_a_model_names_its_places_abilities_and_prices(url):
    told = json.loads(run(COMMANDS[3], url))
    assert [place["provider"] for place in told["deployments"]] == ["anthropic", "azure_ai", "vertex_ai", "bedrock"]
    assert told["max_input_tokens"] == 1_000_000
    assert all(place["prices"]["per_million_tokens"]["output"] == "25" for place in told["deployments"])
    assert all("effort" in place["capabilities"] for place in told["deployments"])


def test_no_command_of_the_page_is_left_out():
    assert len(COMMANDS) == 4
