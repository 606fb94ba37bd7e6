"""Scripts: in Python, over HTTP, and by a few words in the prompt."""

import json

import pytest
from gateway_infra_simulator import Answer, Block
from gateway_infra_simulator.notation import dump, load
from gateway_infra_simulator.scenario import SCENARIOS, scenario

FULL = (
    (Answer.thinking("Hm", display="omitted") + Answer.tools(("a", {"b": [1, None]})))
    .with_usage(speed="fast", without=("inference_geo",))
    .with_message(container={"id": "x"})
    .with_headers({"x-a": "b"})
    .with_stop("refusal", None, {"type": "refusal"})
    .with_event("novel", {"type": "novel"}, at=2)
    .with_pings(2)
    .with_deltas(2)
    .failing(5)
    .framed("close")
    .crlf()
    .drip(7, 1.5)
    .silent(0.5, "mid_text")
    .cut(99, "rst", "wire")
)


def said(got):
    return got.json["content"][0]["text"]


def test_the_queue_is_used_up_in_order_and_then_the_echo_speaks(api, sim):
    sim.queue(Answer.text("one"), Answer.text("two"))
    assert [said(api.messages()) for _ in range(3)] == ["one", "two", "[simulated] You said: Hello (claude-opus-4-6)"]


def test_a_standing_answer_stays_until_it_is_taken_back(api, sim):
    sim.always(Answer.text("always"))
    sim.queue(Answer.text("first"))
    assert [said(api.messages()) for _ in range(3)] == ["first", "always", "always"]
    sim.always(None)
    assert said(api.messages()).startswith("[simulated]")


def test_counting_does_not_touch_the_queue(api, sim):
    sim.queue(Answer.text("one"))
    body = {"model": "claude-opus-4-6", "messages": [{"role": "user", "content": "x"}]}
    assert api.post("/v1/messages/count_tokens", body).json == {"input_tokens": 9}
    assert said(api.messages()) == "one"


@pytest.mark.parametrize("answer", [FULL, Answer.raw(b"\x00\xffx"), Answer.error(429, retry_after=1), Answer()])
def test_an_answer_survives_json(answer):
    assert load(json.loads(json.dumps(dump(answer)))) == answer


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (3, "Answer is an object"),
        ({"blocks": [{"kind": "text"}]}, "Block has no kind; it has start, deltas, final, hidden"),
        ({"blocks": [{}]}, "Block: .*start"),
        ({"manner": {"cut": {"offset": 1, "how": "axe"}}}, "a cut is one of fin, rst"),
    ],
)
def test_a_wrong_answer_is_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        load(wrong)


def test_scripts_and_log_over_http(api, sim):
    answers = [dump(Answer.of(Block.text("an object"))), "text text='some words'"]
    assert api.post("/_sim/queue", answers).json == {"queued": 2}
    assert api.post("/_sim/always", dump(Answer.text("standing"))).json == {"always": 1}
    assert [said(api.messages()) for _ in range(3)] == ["an object", "some words", "standing"]
    sim.wait(3)
    log = api.get("/_sim/log").json["log"]
    assert [record["path"] for record in log] == ["/v1/messages"] * 3
    assert log[0]["json"]["model"] == "claude-opus-4-6"
    assert log[0]["usage"]["output_tokens"] == 3
    assert api.post("/_sim/reset", None).json == {"reset": True}
    assert api.get("/_sim/log").json == {"log": []}
    assert said(api.messages()).startswith("[simulated]")


def test_an_empty_list_takes_the_standing_answer_back(api):
    api.post("/_sim/always", "text text=x")
    api.post("/_sim/always", [])
    assert said(api.messages()).startswith("[simulated]")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/_sim/queue", b'["nonsense"]', 400),
        ("POST", "/_sim/queue", b"{", 400),
        ("POST", "/_sim/queue", b"[3]", 400),
        ("POST", "/_sim/queue", b'[{"verbatim": 3}]', 400),
        ("GET", "/_sim/queue", b"", 404),
    ],
)
def test_a_wrong_script_is_refused_and_never_half_taken(api, method, path, body, status):
    got = api.call(method, path, body)
    assert got.status == status
    assert got.error["message"].startswith(("simulator: ", "The request body is not valid JSON"))


def test_the_control_page_lists_what_there_is(api):
    assert set(api.get("/_sim").json["scenarios"]) == set(SCENARIOS)


def test_a_prompt_picks_its_answer(api):
    got = api.say("Please [[sim:error status=529 retry_after=3]] now")
    assert (got.status, got.headers["retry-after"]) == (529, "3")


def test_only_the_last_user_turn_picks(api):
    history = [
        {"role": "user", "content": "[[sim:error status=529]]"},
        {"role": "assistant", "content": "no"},
        {"role": "user", "content": "Hello"},
    ]
    assert api.messages(messages=history).status == 200


def test_the_queue_comes_before_the_prompt_and_the_prompt_before_the_standing_answer(api, sim):
    sim.queue(Answer.text("queued"))
    sim.always(Answer.text("standing"))
    assert said(api.say("[[sim:text text=picked]]")) == "queued"
    assert said(api.say("[[sim:text text=picked]]")) == "picked"
    assert said(api.say("no")) == "standing"


@pytest.mark.parametrize(
    "words", ["nonsense", "text novel=1", "cut how=axe", "tools parallel=many", "text text='", "silence at=nowhere"]
)
def test_a_wrong_pick_is_a_400_that_says_why(api, words):
    got = api.say(f"[[sim:{words}]]")
    assert got.status == 400
    assert got.error["message"].startswith("simulator: ")


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_makes_an_answer_that_survives_json(name):
    answer = scenario(name)
    assert load(dump(answer)) == answer


ODD = (
    "error",
    "host_error",
    "rate_limit",
    "overloaded",
    "redirect",
    "html",
    "empty",
    "garbage",
    "cut",
    "silence",
    "drip",
    "comment",
    "mid_error",
)


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in (*ODD, "truncated")])
def test_every_other_scenario_is_a_sound_message(api, name, stream):
    message = api.say(f"[[sim:{name}]]", stream=stream).message
    assert message["stop_reason"]
    assert message["usage"]


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ("tools parallel=3", ("stop_reason",), "tool_use"),
        ("stop reason=pause_turn", ("stop_reason",), "pause_turn"),
        ("refusal category=bio", ("stop_details", "category"), "bio"),
        ("usage speed=fast inference_geo=us", ("usage", "speed"), "fast"),
        ("usage cache_read_input_tokens=9", ("usage", "cache_read_input_tokens"), 9),
        ("compaction pause=true", ("usage", "input_tokens"), 0),
        ("text framing=close crlf=true pings=3 deltas=2", ("stop_reason",), "end_turn"),
        ("usage speed=fast drip=50", ("usage", "speed"), "fast"),
        ("drip size=100 ms=1", ("stop_reason",), "end_turn"),
        ("text silence=0.01 at=mid_text", ("stop_reason",), "end_turn"),
    ],
)
def test_scenarios_take_arguments(api, words, field, value):
    found = api.say(f"[[sim:{words}]]").json
    for key in field:
        found = found[key]
    assert found == value


def test_a_cut_by_words(api):
    data, end = api.raw(stream=True, messages=[{"role": "user", "content": "[[sim:text cut=10 how=rst]]"}])
    assert end == "rst"
    assert data.endswith(b"event: mes")
