"""Assistant messages, sent back."""

import json

import pytest

from gateway import InvalidRequest, strictjson

HELLO = {"role": "user", "content": "Hello"}
SIGNED = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
SUMMARY = {"type": "novelty", "content": None, "encrypted_content": "x", "extra": [1, {"deep": None}]}


def turn(client, **fields):
    return client.turns(HELLO, {"role": "assistant", **fields})[1]["content"]


def call(call_id="call_1", name="f", arguments="{}", **more):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def test_plain_text_stays_a_plain_string(client):
    assert turn(client, content="Hi.") == "Hi."
    assert turn(client, content=[{"type": "text", "text": "Hi."}]) == [{"type": "text", "text": "Hi."}]


def test_the_order_is_carried_blocks_thinking_text_calls(client):
    content = turn(
        client,
        tool_calls=[call()],
        content="Text",
        thinking_blocks=[SIGNED, REDACTED],
        provider_specific_fields={"novelty_blocks": [SUMMARY], "thinking_blocks": [SIGNED], "citations": None},
    )
    assert content == [
        SUMMARY,
        SIGNED,
        REDACTED,
        {"type": "text", "text": "Text"},
        {"type": "tool_use", "id": "call_1", "name": "f", "input": {}},
    ]


def test_carried_blocks_keep_every_key_and_their_order(client):
    other = {"type": "b", "index": 7}
    fields = {
        "b_blocks": [other, other | {"n": 1}],
        "a_blocks": [SUMMARY],
        "c_blocks": None,
        "a_start": {},
        "a_delta": {},
    }
    assert turn(client, content=None, provider_specific_fields=fields) == [other, other | {"n": 1}, SUMMARY]


def test_a_carried_block_may_stand_in_the_content_instead(client):
    text = {"type": "text", "text": "Text"}
    assert turn(client, content=[SUMMARY, SIGNED, text]) == [SUMMARY, SIGNED, text]


def test_a_block_that_stands_in_both_places_is_sent_once(client):
    fields = {"novelty_blocks": [SUMMARY]}
    content = turn(client, content=[SUMMARY, SIGNED], provider_specific_fields=fields, thinking_blocks=[SIGNED])
    assert content == [SUMMARY, SIGNED]


def test_thinking_comes_from_the_extension_fields_too(client):
    assert turn(client, content="x", provider_specific_fields={"thinking_blocks": [SIGNED]})[0] == SIGNED


def test_thinking_that_came_in_chunks_goes_back_without_their_index(client):
    assert turn(client, content="x", thinking_blocks=[SIGNED | {"index": 0}, REDACTED | {"index": 1}])[:2] == [
        SIGNED,
        REDACTED,
    ]


@pytest.mark.parametrize("signature", [None, ""])
def test_unsigned_thinking_is_left_out(client, signature):
    blocks = [{"type": "thinking", "thinking": "x", "signature": signature}, {"type": "thinking", "thinking": "x"}]
    assert turn(client, content="x", thinking_blocks=blocks) == "x"


def test_server_tools_come_after_thinking_each_result_behind_its_use(client):
    uses = [{"type": "server_tool_use", "id": f"s{n}", "name": "web_search", "input": {}} for n in (1, 2)]
    found = [{"type": "web_search_tool_result", "tool_use_id": f"s{n}", "content": []} for n in (1, 2)]
    lost = {"type": "web_search_tool_result", "tool_use_id": "s3", "content": []}
    fields = {"web_search_results": [*found, lost], "server_tool_use_blocks": uses, "novelty_blocks": [SUMMARY]}
    content = turn(client, content=None, thinking_blocks=[SIGNED], provider_specific_fields=fields)
    assert content == [SUMMARY, SIGNED, lost, uses[0], found[0], uses[1], found[1]]


def test_a_refusal_is_said_again(client):
    assert turn(client, content=None, refusal="No.") == [{"type": "text", "text": "No."}]
    assert turn(client, content=[{"type": "refusal", "refusal": "No."}]) == [{"type": "text", "text": "No."}]


def test_arguments_are_parsed_and_numbers_keep_their_spelling(client):
    (use,) = turn(client, tool_calls=[call(arguments='{"x": 1.50, "y": 1e3}')])
    assert strictjson.dumps(use["input"]) == b'{"x":1.50,"y":1e3}'


def test_names_and_ids_are_made_to_fit_and_stay_together(client):
    long = "call." + "x" * 100
    turns = client.turns(
        {"role": "assistant", "tool_calls": [call(long, "my tool!")]},
        {"role": "tool", "tool_call_id": long, "content": "1"},
    )
    use, result = turns[0]["content"][0], turns[1]["content"][0]
    assert use["id"] == result["tool_use_id"]
    assert len(use["id"]) == 64
    assert use["name"].startswith("my_tool__")


def test_a_call_keeps_its_cache_mark(client):
    mark = {"type": "ephemeral"}
    assert turn(client, tool_calls=[call(cache_control=mark)])[0]["cache_control"] == mark


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_calls": [call(arguments="{")]}, "tool_calls[0].function.arguments"),
        ({"tool_calls": [call(), call(arguments="[1]")]}, "tool_calls[1].function.arguments"),
        ({"tool_calls": [call(arguments={"a": 1})]}, "tool_calls[0].function.arguments"),
        ({"tool_calls": [call(arguments='"\\ud800"')]}, "tool_calls[0].function.arguments"),
        ({"tool_calls": [call(name="")]}, "tool_calls[0].function.name"),
        ({"tool_calls": [call(None)]}, "tool_calls[0].id"),
        ({"tool_calls": [{"id": "x", "type": "custom", "custom": {}}]}, "tool_calls[0].type"),
        ({"tool_calls": {}, "content": 1}, "content"),
        ({"function_call": "auto"}, "function_call"),
        ({"provider_specific_fields": [1]}, "provider_specific_fields"),
        ({"provider_specific_fields": {"x_blocks": {"a": 1}}}, "provider_specific_fields.x_blocks"),
        ({"provider_specific_fields": {"x_blocks": [1]}}, "provider_specific_fields.x_blocks[0]"),
        ({"thinking_blocks": ["x"]}, "thinking_blocks[0]"),
        ({"audio": {"id": "x"}}, "audio"),
        ({"refusal": 1}, "refusal"),
    ],
)
def test_an_error_names_the_place(client, fields, param):
    with pytest.raises(InvalidRequest) as error:
        turn(client, **fields)
    assert error.value.param == f"messages[1].{param}"


def test_an_answer_goes_back_as_it_came(client, say):
    """The blocks of an answer survive the way to the client and back."""
    blocks = [
        SUMMARY,
        SIGNED,
        REDACTED,
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"url": "x"}]},
        {"type": "text", "text": "Text"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, None]}},
    ]
    message = client.answer(say(*blocks))["choices"][0]["message"]
    assert turn(client, **json.loads(json.dumps(message))) == blocks


def test_a_streamed_answer_goes_back_as_it_came(client, say, events, whole):
    blocks = [SUMMARY, SIGNED, REDACTED, {"type": "text", "text": "Text"}]
    message = whole(client.stream(events(say(*blocks))))["message"]
    assert turn(client, **message) == blocks
