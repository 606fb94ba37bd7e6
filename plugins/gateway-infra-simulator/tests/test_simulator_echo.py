"""The answer without a script: what it says, what it counts, and where it stops."""

import pytest

WEATHER = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 3}},
        "required": ["city"],
    },
}
TIME = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_it_says_plainly_that_it_is_simulated(api, stream):
    message = api.say("Grüße!", stream=stream).message
    assert message["content"] == [{"type": "text", "text": "[simulated] You said: Grüße! (claude-opus-4-6)"}]
    assert message["stop_reason"] == "end_turn"
    assert message["id"].startswith("msg_")
    assert message["role"] == "assistant"


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_tokens_are_counted_by_the_stated_rule(api, stream):
    usage = api.say("x" * 9, system="y" * 4, stream=stream).message["usage"]
    assert usage["input_tokens"] == 4 + 8  # 13 bytes in fours, and the overhead
    assert usage["output_tokens"] == 13  # 49 bytes
    assert (usage["service_tier"], usage["inference_geo"], usage["speed"]) == ("standard", "global", "standard")


def test_an_alias_is_answered_by_its_full_name(api):
    assert api.messages(model="claude-haiku-4-5").json["model"] == "claude-haiku-4-5-20251001"


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_max_tokens_cuts_the_text(api, stream):
    message = api.messages(max_tokens=3, stream=stream).message
    assert message["content"] == [{"type": "text", "text": "[simulated] "}]
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("max_tokens", 3)


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_max_tokens_zero_says_nothing(api, stream):
    message = api.messages(max_tokens=0, stream=stream).message
    assert (message["content"], message["stop_reason"], message["usage"]["output_tokens"]) == ([], "max_tokens", 0)


def test_max_tokens_leaves_no_half_tool_call(api):
    message = api.messages(max_tokens=2, tools=[WEATHER], tool_choice={"type": "any"}).json
    assert (message["content"], message["stop_reason"]) == ([], "max_tokens")


def test_a_cut_never_parts_a_character(api):
    for budget in range(1, 12):
        message = api.say("👋👋👋👋", max_tokens=budget).message
        assert message["usage"]["output_tokens"] <= budget
        assert "�" not in message["content"][0]["text"]


def test_a_stop_sequence_stops(api):
    message = api.say("one END two", stop_sequences=["two", "END"]).json
    assert message["content"][0]["text"] == "[simulated] You said: one "
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}])
def test_a_forced_tool_is_called_with_an_input_that_fits_its_schema(api, choice, stream):
    message = api.messages(tools=[WEATHER], tool_choice=choice, stream=stream).message
    (call,) = message["content"]
    assert (call["type"], call["name"], call["input"]) == ("tool_use", "get_weather", {"city": "simulated", "days": 3})
    assert call["id"].startswith("toolu_")
    assert message["stop_reason"] == "tool_use"


def test_a_tool_that_the_prompt_names_is_called(api):
    message = api.say("Please use get_time.", tools=[WEATHER, TIME]).json
    assert [(block["name"], block["input"]) for block in message["content"]] == [("get_time", {})]


@pytest.mark.parametrize("changes", [{"tool_choice": {"type": "none"}}, {}])
def test_otherwise_tools_are_left_alone(api, changes):
    text = "Please use get_weather." if changes else "Hello"
    assert api.say(text, tools=[WEATHER], **changes).json["stop_reason"] == "end_turn"


def test_web_search_is_played(api):
    tool = {"type": "web_search_20250305", "name": "web_search"}
    message = api.say("Try web_search.", tools=[tool]).json
    kinds = [block["type"] for block in message["content"]]
    assert kinds == ["server_tool_use", "web_search_tool_result", "text"]
    assert message["usage"]["server_tool_use"]["web_search_requests"] == 1


def test_a_tool_round_trip_ends(api):
    call = api.messages(tools=[WEATHER], tool_choice={"type": "any"}).json["content"]
    result = {"type": "tool_result", "tool_use_id": call[0]["id"], "content": "sunny"}
    history = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": call},
        {"role": "user", "content": [result]},
    ]
    message = api.messages(messages=history, tools=[WEATHER]).json
    assert message["content"][0]["text"].startswith("[simulated] You said: 1 tool result ")


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize(("model", "shown"), [("claude-opus-4-6", True), ("claude-opus-4-7", False)])
def test_thinking_comes_signed_and_its_display_follows_the_model(api, model, shown, stream):
    message = api.messages(model=model, thinking={"type": "adaptive"}, stream=stream).message
    thought, said = message["content"]
    assert bool(thought["thinking"]) is shown
    assert thought["signature"]
    assert said["type"] == "text"
    assert message["usage"]["output_tokens_details"]["thinking_tokens"] == 15


def test_omitted_thinking_streams_one_signature_and_no_thought(api):
    events = api.messages(thinking={"type": "adaptive", "display": "omitted"}, stream=True).events
    deltas = [event.data["delta"]["type"] for event in events if event.name == "content_block_delta"]
    assert deltas[:2] == ["signature_delta", "text_delta"]


@pytest.mark.parametrize("display", ["summarized", "omitted"])
def test_thinking_may_come_back_unchanged_and_only_so(api, display):
    thinking = {"type": "adaptive", "display": display}
    content = api.messages(thinking=thinking).json["content"]
    history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": content}]
    history.append({"role": "user", "content": "b"})
    assert api.messages(messages=history, thinking=thinking).status == 200
    content[0]["thinking"] += "."
    got = api.messages(messages=history, thinking=thinking)
    assert got.status == 400
    assert got.error["message"] == "messages.1.content.0: Invalid `signature` in `thinking` block"


def test_thinking_can_use_up_max_tokens(api):
    message = api.messages(thinking={"type": "adaptive"}, max_tokens=10).json
    assert [block["type"] for block in message["content"]] == ["thinking"]
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("max_tokens", 10)


ONCE = "[simulated] The simulator thinks of nothing in particular."
LEVELS = {
    None: ONCE,
    "low": None,
    "medium": "[simulated] Hm.",
    "high": ONCE,
    "xhigh": f"{ONCE} {ONCE}",
    "max": f"{ONCE} {ONCE} {ONCE}",
}


@pytest.mark.parametrize(("level", "thought"), LEVELS.items())
def test_effort_shows_in_the_thought(api, level, thought):
    asked = {"type": "adaptive", "display": "summarized"}
    message = api.messages(model="claude-opus-4-7", thinking=asked, output_config={"effort": level}).json
    assert [block["thinking"] for block in message["content"][:-1]] == ([thought] if thought else [])
    assert message["usage"]["output_tokens_details"]["thinking_tokens"] == -(-len(thought or "") // 4)


def test_effort_shows_in_the_text(api):
    said = api.messages(output_config={"effort": "low"}).json["content"][0]["text"]
    assert said == "[simulated] You said: Hello (claude-opus-4-6, effort low)"


def test_thinking_with_a_budget_thinks_at_any_level(api):
    asked = {"type": "enabled", "budget_tokens": 1024}
    message = api.messages(thinking=asked, max_tokens=2000, output_config={"effort": "low"}).json
    assert message["content"][0]["thinking"] == "[simulated] Hm."


def test_a_json_schema_is_kept(api):
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "kind": {"enum": ["a", "b"]}},
        "required": ["kind"],
    }
    message = api.messages(output_config={"format": {"type": "json_schema", "schema": schema}}).json
    assert message["content"][0]["text"] == '{"kind": "a", "n": 1}'


def test_the_served_geography_and_speed_are_reported(api):
    assert api.messages(inference_geo="us").json["usage"]["inference_geo"] == "us"
    assert api.messages(model="claude-haiku-4-5").json["usage"]["inference_geo"] == "not_available"


@pytest.mark.parametrize("place", ["us", "global"])
def test_a_stream_reports_the_geography_once_at_its_start(api, place):
    events = api.messages(inference_geo=place, stream=True).events
    reported = [event.data.get("message", event.data).get("usage", {}).get("inference_geo") for event in events]
    assert reported == [place] + [None] * (len(events) - 1)


@pytest.mark.parametrize(
    ("model", "beta", "speed"),
    [
        ("claude-opus-4-8", "fast-mode-2026-02-01", "fast"),
        ("claude-opus-5-5", "", "fast"),
        ("claude-opus-4-6", "fast-mode-2026-02-01", "fast"),
    ],
)
def test_speed_is_what_was_served(api, model, beta, speed):
    assert api.messages(model=model, beta=beta, speed="fast").json["usage"]["speed"] == speed


def test_answers_carry_the_headers_of_the_api(api):
    headers = api.messages().headers
    assert headers["request-id"].startswith("req_")
    assert headers["anthropic-organization-id"]
    for kind in ("requests", "tokens", "input-tokens", "output-tokens"):
        assert int(headers[f"anthropic-ratelimit-{kind}-remaining"]) < int(headers[f"anthropic-ratelimit-{kind}-limit"])
        assert headers[f"anthropic-ratelimit-{kind}-reset"].endswith("Z")


def test_context_management_is_reported(api):
    edits = {"edits": [{"type": "clear_tool_uses_20250919"}]}
    for stream in (False, True):
        got = api.messages(beta="context-management-2025-06-27", context_management=edits, stream=stream)
        assert got.message["context_management"] == {"applied_edits": []}


def test_counting_needs_no_max_tokens_and_agrees_with_usage(api):
    body = {"model": "claude-opus-4-6", "messages": [{"role": "user", "content": "Hello"}], "tools": [WEATHER]}
    counted = api.post("/v1/messages/count_tokens", body)
    assert counted.json == {"input_tokens": api.messages(tools=[WEATHER]).json["usage"]["input_tokens"]}


def test_counting_takes_no_sampling_parameters(api):
    body = {"model": "claude-opus-4-6", "messages": [{"role": "user", "content": "Hello"}]}
    for name, value in {"max_tokens": 1, "stream": True, "temperature": 1, "metadata": {}}.items():
        got = api.post("/v1/messages/count_tokens", body | {name: value})
        assert got.error["message"] == f"{name}: Extra inputs are not permitted"


def test_counting_reports_the_original_when_context_is_managed(api):
    body = {"model": "claude-opus-4-6", "messages": [{"role": "user", "content": "Hello"}]}
    body["context_management"] = {"edits": []}
    counted = api.post("/v1/messages/count_tokens", body, anthropic_beta="compact-2026-01-12").json
    assert counted == {"input_tokens": 10, "context_management": {"original_input_tokens": 10}}
