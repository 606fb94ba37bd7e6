"""Whole messages to completions."""

import pytest
from gateway_surface_chat import Chat

SIGNED = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
TEXT = {"type": "text", "text": "Hi."}
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}


def message(client, answer, asked=None):
    return client.answer(answer, asked)["choices"][0]["message"]


def test_a_plain_answer_has_the_usual_shape(client, say):
    answer = client.answer(say(TEXT))
    assert {name: answer[name] for name in ("object", "model", "system_fingerprint")} == {
        "object": "chat.completion",
        "model": "claude-test-1",
        "system_fingerprint": None,
    }
    assert answer["id"].startswith("chatcmpl-")
    assert isinstance(answer["created"], int)
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hi.",
                "refusal": None,
                "provider_specific_fields": {"citations": None, "thinking_blocks": None},
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]


def test_the_model_is_the_one_that_was_asked_for(client, say, ask):
    asked = ask() | {"model": "my-alias"}
    assert client.answer(say(TEXT, model="upstream-name"), asked)["model"] == "my-alias"


def test_texts_are_one_text(client, say):
    assert message(client, say(TEXT, {"type": "text", "text": " Bye."}))["content"] == "Hi. Bye."


def test_nothing_said_is_an_empty_text(client, say):
    assert message(client, say())["content"] == ""


def test_calls_alone_have_no_content(client, say):
    made = message(client, say(USE, stop_reason="tool_use"))
    assert made["content"] is None
    function = {"name": "f", "arguments": '{"a":1}'}
    assert made["tool_calls"] == [{"id": "toolu_1", "type": "function", "function": function}]


def test_a_call_without_arguments_has_an_empty_object(client, say):
    assert message(client, say({**USE, "input": {}}))["tool_calls"][0]["function"]["arguments"] == "{}"


def test_a_tool_has_the_name_that_the_client_gave_it(client, say, ask):
    asked = ask(tools=[{"type": "function", "function": {"name": "files.read"}}])
    wire = Chat().read(asked, {}).body["tools"][0]["name"]
    made = message(client, say({**USE, "name": wire}), asked)
    assert made["tool_calls"][0]["function"]["name"] == "files.read"


def test_a_client_of_functions_gets_a_function_call(client, say, ask):
    answer = client.answer(say(USE, stop_reason="tool_use"), ask(functions=[{"name": "f"}]))
    assert answer["choices"][0]["finish_reason"] == "function_call"
    made = answer["choices"][0]["message"]
    assert made["function_call"] == {"name": "f", "arguments": '{"a":1}'}
    assert "tool_calls" not in made


def test_thinking_can_be_read_and_sent_back(client, say):
    made = message(client, say(SIGNED, REDACTED, {**SIGNED, "thinking": " So."}, TEXT))
    assert made["reasoning_content"] == "Hm. So."
    assert made["thinking_blocks"] == [SIGNED, REDACTED, {**SIGNED, "thinking": " So."}]
    assert made["provider_specific_fields"]["thinking_blocks"] == made["thinking_blocks"]


def test_redacted_thinking_alone_shows_nothing(client, say):
    made = message(client, say(REDACTED, TEXT))
    assert "reasoning_content" not in made
    assert made["thinking_blocks"] == [REDACTED]


def test_blocks_that_openai_has_no_word_for_travel_whole(client, say):
    first = {"type": "novelty", "content": None, "key": {"x": [1]}}
    fields = message(client, say(first, TEXT, {"type": "other"}, first))["provider_specific_fields"]
    assert fields["novelty_blocks"] == [first, first]
    assert fields["other_blocks"] == [{"type": "other"}]


def test_server_tools_never_become_calls(client, say):
    use = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}
    ran = {"type": "bash_code_execution_tool_result", "tool_use_id": "s2", "content": {}}
    made = message(client, say(use, found, ran, TEXT))
    assert "tool_calls" not in made
    fields = made["provider_specific_fields"]
    assert fields["server_tool_use_blocks"] == [use]
    assert fields["web_search_results"] == [found]
    assert fields["tool_results"] == [ran]


def test_citations_come_with_the_text_that_they_support(client, say):
    cited = {"type": "text", "text": "Hi.", "citations": [{"type": "char_location", "cited_text": "x"}]}
    fields = message(client, say(TEXT, cited, {**cited, "citations": None}))["provider_specific_fields"]
    assert fields["citations"] == [[{"type": "char_location", "cited_text": "x", "supported_text": "Hi."}]]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("compaction", "length"),
        ("pause_turn", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("never_heard_of", "stop"),
        (None, "stop"),
    ],
)
def test_every_stop_reason_has_a_finish_reason(client, say, events, whole, reason, finish):
    answer = say(TEXT, stop_reason=reason)
    assert client.answer(answer)["choices"][0]["finish_reason"] == finish
    assert whole(client.stream(events(answer)))["finish_reason"] == finish


def test_a_refusal_says_why(client, say):
    details = {"type": "refusal", "category": "bio", "explanation": "Not that."}
    made = message(client, say(stop_reason="refusal", stop_details=details))
    assert made["refusal"] == "Not that."
    assert made["provider_specific_fields"]["stop_reason"] == "refusal"
    assert made["provider_specific_fields"]["stop_details"] == details


def test_a_refusal_without_a_reason_is_still_one(client, say):
    made = message(client, say(stop_reason="refusal"))
    assert made["refusal"] is None
    assert made["provider_specific_fields"]["stop_reason"] == "refusal"


def test_a_pause_can_be_told_from_a_limit(client, say):
    assert (
        message(client, say(TEXT, stop_reason="pause_turn"))["provider_specific_fields"]["stop_reason"] == "pause_turn"
    )
    assert "stop_reason" not in message(client, say(TEXT, stop_reason="max_tokens"))["provider_specific_fields"]


def test_context_edits_and_containers_are_told(client, say):
    answer = say(TEXT, context_management={"applied_edits": []}, container={"id": "c"})
    fields = message(client, answer)["provider_specific_fields"]
    assert fields["context_management"] == {"applied_edits": []}
    assert fields["container"] == {"id": "c"}


@pytest.mark.parametrize("content", [None, 7, "x", [None, "x", 7, {}]])
def test_odd_content_is_no_reason_to_fail(client, say, content):
    assert message(client, say() | {"content": content})["role"] == "assistant"
