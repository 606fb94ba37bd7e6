"""What a host says it used, over whole answers, streams, and streams that broke."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import strictjson
from gateway.sse import Event
from gateway.usage import MAX_TOKENS, Pass, Usage

FULL = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 30,
    "cache_read_input_tokens": 7,
    "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
    "output_tokens": 2,
    "service_tier": "priority",
    "inference_geo": "us",
    "speed": "fast",
}


def event(kind, **value):
    """As a host sends it: through bytes, so that numbers keep their spelling."""
    return Event(kind, strictjson.dumps({"type": kind, **value}))


def start(usage, **message):
    return event(
        "message_start", message={"id": "msg_1", "model": "m-1", "usage": usage, "stop_reason": None, **message}
    )


def delta(usage, stop_reason="end_turn"):
    return event("message_delta", delta={"stop_reason": stop_reason}, usage=usage)


def text(words):
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": words})


def stream(*events):
    usage = Usage()
    for one in events:
        usage.see(one)
    return usage


def answer(usage, **message):
    return stream(event("message", model="m-1", usage=usage, **message))


def counts(usage):
    return [dict(one.counts) for one in usage.passes()]


def test_a_whole_answer_is_one_pass():
    usage = answer(FULL, stop_reason="end_turn", id="msg_1")
    assert usage.passes() == [
        Pass("message", "", {"input": 100, "cache_write_5m": 10, "cache_write_1h": 20, "cache_read": 7, "output": 2})
    ]
    assert (usage.model, usage.message_id, usage.stop_reason) == ("m-1", "msg_1", "end_turn")
    assert usage.complete
    assert not usage.estimated


def test_the_prompt_of_a_pass_is_all_but_its_output():
    (one,) = answer(FULL).passes()
    assert one.prompt == 137


def test_deltas_replace_running_totals_and_keep_the_rest():
    usage = stream(
        start(FULL),
        delta({"output_tokens": 50}, None),
        delta({"output_tokens": 90, "input_tokens": 120}),
        event("message_stop"),
    )
    assert counts(usage) == [{"input": 120, "cache_write_5m": 10, "cache_write_1h": 20, "cache_read": 7, "output": 90}]
    assert {name: usage.raw[name] for name in ("speed", "inference_geo", "service_tier")} == {
        "speed": "fast",
        "inference_geo": "us",
        "service_tier": "priority",
    }
    assert usage.stop_reason == "end_turn"
    assert usage.complete


def test_a_delta_of_nulls_changes_nothing():
    nulls = dict.fromkeys(FULL) | {"iterations": None, "server_tool_use": None}
    assert counts(stream(start(FULL), delta(nulls))) == counts(stream(start(FULL)))


def test_cache_writes_that_grow_keep_the_hours_part():
    usage = stream(start(FULL), delta({"cache_creation_input_tokens": 80, "output_tokens": 9}))
    assert counts(usage) == [{"input": 100, "cache_write_5m": 60, "cache_write_1h": 20, "cache_read": 7, "output": 9}]


def test_nested_quantities_are_overlaid_too():
    usage = stream(
        start(FULL | {"server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 1}}),
        delta({"server_tool_use": {"web_search_requests": 3}}),
    )
    assert usage.quantity("server_tool_use.web_search_requests") == 3
    assert usage.quantity("server_tool_use.web_fetch_requests") == 1


def test_the_last_list_of_passes_counts():
    first = [{"type": "message", "input_tokens": 1, "output_tokens": 1}]
    last = [*first, {"type": "message", "input_tokens": 5, "output_tokens": 6}]
    usage = stream(start({"iterations": first}), delta({"iterations": last, "output_tokens": 7}))
    assert counts(usage) == [{"input": 1, "output": 1}, {"input": 5, "output": 6}]


def test_only_the_stop_event_makes_a_stream_complete():
    assert not stream(start(FULL), delta({"output_tokens": 9})).complete
    assert stream(start(FULL), event("message_stop")).complete


@pytest.mark.parametrize("name", ["ping", "content_block_start", "brand_new", "error", ""])
def test_events_without_usage_are_not_even_parsed(name):
    usage = stream(start(FULL), Event(name, b"<no json>"))
    assert usage.raw == FULL


@pytest.mark.parametrize(
    "value", [b"[]", b"null", b"7", b'"text"', b"{}", b'{"message":[]}', b'{"message":{"usage":5}}']
)
@pytest.mark.parametrize("name", ["message", "message_start", "message_delta", "message_stop"])
def test_events_of_another_shape_are_survived(name, value):
    assert counts(stream(Event(name, value))) == [{}]


@pytest.mark.parametrize("value", [-1, 1e30, "12", True, False, [], {}, 3.5, MAX_TOKENS + 1, 10**18])
def test_a_number_that_is_none_is_left_out_and_noted(value):
    usage = answer(FULL | {"output_tokens": value})
    assert "output" not in usage.passes()[0].counts
    assert usage.odd
    assert usage.odd[0].startswith("output_tokens=")


@pytest.mark.parametrize("value", [-1, 1e30, "120", True, [], 99, 0])
def test_a_total_that_shrinks_or_is_none_keeps_the_last_good_one(value):
    usage = stream(start(FULL), delta({"input_tokens": value}))
    assert usage.passes()[0].counts["input"] == 100
    assert usage.odd[0].startswith("input_tokens=")


@pytest.mark.parametrize("value", [None, 0])
def test_nothing_said_and_nothing_used_are_not_odd(value):
    usage = answer(dict.fromkeys(FULL, value))
    assert counts(usage) == [{}]
    assert usage.odd == []


def test_the_largest_count_is_still_one():
    assert counts(answer({"input_tokens": MAX_TOKENS})) == [{"input": MAX_TOKENS}]


@pytest.mark.parametrize("value", ["3", -3, 1e30, True, [3]])
def test_a_metered_number_that_is_none_is_noted(value):
    usage = answer({"server_tool_use": {"web_search_requests": value}})
    assert usage.quantity("server_tool_use.web_search_requests") == 0
    assert usage.odd[0].startswith("server_tool_use.web_search_requests=")


@pytest.mark.parametrize("usage", [{}, {"server_tool_use": None}, {"server_tool_use": 5}])
def test_a_metered_number_that_is_absent_is_zero(usage):
    usage = answer(usage)
    assert usage.quantity("server_tool_use.web_search_requests") == 0
    assert usage.odd == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"cache_creation_input_tokens": 50}, {"cache_write_5m": 50}),
        ({"cache_creation_input_tokens": 50, "cache_creation": None}, {"cache_write_5m": 50}),
        ({"cache_creation_input_tokens": 50, "cache_creation": {}}, {"cache_write_5m": 50}),
        (
            {"cache_creation_input_tokens": 50, "cache_creation": {"ephemeral_1h_input_tokens": 50}},
            {"cache_write_1h": 50},
        ),
        (
            {"cache_creation_input_tokens": 50, "cache_creation": {"ephemeral_1h_input_tokens": 70}},
            {"cache_write_1h": 50},
        ),
        (
            {"cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 6}},
            {"cache_write_5m": 5, "cache_write_1h": 6},
        ),
        (
            {"cache_creation_input_tokens": 50, "cache_creation": {"ephemeral_1h_input_tokens": "all"}},
            {"cache_write_5m": 50},
        ),
    ],
)
def test_cache_writes_are_split_by_their_lifetime(said, expected):
    assert counts(answer(said)) == [expected]


def test_a_pass_without_a_split_takes_the_top_levels_share():
    usage = answer(
        {
            "cache_creation_input_tokens": 90,
            "cache_creation": {"ephemeral_1h_input_tokens": 30},
            "iterations": [
                {"type": "message", "cache_creation_input_tokens": 60, "cache_creation": None},
                {"type": "message", "cache_creation_input_tokens": 31},
                {"type": "other", "cache_creation_input_tokens": 60},
            ],
        }
    )
    assert counts(usage) == [
        {"cache_write_5m": 40, "cache_write_1h": 20},
        {"cache_write_5m": 20, "cache_write_1h": 11},
        {"cache_write_5m": 60},
    ]


def test_listed_passes_are_the_bill_and_the_top_level_is_not_added():
    usage = answer(
        {
            "input_tokens": 4200,
            "output_tokens": 900,
            "iterations": [
                {"type": "compaction", "input_tokens": 151_000, "output_tokens": 3100, "cache_creation": None},
                {"type": "advisor_message", "model": "m-2", "input_tokens": 5, "output_tokens": 6},
                {"type": "message", "input_tokens": 4200, "output_tokens": 900},
            ],
        }
    )
    assert usage.passes() == [
        Pass("compaction", "", {"input": 151_000, "output": 3100}),
        Pass("advisor_message", "m-2", {"input": 5, "output": 6}),
        Pass("message", "", {"input": 4200, "output": 900}),
    ]


def test_a_top_level_of_zeros_loses_no_listed_pass():
    usage = answer(
        {"input_tokens": 0, "output_tokens": 0, "iterations": [{"type": "compaction", "input_tokens": 9}]},
        stop_reason="compaction",
    )
    assert counts(usage) == [{"input": 9}]


@pytest.mark.parametrize("listed", [None, [], {}])
def test_an_empty_list_of_passes_leaves_the_top_level(listed):
    usage = answer({"input_tokens": 3, "iterations": listed})
    assert counts(usage) == [{"input": 3}]
    assert usage.odd == []


@pytest.mark.parametrize("listed", [7, True, "text", {"type": "message"}, [7], [None, "x"]])
def test_a_list_of_passes_that_is_none_is_noted(listed):
    usage = answer({"input_tokens": 3, "iterations": listed})
    assert counts(usage) == [{"input": 3}]
    assert usage.odd[0].startswith("iterations=")


def test_a_decline_before_any_output_is_free():
    assert counts(answer({"input_tokens": 500, "output_tokens": 0}, stop_reason="refusal")) == []


def test_a_refusal_after_output_is_paid():
    assert counts(answer({"input_tokens": 500, "output_tokens": 8}, stop_reason="refusal")) == [
        {"input": 500, "output": 8}
    ]


def test_filling_the_cache_without_output_is_paid():
    usage = answer({"cache_creation_input_tokens": 5000, "output_tokens": 0}, stop_reason="max_tokens")
    assert counts(usage) == [{"cache_write_5m": 5000}]


def test_a_replaced_attempt_without_output_is_free():
    listed = [
        {"type": "message", "input_tokens": 500, "output_tokens": 0},
        {"type": "fallback_message", "model": "m-2", "input_tokens": 500, "output_tokens": 40},
    ]
    usage = answer({"iterations": listed}, stop_reason="end_turn")
    assert usage.passes() == [Pass("fallback_message", "m-2", {"input": 500, "output": 40})]


def test_a_replaced_attempt_with_output_is_paid():
    listed = [
        {"type": "message", "input_tokens": 500, "output_tokens": 3},
        {"type": "fallback_message", "model": "m-2", "input_tokens": 500, "output_tokens": 40},
    ]
    assert len(answer({"iterations": listed}).passes()) == 2


def test_attempts_that_all_declined_are_free():
    listed = [
        {"type": "message", "input_tokens": 500, "output_tokens": 0},
        {"type": "fallback_message", "model": "m-2", "input_tokens": 500, "output_tokens": 0},
    ]
    assert answer({"iterations": listed}, stop_reason="refusal").passes() == []


def test_a_summary_is_paid_though_the_answer_was_declined():
    listed = [
        {"type": "compaction", "input_tokens": 60_000, "output_tokens": 900},
        {"type": "message", "input_tokens": 4000, "output_tokens": 0},
    ]
    assert answer({"iterations": listed}, stop_reason="refusal").passes() == [
        Pass("compaction", "", {"input": 60_000, "output": 900})
    ]


def test_a_failed_summary_beside_a_fallback_is_paid():
    listed = [
        {"type": "compaction", "input_tokens": 60_000, "output_tokens": 0},
        {"type": "message", "input_tokens": 500, "output_tokens": 0},
        {"type": "fallback_message", "input_tokens": 500, "output_tokens": 1},
    ]
    assert [one.label for one in answer({"iterations": listed}).passes()] == ["compaction", "fallback_message"]


def test_a_cut_stream_counts_what_was_delivered():
    usage = stream(start(FULL), *[text("x" * 400)] * 10)
    usage.close()
    assert usage.estimated
    assert usage.passes()[0].counts["output"] == pytest.approx(1000, abs=20)
    assert usage.passes()[0].counts["input"] == 100


def test_a_cut_stream_never_counts_less_than_the_host_said():
    usage = stream(start(FULL), text("tiny"), delta({"output_tokens": 800}))
    usage.close()
    assert usage.passes()[0].counts["output"] == 800


def test_a_cut_stream_with_passes_counts_what_was_delivered():
    listed = [
        {"type": "compaction", "input_tokens": 60_000, "output_tokens": 100},
        {"type": "message", "input_tokens": 4000, "output_tokens": 1},
    ]
    first = start({"input_tokens": 4000, "output_tokens": 1, "iterations": listed})
    usage = stream(first, *[text("x" * 400)] * 10)
    usage.close()
    summary, message = usage.passes()
    assert summary.counts == {"input": 60_000, "output": 100}
    assert message.counts["output"] == pytest.approx(900, abs=20)
    assert first.json()["message"]["usage"]["iterations"] == listed


@pytest.mark.parametrize("listed", [[{"type": "message", "input_tokens": 0, "output_tokens": 0}], []])
def test_a_cut_stream_whose_passes_are_empty_counts_the_top_level(listed):
    usage = stream(start({"input_tokens": 4000, "iterations": listed}))
    usage.close()
    assert {"input": 4000} in counts(usage)


def test_a_cut_stream_counts_the_answer_beside_a_finished_summary():
    listed = [{"type": "compaction", "input_tokens": 60_000, "output_tokens": 100}]
    usage = stream(start({"input_tokens": 4000, "output_tokens": 1, "iterations": listed}), *[text("x" * 400)] * 10)
    usage.close()
    assert [one.label for one in usage.passes()] == ["compaction", "message"]
    assert usage.passes()[1].counts["input"] == 4000
    assert usage.passes()[1].counts["output"] == pytest.approx(900, abs=20)


def test_a_whole_stream_needs_no_estimate():
    usage = stream(start(FULL), text("x" * 4000), delta({"output_tokens": 5}), event("message_stop"))
    usage.close()
    assert not usage.estimated
    assert usage.passes()[0].counts["output"] == 5


def test_a_host_that_said_nothing_has_not_started():
    assert not stream(event("ping")).started
    assert stream(start({})).started


sane = st.integers(0, MAX_TOKENS)
numbers = (
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
usages = st.fixed_dictionaries(
    {},
    optional={
        "input_tokens": numbers,
        "output_tokens": numbers,
        "cache_creation_input_tokens": numbers,
        "cache_read_input_tokens": numbers,
        "cache_creation": numbers
        | st.dictionaries(st.sampled_from(["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"]), numbers),
    },
)
listed = st.none() | numbers | st.lists(usages | numbers, max_size=3)


@given(usages, listed, st.lists(usages, max_size=3), st.booleans())
def test_no_host_can_make_a_count_negative_or_raise(first, passes, deltas, cut):
    usage = stream(start(first | {"iterations": passes}), text("x" * 99), *map(delta, deltas))
    if cut:
        usage.close()
    for one in usage.passes():
        assert all(0 < count <= 2 * MAX_TOKENS for count in one.counts.values())


@given(sane, sane, sane, sane)
def test_no_cache_write_is_lost_or_counted_twice(fresh, read, minutes, hour):
    usage = answer(
        {
            "input_tokens": fresh,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": minutes // 2 + hour // 2,
            "cache_creation": {
                "ephemeral_5m_input_tokens": minutes // 2,
                "ephemeral_1h_input_tokens": hour // 2,
            },
        }
    )
    (one,) = usage.passes()
    assert one.prompt == fresh + read + minutes // 2 + hour // 2
    assert one.counts.get("cache_write_1h", 0) == hour // 2


@pytest.mark.parametrize(
    "one",
    [
        {"type": "text_delta", "text": "abcd"},
        {"type": "thinking_delta", "thinking": "abcd"},
        {"type": "input_json_delta", "partial_json": '"a":'},
    ],
    ids=lambda one: one["type"],
)
@pytest.mark.parametrize("padding", [b"", b"          "])
def test_what_was_delivered_counts_without_its_envelope(one, padding):
    said = event("content_block_delta", index=0, delta=one)
    usage = stream(start(FULL), *[Event(said.name, said.data[:-1] + padding + b"}")] * 500)
    usage.close()
    assert counts(usage)[0]["output"] == 500


def test_the_hosts_last_word_is_not_raised():
    usage = stream(start(FULL), *[text("a" * 400)] * 9, delta({"output_tokens": 12}))
    usage.close()
    assert (counts(usage)[0]["output"], usage.estimated) == (12, True)


def test_a_count_without_an_end_is_not_the_last_word():
    usage = stream(start(FULL), *[text("a" * 400)] * 9, delta({"output_tokens": 12}, stop_reason=None))
    usage.close()
    assert counts(usage)[0]["output"] == 900


def test_a_whole_number_may_be_spelled_with_a_point():
    assert counts(answer(FULL | {"output_tokens": 50.0}))[0]["output"] == 50


def test_a_host_that_says_nothing_of_usage_is_assumed_to_have_worked():
    usage = stream(event("message", content=[{"type": "text", "text": "abcd" * 10}, 7], usage=None))
    assert usage.silent
    usage.assume(33)
    assert counts(usage) == [{"input": 33, "output": 10}]
    assert usage.estimated
    assert usage.left_out == ["everything"]


def test_an_end_without_a_last_count_is_an_estimate():
    usage = stream(start(FULL), text("a" * 400), event("message_stop"))
    usage.close()
    assert (counts(usage)[0]["output"], usage.estimated) == (100, True)
    told = stream(start(FULL), text("a" * 400), delta({"output_tokens": 90}), event("message_stop"))
    told.close()
    assert (counts(told)[0]["output"], told.estimated) == (90, False)


def test_a_whole_answer_without_a_count_is_an_estimate_too():
    told = answer({"input_tokens": 100}, content=[{"type": "text", "text": "a" * 400}])
    told.close()
    assert (counts(told)[0], told.estimated) == ({"input": 100, "output": 100}, True)
    counted = answer({"input_tokens": 100, "output_tokens": 90}, content=[{"type": "text", "text": "a" * 400}])
    counted.close()
    assert (counts(counted)[0]["output"], counted.estimated) == (90, False)


def test_a_fallback_that_served_without_output_is_paid():
    listed = [
        {"type": "message", "input_tokens": 400, "output_tokens": 0},
        {"type": "fallback_message", "model": "m-2", "input_tokens": 500, "output_tokens": 0},
    ]
    assert [one.model for one in answer({"iterations": listed}).passes()] == ["m-2"]
