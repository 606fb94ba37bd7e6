"""The official clients, the newest major and an older one, against a real gateway."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def drive(name, script, gateway, url=""):
    python = ROOT / ".venvs" / name / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{name} is not installed; `make clients` installs it")
    done = subprocess.run(
        [python, "-W", "ignore", ROOT / "tests" / "clients" / script, url or gateway.url, gateway.key],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr + gateway.log.read_text()
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=["openai-new", "openai-old"])
def openai(request, gateway):
    return drive(request.param, "openai_client.py", gateway, f"{gateway.url}/v1")


@pytest.fixture(scope="module", params=["anthropic-new", "anthropic-old"])
def anthropic(request, gateway):
    return drive(request.param, "anthropic_client.py", gateway)


def test_openai_gets_a_whole_answer(openai):
    answer = openai["json"]
    assert answer["text"] == "[simulated] Grüße, 世界 👋."
    assert (answer["finish"], answer["model"]) == ("stop", "claude-opus-4-6")
    assert answer["tokens"][0] + answer["tokens"][1] == answer["tokens"][2] > 0
    assert answer["request_id"].startswith("req_")
    assert answer["cost"] == pytest.approx((answer["tokens"][0] * 5 + answer["tokens"][1] * 25) / 1e6)


def test_openai_gets_the_same_answer_as_a_stream(openai):
    assert openai["stream"] == {
        "text": openai["json"]["text"],
        "finish": "stop",
        "usage": openai["json"]["tokens"][2],
        "cost": openai["json"]["cost"],
        "choices_last": 0,
    }


def test_openai_tools_go_round(openai):
    calls = [["get_weather", {"city": "Town 1"}], ["get_weather", {"city": "Town 2"}]]
    assert openai["tools"] == {"finish": "tool_calls", "calls": calls, "after": "stop"}
    assert openai["tools_stream"] == calls


def test_openai_thinking_goes_round(openai):
    assert openai["thinking"] == {"reasoning": "[simulated] Hm.", "blocks": ["thinking"], "again": "stop"}


def test_openai_lists_models(openai):
    assert "claude-opus-4-6" in openai["models"]
    assert "anthropic/claude-haiku-4-5" in openai["models"]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("bad_request", ("BadRequestError", 400)),
        ("upstream_bad_request", ("BadRequestError", 400)),
        ("unknown_model", ("NotFoundError", 404)),
        ("rate_limit", ("RateLimitError", 429)),
        ("overloaded", ("InternalServerError", 529)),
        ("server", ("InternalServerError", 500)),
        ("capability", ("BadRequestError", 400)),
        ("unauthenticated", ("AuthenticationError", 401)),
    ],
)
def test_openai_raises_the_right_class(openai, case, expected):
    error = openai["errors"][case]
    assert (error["class"], error["status"]) == expected


def test_openai_error_codes_are_those_that_people_test_for(openai):
    errors = openai["errors"]
    assert errors["unknown_model"]["code"] == "model_not_found"
    assert errors["unauthenticated"]["code"] == "invalid_api_key"
    assert errors["rate_limit"]["code"] == "rate_limit_exceeded"
    assert errors["capability"]["code"] == "unsupported_parameter"
    assert "there are: low, medium, high, max" in errors["capability"]["text"]
    assert errors["in_stream"]["class"] == "APIError"


def test_anthropic_gets_a_whole_answer(anthropic):
    answer = anthropic["json"]
    assert answer["text"] == "[simulated] Grüße, 世界 👋."
    assert (answer["stop"], answer["model"]) == ("end_turn", "claude-opus-4-6")
    assert answer["request_id"].startswith("req_")


def test_anthropic_gets_the_same_answer_as_a_stream(anthropic):
    answer = anthropic["json"]
    assert anthropic["stream"] == {
        "text": answer["text"],
        "stop": "end_turn",
        "model": "claude-opus-4-6",
        "tokens": answer["tokens"][1],
    }


def test_anthropic_tools_go_round(anthropic):
    calls = [["get_weather", {"city": "Town 1"}], ["get_weather", {"city": "Town 2"}]]
    assert anthropic["tools"] == {"stop": "tool_use", "calls": calls, "after": "end_turn"}


def test_anthropic_thinking_goes_round(anthropic):
    assert anthropic["thinking"] == {"blocks": ["thinking", "text"], "again": "end_turn"}


def test_anthropic_counts_and_lists(anthropic):
    assert anthropic["count"] > 0
    assert "claude-opus-4-6" in anthropic["models"]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("bad_request", ("BadRequestError", 400)),
        ("upstream_bad_request", ("BadRequestError", 400)),
        ("unknown_model", ("NotFoundError", 404)),
        ("rate_limit", ("RateLimitError", 429)),
        ("overloaded", ("OverloadedError", 529)),
        ("server", ("InternalServerError", 500)),
        ("capability", ("BadRequestError", 400)),
        ("unauthenticated", ("AuthenticationError", 401)),
    ],
)
def test_anthropic_raises_the_right_class(anthropic, case, expected):
    error = anthropic["errors"][case]
    assert error["status"] == expected[1]
    assert error["class"] == expected[0]
    assert error["body"]["request_id"].startswith("req_")


def test_anthropic_errors_keep_the_hosts_wording(anthropic):
    assert "unheard_of: Extra inputs are not permitted" in anthropic["errors"]["upstream_bad_request"]["text"]
    assert anthropic["errors"]["in_stream"]["body"]["error"]["type"] == "overloaded_error"
