"""The whole way: a client's request through the gateway to a host that checks the token, and back."""

import pytest
from gateway_provider_vertex_ai import VertexAIPlugin

from gateway import Event, config
from gateway.app import create_app
from gateway.testing import found, parse_stream, sample_message, sample_stream

HEADERS = {"x-api-key": "sk-master"}
ASKED = {"model": "claude-opus-4-6", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
PATH = "/v1/projects/some-project/locations/us-east5/publishers/anthropic/models"


@pytest.fixture
def ask(google, account):
    """Asks a gateway whose only deployment is on Vertex AI."""
    import json

    params = {
        "model": "vertex_ai/claude-opus-4-6",
        "vertex_location": "us-east5",
        "vertex_credentials": account,
        "api_base": google.url,
    }
    model = {"model_name": "claude-opus-4-6", "litellm_params": params}
    document = {
        "model_list": [model],
        "general_settings": {"master_key": "sk-master", "forward_client_headers_to_llm_api": True},
    }
    app = create_app(
        config.parse(json.dumps(document), "test.yaml", {}), found=[found(VertexAIPlugin, "vertex_ai", "provider")]
    )
    client = app.test_client()

    def send(body=None, path="/v1/messages", **headers):
        return client.post(path, json={**ASKED, **(body or {})}, headers={**HEADERS, **headers})

    return send


def test_a_message_comes_back_and_is_paid_for(ask, google):
    google.hosted = [(200, {**sample_message(), "model": "claude-opus-4-6"})]
    answer = ask()
    assert answer.json["content"] == sample_message()["content"]
    path, form = google.requests[-1]
    assert path == f"{PATH}/claude-opus-4-6:rawPredict"
    assert form["json"]["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in form["json"]
    assert answer.headers["gateway-unpriced"] == "inference_geo=us-east5"  # its number is in a package that is not here


def test_a_stream_comes_back_without_the_hosts_own_event(ask, google):
    own = Event.of({"type": "vertex_event", "usage": {}}).frame.decode()
    google.hosted = [(200, "".join(event.frame.decode() + own for event in sample_stream()))]
    answer = ask({"stream": True})
    names = [event.name for event in parse_stream(answer.data)]
    assert names == [event.name for event in sample_stream()]
    assert google.requests[-1][0].endswith(":streamRawPredict")
    assert google.requests[-1][1]["json"]["stream"] is True


def test_tokens_are_counted_there(ask, google):
    google.hosted = [(200, {"input_tokens": 12})]
    assert ask(path="/v1/messages/count_tokens").json["input_tokens"] == 12
    path, form = google.requests[-1]
    assert (path, form["json"]["model"]) == (f"{PATH}/count-tokens:rawPredict", "claude-opus-4-6")


def test_betas_of_claude_code_are_sorted_out(ask, google):
    google.hosted = [(200, sample_message())]
    betas = "claude-code-20250219,interleaved-thinking-2025-05-14,advanced-tool-use-2025-11-20"
    answer = ask(**{"anthropic-beta": betas})
    assert google.requests[-1][1]["betas"] == "interleaved-thinking-2025-05-14,tool-search-tool-2025-10-19"
    assert answer.headers["gateway-dropped-betas"] == "claude-code-20250219"


def test_hints_are_left_out_by_name(ask, google):
    google.hosted = [(200, sample_message())]
    answer = ask({"service_tier": "auto"})
    assert answer.headers["gateway-ignored-params"] == "service_tier"
    assert "service_tier" not in google.requests[-1][1]["json"]


def test_a_hint_that_has_a_beta_takes_it_along(ask, google):
    google.hosted = [(200, sample_message())]
    answer = ask({"diagnostics": {"previous_message_id": None}})
    assert answer.status_code == 200
    assert answer.headers["gateway-ignored-params"] == "diagnostics"
    assert google.requests[-1][1]["betas"] is None


@pytest.mark.parametrize("body", [{"container": "c"}, {"mcp_servers": [{"type": "url"}]}, {"thread": {}}])
def test_what_the_host_does_not_have_is_refused_before_it_is_asked(ask, google, body):
    answer = ask(body)
    assert answer.status_code == 400
    assert next(iter(body)) in answer.json["error"]["message"]
    assert google.requests == []


def test_an_error_shows_no_project_and_no_host(ask, google):
    where = "//us-east5-aiplatform.googleapis.com/projects/some-project/locations/us-east5/models/x"
    words = f"Permission 'aiplatform.endpoints.predict' denied on resource '{where}' for some-project."
    google.hosted = [(403, {"error": {"code": 403, "message": words, "status": "PERMISSION_DENIED"}})]
    answer = ask()
    assert answer.status_code == 403
    assert "Permission 'aiplatform.endpoints.predict' denied" in answer.json["error"]["message"]
    assert "some-project" not in answer.text
    assert answer.headers["x-should-retry"] == "false"


def test_without_a_token_nothing_is_sent(ask, google):
    google.answers = [(400, {"error": "invalid_grant", "error_description": "hush"})]
    answer = ask()
    assert (answer.status_code, answer.headers["x-should-retry"]) == (502, "false")
    assert answer.headers["gateway-error"] == "upstream_unidentified"
    assert [path for path, _ in google.requests] == ["/token"]
    assert "hush" not in answer.text
