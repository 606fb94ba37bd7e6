"""Azure: its paths, its credentials, its deployments, and what it refuses in whose words."""

import pytest
from gateway_infra_simulator import Answer, Simulator

KEY = {"anthropic-version": "2023-06-01", "api-key": "sim-key"}
PATH = "/anthropic/v1/messages"


def test_a_message_comes_with_azures_own_id_and_without_rate_limits(api, sim):
    got = api.azure()
    assert got.json["content"][0]["text"] == "[simulated] You said: Hello (claude-opus-4-6)"
    assert got.headers["request-id"].startswith("req_01")
    assert len(got.headers["apim-request-id"]) == 36
    assert not [name for name in got.headers if "ratelimit" in name or "organization" in name]
    assert got.json["usage"]["inference_geo"] == "not_available"
    assert [record.wire for record in sim.log] == ["azure"]


def test_a_stream_is_the_same_as_on_the_first_party_api(api):
    got = api.azure(stream=True)
    assert got.headers["content-type"].startswith("text/event-stream")
    assert got.message["content"] == api.messages().json["content"]


def test_tokens_are_counted(api):
    counted = {"model": "claude-opus-4-6", "messages": [{"role": "user", "content": "Hello"}]}
    assert api.post("/anthropic/v1/messages/count_tokens", counted).json == {"input_tokens": 10}


@pytest.mark.parametrize("headers", [{"api-key": "sim-key"}, {"x-api-key": "sim-key"}])
def test_either_header_of_the_key_opens(api, headers):
    assert api.azure(headers={"anthropic-version": "2023-06-01"} | headers).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"api-key": "other"},
        {"x-api-key": "other", "api-key": "sim-key"},
        {"authorization": "Bearer sim-key"},
        {"authorization": "Basic sim-key"},
    ],
)
def test_no_other_credential_does_and_azure_says_so_in_its_shape(api, headers):
    got = api.azure(headers={"anthropic-version": "2023-06-01"} | headers)
    assert got.status == 401
    assert got.json.keys() == {"error"}
    assert got.error["code"] == "401"
    assert "request-id" not in got.headers
    assert "apim-request-id" in got.headers


@pytest.mark.parametrize("headers", [{"api-key": "sim-key"}, KEY | {"anthropic-version": "2024-01-01"}])
def test_the_version_is_asked_for_by_the_api_behind_it(api, headers):
    got = api.azure(headers=headers)
    assert (got.status, got.json["type"], got.error["type"]) == (400, "error", "invalid_request_error")
    assert got.json["request_id"] == got.headers["request-id"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/anthropic"), ("POST", "/anthropic/messages"), ("GET", PATH), ("GET", "/anthropic/v1/models")],
)
def test_any_other_path_is_not_supported(api, method, path):
    got = api.azure(path=path, method=method)
    assert (got.status, got.error["code"]) == (404, "api_not_supported")


def test_an_unknown_deployment_is_not_found(api):
    got = api.azure(model="claude-9")
    assert (got.status, got.error["code"]) == (404, "DeploymentNotFound")


@pytest.mark.parametrize("name", ["claude-opus-4-5", "claude-haiku-4-5-20251001"])
def test_every_model_is_deployed_under_its_names(api, name):
    assert api.azure(model=name).status == 200


def test_a_model_that_azure_does_not_have_is_not_deployed(api):
    assert api.azure(model="claude-opus-4-0").status == 404
    assert api.messages(model="claude-opus-4-0").status == 200


def test_a_deployment_may_have_a_name_of_its_own(client_of):
    with Simulator(deployments={"my-name": "claude-opus-4-6"}) as sim:
        assert client_of(sim).azure(model="my-name").json["model"] == "claude-opus-4-6"
        assert client_of(sim).azure(model="claude-opus-4-6").status == 404


def test_only_what_exists_can_be_deployed():
    with pytest.raises(ValueError, match="no model claude-9 to deploy"):
        Simulator(deployments={"my-name": "claude-9"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("inference_geo", "us"),
        ("speed", "standard"),
        ("service_tier", "auto"),
        ("fallbacks", "default"),
        ("fallback_credit_token", "x"),
    ],
)
def test_fields_that_it_does_not_have_are_extra_inputs(api, field, value):
    got = api.azure(**{field: value})
    assert (got.status, got.error["message"]) == (400, f"{field}: Extra inputs are not permitted")


def test_a_cache_mark_may_not_name_its_scope(api):
    marked = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "scope": "global"}}
    got = api.azure(messages=[{"role": "user", "content": [marked]}])
    path = "messages.0.content.0.cache_control.ephemeral.scope"
    assert (got.status, got.error["message"]) == (400, f"{path}: Extra inputs are not permitted")


@pytest.mark.parametrize("beta", ["fast-mode-2026-02-01", "advisor-tool-2026-03-01", "no-such-beta"])
def test_betas_that_it_does_not_know_are_quoted(api, beta):
    got = api.azure(beta=beta)
    assert got.status == 400
    assert f"`{beta}`" in got.error["message"]


def test_betas_that_it_knows_are_played(api):
    got = api.azure(
        beta="compact-2026-01-12",
        context_management={"edits": [{"type": "compact_20260112"}]},
        messages=[{"role": "user", "content": "Hello [[sim:size tokens=160000]]"}],
    )
    assert [block["type"] for block in got.json["content"]] == ["compaction", "text"]


def test_an_error_of_the_api_and_one_of_the_host_have_two_shapes(api, sim):
    sim.queue(
        Answer.error(529),
        Answer.host_error(429, "Too many", retry_after=7),
        Answer.host_error(404, code="DeploymentNotFound"),
    )
    assert api.azure().json["type"] == "error"
    limited = api.azure()
    assert (limited.json, limited.headers["retry-after"]) == ({"error": {"code": "429", "message": "Too many"}}, "7")
    assert api.azure(stream=True).error["code"] == "DeploymentNotFound"
