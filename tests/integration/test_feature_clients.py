"""The features through the official clients, an older and the newest major, against a real gateway."""

import pytest

from tests.integration.test_clients import drive

pytestmark = pytest.mark.slow
SUMMARY = "Grüße"


@pytest.fixture(scope="module", params=["openai-new", "openai-old"])
def openai(request, gateway):
    gateway.sim.reset()
    return drive(request.param, "openai_features.py", gateway, f"{gateway.url}/v1"), [*gateway.sim.log]


@pytest.fixture(scope="module", params=["anthropic-new", "anthropic-old"])
def anthropic(request, gateway):
    gateway.sim.reset()
    return drive(request.param, "anthropic_features.py", gateway), [*gateway.sim.log]


def betas(log):
    return [record.headers.get("anthropic-beta", "") for record in log]


def test_openai_gets_summaries_and_sends_them_back(openai):
    seen, log = openai
    (block,) = seen["blocks"]
    assert block["content"] == SUMMARY
    assert seen["again"] == "stop"
    assert log[1].json["messages"][1]["content"][0] == block
    assert seen["iterations"] == ["compaction", "message"]


def test_openai_gets_the_same_summary_as_a_stream(openai):
    seen, _ = openai
    (streamed,) = seen["streamed"]
    assert streamed["content"] == SUMMARY
    assert streamed.keys() == seen["blocks"][0].keys()
    assert seen["events"][:3] == ["compaction_start", "compaction_delta", "compaction_blocks"]
    assert seen["events"].count("compaction_blocks") == 1


def test_openai_is_charged_for_what_it_asked(openai):
    seen, _ = openai
    plain = seen["plain"]["cost"]
    assert seen["fast"] == {"speed": "fast", "geo": "global", "cost": pytest.approx(plain * 6)}
    assert seen["us"] == {"speed": "standard", "geo": "us", "cost": pytest.approx(plain * 1.1)}
    assert seen["beta"]["cost"] == pytest.approx(plain)
    assert seen["thought"].startswith("[simulated]")


def test_openais_betas_are_added_by_themselves(openai):
    _, log = openai
    compact, fast, long = "compact-2026-01-12", "fast-mode-2026-02-01", "context-1m-2025-08-07"
    assert betas(log) == [compact, compact, compact, "", "", fast, "", long]
    assert log[3].json["output_config"] == {"effort": "high"}
    assert log[3].json["thinking"] == {"type": "adaptive"}


def test_anthropic_gets_summaries_and_sends_them_back(anthropic):
    seen, log = anthropic
    (block,) = seen["blocks"]
    assert block["content"] == SUMMARY
    assert seen["again"] == "end_turn"
    assert log[1].json["messages"][1]["content"][0] == block
    assert seen["iterations"] == ["compaction", "message"]
    assert seen["streamed"][0]["content"] == SUMMARY
    older = {"encrypted_content"} if seen["version"].startswith("0.") else set()  # its streams do not keep this key
    assert seen["streamed"][0].keys() == block.keys() - older


def test_anthropic_is_served_what_it_asked(anthropic):
    seen, _ = anthropic
    assert seen["fast"] == {"speed": "fast", "inference_geo": "global"}
    assert seen["us"] == {"speed": "standard", "inference_geo": "us"}
    assert seen["thought"] == ["thinking", "text"]


def test_anthropics_betas_are_merged_and_travel_once(anthropic):
    _, log = anthropic
    compact, fast, long = "compact-2026-01-12", "fast-mode-2026-02-01", "context-1m-2025-08-07"
    assert betas(log) == [compact, compact, compact, "", "", fast, "", f"{long},{fast}"]
