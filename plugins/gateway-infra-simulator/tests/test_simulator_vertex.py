"""Vertex AI: its paths and locations, its tokens, and what it refuses in whose words."""

import pytest
from gateway_infra_simulator import Answer, Simulator
from gateway_infra_simulator.vertex import MAX_BODY

GOOGLE = {"code", "message", "status"}


def google(got):
    """Status and word of one of Google's own errors."""
    error = got.json[0]["error"] if isinstance(got.json, list) else got.error
    assert error.keys() == GOOGLE
    assert error["code"] == got.status
    assert "request-id" not in got.headers
    return got.status, error["status"]


def claude(got):
    """Status and message of an error of the API behind it."""
    assert (got.json["type"], got.error["type"]) == ("error", "invalid_request_error")
    assert got.json["request_id"].startswith("req_vrtx_01")
    return got.status, got.error["message"]


def test_a_message_has_ids_of_its_own_and_no_rate_limits(api, sim):
    got = api.vertex()
    assert got.json["content"][0]["text"] == "[simulated] You said: Hello (claude-opus-4-6)"
    assert got.json["id"].startswith("msg_vrtx_01")
    assert got.headers["request-id"].startswith("req_vrtx_01")
    assert not [name for name in got.headers if "ratelimit" in name or "organization" in name]
    assert got.json["usage"]["inference_geo"] == "not_available"
    assert sim.log[-1].wire == "vertex"


def test_a_stream_is_the_same_as_on_the_first_party_api(api):
    got = api.vertex(stream=True)
    assert got.headers["content-type"].startswith("text/event-stream")
    assert got.message["content"] == api.messages().json["content"]


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("claude-opus-4-6", "claude-opus-4-6"),
        ("claude-opus-4-6@default", "claude-opus-4-6"),
        ("claude-opus-4-5@20251101", "claude-opus-4-5-20251101"),
        ("claude-opus-4-5%4020251101", "claude-opus-4-5-20251101"),
        ("claude-opus-4-5", "claude-opus-4-5-20251101"),
        ("claude-haiku-4-5@default", "claude-haiku-4-5-20251001"),
    ],
)
def test_a_model_has_these_names(api, sim, model, named):
    assert api.vertex(model).json["model"] == named
    assert f"/{model}:rawPredict" in sim.log[-1].raw_path


@pytest.mark.parametrize(
    "model", ["claude-opus-4-5-20251101", "claude-opus-4-6@20260205", "claude-9", "claude-opus-4-5@latest"]
)
def test_others_are_not_found_by_google(api, model):
    assert google(api.vertex(model)) == (404, "NOT_FOUND")


@pytest.mark.parametrize("place", ["global", "us", "eu"])
def test_newer_models_are_only_in_wide_places(api, place):
    assert api.vertex("claude-opus-4-7", place=place).status == 200
    assert google(api.vertex("claude-opus-4-7", place="us-east5")) == (404, "NOT_FOUND")


def test_a_place_must_look_like_one(api):
    assert google(api.vertex(place="mars")) == (400, "INVALID_ARGUMENT")


def test_a_project_that_is_not_ours_is_denied(api):
    assert google(api.vertex(project="other")) == (403, "PERMISSION_DENIED")


def test_the_project_is_chosen_by_who_starts_it(client_of):
    with Simulator(project="mine") as sim:
        assert client_of(sim).vertex(project="mine").status == 200


@pytest.mark.parametrize("token", ["", "ya29.c.stranger", "sim-key"])
def test_no_token_and_a_strangers_are_refused(api, token):
    assert google(api.vertex(token=token)) == (401, "UNAUTHENTICATED")


def test_a_token_that_has_expired_is_refused(api, sim):
    token = api.google_token()
    sim.expire_tokens()
    assert google(api.vertex(token=token)) == (401, "UNAUTHENTICATED")


def test_a_token_for_something_else_is_refused(api):
    token = api.google_token("https://www.googleapis.com/auth/userinfo.email")
    assert google(api.vertex(token=token)) == (403, "PERMISSION_DENIED")


def test_an_api_key_does_not_open(api):
    got = api.post("/v1/projects/sim-project/locations/us/publishers/anthropic/models/claude-opus-4-6:rawPredict", {})
    assert google(got) == (401, "UNAUTHENTICATED")


def test_googles_own_errors_come_in_a_list_where_a_stream_was_asked_for(api):
    assert isinstance(api.vertex("claude-9", stream=True).json, list)
    assert isinstance(api.vertex("claude-9").json, dict)


def test_the_model_is_not_in_the_body(api):
    assert claude(api.vertex(without=())) == (400, "model: Extra inputs are not permitted")


def test_the_version_is_in_the_body(api):
    assert claude(api.vertex(without=("model", "anthropic_version"))) == (400, "anthropic_version: Field required")
    for version in ("2023-06-01", "bedrock-2023-05-31"):
        status, message = claude(api.vertex(anthropic_version=version))
        assert (status, message.partition(":")[0]) == (400, "anthropic_version")


def test_the_newer_version_brings_its_rules(api):
    assert api.vertex(anthropic_version="2026-10-21").status == 200
    got = api.vertex(anthropic_version="2026-10-21", temperature=0.5)
    assert claude(got) == (400, "temperature: Extra inputs are not permitted")
    assert api.vertex(temperature=0.5).status == 200


@pytest.mark.parametrize(("stream", "verb"), [(True, "rawPredict"), (False, "streamRawPredict")])
def test_the_verb_goes_with_the_stream(api, stream, verb):
    status, message = claude(api.vertex(stream=stream, verb=verb))
    assert (status, message.partition(":")[0]) == (400, "stream")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("inference_geo", "us"),
        ("service_tier", "auto"),
        ("container", "x"),
        ("mcp_servers", []),
        ("fallbacks", "default"),
        ("output_format", {"type": "json_schema", "schema": {}}),
    ],
)
def test_fields_that_it_does_not_have_are_extra_inputs(api, field, value):
    assert claude(api.vertex(**{field: value})) == (400, f"{field}: Extra inputs are not permitted")


@pytest.mark.parametrize("kind", ["web_fetch_20250910", "code_execution_20250825"])
def test_tools_that_run_elsewhere_are_refused(api, kind):
    got = api.vertex(tools=[{"type": kind, "name": kind.rpartition("_")[0]}])
    assert claude(got)[0] == 400


def test_web_search_is_there(api):
    assert api.vertex(tools=[{"type": "web_search_20250305", "name": "web_search"}]).status == 200


@pytest.mark.parametrize("within", [False, True], ids=["message", "tool result"])
@pytest.mark.parametrize("kind", ["image", "document"])
@pytest.mark.parametrize("source", [{"type": "url", "url": "https://example.com/x"}, {"type": "file", "file_id": "f"}])
def test_sources_must_travel_along(api, kind, source, within):
    block = {"type": kind, "source": source}
    history = [{"role": "user", "content": [block]}]
    if within:
        call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
        result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [block]}
        history = [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ]
    status, message = claude(api.vertex(messages=history, tools=[{"name": "look", "input_schema": {"type": "object"}}]))
    assert (status, message.split(": ")[1]) == (400, f"`{source['type']}` sources are not supported")


def test_a_source_that_travels_along_is_taken(api):
    source = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    assert api.vertex(messages=[{"role": "user", "content": [{"type": "image", "source": source}]}]).status == 200


@pytest.mark.parametrize("beta", ["fast-mode-2026-02-01", "files-api-2025-04-14", "claude-code-20250219", "nonsense"])
def test_betas_that_it_does_not_know_are_quoted(api, beta):
    for got in (api.vertex(beta=beta), api.vertex(anthropic_beta=[beta])):
        status, message = claude(got)
        assert status == 400
        assert f"`{beta}`" in message


@pytest.mark.parametrize("where", ["header", "body"])
def test_betas_that_it_knows_are_played(api, where):
    beta = "compact-2026-01-12"
    sent = {"beta": beta} if where == "header" else {"anthropic_beta": [beta]}
    got = api.vertex(
        **sent,
        context_management={"edits": [{"type": "compact_20260112"}]},
        messages=[{"role": "user", "content": "Hello [[sim:size tokens=160000]]"}],
    )
    assert [block["type"] for block in got.json["content"]] == ["compaction", "text"]


def test_some_betas_are_known_as_a_header_only(api):
    beta = "compact-2026-09-04"
    assert api.vertex(beta=beta).status == 200
    assert claude(api.vertex(anthropic_beta=[beta]))[0] == 400


def test_fast_mode_is_for_one_model_in_wide_places(api):
    assert api.vertex("claude-fable-5-2", place="us", speed="fast").json["usage"]["speed"] == "fast"
    assert google(api.vertex("claude-opus-5-5", place="us", speed="fast")) == (400, "INVALID_ARGUMENT")


def test_tokens_are_counted_with_the_model_in_the_body(api):
    without = ("max_tokens",)
    assert api.vertex("count-tokens", without=without).json == {"input_tokens": 10}
    assert api.vertex("count-tokens", without=without, model="claude-opus-4-5").status == 200
    assert claude(api.vertex("count-tokens", without=("model", "max_tokens"))) == (400, "model: Field required")


def test_a_model_is_counted_for_without_its_day(api):
    got = api.vertex("count-tokens", without=("max_tokens",), model="claude-opus-4-5@20251101")
    assert (got.status, got.error["type"]) == (404, "not_found_error")


def test_counting_does_not_stream(api):
    got = api.vertex("count-tokens", without=("max_tokens",), verb="streamRawPredict")
    assert google(got) == (400, "INVALID_ARGUMENT")


def test_a_body_beyond_30_mb_is_refused_by_google(api):
    got = api.vertex(system="x" * MAX_BODY)
    assert google(got) == (400, "INVALID_ARGUMENT")


def test_an_error_of_the_api_and_one_of_the_host_have_two_shapes(api, sim):
    sim.queue(
        Answer.error(529), Answer.host_error(429, retry_after=7), Answer.host_error(400, "no", code="OUT_OF_RANGE")
    )
    assert api.vertex().json["type"] == "error"
    limited = api.vertex()
    assert (google(limited), limited.headers["retry-after"]) == ((429, "RESOURCE_EXHAUSTED"), "7")
    assert google(api.vertex(stream=True)) == (400, "OUT_OF_RANGE")


def test_only_posts_to_such_paths_are_answered(api):
    root = "/v1/projects/sim-project/locations/us/publishers/anthropic/models/claude-opus-4-6"
    for method, path in (("GET", f"{root}:rawPredict"), ("POST", f"{root}:predict"), ("POST", f"/x{root}:rawPredict")):
        assert api.call(method, path, b"{}").status == 404
