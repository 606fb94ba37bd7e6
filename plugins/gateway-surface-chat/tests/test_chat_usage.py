"""Usage and cost."""

from decimal import Decimal

import orjson
import pytest
from gateway_surface_chat import Chat

from gateway import Bill, Event, Line, Pass, Usage
from gateway.testing import make_call, make_entry

CACHED = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 200,
    "cache_read_input_tokens": 1000,
    "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
    "output_tokens": 40,
    "output_tokens_details": {"thinking_tokens": 12},
}


def entry(raw, **facts):
    return make_entry(usage=raw, passes=tuple(Usage(raw=dict(raw)).passes()), **facts)


def usage(client, say, raw, **facts):
    return client.answer(say() | {"usage": raw}, passes=tuple(Usage(raw=dict(raw)).passes()), **facts)["usage"]


def test_the_prompt_includes_what_the_cache_read_and_wrote(client, say):
    assert usage(client, say, CACHED, bill=None) == {
        "prompt_tokens": 1300,
        "completion_tokens": 40,
        "total_tokens": 1340,
        "prompt_tokens_details": {
            "cached_tokens": 1000,
            "cache_write_tokens": 200,
            "cache_creation_tokens": 200,
            "cache_creation_token_details": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
        },
        "completion_tokens_details": {"reasoning_tokens": 12},
        "cache_creation_input_tokens": 200,
        "cache_read_input_tokens": 1000,
        "cost": None,
    }


def test_all_passes_are_added_up_and_shown(client, say):
    passes = [
        {"type": "novelty", "input_tokens": 151_000, "output_tokens": 3_100},
        {"type": "message", "input_tokens": 4_200, "output_tokens": 900},
    ]
    told = usage(client, say, {"input_tokens": 4_200, "output_tokens": 900, "iterations": passes})
    assert (told["prompt_tokens"], told["completion_tokens"], told["total_tokens"]) == (155_200, 4_000, 159_200)
    assert told["iterations"] == passes


def test_a_refusal_that_costs_nothing_still_says_what_was_counted(client, say):
    raw = {"input_tokens": 7, "output_tokens": 0, "iterations": "odd"}
    told = client.answer(say() | {"usage": raw}, passes=())["usage"]
    assert (told["prompt_tokens"], told["completion_tokens"]) == (7, 0)


def test_what_was_served_is_carried_over(client, say):
    facts = {
        "speed": "fast",
        "inference_geo": "us",
        "service_tier": "priority",
        "server_tool_use": {"web_search_requests": 2},
    }
    told = usage(client, say, {**CACHED, **facts, "other": 1, "iterations": None})
    assert {name: told[name] for name in facts} == facts
    assert not told.keys() & {"other", "iterations"}


@pytest.mark.parametrize("raw", [{}, {"input_tokens": None}, {"input_tokens": -1, "output_tokens": "x"}])
def test_odd_usage_counts_as_nothing(client, say, raw):
    assert usage(client, say, raw)["total_tokens"] == 0


def test_the_cost_is_written_digit_by_digit(ask):
    line = Line("input", 123_457, Decimal("0.123456789"), 1_000_000, ())
    one = entry(CACHED, bill=Bill((line,)))
    asked = ask(stream_options={"include_usage": True})
    writer = Chat().writer(make_call(asked=asked))
    exact = b'"cost":0.015241604799573}'
    assert exact in writer.end(one)
    assert exact in writer.message(Event.of({"type": "message", "content": []}), one)
    assert orjson.loads(writer.message(Event.of({"type": "message"}), one))["usage"]["cost"] == pytest.approx(0.0152416)


def test_a_tiny_cost_has_no_exponent(ask):
    one = entry(CACHED, bill=Bill((Line("input", 1, Decimal("0.01"), 1_000_000, ()),)))
    assert b'"cost":0.00000001}' in Chat().writer(make_call(asked=ask())).message(Event.of({"type": "message"}), one)


def test_a_stream_and_a_whole_answer_say_the_same(client, say, events, whole, ask):
    answer = say({"type": "text", "text": "Hi"}) | {"usage": CACHED}
    facts = {"usage": CACHED, "passes": (Pass("message", "", {"input": 100, "output": 40}),)}
    asked = ask(stream_options={"include_usage": True})
    writer = Chat().writer(make_call(asked=asked))
    told = orjson.loads(writer.message(Event.of(answer), make_entry(**facts)))["usage"]
    assert whole(client.stream(events(answer), asked, **facts))["usage"] == told
