"""Answers of Converse, whole and streamed: both amount to the same message, and what has to come back comes back exactly."""

import base64
import contextlib
import copy
import json

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from gateway_infra_simulator import assemble, read_stream
from gateway_provider_bedrock import converse
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import Garbled, Usage

MODEL = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")
ANSWER = MODEL.shape_for("ConverseResponse")
STREAM = MODEL.shape_for("ConverseStreamOutput")
USED = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
COUNTED = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
ZEROS = dict.fromkeys(COUNTED, 0)
METRICS = {"latencyMs": 1}
EMPTY = {"output": {"message": {"role": "assistant", "content": []}}}
TOOL = {"name": "look", "input_schema": {"type": "object"}}


def blob(raw):
    return base64.b64encode(raw).decode()


def unpacked(value, shape):
    """The value as boto3 would give it: blobs as bytes."""
    if shape.type_name == "structure" and not shape.is_document_type:
        return {name: unpacked(inner, shape.members[name]) for name, inner in value.items()}
    if shape.type_name == "list":
        return [unpacked(inner, shape.member) for inner in value]
    return base64.b64decode(value) if shape.type_name == "blob" else value


def genuine(value, shape):
    """The value, if the host's own model allows it."""
    report = ParamValidator().validate(unpacked(value, shape), shape)
    assert not report.has_errors(), report.generate_report()
    return value


def answer(*parts, **fields):
    said = {"stopReason": "end_turn", "usage": USED, "metrics": METRICS, **fields}
    return genuine({"output": {"message": {"role": "assistant", "content": list(parts)}}, **said}, ANSWER)


def message(*parts, **fields):
    return converse.message(answer(*parts, **fields), id="msg_1", model="claude-opus-4-6")


def play(*events):
    """What a stream of named events amounts to, as values."""
    stream = converse.Stream("msg_1", "claude-opus-4-6")
    return [
        event.json()
        for name, payload in events
        for event in stream.events(name, genuine(payload, STREAM.members[name]))
    ]


def wire(*events):
    stream = converse.Stream("msg_1", "claude-opus-4-6")
    return b"".join(event.frame for name, payload in events for event in stream.events(name, payload))


def whole(*events, complete=True):
    """The message that a stream amounts to, read by the strict reader."""
    return assemble(read_stream(wire(*events), complete=complete))


def delta(index, **said):
    return ("contentBlockDelta", {"contentBlockIndex": index, "delta": said})


def tool_start(index, number=1):
    use = {"toolUseId": f"toolu_{number}", "name": "look"}
    return ("contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": use}})


def stop(index):
    return ("contentBlockStop", {"contentBlockIndex": index})


START = ("messageStart", {"role": "assistant"})
END = ("messageStop", {"stopReason": "end_turn"})
METADATA = ("metadata", {"usage": USED, "metrics": METRICS})


def test_an_answer_becomes_a_message():
    assert message({"text": "Grüß"}) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-6",
        "content": [{"type": "text", "text": "Grüß"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": COUNTED,
    }


CITATION = {
    "title": "T",
    "sourceContent": [{"text": "cited"}],
    "location": {"documentChar": {"documentIndex": 0, "start": 1, "end": 6}},
}
CITED = {
    "type": "char_location",
    "cited_text": "cited",
    "document_title": "T",
    "document_index": 0,
    "start_char_index": 1,
    "end_char_index": 6,
}


@pytest.mark.parametrize(
    ("part", "blocks"),
    [
        ({"text": "a"}, [{"type": "text", "text": "a"}]),
        ({"text": ""}, []),
        (
            {"toolUse": {"toolUseId": "t", "name": "look", "input": {"x": [1, "é"]}}},
            [{"type": "tool_use", "id": "t", "name": "look", "input": {"x": [1, "é"]}}],
        ),
        ({"toolUse": {"toolUseId": "t", "name": "look", "input": {}}}, [{"type": "tool_use", "id": "t", "name": "look", "input": {}}]),
        (
            {"reasoningContent": {"reasoningText": {"text": "So.", "signature": "s+/="}}},
            [{"type": "thinking", "thinking": "So.", "signature": "s+/="}],
        ),
        (
            {"reasoningContent": {"reasoningText": {"text": "", "signature": "s"}}},
            [{"type": "thinking", "thinking": "", "signature": "s"}],
        ),
        ({"reasoningContent": {"reasoningText": {"text": "So."}}}, [{"type": "thinking", "thinking": "So.", "signature": ""}]),
        ({"reasoningContent": {"reasoningText": {"text": ""}}}, []),
        ({"reasoningContent": {"redactedContent": blob(b"EmwKAhgB+/=")}}, [{"type": "redacted_thinking", "data": "EmwKAhgB+/="}]),
        ({"reasoningContent": {"redactedContent": blob(b"\xff\x00")}}, [{"type": "redacted_thinking", "data": "base64:/wA="}]),
        ({"citationsContent": {"content": [{"text": "a"}, {"text": "b"}]}}, [{"type": "text", "text": "ab"}]),
        (
            {"citationsContent": {"content": [{"text": "a"}], "citations": [CITATION]}},
            [{"type": "text", "text": "a", "citations": [CITED]}],
        ),
        ({"citationsContent": {"content": [{"text": "a"}], "citations": [{"title": "nowhere"}]}}, [{"type": "text", "text": "a"}]),
        ({"citationsContent": {}}, []),
    ],
)  # fmt: skip
def test_a_part_becomes_a_block(part, blocks):
    assert message(part)["content"] == blocks


@pytest.mark.parametrize(
    ("location", "cited"),
    [
        ({"documentPage": {"documentIndex": 1, "start": 2, "end": 3}}, {"type": "page_location", "document_title": "T", "document_index": 1, "start_page_number": 2, "end_page_number": 3}),
        ({"documentChunk": {"documentIndex": 1, "start": 2, "end": 3}}, {"type": "content_block_location", "document_title": "T", "document_index": 1, "start_block_index": 2, "end_block_index": 3}),
        ({"searchResultLocation": {"searchResultIndex": 1, "start": 2, "end": 3}}, {"type": "search_result_location", "title": "T", "source": "S", "search_result_index": 1, "start_block_index": 2, "end_block_index": 3}),
        ({"web": {"url": "https://a.example"}}, {"type": "web_search_result_location", "title": "T", "url": "https://a.example", "encrypted_index": ""}),
    ],
)  # fmt: skip
def test_a_citation_keeps_its_place_and_goes_back(location, cited):
    source = {"source": "S"} if "searchResultLocation" in location else {}
    said = {"title": "T", **source, "sourceContent": [{"text": "cited"}], "location": location}
    part = {"citationsContent": {"content": [{"text": "a"}], "citations": [said]}}
    content = message(part)["content"]
    assert content == [{"type": "text", "text": "a", "citations": [{"cited_text": "cited", **cited}]}]
    assert converse.encode({"messages": [{"role": "assistant", "content": content}]}, ())["messages"][0]["content"] == [
        part
    ]


ENDINGS = [
    ("end_turn", "end_turn"),
    ("max_tokens", "max_tokens"),
    ("stop_sequence", "stop_sequence"),
    ("tool_use", "tool_use"),
    ("model_context_window_exceeded", "model_context_window_exceeded"),
    ("guardrail_intervened", "refusal"),
    ("content_filtered", "refusal"),
    ("malformed_model_output", "end_turn"),
    ("malformed_tool_use", "end_turn"),
    ("from_next_year", "from_next_year"),
]


@pytest.mark.parametrize(("theirs", "ours"), ENDINGS)
def test_the_stop_reason_is_translated_whole_and_streamed(theirs, ours):
    one = converse.message({**EMPTY, "stopReason": theirs, "usage": USED}, id="msg_1", model="m")
    *_, end, last = play(START, ("messageStop", {"stopReason": theirs}), METADATA)
    assert (one["stop_reason"], end["delta"]["stop_reason"]) == (ours, ours)
    assert one.get("stop_details") == end["delta"].get("stop_details")
    assert ("stop_details" in one) == (ours == "refusal")
    assert last == {"type": "message_stop"}


def test_every_stop_reason_of_the_model_has_a_row_here():
    assert set(MODEL.shape_for("StopReason").enum) <= {theirs for theirs, _ in ENDINGS}


@pytest.mark.parametrize("own", [{"stop_sequence": "END"}, {"delta": {"stop_sequence": "END"}}])
def test_the_stop_sequence_comes_back(own):
    fields = {"stopReason": "stop_sequence", "additionalModelResponseFields": own}
    assert message({"text": "a"}, **fields)["stop_sequence"] == "END"
    *_, end, _ = play(START, ("messageStop", fields), METADATA)
    assert end["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        (USED, COUNTED),
        (
            {**USED, "cacheReadInputTokens": 7, "cacheWriteInputTokens": 9, "cacheDetails": []},
            {**COUNTED, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 9},
        ),
        (
            {**USED, "cacheWriteInputTokens": 9, "cacheDetails": [{"ttl": "1h", "inputTokens": 6}, {"ttl": "5m", "inputTokens": 3}]},
            {
                **COUNTED,
                "cache_creation_input_tokens": 9,
                "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 6},
            },
        ),
        (
            {**USED, "cacheWriteInputTokens": 6, "cacheDetails": [{"ttl": "1h", "inputTokens": 4}, {"ttl": "1h", "inputTokens": 2}]},
            {
                **COUNTED,
                "cache_creation_input_tokens": 6,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 6},
            },
        ),
    ],
)  # fmt: skip
def test_usage_is_the_same_whole_and_streamed(said, counted):
    one = message({"text": "a"}, usage=said)
    assert one["usage"] == counted
    assert whole(START, delta(0, text="a"), stop(0), END, ("metadata", {"usage": said, "metrics": METRICS})) == one


@pytest.mark.parametrize(
    "said", [{}, {"message": "no"}, {"output": None}, {"output": {"message": {"role": "assistant"}}}]
)
def test_an_answer_without_a_message_is_no_empty_answer(said):
    with pytest.raises(Garbled, match="holds no message"):
        converse.message({"stopReason": "end_turn", "usage": USED, **said}, id="m", model="m")


def test_details_of_the_output_are_carried_over():
    own = {"usage": {"output_tokens_details": {"thinking_tokens": 3}}}
    assert message(additionalModelResponseFields=own)["usage"]["output_tokens_details"] == {"thinking_tokens": 3}


def test_a_bill_sees_the_final_counts_of_a_stream():
    used = {**USED, "cacheWriteInputTokens": 9, "cacheDetails": [{"ttl": "1h", "inputTokens": 9}]}
    stream, usage = converse.Stream("msg_1", "m"), Usage()
    for name, payload in (START, delta(0, text="a"), END, ("metadata", {"usage": used, "metrics": METRICS})):
        for event in stream.events(name, payload):
            usage.see(event)
    usage.close()
    assert [one.counts for one in usage.passes()] == [{"input": 10, "cache_write_1h": 9, "output": 5}]
    assert (usage.estimated, usage.odd) == (False, [])


def test_usage_that_the_host_did_not_give_is_not_invented():
    assert converse.message({**EMPTY, "stopReason": "end_turn"}, id="m", model="m")["usage"] == {}
    stream = converse.Stream("msg_1", "m")
    _, end, _ = [event.json() for name, payload in (END, ("metadata", {})) for event in stream.events(name, payload)]
    assert end["usage"] == {}


def test_a_stream_is_synthesised_event_by_event():
    assert play(
        START,
        delta(0, reasoningContent={"text": "So."}),
        delta(0, reasoningContent={"signature": "s"}),
        stop(0),
        delta(1, text="a"),
        delta(1, text="b"),
        stop(1),
        tool_start(2),
        delta(2, toolUse={"input": ""}),
        delta(2, toolUse={"input": '{"x":'}),
        delta(2, toolUse={"input": "1}"}),
        stop(2),
        ("messageStop", {"stopReason": "tool_use"}),
        METADATA,
    ) == [
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude-opus-4-6",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": ZEROS,
            },
        },
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "So."}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "a"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "b"}},
        {"type": "content_block_stop", "index": 1},
        {
            "type": "content_block_start",
            "index": 2,
            "content_block": {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
        },
        {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"x":'}},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "1}"}},
        {"type": "content_block_stop", "index": 2},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": COUNTED},
        {"type": "message_stop"},
    ]


def test_each_event_goes_out_at_once():
    stream = converse.Stream("msg_1", "m")
    names = [
        [event.name for event in stream.events(*event)] for event in (START, delta(0, text="a"), stop(0), END, METADATA)
    ]
    assert names == [
        ["message_start"],
        ["content_block_start", "content_block_delta"],
        ["content_block_stop"],
        [],
        ["message_delta", "message_stop"],
    ]


A, B = {"type": "text", "text": "a"}, {"type": "text", "text": "b"}


@pytest.mark.parametrize(
    ("events", "content"),
    [
        ([START, delta(0, text="a"), END, METADATA], [A]),
        ([START, delta(0, text="a"), delta(1, text="b"), END, METADATA], [A, B]),
        ([START, delta(0, text="a"), delta(1, text="b"), stop(1), stop(0), END, METADATA], [A, B]),
        ([START, delta(0, text="a"), delta(1, text="b"), delta(0, text="a"), END, METADATA], [{"type": "text", "text": "aa"}, B]),
        ([delta(0, text="a"), END, METADATA], [A]),
        ([START, delta(3, text="a"), stop(3), delta(7, text="b"), stop(7), END, METADATA], [A, B]),
        ([START, stop(0), delta(1, text="a"), stop(1), END, METADATA], [A]),
        ([START, delta(0, text=""), delta(0, text="a"), stop(0), END, METADATA], [A]),
        ([START, END, METADATA], []),
        ([END, METADATA], []),
        ([START, delta(0, text="a"), METADATA, END], [A]),
        ([START, delta(0, text="a"), END, METADATA, METADATA, END, delta(1, text="b")], [A]),
        ([START, delta(0, text="a"), ("hologram", {"x": 1}), END, METADATA], [A]),
        ([START, END, delta(0, text="a"), METADATA], [A]),
        ([START, delta(0, toolUse={"input": "{}"}), delta(1, text="a"), END, METADATA], [A]),
        ([START, delta(0, reasoningContent={"text": "t"}), delta(0, text="a"), stop(0), END, METADATA], [{"type": "thinking", "thinking": "t", "signature": ""}, A]),
        ([START, delta(0, reasoningContent={"signature": "s"}), delta(0, reasoningContent={"signature": "t"}), END, METADATA], [{"type": "thinking", "thinking": "", "signature": "st"}]),
        ([START, delta(0, reasoningContent={"redactedContent": blob(b"one")}), stop(0), END, METADATA], [{"type": "redacted_thinking", "data": "one"}]),
        ([START, delta(0, reasoningContent={"redactedContent": blob(b"o")}), delta(0, reasoningContent={"redactedContent": blob(b"ne")}), END, METADATA], [{"type": "redacted_thinking", "data": "one"}]),
        ([START, delta(0, citation=CITATION), delta(0, text="a"), stop(0), END, METADATA], [{**A, "citations": [CITED]}]),
        ([START, delta(0, text="a"), delta(0, citation=CITATION), stop(0), END, METADATA], [{**A, "citations": [CITED]}]),
        ([START, delta(0, text="a"), delta(0, citation={"title": "nowhere"}), stop(0), END, METADATA], [A]),
        ([START, tool_start(0), stop(0), tool_start(1, 2), END, METADATA], [{"type": "tool_use", "id": f"toolu_{number}", "name": "look", "input": {}} for number in (1, 2)]),
    ],
)  # fmt: skip
def test_a_stream_that_bends_the_rules_still_amounts_to_its_message(events, content):
    assert whole(*events) == {**message({"text": "a"}), "content": content}


@pytest.mark.parametrize(
    "events", [[START, delta(0, text="a"), stop(0), METADATA], [START, delta(0, text="a"), stop(0), END]]
)
def test_a_stream_without_its_end_or_its_usage_has_no_end(events):
    assert b"message_stop" not in wire(*events)
    assert b"message_delta" not in wire(*events)
    assert whole(*events, complete=False)["content"] == [A]


TEXT = st.text(min_size=1, max_size=12)
PIECES = st.lists(TEXT, min_size=1, max_size=4)
JSON = st.recursive(
    st.integers(-5, 5) | st.booleans() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)


def _text(pieces):
    return {"text": "".join(pieces)}, [{"text": piece} for piece in pieces]


def _cited(pieces):
    part = {"citationsContent": {"content": [{"text": piece} for piece in pieces], "citations": [CITATION]}}
    return part, [{"text": pieces[0]}, {"citation": CITATION}, *({"text": piece} for piece in pieces[1:])]


def _thought(pieces, signature):
    part = {"reasoningContent": {"reasoningText": {"text": "".join(pieces), "signature": signature}}}
    return part, [
        {"reasoningContent": said} for said in (*({"text": piece} for piece in pieces), {"signature": signature})
    ]


def _redacted(raw):
    said = {"reasoningContent": {"redactedContent": blob(raw)}}
    return said, [said]


def _tool(given, cut):
    text = json.dumps(given)
    use = {"toolUseId": "toolu_1", "name": "look"}
    pieces = [{"toolUse": {"input": piece}} for piece in (text[:cut], text[cut:])] if given else []
    return {"toolUse": {**use, "input": given}}, [use, *pieces]


PARTS = st.lists(
    st.one_of(
        PIECES.map(_text),
        PIECES.map(_cited),
        st.builds(_thought, st.lists(TEXT, max_size=3), TEXT),
        (st.binary(min_size=1) | TEXT.map(str.encode)).map(_redacted),
        st.builds(_tool, st.dictionaries(TEXT, JSON, max_size=2), st.integers(0, 5)),
    ),
    max_size=5,
)


def _events(index, said, ended):
    for place, one in enumerate(said):
        if place == 0 and "toolUseId" in one:
            yield ("contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": one}})
        else:
            yield delta(index, **one)
    if ended:
        yield stop(index)


def _mixed(rows, draw):
    """Events of several blocks in one stream: each in its order, and none before those of lower number have begun."""
    left = [list(row) for row in rows]
    begun = 0
    while any(left):
        ready = [place for place, row in enumerate(left) if row and place <= begun]
        place = draw(st.sampled_from(ready))
        begun = max(begun, place + 1)
        yield left[place].pop(0)


@settings(max_examples=400, deadline=None)
@given(PARTS, st.data())
def test_a_stream_and_a_whole_answer_of_one_content_are_the_same_message(parts, data):
    rows = [list(_events(index, said, data.draw(st.booleans()))) for index, (_, said) in enumerate(parts)]
    mixed = list(_mixed(rows, data.draw))
    assert whole(START, *mixed, END, METADATA) == json.loads(json.dumps(message(*(part for part, _ in parts))))


@settings(max_examples=300, deadline=None)
@given(PARTS)
def test_what_an_answer_said_goes_back_in_the_next_request_byte_for_byte(parts):
    said = [part for part, _ in parts]
    history = json.loads(json.dumps(message(*said)["content"]))
    request = converse.encode({"messages": [{"role": "assistant", "content": history}], "tools": [TOOL]}, ())
    back = request["messages"][0]["content"]
    assert [part for part in back if "reasoningContent" in part] == [
        part for part in said if "reasoningContent" in part
    ]
    assert [part for part in back if "toolUse" in part] == [part for part in said if "toolUse" in part]
    assert len(back) == len(said)


@settings(max_examples=300, deadline=None)
@given(st.binary() | st.text().map(str.encode) | st.binary().map(lambda raw: b"base64:" + base64.b64encode(raw)))
def test_encrypted_reasoning_of_any_bytes_goes_back_as_it_came(raw):
    part = {"reasoningContent": {"redactedContent": blob(raw)}}
    history = message(part)["content"]
    assert converse.encode({"messages": [{"role": "assistant", "content": history}]}, ())["messages"][0]["content"] == [
        part
    ]


def test_blobs_of_unusual_spelling_go_back_as_they_were_spelled():
    part = {"reasoningContent": {"redactedContent": "YR=="}}  # the same byte as YQ==, spelled otherwise
    history = converse.message({"output": {"message": {"content": [part]}}}, id="m", model="m")["content"]
    assert converse.encode({"messages": [{"role": "assistant", "content": history}]}, ())["messages"][0]["content"] == [
        part
    ]


def places(value, path=()):
    """Every place in a JSON value, the value itself first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        yield from places(part, (*path, name))


def put(value, path, new):
    """A copy with something else at a place."""
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = put(value[path[0]], path[1:], new)
    return changed


FULL = answer(
    {"text": "a"},
    {"toolUse": {"toolUseId": "t", "name": "look", "input": {"x": 1}}},
    {"reasoningContent": {"reasoningText": {"text": "So.", "signature": "s"}}},
    {"reasoningContent": {"redactedContent": "YQ=="}},
    {"citationsContent": {"content": [{"text": "a"}], "citations": [CITATION]}},
    usage={**USED, "cacheWriteInputTokens": 3, "cacheDetails": [{"ttl": "5m", "inputTokens": 3}]},
    additionalModelResponseFields={"delta": {"stop_sequence": "x"}, "usage": {}},
)
EVENTS = [
    START,
    delta(0, text="a"),
    delta(0, citation=CITATION),
    tool_start(1),
    delta(1, toolUse={"input": "{}"}),
    delta(2, reasoningContent={"text": "t"}),
    delta(3, reasoningContent={"redactedContent": "YQ=="}),
    stop(3),
    ("messageStop", {"stopReason": "end_turn", "additionalModelResponseFields": {"stop_sequence": "x"}}),
    ("metadata", {"usage": FULL["usage"], "metrics": METRICS}),
]
ODD = (
    st.none()
    | st.booleans()
    | st.integers(-1, 3)
    | st.just("")
    | st.just("x")
    | st.just([])
    | st.just([1])
    | st.just({})
    | st.just({"text": 1})
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([path for path in places(FULL) if path]), ODD)
def test_an_odd_answer_is_read_or_called_garbled(path, new):
    with contextlib.suppress(Garbled):
        converse.message(put(FULL, path, new), id="m", model="m")


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([path for path in places([payload for _, payload in EVENTS]) if path]), ODD)
def test_odd_events_raise_nothing_and_keep_the_order(path, new):
    payloads = put([payload for _, payload in EVENTS], path, new)
    names = [name for name, _ in EVENTS]
    read_stream(wire(*zip(names, payloads, strict=True)))
