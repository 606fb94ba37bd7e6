"""Bedrock's Converse as boto3 sees it, and what AWS refuses before the model does."""

import base64
import json
from contextlib import closing

import boto3
import pytest
from botocore.config import Config
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError
from gateway_infra_simulator import Answer, Block
from gateway_infra_simulator.sigv4 import DEMO

MODEL = "anthropic.claude-opus-4-6-v1"
ASK = {
    "modelId": MODEL,
    "messages": [{"role": "user", "content": [{"text": "Grüße, 世界"}]}],
    "inferenceConfig": {"maxTokens": 300},
}
TOOLS = {
    "tools": [
        {"toolSpec": {"name": name, "description": "a tool", "inputSchema": {"json": {"type": "object"}}}}
        for name in ("add", "sub")
    ]
}
RICH = (
    Answer.thinking("Denke… 思考")
    + Answer.redacted_thinking("opaque+/=")
    + Answer.text("Gut, 世界 👋")
    + Answer.tools(("add", {"a": 1, "text": "é" * 300}), ("sub", {}))
)
POINT = {"cachePoint": {"type": "default"}}


@pytest.fixture
def client(sim, monkeypatch):
    for name in ("AWS_BEARER_TOKEN_BEDROCK", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=sim.url,
        aws_access_key_id=DEMO.access_key,
        aws_secret_access_key=DEMO.secret_key,
        config=Config(
            retries={"total_max_attempts": 1, "mode": "standard"}, parameter_validation=False, read_timeout=10
        ),
    )


def content(client, **changes):
    return client.converse(**ASK | changes)["output"]["message"]["content"]


def events(client, **changes):
    with closing(client.converse_stream(**ASK | changes)["stream"]) as stream:
        return [next(iter(event.items())) for event in stream]


def folded(found):
    """The content blocks that a stream amounts to."""
    blocks = {}
    for name, data in found:
        if name == "contentBlockStart":
            blocks[data["contentBlockIndex"]] = {"toolUse": data["start"]["toolUse"] | {"input": ""}}
        if name == "contentBlockDelta":
            _add(blocks.setdefault(data["contentBlockIndex"], {}), data["delta"])
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    return [blocks[index] for index in sorted(blocks)]


def _add(block, delta):
    ((kind, value),) = delta.items()
    if kind == "text":
        block["text"] = block.get("text", "") + value
    elif kind == "toolUse":
        block["toolUse"]["input"] += value["input"]
    elif "redactedContent" in value:
        block["reasoningContent"] = value
    else:
        thought = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
        for key, text in value.items():
            thought[key] = thought.get(key, "") + text


def refusal(client, **changes):
    with pytest.raises(ClientError) as caught:
        client.converse(**ASK | changes)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert isinstance(caught.value, client.exceptions.ValidationException)
    return caught.value.response["Error"]["Message"]


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks):
    return {"role": "assistant", "content": list(blocks)}


# ------------------------------------------------------------------------------------------------------------- answers


def test_boto3_gets_an_answer(client):
    answer = client.converse(**ASK)
    message = answer["output"]["message"]
    assert message["role"] == "assistant"
    assert message["content"][0]["text"].startswith("[simulated] You said: Grüße, 世界")
    assert answer["stopReason"] == "end_turn"
    usage = answer["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert answer["metrics"]["latencyMs"] > 0
    assert answer["ResponseMetadata"]["RequestId"]


def test_every_block_has_its_form(sim, client):
    sim.queue(RICH)
    thought, hidden, text, add, sub = content(client)
    assert thought["reasoningContent"]["reasoningText"]["text"] == "Denke… 思考"
    assert thought["reasoningContent"]["reasoningText"]["signature"]
    assert hidden == {"reasoningContent": {"redactedContent": b"opaque+/="}}
    assert text == {"text": "Gut, 世界 👋"}
    assert add["toolUse"]["input"] == {"a": 1, "text": "é" * 300}
    assert sub["toolUse"]["input"] == {}


def test_a_stream_amounts_to_the_same(sim, client):
    sim.queue(RICH, RICH)
    whole, streamed = content(client), folded(events(client))
    for block in (*whole, *streamed):
        block.get("toolUse", {}).pop("toolUseId", None)
        block.get("reasoningContent", {}).get("reasoningText", {}).pop("signature", None)
    assert streamed == whole


def test_the_order_of_a_stream(sim, client):
    sim.queue(RICH)
    found = events(client)
    names = [name for name, _ in found]
    assert (names[0], names[-2:]) == ("messageStart", ["messageStop", "metadata"])
    starts = [data["start"] for name, data in found if name == "contentBlockStart"]
    assert [next(iter(start)) for start in starts] == ["toolUse", "toolUse"]
    assert names.count("contentBlockStop") == 5
    assert found[-2][1] == {"stopReason": "tool_use"}
    assert set(found[-1][1]) == {"usage", "metrics"}


def test_a_record_knows_the_events_by_the_apis_own_names(sim, client):
    events(client)
    record = sim.wait(1)[0]
    assert record.events[0] == "message_start"
    assert record.events[-1] == "message_stop"
    assert record.usage["input_tokens"] > 0


def test_a_stream_that_breaks_off_has_reported_no_usage(sim, client):
    sim.queue(Answer.text("a" * 40).truncated())
    assert [name for name, _ in events(client)][-1] == "messageStop"
    assert sim.wait(1)[0].usage == {}


def test_caching_is_told_by_lifetime(client):
    system = [{"text": "x" * 400}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    first = client.converse(**ASK | {"system": system, "messages": [user({"text": "y" * 400}, POINT)]})["usage"]
    assert [detail["ttl"] for detail in first["cacheDetails"]] == ["1h", "5m"]
    assert sum(detail["inputTokens"] for detail in first["cacheDetails"]) == first["cacheWriteInputTokens"]
    again = events(client, system=system, messages=[user({"text": "y" * 400}, POINT)])[-1][1]["usage"]
    assert (again["cacheReadInputTokens"], again["cacheWriteInputTokens"]) == (first["cacheWriteInputTokens"], 0)
    assert "cacheDetails" not in again


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("end_turn", "end_turn"),
        ("max_tokens", "max_tokens"),
        ("stop_sequence", "stop_sequence"),
        ("model_context_window_exceeded", "model_context_window_exceeded"),
        ("refusal", "content_filtered"),
        ("pause_turn", "end_turn"),
        ("guardrail_intervened", "guardrail_intervened"),
        ("malformed_tool_use", "malformed_tool_use"),
    ],
)
def test_stop_reasons_in_awss_words(sim, client, reason, told):
    sim.always(Answer.text("a").with_stop(reason))
    assert client.converse(**ASK)["stopReason"] == told
    assert events(client)[-2][1]["stopReason"] == told


def test_fields_of_the_models_own_answer_can_be_asked_for(sim, client):
    sim.always(Answer.text("a").with_stop("stop_sequence", "END"))
    paths = ["/stop_sequence", "/usage/output_tokens_details", "/nothing/here"]
    answer = client.converse(**ASK | {"additionalModelResponseFieldPaths": paths})
    wanted = {"stop_sequence": "END", "usage": {"output_tokens_details": {"thinking_tokens": 0}}}
    assert answer["additionalModelResponseFields"] == wanted
    stopped = events(client, additionalModelResponseFieldPaths=paths)[-2][1]
    assert stopped["additionalModelResponseFields"] == wanted


def test_tier_and_latency_are_echoed(client):
    more = {"serviceTier": {"type": "flex"}, "performanceConfig": {"latency": "standard"}}
    assert client.converse(**ASK | more)["serviceTier"] == {"type": "flex"}
    assert events(client, **more)[-1][1]["performanceConfig"] == {"latency": "standard"}


def test_citations_have_their_own_block(sim, client):
    place = {"type": "char_location", "document_index": 0, "start_char_index": 1, "end_char_index": 4}
    cited = place | {"cited_text": "abc", "document_title": "Book"}
    sim.always(Answer.of(Block.text("So it says.", citations=(cited,))))
    told = {
        "title": "Book",
        "sourceContent": [{"text": "abc"}],
        "location": {"documentChar": {"documentIndex": 0, "start": 1, "end": 4}},
    }
    assert content(client) == [{"citationsContent": {"content": [{"text": "So it says."}], "citations": [told]}}]
    deltas = [data["delta"] for name, data in events(client) if name == "contentBlockDelta"]
    assert deltas[0] == {"citation": told}


def test_what_converse_has_no_word_for_is_left_out(sim, client):
    sim.always(Answer.web_search(text="Sunny."))
    assert [next(iter(block)) for block in content(client)] == ["citationsContent"]


# ----------------------------------------------------------------------------------------------------- conversations


def test_reasoning_and_tools_come_back_as_they_were(sim, client):
    sim.queue(RICH)
    said = content(client, toolConfig=TOOLS)
    results = [
        {"toolResult": {"toolUseId": said[3]["toolUse"]["toolUseId"], "content": [{"json": {"sum": 1}}]}},
        {
            "toolResult": {
                "toolUseId": said[4]["toolUse"]["toolUseId"],
                "content": [{"text": "no"}],
                "status": "error",
            }
        },
    ]
    history = [*ASK["messages"], assistant(*said), user(*results)]
    assert "2 tool results" in content(client, messages=history, toolConfig=TOOLS)[0]["text"]


def test_changed_reasoning_is_refused_by_the_model(sim, client):
    sim.queue(RICH)
    said = content(client)[:3]
    said[0]["reasoningContent"]["reasoningText"]["text"] += "."
    history = [*ASK["messages"], assistant(*said), user({"text": "And?"})]
    assert refusal(client, messages=history) == (
        "The model returned the following errors: messages.1.content.0: Invalid `signature` in `thinking` block"
    )


def test_changed_redacted_content_is_refused_by_the_model(sim, client):
    sim.queue(RICH)
    said = content(client)[:3]
    said[1]["reasoningContent"]["redactedContent"] = base64.b64encode(b"opaque+/=")
    history = [*ASK["messages"], assistant(*said), user({"text": "And?"})]
    assert "Invalid `data` in `redacted_thinking` block" in refusal(client, messages=history)


def test_thinking_effort_and_betas_are_additional_fields(client):
    more = {
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "max"},
        "anthropic_beta": ["interleaved-thinking-2025-05-14"],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    }
    thought, text = content(client, additionalModelRequestFields=more, toolConfig=TOOLS)
    assert thought["reasoningContent"]["reasoningText"]["text"].startswith("[simulated]")
    assert "effort max" in text["text"]


def test_the_models_own_fields_are_additional(client):
    assert content(client, additionalModelRequestFields={"top_k": 5})


def test_effort_has_a_field_too(client):
    assert "effort low" in content(client, outputConfig={"effort": "low"})[0]["text"]


def test_structured_output_is_a_schema_in_a_string(client):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    wanted = {"type": "json_schema", "structure": {"jsonSchema": {"schema": json.dumps(schema), "name": "x"}}}
    (block,) = content(client, outputConfig={"textFormat": wanted})
    assert json.loads(block["text"]) == {"city": "simulated"}
    wanted["structure"]["jsonSchema"]["schema"] = "{"
    assert "not valid JSON" in refusal(client, outputConfig={"textFormat": wanted})


def test_a_forced_tool_is_called(client):
    (block,) = content(client, toolConfig=TOOLS | {"toolChoice": {"tool": {"name": "sub"}}})
    assert block["toolUse"]["name"] == "sub"
    (block,) = content(client, toolConfig=TOOLS | {"toolChoice": {"any": {}}})
    assert block["toolUse"]["name"] == "add"


def test_tools_of_the_client_come_as_additional_fields(client):
    more = {"tools": [{"type": "bash_20250124", "name": "bash"}]}
    assert content(client, toolConfig=TOOLS, additionalModelRequestFields=more)


def test_images_and_documents_are_read(client):
    blocks = (
        {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}},
        {"document": {"format": "pdf", "name": "a", "source": {"bytes": b"%PDF"}}},
        {"document": {"format": "txt", "name": "b (1) [x]-y", "source": {"bytes": "Grüße".encode()}}},
        {"document": {"name": "c", "source": {"text": "hello"}, "citations": {"enabled": True}}},
        {"document": {"name": "d", "source": {"content": [{"text": "hello"}]}, "context": "a book"}},
        {"text": "What do you see?"},
    )
    assert "What do you see?" in content(client, messages=[user(*blocks)])[0]["text"]
    count = client.count_tokens(modelId=MODEL, input={"converse": {"messages": [user(*blocks)]}})
    assert count["inputTokens"] > 3000


def test_search_results_guarded_and_cited_texts_are_read(client):
    cited = {"citationsContent": {"content": [{"text": "As it says."}], "citations": []}}
    found = {"source": "a", "title": "b", "content": [{"text": "c"}], "citations": {"enabled": True}}
    history = [
        *ASK["messages"],
        assistant(cited),
        user({"searchResult": found}, {"guardContent": {"text": {"text": "Is it so?"}}}),
    ]
    assert "Is it so?" in content(client, messages=history)[0]["text"]


def test_guarded_images_are_images(client):
    image = {"guardContent": {"image": {"format": "png", "source": {"bytes": b"a"}}}}
    plain = {"image": {"format": "png", "source": {"bytes": b"a"}}}
    sizes = [
        client.count_tokens(modelId=MODEL, input={"converse": {"messages": [user({"text": "a"}, one)]}})["inputTokens"]
        for one in (image, plain)
    ]
    assert sizes[0] == sizes[1]


def test_unknown_events_get_frames_and_comments_get_none(sim, api):
    sim.queue(Answer.text("a").with_event("future", {"x": 1}, at=1).with_comment("hold", at=2))
    headers = {"authorization": "Bearer sim-key", "content-type": "application/json"}
    body = {"messages": ASK["messages"]}
    got = api.call("POST", f"/model/{MODEL}/converse-stream", json.dumps(body).encode(), headers)
    buffer = EventStreamBuffer()
    buffer.add_data(got.body)
    names = [frame.headers[":event-type"] for frame in buffer]
    assert names[:3] == ["messageStart", "future", "contentBlockDelta"]
    assert len(names) == 6


def test_without_a_limit_the_models_own_holds(client):
    assert content(client, inferenceConfig={})


def test_stop_sequences_stop(client):
    answer = client.converse(**ASK | {"inferenceConfig": {"stopSequences": ["said"], "maxTokens": 50}})
    assert answer["stopReason"] == "stop_sequence"


def test_counting_agrees_with_the_usage(client):
    system = [{"text": "Be brief."}]
    counted = client.count_tokens(
        modelId=MODEL,
        input={"converse": {"messages": ASK["messages"], "system": system, "toolConfig": TOOLS}},
    )
    assert (
        counted["inputTokens"]
        == client.converse(**ASK | {"system": system, "toolConfig": TOOLS})["usage"]["inputTokens"]
    )


# ------------------------------------------------------------------------------------------------------------ refusals

USED = [
    *ASK["messages"],
    assistant({"toolUse": {"toolUseId": "t", "name": "add", "input": {}}}),
    user({"toolResult": {"toolUseId": "t", "content": [{"text": "1"}]}}),
]
PAGE = {"format": "txt", "name": "a", "source": {"bytes": b"a"}}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"messages": [user({"text": "  "})]}, "messages.0.content.0 is blank", id="blank text"),
        pytest.param({"messages": [user({"text": ""})]}, "messages.0.content.0 is blank", id="empty text"),
        pytest.param({"messages": []}, "must start with a user message", id="no message"),
        pytest.param({"messages": [assistant({"text": "a"})]}, "must start with a user message", id="assistant first"),
        pytest.param({"messages": [user({"text": "a"}), user({"text": "b"})]}, "must alternate", id="two in a row"),
        pytest.param({"messages": [user()]}, "is empty", id="no content"),
        pytest.param({"messages": USED}, "The toolConfig field must be defined when using toolUse", id="no toolConfig"),
        pytest.param({"messages": [user(POINT, {"text": "a"})]}, "nothing available to cache", id="point first"),
        pytest.param({"messages": [user({"text": "a"}, POINT, POINT)]}, "nothing available to cache", id="two points"),
        pytest.param({"system": [POINT]}, "nothing available to cache", id="point first in system"),
        pytest.param({"toolConfig": {"tools": [POINT, *TOOLS["tools"]]}}, "nothing available", id="point before tools"),
        pytest.param(
            {"messages": [user({"text": "a"}, {"cachePoint": {"type": "default", "ttl": "2h"}})]},
            "enum value set: [5m, 1h]",
            id="ttl",
        ),
        pytest.param(
            {
                "messages": [
                    *ASK["messages"],
                    assistant({"reasoningContent": {"reasoningText": {"text": "a", "signature": "b"}}}, POINT),
                    user({"text": "a"}),
                ]
            },
            "Cache point cannot be inserted after reasoning block",
            id="point after reasoning",
        ),
        pytest.param(
            {"messages": [user({"text": "a"}, {"document": PAGE | {"name": "a.txt"}})]},
            "can only contain alphanumeric characters",
            id="name with a dot",
        ),
        pytest.param(
            {"messages": [user({"text": "a"}, {"document": PAGE | {"name": "a  b"}})]},
            "more than one consecutive whitespace",
            id="name with two spaces",
        ),
        pytest.param(
            {"messages": [user({"text": "a"}, {"document": PAGE}, {"document": PAGE})]}, "must be unique", id="same name"
        ),
        pytest.param({"messages": [user({"document": PAGE})]}, "needs a ContentBlock with a text", id="document alone"),
        pytest.param(
            {"messages": [user({"text": "a"}, *({"document": PAGE | {"name": str(n)}} for n in range(6)))]},
            "more than 5 documents",
            id="six documents",
        ),
        pytest.param(
            {"messages": [*ASK["messages"], assistant({"image": {"format": "png", "source": {"bytes": b"a"}}})]},
            "only be included if the role is user",
            id="image of the assistant",
        ),
        pytest.param(
            {"messages": [user({"text": "a"}, {"image": {"format": "bmp", "source": {"bytes": b"a"}}})]},
            "enum value set: [png, jpeg, gif, webp]",
            id="image format",
        ),
        pytest.param(
            {"messages": [user({"text": "a"}, {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/a"}}}})]},
            "no object store",
            id="object store",
        ),
        pytest.param(
            {"messages": [user({"video": {"format": "mp4", "source": {"bytes": b"a"}}})]},
            "doesn't support the video content block",
            id="video",
        ),
        pytest.param(
            {"toolConfig": {"tools": [{"toolSpec": {"name": "a", "description": "", "inputSchema": {"json": {}}}}]}},
            "description, value: 0, valid min length: 1",
            id="empty description",
        ),
        pytest.param({"toolConfig": {"tools": []}}, "valid min length: 1", id="no tools"),
        pytest.param(
            {"toolConfig": {"tools": [{"toolSpec": {"name": "a.b", "inputSchema": {"json": {"type": "object"}}}}]}},
            "regular expression pattern",
            id="tool name",
        ),
        pytest.param({"toolConfig": {"tools": [{"systemTool": {"name": "a"}}]}}, "support systemTool", id="system tool"),
        pytest.param({"inferenceConfig": {"maxTokens": 0}}, "valid min value: 1", id="no tokens"),
        pytest.param({"inferenceConfig": {"temperature": 1.5}}, "less than or equal to 1", id="temperature"),
        pytest.param({"requestMetadata": {"user": "ü"}}, "regular expression pattern", id="metadata"),
        pytest.param({"serviceTier": {"type": "auto"}}, "enum value set", id="tier"),
        pytest.param({"additionalModelResponseFieldPaths": ["stop"]}, "not a JSON Pointer", id="pointer"),
        pytest.param(
            {"toolConfig": TOOLS | {"toolChoice": {"auto": {}}}, "additionalModelRequestFields": {"tool_choice": {"type": "auto"}}},
            "The additional field tool_choice/type conflicts with an existing field.",
            id="tool choice twice",
        ),
        pytest.param(
            {"additionalModelRequestFields": {"max_tokens": 3}},
            "The additional field max_tokens conflicts with an existing field.",
            id="limit twice",
        ),
        pytest.param(
            {"toolConfig": TOOLS, "additionalModelRequestFields": {"tool_choice": {"disable_parallel_tool_use": True}}},
            "The model returned the following errors: tool_choice.type: Field required",
            id="tool choice without type",
        ),
        pytest.param(
            {"additionalModelRequestFields": {"speed": "fast"}},
            "The model returned the following errors: speed: Extra inputs are not permitted",
            id="unknown additional field",
        ),
        pytest.param(
            {"additionalModelRequestFields": {"anthropic_beta": ["compact-2026-01-12"]}}, "invalid beta flag", id="beta"
        ),
        pytest.param(
            {"additionalModelRequestFields": {"context_management": {"edits": [{"type": "compact_20260112"}]}}},
            "context_management: Extra inputs are not permitted",
            id="compaction",
        ),
        pytest.param({"outputConfig": {"effort": "xhigh"}}, "does not support effort level 'xhigh'", id="effort"),
        pytest.param(
            {"messages": [*ASK["messages"], assistant({"text": "a"})]}, "does not support assistant message prefill", id="prefill"
        ),
    ],
)  # fmt: skip
def test_what_is_refused(client, changes, text):
    assert text in refusal(client, **changes)


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": "Hello"}]},
        {"messages": [{"role": "tool", "content": [{"text": "a"}]}]},
        {"messages": [user({"text": "a", "image": {}})]},
        {"messages": [user({"type": "text", "text": "a"})]},
        {"messages": [user({"text": "a"})], "max_tokens": 5},
        {"messages": [user({"text": "a"})], "modelId": MODEL},
        {"messages": [user({"text": "a"})], "system": "Be brief."},
        {"messages": [user({"text": "a"})], "toolConfig": TOOLS | {"toolChoice": {"none": {}}}},
        {"messages": [user({"text": "a"}, {"image": {"format": "png", "source": {"bytes": "no base64!"}}})]},
        {"messages": [user({"text": "a"}, {"image": {"format": "png", "source": {"bytes": ""}}})]},
        {"messages": [user({"text": "a"}, {"image": {"format": "png", "source": {"url": "https://example.com/a"}}})]},
        {"messages": [user({"reasoningContent": {"redactedContent": "/w=="}})]},
        {},
    ],
)
@pytest.mark.parametrize("operation", ["converse", "converse-stream"])
def test_a_body_of_another_shape_is_refused(api, body, operation):
    headers = {"authorization": "Bearer sim-key", "content-type": "application/json"}
    got = api.call("POST", f"/model/{MODEL}/{operation}", json.dumps(body).encode(), headers)
    assert got.status == 400
    assert got.headers["x-amzn-errortype"].startswith("ValidationException")


# -------------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("status", "name"),
    [(403, "AccessDeniedException"), (429, "ThrottlingException"), (503, "ServiceUnavailableException")],
)
def test_a_scripts_error_is_an_exception_of_boto3(sim, client, status, name):
    sim.queue(Answer.error(status, "no"))
    with pytest.raises(getattr(client.exceptions, name)) as caught:
        client.converse(**ASK)
    assert caught.value.response["Error"]["Message"] == "no"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("invalid_request_error", "validationException"),
        ("rate_limit_error", "throttlingException"),
        ("overloaded_error", "serviceUnavailableException"),
        ("timeout_error", "modelStreamErrorException"),
        ("api_error", "internalServerException"),
    ],
)
def test_an_error_within_a_stream_is_an_exception_frame(sim, client, kind, name):
    sim.queue(Answer.text("a").failing(3, kind, "broken"))
    with closing(client.converse_stream(**ASK)["stream"]) as stream, pytest.raises(EventStreamError) as caught:
        list(stream)
    assert caught.value.response["Error"] == {"Code": name, "Message": "broken"}


def test_a_bare_id_can_be_refused(sim, client):
    sim.bedrock.on_demand = False
    assert "on-demand throughput" in refusal(client)
    assert content(client, modelId=f"us.{MODEL}")
