"""The wires side by side: one port, one script, one log, one cache and one hand that signs."""

import subprocess
import sys
from pathlib import Path

import pytest
from gateway_infra_simulator import Answer

WIRES = ("messages", "azure", "vertex")


def test_the_log_says_which_host_was_asked_and_how(api, sim):
    for wire in WIRES:
        getattr(api, wire)()
    api.call("POST", "/no%2Fwhere")
    assert [record.wire for record in sim.log] == ["anthropic", "azure", "google", "vertex", ""]
    assert (sim.log[-1].path, sim.log[-1].raw_path) == ("/no/where", "/no%2Fwhere")
    assert sim.log[-1].dump()["raw_path"] == "/no%2Fwhere"


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_one_script_is_told_the_same_on_each(api, sim, stream):
    answer = Answer.thinking("Hm.") + Answer.text("Grüße 👋") + Answer.tools(("add", {"a": 1}), "sub")
    sim.always(answer.with_usage(output_tokens=77))
    told = [getattr(api, wire)(stream=stream).message for wire in WIRES]
    contents = [[(block["type"], block.get("text"), block.get("input")) for block in one["content"]] for one in told]
    assert contents[0] == contents[1] == contents[2]
    assert [(one["stop_reason"], one["usage"]["output_tokens"]) for one in told] == [("tool_use", 77)] * 3


@pytest.mark.parametrize("wire", WIRES)
def test_a_scenario_and_a_manner_work_on_each(api, sim, wire):
    say = getattr(api, wire)
    assert say(messages=[{"role": "user", "content": "[[sim:error status=529]]"}]).status == 529
    broken = say(messages=[{"role": "user", "content": "[[sim:drip size=7 ms=0]]"}], stream=True)
    assert broken.message["stop_reason"] == "end_turn"
    record = sim.wait(2)[-1]
    assert record.usage["output_tokens"] == broken.message["usage"]["output_tokens"]


@pytest.mark.parametrize("wire", WIRES)
def test_a_failure_within_is_an_event_in_a_stream_and_a_status_without(api, sim, wire):
    sim.always(Answer.text("Hello").failing(after=3))
    assert getattr(api, wire)(stream=True).body.endswith(b'"message":"Overloaded"}}\n\n')
    assert getattr(api, wire)().status == 529


def test_what_one_has_cached_and_signed_another_knows(api):
    marked = {"type": "text", "text": "long " * 100, "cache_control": {"type": "ephemeral"}}
    first = api.azure(system=[marked], thinking={"type": "adaptive"}).json
    assert first["usage"]["cache_creation_input_tokens"] > 0
    history = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": "More"},
    ]
    second = api.vertex(system=[marked], thinking={"type": "adaptive"}, messages=history)
    assert (second.status, second.json["usage"]["cache_creation_input_tokens"]) == (200, 0)
    assert second.json["usage"]["cache_read_input_tokens"] > 0


WITHOUT = """
import sys
sys.modules |= {"botocore": None, "cryptography": None}
import http.client
from gateway_infra_simulator import Simulator
with Simulator() as sim:
    for path, kind in (("/model/x/invoke", ""), ("/", ""), ("/token", "application/x-www-form-urlencoded")):
        peer = http.client.HTTPConnection(sim.url.removeprefix("http://"))
        grant = "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=eyJhbGciOiJSUzI1NiJ9.e30.e30"
        peer.request("POST", path, grant, {"content-type": kind})
        answer = peer.getresponse()
        print(answer.status, answer.read().decode())
    try:
        sim.service_account
    except RuntimeError as error:
        print(error)
"""


def test_without_the_extras_the_rest_works_and_says_what_is_missing():
    path = str(Path(__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, cwd=path, timeout=30)
    bedrock, sts, token, account = done.stdout.splitlines()
    assert bedrock.startswith("501"), done.stderr
    assert "gateway-infra-simulator[bedrock]" in bedrock
    assert sts == bedrock
    assert "gateway-infra-simulator[vertex]" in token
    assert "gateway-infra-simulator[vertex]" in account


def test_botocore_is_loaded_only_for_bedrock():
    words = "import sys; from gateway_infra_simulator import Simulator; Simulator(); print('botocore' in sys.modules)"
    path = str(Path(__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, cwd=path, timeout=30)
    assert done.stdout == "False\n", done.stderr
