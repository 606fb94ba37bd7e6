"""The pages of the features: every command runs, and what they show of the host and the bill is what happened."""

import json
import os
import re
import subprocess
import urllib.request
from decimal import Decimal
from pathlib import Path

import pytest
from gateway_infra_simulator import Simulator

from tests.integration.conftest import running

PAGES = sorted((Path(__file__).parents[2] / "docs" / "features").glob("*.md"))
FENCE = re.compile(r"^```(bash|text (?:sent|bill|refused))\n(.*?)^```$", re.MULTILINE | re.DOTALL)
USUAL = {"model", "messages", "max_tokens", "stream", "tools"}


def steps(page):
    """Each command of a page with the blocks that follow it."""
    found = []
    for kind, block in FENCE.findall(page.read_text()):
        if kind == "bash":
            found.append((block, {}))
        else:
            found[-1][1][kind.removeprefix("text ")] = block.strip()
    return found


STEPS = [
    pytest.param(command, shown, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, (command, shown) in enumerate(steps(page))
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with Simulator(keys=("sim-key",)) as sim, running(sim, tmp_path_factory.mktemp("features")) as gateway:
        yield gateway


def sent(record):
    """What the host got beside the usual."""
    beta = record.headers.get("anthropic-beta")
    more = {name: value for name, value in record.json.items() if name not in USUAL}
    return (f"anthropic-beta: {beta}\n" if beta else "") + json.dumps(more, sort_keys=True)


def number(value):
    return f"{Decimal(value).normalize():f}"


def line(told):
    """A line of a bill as the pages write it."""
    factors = "".join(f" x {factor['reason']} {number(factor['times'])}" for factor in told["factors"])
    label = "" if told["pass"] in ("message", "") else f"{told['pass']}: "
    return f"{label}{told['kind']} {told['quantity']:,} x ${number(told['price_usd'])}{factors} = ${number(told['amount_usd'])}"


def bill(gateway, call_id):
    request = urllib.request.Request(f"{gateway.url}/calls/{call_id}", headers={"x-api-key": gateway.key})
    with urllib.request.urlopen(request, timeout=10) as answer:
        call = json.load(answer)
    (attempt,) = call["attempts"]
    return "\n".join([*map(line, attempt["lines"]), f"total ${number(attempt['cost_usd'])}"])


def refused(head, body):
    return f"{head.split()[1]} {json.loads(body)['error']['message']}"


@pytest.mark.parametrize(("command", "shown"), STEPS)
def test_a_page_shows_what_happens(gateway, command, shown):
    gateway.sim.reset()
    script = command.replace("http://127.0.0.1:4000", gateway.url)
    environ = {**os.environ, "GATEWAY_MASTER_KEY": gateway.key}
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, env=environ, timeout=30)
    assert done.returncode == 0, done.stderr
    head, _, body = done.stdout.partition("\n\n")
    happened = {}
    if "refused" in shown:
        happened["refused"] = refused(head, body)
        assert not gateway.sim.log
    else:
        assert head.startswith("HTTP/1.1 200"), done.stdout
    if "sent" in shown:
        happened["sent"] = sent(gateway.sim.log[0])
    if "bill" in shown:
        happened["bill"] = bill(gateway, re.search(r"^gateway-call-id: (\S+)", head, re.MULTILINE).group(1))
    assert shown == happened


def test_every_feature_has_a_page_and_the_index_leads_to_it():
    index = PAGES[0].parent.joinpath("README.md").read_text()
    for folder in PAGES[0].parents[2].glob("plugins/gateway-feature-*"):
        page = f"{folder.name.removeprefix('gateway-feature-')}.md"
        assert f"]({page})" in index
        assert (PAGES[0].parent / page).exists()


def test_every_page_has_both_apis_and_a_bill():
    for page in PAGES:
        if page.stem != "README":
            text = page.read_text()
            assert "/chat/completions " in text
            assert "/v1/messages " in text
            assert "```text bill\n" in text
