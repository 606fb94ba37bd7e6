"""Messages to turns."""

import pytest

from gateway import InvalidRequest

HELLO = {"role": "user", "content": "Hello"}
CALLS = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": ""}},
    ],
}


def result(call_id, text):
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def block(call_id, text):
    return {"type": "tool_result", "tool_use_id": call_id, "content": text}


def test_a_leading_system_message_becomes_the_system_prompt(client):
    body = client.read(messages=[{"role": "system", "content": "Be kind."}, HELLO])
    assert body["system"] == "Be kind."
    assert body["messages"] == [HELLO]


def test_several_leading_system_and_developer_messages_become_blocks_with_their_cache_marks(client):
    mark = {"type": "ephemeral", "ttl": "1h"}
    parts = [{"type": "text", "text": "two", "cache_control": mark}]
    body = client.read(
        messages=[
            {"role": "system", "content": "one"},
            {"role": "developer", "content": parts},
            {"role": "system", "content": "three", "cache_control": mark},
            HELLO,
        ]
    )
    assert body["system"] == [
        {"type": "text", "text": "one"},
        {"type": "text", "text": "two", "cache_control": mark},
        {"type": "text", "text": "three", "cache_control": mark},
    ]


def test_a_system_prompt_of_the_messages_api_comes_before_the_system_messages(client):
    body = client.read(system="first", messages=[{"role": "system", "content": "second"}, HELLO])
    assert [part["text"] for part in body["system"]] == ["first", "second"]
    assert client.read(system=[{"type": "text", "text": "alone"}])["system"] == [{"type": "text", "text": "alone"}]


def test_later_system_messages_stay_where_they_stand(client):
    late = {"role": "developer", "content": "From now on, rhyme."}
    assert client.turns(HELLO, late) == [HELLO, {"role": "system", "content": "From now on, rhyme."}]


def test_blank_text_is_left_out(client):
    parts = [{"type": "text", "text": ""}, {"type": "text", "text": "x"}, {"type": "text", "text": " \n"}]
    assert client.turns({"role": "user", "content": parts}) == [
        {"role": "user", "content": [{"type": "text", "text": "x"}]}
    ]


def test_an_empty_turn_is_left_out(client):
    turns = client.turns(HELLO, {"role": "assistant", "content": ""}, {"role": "user", "content": "More"})
    assert turns == [HELLO, {"role": "user", "content": "More"}]


@pytest.mark.parametrize("messages", [[], [{"role": "system", "content": "x"}], [{"role": "user", "content": " "}]])
def test_nothing_to_answer_is_an_error(client, messages):
    with pytest.raises(InvalidRequest) as error:
        client.read(messages=messages)
    assert error.value.param == "messages"


def test_consecutive_results_stand_in_one_turn(client):
    assert client.turns(HELLO, CALLS, result("call_1", "1"), result("call_2", "2"))[2:] == [
        {"role": "user", "content": [block("call_1", "1"), block("call_2", "2")]}
    ]


def test_what_the_user_says_after_results_stands_behind_them_in_the_same_turn(client):
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/x.png"}}
    more = {"role": "user", "content": [image]}
    turns = client.turns(HELLO, CALLS, result("call_1", "1"), result("call_2", "2"), HELLO, more)
    assert len(turns) == 3
    assert turns[2]["content"] == [
        block("call_1", "1"),
        block("call_2", "2"),
        {"type": "text", "text": "Hello"},
        image,
    ]


def test_a_result_that_comes_after_text_still_stands_before_it(client):
    turns = client.turns(HELLO, CALLS, result("call_1", "1"), HELLO, result("call_2", "2"))
    assert turns[2]["content"] == [block("call_1", "1"), block("call_2", "2"), {"type": "text", "text": "Hello"}]


def test_results_keep_their_parts_errors_and_cache_marks(client):
    mark = {"type": "ephemeral"}
    message = {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": [
            {"type": "text", "text": "broken"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        ],
        "is_error": True,
        "cache_control": mark,
    }
    (turn,) = client.turns(CALLS, message)[1:]
    source = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    assert turn["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "call_1",
            "content": [{"type": "text", "text": "broken"}, {"type": "image", "source": source}],
            "is_error": True,
            "cache_control": mark,
        }
    ]


@pytest.mark.parametrize("content", ["", " ", None, [], [{"type": "text", "text": ""}]])
def test_a_result_that_says_nothing_has_no_content(client, content):
    assert client.turns(CALLS, result("call_1", content))[1]["content"] == [
        {"type": "tool_result", "tool_use_id": "call_1"}
    ]


def test_the_older_function_messages_find_their_call(client):
    turns = client.turns(
        HELLO,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "assistant", "content": "so", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "2"},
    )
    uses = [part["id"] for turn in turns for part in turn["content"] if part in turn["content"] and "name" in part]
    results = [part["tool_use_id"] for turn in turns for part in turn["content"] if "tool_use_id" in part]
    assert uses == results
    assert len(set(uses)) == 2


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ("x", "messages"),
        ([1], "messages[0]"),
        ([{}], "messages[0].role"),
        ([{"role": "wizard"}], "messages[0].role"),
        ([{"role": ["user"]}], "messages[0].role"),
        ([{"role": "user", "content": None}], "messages[0].content"),
        ([HELLO, {"role": "user", "content": [1]}], "messages[1].content[0]"),
        ([HELLO, HELLO, {"role": "user", "content": [{"type": 1}]}], "messages[2].content[0].type"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0].text"),
        ([{"role": "tool", "content": "x"}], "messages[0].tool_call_id"),
        ([{"role": "function", "name": "f", "content": "x"}], "messages[0].role"),
    ],
)
def test_an_error_names_the_place(client, messages, param):
    with pytest.raises(InvalidRequest) as error:
        client.read(messages=messages)
    assert error.value.param == param
    assert error.value.message.startswith(param)
