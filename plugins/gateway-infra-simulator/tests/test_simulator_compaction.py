"""Compaction: when a conversation is summed up, what comes back, what it counts, and what may come back in turn."""

import pytest
from gateway_infra_simulator import Answer, Block

BETA = "compact-2026-01-12"
HELLO = "Hello"
LONG = "Hello [[sim:size tokens=180000]]"
SUMMARY = "[simulated] A summary in place of 180000 tokens."
SAID = "[simulated] You said: Hello (claude-opus-4-6)"
MARK = {"type": "ephemeral"}
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])


def tokens(*texts):
    return -(-sum(len(text.encode()) for text in texts) // 4)


def managed(**edit):
    return {"beta": BETA, "context_management": {"edits": [{"type": "compact_20260112", **edit}]}}


def one_pass(kind, read, written):
    cached = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "cache_creation": None}
    return {"type": kind, "input_tokens": read, "output_tokens": written, **cached}


def conversation(*contents):
    return [{"role": ("user", "assistant")[at % 2], "content": content} for at, content in enumerate(contents)]


@STREAM
def test_a_long_prompt_is_summed_up_before_the_answer(api, stream):
    message = api.say(LONG, stream=stream, **managed()).message
    summary, said = message["content"]
    assert (summary["type"], summary["content"]) == ("compaction", SUMMARY)
    assert summary["encrypted_content"]
    assert said == {"type": "text", "text": SAID}
    assert message["stop_reason"] == "end_turn"
    assert message["context_management"] == {"applied_edits": []}


@STREAM
def test_the_top_level_is_what_the_answer_took_and_the_summary_is_a_pass(api, stream):
    usage = api.say(LONG, stream=stream, **managed()).message["usage"]
    left = tokens(SUMMARY, LONG) + 8
    assert usage["iterations"] == [
        one_pass("compaction", 180_000, tokens(SUMMARY)),
        one_pass("message", left, tokens(SAID)),
    ]
    assert (usage["input_tokens"], usage["output_tokens"]) == (left, tokens(SAID))


@STREAM
def test_a_pause_ends_with_the_summary(api, stream):
    message = api.say(LONG, stream=stream, **managed(pause_after_compaction=True)).message
    assert [block["type"] for block in message["content"]] == ["compaction"]
    assert message["stop_reason"] == "compaction"
    usage = message["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (0, 0)
    assert usage["iterations"] == [one_pass("compaction", 180_000, tokens(SUMMARY))]


@STREAM
def test_below_the_trigger_the_one_pass_is_listed(api, stream):
    usage = api.say(HELLO, stream=stream, **managed()).message["usage"]
    assert usage["iterations"] == [one_pass("message", 10, tokens(SAID))]
    assert (usage["input_tokens"], usage["output_tokens"]) == (10, tokens(SAID))


def test_the_beta_alone_lists_the_pass_and_nothing_else_does(api):
    assert [one["type"] for one in api.say(LONG, beta=BETA).json["usage"]["iterations"]] == ["message"]
    assert "iterations" not in api.say(LONG).json["usage"]
    clearing = {"edits": [{"type": "clear_tool_uses_20250919"}]}
    usage = api.say(LONG, beta="context-management-2025-06-27", context_management=clearing).json["usage"]
    assert "iterations" not in usage


@pytest.mark.parametrize(
    ("size", "edit", "kinds"),
    [
        (149_999, {}, ["message"]),
        (150_000, {}, ["compaction", "message"]),
        (59_999, {"trigger": {"type": "input_tokens", "value": 60_000}}, ["message"]),
        (60_000, {"trigger": {"type": "input_tokens", "value": 60_000}}, ["compaction", "message"]),
        (150_000, {"trigger": None}, ["compaction", "message"]),
    ],
)
def test_the_trigger_is_reached_to_the_token(api, size, edit, kinds):
    usage = api.say(f"[[sim:size tokens={size}]]", **managed(**edit)).json["usage"]
    assert [one["type"] for one in usage["iterations"]] == kinds
    assert usage["iterations"][0]["input_tokens"] == size


def test_real_length_counts_like_claimed_length(api):
    usage = api.say("x" * 4 * 149_992, **managed()).json["usage"]
    assert usage["iterations"][0]["input_tokens"] == 150_000
    assert usage["iterations"][0]["type"] == "compaction"


def test_instructions_are_repeated_in_the_summary(api):
    summary = api.say(LONG, **managed(instructions="Keep the names.")).json["content"][0]["content"]
    assert summary == f"{SUMMARY} Instructions: Keep the names."


def test_a_summary_streams_as_null_and_one_whole_delta(api):
    events = [event.data for event in api.say(LONG, stream=True, **managed()).events]
    first = [event for event in events if event.get("index") == 0]
    assert [event["type"] for event in first] == ["content_block_start", "content_block_delta", "content_block_stop"]
    assert first[0]["content_block"] == {"type": "compaction", "content": None}
    assert (first[1]["delta"]["type"], first[1]["delta"]["content"]) == ("compaction_delta", SUMMARY)
    assert set(first[1]["delta"]) == {"type", "content", "encrypted_content"}


def test_the_passes_stand_in_the_last_delta_only(api):
    events = api.say(LONG, stream=True, **managed()).events
    assert "iterations" not in events[0].data["message"]["usage"]
    assert len(events[-2].data["usage"]["iterations"]) == 2


def test_tools_and_system_stay_beside_the_summary(api):
    usage = api.say(LONG, system="y" * 400, **managed()).json["usage"]
    assert usage["iterations"][0]["input_tokens"] == 180_000
    assert usage["input_tokens"] == tokens(SUMMARY, LONG, "y" * 400) + 8


def test_the_cache_belongs_to_the_pass_that_sums_up(api):
    prompt = {"messages": conversation([{"type": "text", "text": LONG, "cache_control": MARK}]), **managed()}
    first, second = (api.messages(**prompt).json["usage"] for _ in range(2))
    written = {"ephemeral_5m_input_tokens": 179_992, "ephemeral_1h_input_tokens": 0}
    assert first["iterations"][0]["cache_creation"] == written
    assert first["iterations"][0]["input_tokens"] == 8
    assert second["iterations"][0]["cache_read_input_tokens"] == 179_992
    assert (first["cache_creation_input_tokens"], second["cache_read_input_tokens"]) == (0, 0)


def test_max_tokens_bounds_the_answer_and_not_the_summary(api):
    message = api.say(LONG, max_tokens=3, **managed()).json
    assert [block["type"] for block in message["content"]] == ["compaction", "text"]
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("max_tokens", 3)
    assert message["usage"]["iterations"][1]["output_tokens"] == 3


def test_nothing_is_summed_up_where_nothing_may_be_said(api):
    message = api.say(LONG, max_tokens=0, **managed()).json
    assert (message["content"], message["stop_reason"]) == ([], "max_tokens")


def test_a_tool_call_may_follow_the_summary(api):
    tool = {"name": "get_time", "input_schema": {"type": "object"}}
    message = api.say(LONG, tools=[tool], tool_choice={"type": "any"}, **managed()).json
    assert [block["type"] for block in message["content"]] == ["compaction", "tool_use"]
    result = {"type": "tool_result", "tool_use_id": message["content"][1]["id"], "content": "noon"}
    history = conversation(LONG, message["content"], [result])
    assert api.messages(messages=history, tools=[tool], **managed()).status == 200


def test_a_script_is_left_alone(api, sim):
    sim.queue(Answer.text("x"))
    message = api.say(LONG, **managed()).json
    assert message["content"] == [{"type": "text", "text": "x"}]
    assert "iterations" not in message["usage"]


# --------------------------------------------------------------------------------------------------------- coming back


@STREAM
def test_a_summary_comes_back_and_what_came_before_it_counts_no_more(api, stream):
    content = api.say(LONG, stream=stream, **managed()).message["content"]
    message = api.messages(messages=conversation(LONG, content, "And now?"), stream=stream, **managed()).message
    assert [block["type"] for block in message["content"]] == ["text"]
    assert message["usage"]["input_tokens"] == tokens(SUMMARY, SAID, "And now?") + 8
    dropped = api.messages(messages=conversation("x", content, "And now?")[1:], stream=stream, **managed()).message
    assert dropped["usage"]["input_tokens"] == message["usage"]["input_tokens"]


def test_a_paused_conversation_goes_on(api):
    content = api.say(LONG, **managed(pause_after_compaction=True)).json["content"]
    message = api.messages(messages=conversation(LONG, content), **managed(pause_after_compaction=True)).json
    assert message["content"][0]["text"] == "[simulated] You said: a summary (claude-opus-4-6)"
    assert message["usage"]["input_tokens"] == tokens(SUMMARY) + 8


def test_a_conversation_is_summed_up_again_when_it_has_grown_again(api):
    content = api.say(LONG, **managed()).json["content"]
    usage = api.messages(messages=conversation("x", content, LONG), **managed()).json["usage"]
    assert [one["type"] for one in usage["iterations"]] == ["compaction", "message"]
    assert usage["iterations"][0]["input_tokens"] == 180_000


def test_a_failed_summary_changes_nothing(api, sim):
    sim.queue(Answer.compaction(None) + Answer.text("x"))
    got = api.say(LONG, **managed()).json
    assert got["content"][0] == {"type": "compaction", "content": None}
    assert [one["input_tokens"] for one in got["usage"]["iterations"]] == [180_000, 180_000]
    usage = api.messages(messages=conversation(LONG, got["content"], "y"), beta=BETA).json["usage"]
    assert usage["input_tokens"] == 180_000 + 1


def test_counting_applies_a_summary_and_makes_none(api):
    content = api.say(LONG, **managed()).json["content"]
    body = {"model": "claude-opus-4-6", "messages": conversation(LONG, content, "y")}
    body["context_management"] = managed()["context_management"]
    counted = api.post("/v1/messages/count_tokens", body, anthropic_beta=BETA).json
    whole = 180_000 + tokens(SUMMARY, SAID, "y")
    assert counted == {
        "input_tokens": tokens(SUMMARY, SAID, "y") + 8,
        "context_management": {"original_input_tokens": whole},
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"content": "Other words."}, "compaction_content_mismatch"),
        ({"encrypted_content": "c3RyYW5nZXI="}, "compaction_signature_invalid"),
        ({"encrypted_content": ""}, "compaction_signature_invalid"),
        ({"signature": "c3RyYW5nZXI="}, "compaction_signature_invalid"),
    ],
)
def test_a_changed_summary_is_refused_with_a_code(api, changes, code):
    content = api.say(LONG, **managed()).json["content"]
    history = conversation("x", [content[0] | changes], "y")
    got = api.messages(messages=history, beta=BETA)
    assert got.status == 400
    assert got.error["details"] == {"error_code": code}


def test_a_seal_of_another_summary_is_no_seal(api):
    first, other = (api.say(LONG, **managed(instructions=words)).json["content"][0] for words in ("a", "b"))
    mixed = first | {"encrypted_content": other["encrypted_content"]}
    got = api.messages(messages=conversation("x", [mixed], "y"), beta=BETA)
    assert got.error["details"] == {"error_code": "compaction_content_mismatch"}


def test_a_misplaced_summary_is_refused_with_a_code(api):
    content = api.say(LONG, **managed()).json["content"]
    got = api.messages(messages=conversation(content[:1]), beta=BETA)
    assert got.error["details"] == {"error_code": "compaction_block_misplaced"}


def test_seals_that_a_script_gave_are_known_too(api, sim):
    block = {"type": "compaction", "content": "sum", "encrypted_content": "e", "signature": "s"}
    sim.queue(Answer.of(Block.whole(block)))
    content = api.messages().json["content"]
    assert api.messages(messages=conversation("x", content, "y"), beta=BETA).status == 200
    got = api.messages(messages=conversation("x", [content[0] | {"signature": "t"}], "y"), beta=BETA)
    assert got.error["details"] == {"error_code": "compaction_signature_invalid"}


def test_a_scripted_summary_is_counted_as_a_pass(api, sim):
    sim.queue(Answer.compaction("sum") + Answer.text("x"), Answer.compaction("sum", pause=True))
    went_on, paused = (api.messages().json for _ in range(2))
    assert [one["type"] for one in went_on["usage"]["iterations"]] == ["compaction", "message"]
    assert went_on["usage"]["input_tokens"] == tokens("sum", "Hello") + 8
    assert (paused["stop_reason"], paused["usage"]["output_tokens"]) == ("compaction", 0)


def test_a_script_may_still_say_what_the_passes_are(api, sim):
    sim.queue(
        Answer.compaction().with_usage(iterations=[]),
        Answer.compaction().with_usage(without=("iterations",)),
        (Answer.compaction() + Answer.text("x")).with_usage(output_tokens=7),
    )
    given, left_out, laid_over = (api.messages().json["usage"] for _ in range(3))
    assert given["iterations"] == []
    assert "iterations" not in left_out
    assert laid_over["iterations"][1]["output_tokens"] == 7
