"""Events to chunks."""

import json
from itertools import pairwise

import pytest
from gateway_surface_chat.names import fitting
from hypothesis import given
from hypothesis import strategies as st

from gateway import Event, Garbled
from gateway.testing import make_call

SIGNED = {"type": "thinking", "thinking": "Let me see, Grüße.", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"city": "Zürich", "n": [1, None]}}
SEARCH = [
    {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
    {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"url": "x"}]},
    {"type": "server_tool_use", "id": "s2", "name": "web_search", "input": {}},
    {"type": "web_search_tool_result", "tool_use_id": "s2", "content": [{"url": "y"}]},
]
RICH = [
    {"type": "novelty", "content": "new", "extra": {"kept": True}},
    SIGNED,
    REDACTED,
    {"type": "text", "text": 'Grüße, 世界 \U0001f600\u2028"\\'},
    *SEARCH,
    {**SIGNED, "thinking": "More."},
    USE,
    {**USE, "id": "toolu_2", "name": "g", "input": {}},
]


def start(block, index=0):
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index=0, **fields):
    return {"type": "content_block_delta", "index": index, "delta": fields}


def stop(index=0):
    return {"type": "content_block_stop", "index": index}


def test_a_stream_begins_with_a_role_and_ends_with_a_reason_and_a_mark(client, say, events):
    chunks = client.stream(events(say({"type": "text", "text": "Hi"})))
    first, text, last, mark = chunks
    assert first["choices"] == [
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
    ]
    assert text["choices"][0]["delta"] == {"content": "Hi"}
    assert last["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]
    assert mark == "[DONE]"
    assert all(chunk["object"] == "chat.completion.chunk" and "usage" not in chunk for chunk in chunks[:-1])
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks[:-1]}) == 1


def test_usage_comes_last_when_it_is_wanted(client, say, events, ask):
    asked = ask(stream_options={"include_usage": True})
    *others, usage, mark = client.stream(events(say({"type": "text", "text": "Hi"})), asked)
    assert [chunk["usage"] for chunk in others] == [None] * 3
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 15
    assert mark == "[DONE]"


def test_calls_are_counted_by_themselves(client):
    deltas = client.deltas(
        start({"type": "text", "text": ""}, 0),
        stop(0),
        start({**USE, "input": {}}, 1),
        delta(1, type="input_json_delta", partial_json=""),
        delta(1, type="input_json_delta", partial_json='{"a"'),
        delta(1, type="input_json_delta", partial_json=":1}"),
        stop(1),
        start({**USE, "id": "toolu_2", "input": {}}, 2),
        stop(2),
        start({**USE, "id": "toolu_3"}, 3),
        stop(3),
    )
    calls = [call for delta in deltas for call in delta["tool_calls"]]
    assert calls == [
        {"index": 0, "id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a"'}},
        {"index": 0, "function": {"arguments": ":1}"}},
        {"index": 1, "id": "toolu_2", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 1, "function": {"arguments": "{}"}},
        {"index": 2, "id": "toolu_3", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 2, "function": {"arguments": '{"city":"Zürich","n":[1,null]}'}},
    ]


def test_a_client_of_functions_gets_a_function_call(client, say, events, whole, ask):
    chunks = client.stream(events(say(USE, stop_reason="tool_use")), ask(functions=[{"name": "f"}]))
    made = whole(chunks)
    assert made["finish_reason"] == "function_call"
    assert made["message"]["function_call"]["name"] == "f"
    assert "tool_calls" not in made["message"]


def test_a_tool_has_the_name_that_the_client_gave_it(client, ask):
    asked = ask(tools=[{"type": "function", "function": {"name": "files.read"}}])
    (made,) = client.deltas(start({**USE, "name": fitting("files.read")}), asked=asked)
    assert made["tool_calls"][0]["function"]["name"] == "files.read"


def test_thinking_is_told_three_times_with_one_index(client):
    block = {"type": "thinking", "thinking": "Hm", "index": 0}
    signed = {"type": "thinking", "thinking": "", "signature": "c2ln", "index": 0}
    redacted = {**REDACTED, "index": 1}
    deltas = client.deltas(
        start({"type": "thinking", "thinking": "", "signature": ""}, 4),
        delta(4, type="thinking_delta", thinking="Hm", estimated_tokens=2),
        delta(4, type="signature_delta", signature="c2ln"),
        delta(4, type="novelty_delta", novelty=1),
        stop(4),
        start(REDACTED, 7),
        stop(7),
    )
    assert deltas == [
        {
            "reasoning_content": "Hm",
            "thinking_blocks": [block],
            "provider_specific_fields": {"thinking_blocks": [block]},
        },
        {
            "reasoning_content": "",
            "thinking_blocks": [signed],
            "provider_specific_fields": {"thinking_blocks": [signed]},
        },
        {"thinking_blocks": [redacted], "provider_specific_fields": {"thinking_blocks": [redacted]}},
    ]


def test_what_a_block_has_from_the_start_is_told_at_once(client):
    text = {"type": "text", "text": "Hi", "citations": [{"n": 1}]}
    deltas = client.deltas(start(text), start(SIGNED, 1))
    assert [made.get("content") for made in deltas[:2]] == ["Hi", None]
    assert deltas[1] == {"provider_specific_fields": {"citation": {"n": 1}}}
    assert [made["thinking_blocks"][0].get("signature") for made in deltas[2:]] == [None, "c2ln"]


def test_citations_come_one_by_one(client):
    citation = {"type": "char_location", "cited_text": "x"}
    block = start({"type": "text", "text": ""})
    deltas = client.deltas(block, delta(type="citations_delta", citation=citation), delta(type="novelty_delta"))
    assert deltas == [{"provider_specific_fields": {"citation": citation}}]


def fields(deltas):
    return [made["provider_specific_fields"] for made in deltas]


def test_a_block_that_nobody_knows_has_a_start_pieces_and_a_whole(client):
    deltas = client.deltas(
        start({"type": "novelty", "content": None, "a": 1}),
        delta(type="novelty_delta", content="Goal: ", encrypted_content="e"),
        delta(type="novelty_delta", content="x", more=[1]),
        delta(type="novelty_delta", content=None),
        stop(),
    )
    assert fields(deltas) == [
        {"novelty_start": {"type": "novelty", "content": None, "a": 1}},
        {"novelty_delta": {"type": "novelty_delta", "content": "Goal: ", "encrypted_content": "e"}},
        {"novelty_delta": {"type": "novelty_delta", "content": "x", "more": [1]}},
        {"novelty_delta": {"type": "novelty_delta", "content": None}},
        {
            "novelty_blocks": [
                {"type": "novelty", "content": "Goal: x", "a": 1, "encrypted_content": "e", "more": [1]},
            ]
        },
    ]


def test_a_block_may_be_whole_from_the_start_or_stay_empty(client):
    deltas = client.deltas(
        start({"type": "novelty", "content": "all"}, 0),
        stop(0),
        start({"type": "novelty", "content": None}, 1),
        delta(1, type="novelty_delta", content=None, other=None),
        stop(1),
    )
    blocks = [made["novelty_blocks"] for made in fields(deltas) if "novelty_blocks" in made]
    assert blocks == [
        [{"type": "novelty", "content": "all"}],
        [{"type": "novelty", "content": "all"}, {"type": "novelty", "content": None, "other": None}],
    ]


def test_a_long_block_is_not_sent_again_with_each_piece(client):
    pieces = [delta(type="novelty_delta", content="x" * 10) for _ in range(2000)]
    deltas = client.deltas(start({"type": "novelty", "content": ""}), *pieces, stop())
    assert sum(len(str(made)) for made in deltas[:-1]) < 120 * len(deltas)
    assert fields(deltas)[-1]["novelty_blocks"][0]["content"] == "x" * 20_000


def test_blocks_of_server_tools_come_once_at_the_end(client, say, events):
    chunks = client.stream(events(say(*SEARCH, {"type": "text", "text": "Hi"})))
    told = [chunk for chunk in chunks[:-1] if "provider_specific_fields" in chunk["choices"][0]["delta"]]
    assert told == [chunks[-2]]
    assert told[0]["choices"][0]["delta"]["provider_specific_fields"] == {
        "server_tool_use_blocks": [SEARCH[0], SEARCH[2]],
        "web_search_results": [SEARCH[1], SEARCH[3]],
    }


def test_arguments_that_are_cut_off_stay_text(client):
    deltas = client.deltas(
        start({"type": "novelty", "input": {}}), delta(type="input_json_delta", partial_json='{"a'), stop()
    )
    assert fields(deltas)[-1]["novelty_blocks"] == [{"type": "novelty", "input": '{"a'}]


def test_pings_and_events_that_nobody_knows_are_silent(client):
    assert client.deltas({"type": "ping"}, {"type": "novelty_event"}, stop(9)) == []


def test_the_end_is_told_once_with_everything_that_several_events_said(client):
    details = {"type": "refusal", "explanation": "No."}
    deltas = client.deltas(
        {"type": "message_start", "message": {"container": {"id": "c"}}},
        {"type": "message_delta", "delta": {"stop_reason": "refusal"}, "context_management": {"applied_edits": []}},
        {"type": "message_delta", "delta": {"stop_reason": None, "stop_details": details}},
        {"type": "message_stop"},
    )
    assert deltas[1] == {"refusal": "No."}
    assert deltas[2] == {
        "provider_specific_fields": {
            "context_management": {"applied_edits": []},
            "container": {"id": "c"},
            "stop_reason": "refusal",
            "stop_details": details,
        }
    }


@pytest.mark.parametrize(
    "event",
    [
        delta(3, type="text_delta", text="x"),
        {"type": "content_block_delta", "index": 0},
        {"type": "content_block_delta", "index": [0], "delta": {}},
        {"type": "content_block_delta", "index": 0, "delta": "x"},
        {"type": "content_block_start", "index": 0},
        {"type": "content_block_start", "index": "0", "content_block": {}},
        {"type": "content_block_stop"},
        {"type": "message_start"},
        {"type": "message_delta"},
    ],
)
def test_an_event_that_does_not_fit_is_the_hosts_fault(client, event):
    with pytest.raises(Garbled):
        client.deltas(start({"type": "text", "text": ""}), event)


@pytest.mark.parametrize("name", ["message_start", "content_block_start", "content_block_delta", "message_delta"])
@pytest.mark.parametrize("data", [b"[]", b"7", b"null"])
def test_an_event_that_is_no_object_is_the_hosts_fault(client, ask, name, data):
    writer = client.surface.writer(make_call(asked=ask()))
    with pytest.raises(Garbled):
        writer.events([Event(name, data)])


def comparable(message, *, streamed):
    """A message without what only one of the two ways has."""
    fields = {**message.get("provider_specific_fields", {})}
    thinking = message.get("thinking_blocks")
    if streamed and thinking:
        thinking = [{name: value for name, value in block.items() if name != "index"} for block in thinking]
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls", ())
    ]
    citations = fields.pop("citations", None) or []
    if not streamed:
        citations = [{k: v for k, v in one.items() if k != "supported_text"} for group in citations for one in group]
    fields.pop("thinking_blocks", None)
    said = {name: message.get(name) or None for name in ("role", "content", "refusal", "reasoning_content")}
    return {**said, "thinking": thinking, "calls": calls, "citations": citations, **fields}


CITED = {"type": "text", "text": "See.", "citations": [{"n": 1, "cited_text": "x"}, {"n": 2}]}
BLOCKS = st.lists(st.sampled_from([*RICH, CITED]), max_size=8)
ENDS = st.sampled_from(
    [
        {"stop_reason": "end_turn"},
        {"stop_reason": "tool_use", "container": {"id": "c"}},
        {"stop_reason": "refusal", "stop_details": {"type": "refusal", "explanation": "No."}},
        {"stop_reason": "pause_turn", "context_management": {"applied_edits": [1]}},
    ]
)


@given(BLOCKS, ENDS, st.integers(1, 9))
def test_a_stream_adds_up_to_the_answer(client, say, events, whole, blocks, end, size):
    answer = say(*blocks, **end)
    streamed = whole(client.stream(events(answer, size)))
    at_once = client.answer(answer)["choices"][0]
    assert streamed["finish_reason"] == at_once["finish_reason"]
    assert comparable(streamed["message"], streamed=True) == comparable(at_once["message"], streamed=False)


@given(st.data())
def test_bursts_cut_anywhere_give_the_same_bytes(client, say, events, ask, data):
    call = make_call(asked=ask(stream=True, stream_options={"include_usage": True}))
    all_events = [*events(say(*RICH, CITED, stop_reason="tool_use"))]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(all_events) - 1), max_size=9)))
    bursts = [all_events[start:end] for start, end in pairwise([0, *cuts, len(all_events)])]
    writer, other = client.surface.writer(call), client.surface.writer(call)
    assert b"".join(writer.events(burst) for burst in bursts) == other.events(all_events)
