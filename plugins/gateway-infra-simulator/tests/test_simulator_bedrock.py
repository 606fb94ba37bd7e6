"""Bedrock's InvokeModel as boto3 sees it, and what the host refuses."""

import base64
import json
from contextlib import closing

import boto3
import pytest
from botocore.config import Config
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError
from gateway_infra_simulator import Answer, Block, Simulator, assemble
from gateway_infra_simulator.bedrock_invoke import VERSION
from gateway_infra_simulator.bedrock_model import PROFILES, foundation_id
from gateway_infra_simulator.flow import Event
from gateway_infra_simulator.model import models
from gateway_infra_simulator.sigv4 import DEMO

MODEL = "anthropic.claude-opus-4-6-v1"
NEWER = "anthropic.claude-opus-5-5"
BODY = {"anthropic_version": VERSION, "max_tokens": 300, "messages": [{"role": "user", "content": "Grüße, 世界"}]}
RICH = (
    Answer.thinking("Denke… 思考")
    + Answer.redacted_thinking()
    + Answer.text("Gut, 世界 👋")
    + Answer.tools(("add", {"a": 1, "text": "é" * 300}), ("sub", {}))
)
ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"}, read_timeout=10)


def client_of(sim, **changes):
    keys = {"aws_access_key_id": DEMO.access_key, "aws_secret_access_key": DEMO.secret_key} | changes
    return boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=sim.url, config=ONCE, **keys)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("AWS_BEARER_TOKEN_BEDROCK", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def client(sim):
    return client_of(sim)


def invoke(client, to=MODEL, without=(), **changes):
    body = {key: value for key, value in (BODY | changes).items() if key not in without}
    return client.invoke_model(modelId=to, body=json.dumps(body))


def message_of(answer):
    return json.loads(answer["body"].read())


def stream(client, model=MODEL, **changes):
    answer = client.invoke_model_with_response_stream(modelId=model, body=json.dumps(BODY | changes))
    with closing(answer["body"]) as body:
        events = [json.loads(event["chunk"]["bytes"]) for event in body]
    return [Event(event["type"], event) for event in events]


def refusal(call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return caught.value


def said(error):
    found = error.response["Error"]
    return found["Code"], found["Message"]


# ------------------------------------------------------------------------------------------------------------- answers


def test_boto3_gets_a_message(sim, client):
    answer = invoke(client)
    message = message_of(answer)
    assert message["content"][0]["text"].startswith("[simulated] You said: Grüße, 世界")
    assert (message["model"], message["id"][:9]) == ("claude-opus-4-6", "msg_bdrk_")
    assert answer["contentType"] == "application/json"
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-bedrock-input-token-count"] == str(message["usage"]["input_tokens"])
    assert headers["x-amzn-bedrock-output-token-count"] == str(message["usage"]["output_tokens"])
    assert answer["ResponseMetadata"]["RequestId"] == headers["x-amzn-requestid"]
    assert "anthropic-ratelimit-requests-limit" not in headers
    assert sim.log[0].wire == "bedrock"


def test_the_usage_says_nothing_that_this_host_does_not_know(client):
    assert not {"inference_geo", "speed", "service_tier"} & set(message_of(invoke(client))["usage"])


def test_a_script_may_state_it_all_the_same(sim, client):
    sim.queue(Answer.text("a").with_usage(inference_geo="us"))
    assert message_of(invoke(client))["usage"]["inference_geo"] == "us"


def test_boto3_gets_the_same_from_a_stream(sim, client):
    sim.queue(RICH, RICH)
    whole = message_of(invoke(client))
    events = stream(client)
    streamed = assemble(events)
    for one, other in zip(whole["content"], streamed["content"], strict=True):
        hidden = ("signature", "data", "id")
        assert {key: one[key] for key in one if key not in hidden} == {
            key: other[key] for key in other if key not in hidden
        }
    assert streamed["stop_reason"] == "tool_use"
    assert streamed["usage"] == whole["usage"]


def test_the_last_event_carries_the_metrics(client):
    system = [{"type": "text", "text": "x" * 400, "cache_control": {"type": "ephemeral"}}]
    first, second = stream(client, system=system), stream(client, system=system)
    metrics = [events[-1].data["amazon-bedrock-invocationMetrics"] for events in (first, second)]
    assert [one["cacheWriteInputTokenCount"] > 0 for one in metrics] == [True, False]
    assert [one["cacheReadInputTokenCount"] > 0 for one in metrics] == [False, True]
    usage = assemble(first)["usage"]
    assert (metrics[0]["inputTokenCount"], metrics[0]["outputTokenCount"]) == (
        usage["input_tokens"],
        usage["output_tokens"],
    )
    assert not any("amazon-bedrock-invocationMetrics" in event.data for event in first[:-1])


def test_thinking_and_tools_come_back_as_they_were(sim, client):
    sim.queue(RICH)
    tools = [{"name": name, "input_schema": {"type": "object"}} for name in ("add", "sub")]
    content = message_of(invoke(client, tools=tools))["content"]
    results = [{"type": "tool_result", "tool_use_id": content[at]["id"], "content": "1"} for at in (3, 4)]
    history = [*BODY["messages"], {"role": "assistant", "content": content}, {"role": "user", "content": results}]
    assert "2 tool results" in message_of(invoke(client, messages=history, tools=tools))["content"][0]["text"]
    content[0]["thinking"] += "."
    assert said(refusal(invoke, client, messages=history, tools=tools)) == (
        "ValidationException",
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    )


def test_summaries_are_played_with_their_beta(sim, client):
    sim.queue(Answer.compaction("Before.") + Answer.text("Now."))
    edits = {"edits": [{"type": "compact_20260112"}]}
    message = message_of(invoke(client, anthropic_beta=["compact-2026-01-12"], context_management=edits))
    assert message["content"][0]["type"] == "compaction"
    assert [one["type"] for one in message["usage"]["iterations"]] == ["compaction", "message"]


def test_frames_can_come_byte_by_byte(sim, client):
    sim.queue(Answer.text("世界").split_each_byte())
    assert assemble(stream(client))["content"][0]["text"] == "世界"


def test_a_stream_can_break_off_within_a_frame(sim):
    sim.queue(Answer.text("a" * 100).cut(2000))
    with pytest.raises(Exception, match="IncompleteRead|Connection"):
        stream(client_of(sim))
    assert sim.wait(1)[0].events


def test_a_stream_without_its_last_frame(sim, client):
    sim.queue(Answer.text("a").truncated())
    assert stream(client)[-1].name == "message_delta"


def test_raw_bytes_are_raw_bytes(sim, api):
    sim.queue(Answer.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"))
    assert call(api, MODEL, BODY).body == b"hi"


# ---------------------------------------------------------------------------------------------------------------- ids


def call(api, model, body, operation="invoke", key="sim-key", **headers):
    sent = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return api.call("POST", f"/model/{model}/{operation}", data, sent)


@pytest.mark.parametrize(
    "model",
    [
        *(f"{prefix}.{MODEL}" for prefix in ("global", "us", "eu", "jp", "au", "apac", "us-gov")),
        f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{MODEL}",
        f"arn:aws:bedrock:us-east-1::foundation-model/{MODEL}",
        *PROFILES,
    ],
)
def test_profiles_and_arns_lead_to_their_model(sim, client, model):
    assert message_of(invoke(client, model))["model"] == "claude-opus-4-6"
    assert sim.log[0].raw_path.count("/") == 3


@pytest.mark.parametrize("era", ["announcement", "current"])
def test_every_model_has_an_id_of_its_own(era):
    ids = [foundation_id(model) for model in models(era)]
    assert len(set(ids)) == len(ids)
    assert {"anthropic.claude-opus-4-6-v1", "anthropic.claude-sonnet-4-6", "anthropic.claude-opus-4-7"} <= set(ids)
    assert "anthropic.claude-haiku-4-5-20251001-v1:0" in ids


@pytest.mark.parametrize("model", ["claude-opus-4-6", "anthropic.claude-opus-4-6", f"xx.{MODEL}", "meta.llama"])
def test_an_unknown_id_is_invalid(client, model):
    assert said(refusal(invoke, client, model)) == (
        "ValidationException",
        "The provided model identifier is invalid.",
    )


def test_an_unknown_arn_is_not_found(client):
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/unknown"
    error = refusal(invoke, client, arn)
    assert isinstance(error, client.exceptions.ResourceNotFoundException)


def test_a_bare_id_can_be_refused(sim, client):
    sim.bedrock.on_demand = False
    code, text = said(refusal(invoke, client))
    assert code == "ValidationException"
    assert text == (
        f"Invocation of model ID {MODEL} with on-demand throughput isn\u2019t supported. Retry your request with the ID "
        "or ARN of an inference profile that contains this model."
    )
    assert message_of(invoke(client, f"us.{MODEL}"))
    assert message_of(invoke(client, "anthropic.claude-3-5-haiku-20241022-v1:0"))


def test_the_kind_of_an_arn_fits_its_name(client):
    arn = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{MODEL}"
    assert said(refusal(invoke, client, arn))[1] == "The provided model identifier is invalid."


def test_a_date_that_is_none(api):
    headers = {
        "authorization": f"AWS4-HMAC-SHA256 Credential={DEMO.access_key}/today/us-east-1/bedrock/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
        "x-amz-date": "today",
    }
    got = api.call("POST", f"/model/{MODEL}/invoke", b"{}", headers)
    assert (got.status, got.headers["x-amzn-errortype"].partition(":")[0]) == (400, "IncompleteSignatureException")


def test_an_operation_that_is_not_there(api):
    assert call(api, MODEL, BODY, "invoke-twice").status == 404


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "field",
    [
        {"model": MODEL},
        {"stream": True},
        {"speed": "fast"},
        {"inference_geo": "us"},
        {"service_tier": "auto"},
        {"container": "x"},
        {"mcp_servers": []},
        {"cache_control": {"type": "ephemeral"}},
        {"user_profile_id": "x"},
    ],
    ids=lambda field: next(iter(field)),
)
def test_other_fields_are_extra(client, field):
    (name,) = field
    assert said(refusal(invoke, client, **field)) == (
        "ValidationException",
        f"{name}: Extra inputs are not permitted",
    )


@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21", "vertex-2023-10-16", 1])
def test_a_versioned_model_takes_one_version(client, version):
    assert said(refusal(invoke, client, anthropic_version=version)) == (
        "ValidationException",
        "anthropic_version: Input should be 'bedrock-2023-05-31'",
    )


def test_a_version_is_needed(client):
    assert said(refusal(invoke, client, without=["anthropic_version"]))[1] == "anthropic_version: Field required"


def test_an_unversioned_model_takes_the_newer_one_with_its_rules(client):
    assert message_of(invoke(client, NEWER, anthropic_version="2026-10-21"))
    code, text = said(refusal(invoke, client, NEWER, anthropic_version="2026-10-21", temperature=1))
    assert (code, text) == ("ValidationException", "temperature: Extra inputs are not permitted")


@pytest.mark.parametrize("beta", ["fast-mode-2026-02-01", "web-search-2025-03-05", "nonsense", "oauth-2025-04-20"])
def test_a_beta_that_this_host_does_not_know(client, beta):
    assert said(refusal(invoke, client, anthropic_beta=[beta])) == ("ValidationException", "invalid beta flag")


def test_a_field_without_its_beta(client):
    edits = {"edits": [{"type": "compact_20260112"}]}
    assert said(refusal(invoke, client, context_management=edits))[1] == (
        "context_management: Extra inputs are not permitted"
    )


@pytest.mark.parametrize("kind", ["image", "document"])
@pytest.mark.parametrize("inner", [False, True])
def test_sources_by_url_are_refused(client, kind, inner):
    block = {"type": kind, "source": {"type": "url", "url": "https://example.com/a"}}
    messages = BODY["messages"]
    if inner:
        use = {"type": "tool_use", "id": "t", "name": "add", "input": {}}
        result = {"type": "tool_result", "tool_use_id": "t", "content": [block]}
        messages = [
            *messages,
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ]
    else:
        messages = [{"role": "user", "content": [block]}]
    tools = [{"name": "add", "input_schema": {"type": "object"}}]
    code, text = said(refusal(invoke, client, messages=messages, tools=tools))
    assert code == "ValidationException"
    assert "url" in text


def test_images_as_data_are_taken(client):
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(b"png").decode()}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
    assert message_of(invoke(client, messages=[{"role": "user", "content": content}]))


@pytest.mark.parametrize(
    "kind", ["web_search_20250305", "web_fetch_20250910", "code_execution_20250825", "tool_search_tool_bm25"]
)
def test_tools_of_the_server_are_absent(client, kind):
    assert said(refusal(invoke, client, tools=[{"type": kind, "name": "t"}]))[0] == "ValidationException"


def test_a_mark_has_no_scope(client):
    system = [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "scope": "global"}}]
    assert said(refusal(invoke, client, system=system))[1].endswith("scope: Extra inputs are not permitted")


def test_a_body_of_more_than_20_mb_is_refused(api):
    got = call(api, MODEL, b"{" + b" " * (20 * 1024 * 1024) + b"}")
    assert got.status == 400
    assert "length less than or equal to 20971520" in got.json["message"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a": NaN}'])
def test_a_body_that_is_no_object_is_refused(api, body):
    got = call(api, MODEL, body)
    assert (got.status, got.headers["x-amzn-errortype"].partition(":")[0]) == (400, "ValidationException")
    assert got.headers["x-amzn-requestid"]


@pytest.mark.parametrize(
    "header",
    [
        {"content_type": "text/plain"},
        {"x_amzn_bedrock_service_tier": "auto"},
        {"x_amzn_bedrock_performanceconfig_latency": "fast"},
    ],
)
def test_headers_are_checked(api, header):
    assert call(api, MODEL, BODY, **header).status == 400


# ----------------------------------------------------------------------------------------------------------- the gate


def test_a_wrong_secret_is_named_by_boto3(sim):
    error = refusal(invoke, client_of(sim, aws_secret_access_key="other"))
    assert said(error)[0] == "InvalidSignatureException"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_an_unknown_key_is_named_by_boto3(sim):
    error = refusal(invoke, client_of(sim, aws_access_key_id="AKIANOBODY0000000000"))
    assert said(error) == ("UnrecognizedClientException", "The security token included in the request is invalid.")


def test_a_wrong_session_token_is_refused(sim):
    assert said(refusal(invoke, client_of(sim, aws_session_token="x")))[0] == "UnrecognizedClientException"


def test_a_bearer_key_is_let_in(sim, api):
    assert call(api, MODEL, BODY).status == 200


def test_a_wrong_bearer_key_is_refused_in_large_letters(api):
    got = call(api, MODEL, BODY, key="wrong")
    assert (got.status, got.json) == (
        403,
        {"Message": "Authentication failed: Please make sure your API Key is valid."},
    )
    assert got.headers["x-amzn-errortype"].startswith("AccessDeniedException")


def test_no_credential_at_all(api):
    got = api.call("POST", f"/model/{MODEL}/invoke", b"{}", {"x-api-key": "sim-key"})
    assert (got.status, got.json) == (403, {"message": "Missing Authentication Token"})


def test_without_keys_any_bearer_is_let_in(client_of):
    with Simulator(keys=()) as sim:
        assert call(client_of(sim), MODEL, BODY, key="anything").status == 200


# -------------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("answer", "code", "status"),
    [
        (Answer.error(400, "no"), "ValidationException", 400),
        (Answer.error(400, "no", "ServiceQuotaExceededException"), "ServiceQuotaExceededException", 400),
        (Answer.error(401, "no"), "UnrecognizedClientException", 403),
        (Answer.error(403, "no"), "AccessDeniedException", 403),
        (Answer.error(404, "no"), "ResourceNotFoundException", 404),
        (Answer.error(408, "no"), "ModelTimeoutException", 408),
        (Answer.error(424, "no"), "ModelErrorException", 424),
        (Answer.error(429, "no"), "ThrottlingException", 429),
        (Answer.error(429, "no", "ModelNotReadyException"), "ModelNotReadyException", 429),
        (Answer.error(500, "no"), "InternalServerException", 500),
        (Answer.error(503, "no"), "ServiceUnavailableException", 503),
        (Answer.error(529, "no"), "ServiceUnavailableException", 503),
        (Answer.host_error(429, "no"), "ThrottlingException", 429),
        (Answer.text("a").failing(2, message="no"), "ServiceUnavailableException", 503),
    ],
)
def test_a_scripts_error_is_an_exception_of_boto3(sim, client, answer, code, status):
    sim.always(answer)
    error = refusal(invoke, client)
    assert said(error) == (code, "no")
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert type(error).__name__ == (code if hasattr(client.exceptions, code) else "ClientError")


def test_an_unmapped_status_stays_as_it_is(sim, client):
    sim.always(Answer.error(502, "no"))
    assert refusal(invoke, client).response["ResponseMetadata"]["HTTPStatusCode"] == 502


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("invalid_request_error", "validationException"),
        ("rate_limit_error", "throttlingException"),
        ("overloaded_error", "serviceUnavailableException"),
        ("timeout_error", "modelTimeoutException"),
        ("api_error", "internalServerException"),
        ("permission_error", "modelStreamErrorException"),
        ("modelStreamErrorException", "modelStreamErrorException"),
    ],
)
def test_an_error_within_a_stream_is_an_exception_frame(sim, client, kind, name):
    sim.queue(Answer.text("a").failing(3, kind, "broken"))
    answer = client.invoke_model_with_response_stream(modelId=MODEL, body=json.dumps(BODY))
    with closing(answer["body"]) as body, pytest.raises(EventStreamError) as caught:
        list(body)
    assert said(caught.value) == (name, "broken")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_chunks_carry_padding(api):
    got = call(api, MODEL, BODY, "invoke-with-response-stream")
    assert got.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert got.headers["x-amzn-bedrock-content-type"] == "application/json"
    buffer = EventStreamBuffer()
    buffer.add_data(got.body)
    payloads = [json.loads(frame.payload) for frame in buffer]
    assert {tuple(payload) for payload in payloads} == {("bytes", "p")}


def test_a_block_that_no_client_knows_travels(sim, client):
    sim.queue(Answer.of(Block.whole({"type": "future", "x": 1})))
    assert assemble(stream(client))["content"] == [{"type": "future", "x": 1}]


# --------------------------------------------------------------------------------------------------------------- count


def count(client, model=MODEL, **body):
    blob = json.dumps(BODY | body).encode()
    return client.count_tokens(modelId=model, input={"invokeModel": {"body": blob}})["inputTokens"]


def test_boto3_counts_what_the_message_will_say(client):
    assert count(client) == message_of(invoke(client))["usage"]["input_tokens"]


def test_a_profile_cannot_count(client):
    assert said(refusal(count, client, f"us.{MODEL}")) == (
        "ValidationException",
        "The provided model doesn't support counting tokens.",
    )


def test_the_body_to_be_counted_is_a_body_to_be_invoked(client):
    assert said(refusal(count, client, stream=True))[1] == "stream: Extra inputs are not permitted"
    blob = json.dumps({key: value for key, value in BODY.items() if key != "max_tokens"}).encode()
    error = refusal(client.count_tokens, modelId=MODEL, input={"invokeModel": {"body": blob}})
    assert said(error)[1] == "max_tokens: Field required"


@pytest.mark.parametrize(
    "body",
    [
        {"input": {"invokeModel": {"body": base64.b64encode(b"[]").decode()}}},
        {},
        {"input": {}},
        {"input": {"other": {}}},
        {"input": {"invokeModel": {"body": "?"}}},
    ],
)
def test_a_count_has_its_shape(api, body):
    assert call(api, MODEL, body, "count-tokens").status == 400
