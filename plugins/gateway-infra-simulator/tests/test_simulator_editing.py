"""Context editing: what is cleared, what is kept, and what is reported of it."""

import pytest

BETA = "context-management-2025-06-27"
USES, THOUGHTS = "clear_tool_uses_20250919", "clear_thinking_20251015"
RESULT = "r" * 400
ALWAYS = {"type": "tool_uses", "value": 0}
TOOLS = [{"name": name, "input_schema": {"type": "object"}} for name in ("look", "find")]


def turn(number, name, result, thought=None):
    call = {"type": "tool_use", "id": f"t{number}", "name": name, "input": {"q": "x" * 93}}  # 101 bytes
    answer = {"type": "tool_result", "tool_use_id": f"t{number}", "content": result}
    content = [thought, call] if thought else [call]
    return [{"role": "assistant", "content": content}, {"role": "user", "content": [answer]}]


def history(*names, result=RESULT, thoughts=()):
    turns = [{"role": "user", "content": "Hello"}]
    for number, name in enumerate(names):
        turns += turn(number, name, result, thoughts[number] if thoughts else None)
    return turns


@pytest.fixture
def edited(api):
    """What is reported of a conversation, and the tokens that were left and that there would have been."""

    def ask(messages, *edits, **changes):
        common = {"messages": messages, "tools": TOOLS, **changes}
        got = api.messages(beta=BETA, context_management={"edits": list(edits)}, **common)
        assert got.status == 200, got.body
        before = api.messages(**common).json["usage"]["input_tokens"]
        return got.json["context_management"]["applied_edits"], before - got.json["usage"]["input_tokens"]

    return ask


def test_old_tool_results_go_and_the_last_three_stay(edited):
    assert edited(history(*["look"] * 5), {"type": USES, "trigger": ALWAYS}) == (
        [{"type": USES, "cleared_tool_uses": 2, "cleared_input_tokens": 200}],
        200,
    )


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_it_is_reported_in_json_and_at_the_end_of_a_stream(api, stream):
    management = {"edits": [{"type": USES, "trigger": ALWAYS}]}
    common = {"beta": BETA, "context_management": management, "messages": history(*["look"] * 4), "tools": TOOLS}
    got = api.messages(stream=stream, **common)
    applied = [{"type": USES, "cleared_tool_uses": 1, "cleared_input_tokens": 100}]
    assert got.message["context_management"] == {"applied_edits": applied}
    if stream:
        assert "context_management" not in got.events[0].data["message"]


@pytest.mark.parametrize(
    ("edit", "uses", "freed"),
    [
        ({"keep": {"type": "tool_uses", "value": 0}}, 5, 500),
        ({"keep": {"type": "tool_uses", "value": 4}}, 1, 100),
        ({"keep": {"type": "tool_uses", "value": 9}}, None, 0),
        ({"trigger": {"type": "tool_uses", "value": 5}}, 2, 200),
        ({"trigger": {"type": "tool_uses", "value": 6}}, None, 0),
        ({"trigger": {"type": "input_tokens", "value": 500}}, 2, 200),
        ({"trigger": {"type": "input_tokens", "value": 5_000}}, None, 0),
        ({"trigger": None}, None, 0),
        ({"clear_at_least": {"type": "input_tokens", "value": 200}}, 2, 200),
        ({"clear_at_least": {"type": "input_tokens", "value": 201}}, None, 0),
        ({"exclude_tools": ["look"]}, None, 0),
        ({"exclude_tools": ["find"]}, 1, 100),
        ({"clear_tool_inputs": True}, 2, 250),
        ({"clear_tool_inputs": ["find"]}, 2, 225),
        ({"clear_tool_inputs": ["other"]}, 2, 200),
        ({"clear_tool_inputs": None, "exclude_tools": None, "clear_at_least": None}, 2, 200),
    ],
)
def test_when_and_what_is_cleared_follows_the_edit(edited, edit, uses, freed):
    messages = history("look", "find", "look", "look", "look")
    applied, less = edited(messages, {"type": USES, "trigger": ALWAYS} | edit)
    assert [one["cleared_tool_uses"] for one in applied] == ([uses] if uses else [])
    assert less == sum(one["cleared_input_tokens"] for one in applied)
    assert less == pytest.approx(freed, abs=1)  # tokens are rounded up once, over the whole prompt


def test_by_default_it_takes_100000_tokens(edited):
    for size, uses in ((99_999, []), (100_000, [2])):
        messages = history(*["look"] * 5)
        messages[-1]["content"][0]["content"] = f"[[sim:size tokens={size}]]"
        applied, _ = edited(messages, {"type": USES})
        assert [one["cleared_tool_uses"] for one in applied] == uses


def test_a_long_result_frees_its_length(edited):
    messages = history("look", "look", "look", "look")
    messages[2]["content"][0]["content"] = "[[sim:size tokens=120000]]"
    ((report,), less) = edited(messages, {"type": USES})
    assert report["cleared_input_tokens"] == less
    assert less == pytest.approx(120_000, abs=100)


def thoughts(api, count):
    one = api.messages(thinking={"type": "adaptive"}).json["content"][0]  # 15 tokens
    return [one] * count


@pytest.mark.parametrize(
    ("keep", "turns"),
    [
        ({}, 2),
        ({"keep": {"type": "thinking_turns", "value": 2}}, 1),
        ({"keep": {"type": "thinking_turns", "value": 3}}, 0),
        ({"keep": "all"}, 0),
        ({"keep": {"type": "all"}}, 0),
    ],
)
def test_old_thoughts_go_and_the_newest_turns_stay(api, edited, keep, turns):
    messages = history("look", "look", "look", thoughts=thoughts(api, 3))
    applied, less = edited(messages, {"type": THOUGHTS, **keep})
    assert [(one["type"], one["cleared_thinking_turns"]) for one in applied] == ([(THOUGHTS, turns)] if turns else [])
    assert less == sum(one["cleared_input_tokens"] for one in applied)
    assert less == pytest.approx(15 * turns, abs=1)


def test_both_edits_and_the_summary_take_their_turns(api):
    edits = [{"type": THOUGHTS}, {"type": USES, "trigger": ALWAYS}, {"type": "compact_20260112"}]
    messages = history(*["look"] * 5, thoughts=thoughts(api, 5))
    messages[0] = {"role": "user", "content": "[[sim:size tokens=190000]]"}
    beta = f"{BETA},compact-2026-01-12"
    message = api.messages(beta=beta, context_management={"edits": edits}, messages=messages, tools=TOOLS).json
    applied = message["context_management"]["applied_edits"]
    assert [one["type"] for one in applied] == [THOUGHTS, USES]
    assert message["content"][0]["type"] == "compaction"
    whole = api.messages(messages=messages, tools=TOOLS).json["usage"]["input_tokens"]
    cleared = sum(one["cleared_input_tokens"] for one in applied)
    assert message["usage"]["iterations"][0]["input_tokens"] == whole - cleared


def test_counting_reports_what_there_would_have_been(api):
    body = {"model": "claude-opus-4-6", "messages": history(*["look"] * 5), "tools": TOOLS}
    plain = api.post("/v1/messages/count_tokens", body).json["input_tokens"]
    body["context_management"] = {"edits": [{"type": USES, "trigger": ALWAYS}]}
    counted = api.post("/v1/messages/count_tokens", body, anthropic_beta=BETA).json
    assert counted == {"input_tokens": plain - 200, "context_management": {"original_input_tokens": plain}}


def test_a_cleared_prompt_is_another_prefix_for_the_cache(api):
    messages = history(*["look"] * 5)
    messages[-1]["content"][0]["cache_control"] = {"type": "ephemeral"}
    first = api.messages(messages=messages, tools=TOOLS).json["usage"]
    management = {"edits": [{"type": USES, "trigger": ALWAYS}]}
    second = api.messages(beta=BETA, messages=messages, tools=TOOLS, context_management=management).json["usage"]
    assert second["cache_read_input_tokens"] == 0
    assert second["cache_creation_input_tokens"] == first["cache_creation_input_tokens"] - 200
