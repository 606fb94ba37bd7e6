"""Words that stand in for length."""

import pytest

MARK = {"type": "ephemeral"}
SIZE = "[[sim:size tokens={}]]"
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])


def sized(tokens, text="Hello"):
    return f"{text} {SIZE.format(tokens)}"


def user(*contents):
    return [{"role": "user", "content": list(contents)}]


def text(value, **more):
    return {"type": "text", "text": value, **more}


@STREAM
@pytest.mark.parametrize("tokens", [1_000, 200_000])
def test_a_prompt_counts_as_many_tokens_as_it_says(api, tokens, stream):
    message = api.say(sized(tokens), system="Be brief.", stream=stream).message
    assert message["usage"]["input_tokens"] == tokens
    assert message["content"] == [text("[simulated] You said: Hello (claude-opus-4-6)")]


def test_counting_agrees(api):
    body = {"model": "claude-opus-4-6", "messages": user(text(sized(123_456)))}
    assert api.post("/v1/messages/count_tokens", body).json == {"input_tokens": 123_456}


def test_what_comes_after_counts_on_top(api):
    usage = api.messages(system=sized(5_000), messages=user(text("x" * 40))).json["usage"]
    assert usage["input_tokens"] == 5_000 + 10


def test_each_says_how_long_it_is_up_to_there(api):
    usage = api.messages(system=sized(5_000), messages=user(text(sized(7_000)))).json["usage"]
    assert usage["input_tokens"] == 7_000


def test_a_prompt_is_never_shorter_than_it_is(api):
    assert api.say(sized(0, "x" * 400)).json["usage"]["input_tokens"] > 100


def test_the_assistants_own_words_count_as_they_are(api):
    history = [*user(text("x")), {"role": "assistant", "content": sized(9_000)}, *user(text("y"))]
    assert api.messages(messages=history).json["usage"]["input_tokens"] < 100


def test_a_tool_result_may_say_it_too(api):
    call = {"type": "tool_use", "id": "a", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": sized(9_000)}
    history = [*user(text("x")), {"role": "assistant", "content": [call]}, *user(result)]
    assert api.messages(messages=history).json["usage"]["input_tokens"] == 9_000


def test_a_long_prefix_is_cached_with_its_length(api):
    prompt = {"messages": user(text(sized(150_000), cache_control=MARK), text("x" * 40))}
    first, second = (api.messages(**prompt).json["usage"] for _ in range(2))
    assert (first["cache_creation_input_tokens"], first["input_tokens"]) == (149_992, 18)
    assert (second["cache_read_input_tokens"], second["input_tokens"]) == (149_992, 18)


def test_a_scenario_may_stand_beside_it(api):
    message = api.say(f"{SIZE.format(90_000)} [[sim:text text=picked]]").json
    assert (message["content"][0]["text"], message["usage"]["input_tokens"]) == ("picked", 90_000)
    assert api.say(f"[[sim:error status=529]] {SIZE.format(90_000)}").status == 529


@pytest.mark.parametrize(
    "words", ["[[sim:size]]", "[[sim:size tokens=-1]]", "[[sim:size tokens=1 drip=2]]", "[[sim:size"]
)
def test_a_length_that_is_none_is_refused(api, words):
    got = api.say(words)
    assert got.status == 400
    assert got.error["message"] == "simulator: a length is given as [[sim:size tokens=180000]]"
