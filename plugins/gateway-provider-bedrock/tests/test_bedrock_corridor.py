"""The whole way: a client's request through the gateway to the host, and back."""

import base64
import json

import pytest

from gateway.testing import sample_message

PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
SYSTEM = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.anthropic.claude-opus-4-6-v1"


def whole(**facts):
    return 200, {}, json.dumps({**sample_message(), "model": "claude-opus-4-6", **facts}).encode()


def refused(status, name, message):
    return status, {"x-amzn-errortype": name}, json.dumps({"message": message}).encode()


def test_a_message_comes_back_and_is_paid_for(ask, host):
    host.answers = [whole()]
    answer = ask({"stream": False}, SYSTEM)
    assert answer.json["content"] == sample_message()["content"]
    assert float(answer.headers["gateway-cost-usd"]) > 0
    assert "gateway-unpriced" not in answer.headers
    assert answer.headers["gateway-upstream-request-id"] == "aws-1"
    assert answer.headers["gateway-upstream-model"] == "global.anthropic.claude-opus-4-6-v1"
    assert "123456789012" not in str(answer.headers)
    path, headers, body = host.requests[0]
    assert path.startswith("/aws/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fglobal.")
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
    assert {*body} == {"anthropic_version", "max_tokens", "messages"}


def test_a_geography_without_its_package_is_named_as_unpriced(ask, host):
    host.answers = [whole()]
    assert ask().headers["gateway-unpriced"] == "inference_geo=us"


def test_betas_of_claude_code_are_sorted_out(ask, host):
    host.answers = [whole()]
    betas = "claude-code-20250219,interleaved-thinking-2025-05-14,advanced-tool-use-2025-11-20,thinking-token-count-2026-05-13"
    answer = ask(**{"anthropic-beta": betas})
    assert host.requests[0][2]["anthropic_beta"] == ["interleaved-thinking-2025-05-14", "tool-search-tool-2025-10-19"]
    assert answer.headers["gateway-dropped-betas"] == "claude-code-20250219, thinking-token-count-2026-05-13"


def test_hints_are_left_out_by_name(ask, host):
    host.answers = [whole()]
    answer = ask({"service_tier": "auto", "cache_control": {"type": "ephemeral"}})
    assert {*host.requests[0][2]} == {"anthropic_version", "max_tokens", "messages"}
    assert {*answer.headers["gateway-ignored-params"].split(", ")} == {"service_tier", "cache_control"}


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("container", "c_1", "Bedrock runs no code"),
        ("mcp_servers", [], "connects to no MCP servers"),
        ("a_field_of_tomorrow", 1, "bedrock does not take it"),
    ],
)
def test_what_the_host_does_not_take_is_refused_by_name(ask, host, field, value, why):
    answer = ask({field: value})
    assert answer.status_code == 400
    assert answer.json["error"]["message"].startswith(f"{field}: ")
    assert why in answer.json["error"]["message"]
    assert not host.requests


def test_an_image_behind_a_url_is_refused(ask, host):
    image = {"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}}
    answer = ask({"messages": [{"role": "user", "content": [image]}]})
    assert answer.status_code == 400
    assert "base64" in answer.json["error"]["message"]
    assert not host.requests


def test_tokens_are_counted_there(ask, host):
    host.answers = [(200, {}, b'{"inputTokens": 12}')]
    answer = ask(path="/v1/messages/count_tokens")
    assert answer.json == {"input_tokens": 12}
    path, _, body = host.requests[0]
    assert path == "/aws/model/anthropic.claude-opus-4-6-v1/count-tokens"
    assert json.loads(base64.b64decode(body["input"]["invokeModel"]["body"]))["messages"]


def test_a_refused_credential_is_the_gateways_and_says_no_more(ask, host):
    host.answers = [
        refused(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
    ]
    answer = ask()
    assert (answer.status_code, answer.headers["x-should-retry"]) == (502, "false")
    assert "token" not in answer.json["error"]["message"]


def test_an_error_shows_neither_account_nor_host(ask, host):
    text = f"{PROFILE} of account 123456789012 at {host.netloc.partition(':')[0]} is not ready"
    host.answers = [refused(429, "ModelNotReadyException", text)]
    answer = ask(upstream=PROFILE, base_model="us.anthropic.claude-opus-4-6-v1")
    assert (answer.status_code, answer.json["error"]["type"]) == (429, "overloaded_error")
    shown = answer.json["error"]["message"]
    assert not [word for word in ("123456789012", "127.0.0.1", "arn:") if word in shown]
    assert shown.endswith("is not ready")


def test_a_bare_id_that_the_host_refuses_comes_back_with_the_remedy(ask, host):
    text = "Invocation of model ID anthropic.claude-opus-4-6-v1 with on-demand throughput isn't supported. Retry."
    host.answers = [refused(400, "ValidationException", text)]
    answer = ask(upstream="anthropic.claude-opus-4-6-v1")
    assert host.requests[0][0] == "/aws/model/anthropic.claude-opus-4-6-v1/invoke"
    assert answer.status_code == 400
    assert answer.json["error"]["message"].startswith(text)
    assert "global.anthropic.claude-opus-4-6-v1" in answer.json["error"]["message"]


def test_converse_is_reached_by_its_prefix(ask, host):
    told = {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
    }
    host.answers = [(200, {}, json.dumps(told).encode())]
    answer = ask(upstream="converse/global.anthropic.claude-opus-4-6-v1")
    assert answer.json["content"] == [{"type": "text", "text": "Hi"}]
    assert answer.headers["gateway-cost-usd"] == "0.000065"
    assert host.requests[0][0] == "/aws/model/global.anthropic.claude-opus-4-6-v1/converse"
