"""Events to bytes, and exactly one settlement, in whatever way an answer ends."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import strictjson
from gateway.catalog import Catalog
from gateway.errors import ClientLeft, Garbled, Unreachable, UpstreamError, UpstreamRefused, UpstreamTimeout
from gateway.ledger import Report, Settlement, Timings
from gateway.relay import Filter, Relay
from gateway.reply import Reply
from gateway.sse import Event
from gateway.surface import Messages
from gateway.testing import FakeDoor, TestHostPlugin, make_call, parse_stream, sample_message, sample_stream

CATALOG = Catalog({"test": TestHostPlugin().register_catalog()})


def event(kind, **value):
    return Event(kind, strictjson.dumps({"type": kind, **value}))


def start(**usage):
    return event(
        "message_start",
        message={"id": "msg_1", "model": "m", "usage": {"input_tokens": 1000, "output_tokens": 1} | usage},
    )


def block(index, kind, **more):
    return event("content_block_start", index=index, content_block={"type": kind} | more)


def text(words, index=0):
    return event("content_block_delta", index=index, delta={"type": "text_delta", "text": words})


def stop(index=0):
    return event("content_block_stop", index=index)


def delta(**usage):
    return event("message_delta", delta={"stop_reason": "end_turn"}, usage=usage)


def error(kind="overloaded_error", message="Overloaded", **more):
    return event("error", error={"type": kind, "message": message} | more)


PING = event("ping")
END = event("message_stop")


class Leaving(FakeDoor):
    """A client that leaves at its n-th write."""

    def __init__(self, writes):
        super().__init__()
        self.left_after = writes

    def write(self, data):
        if len(self.pieces) >= self.left_after:
            raise ClientLeft
        super().write(data)


class Ride:
    """One relay with a real settlement, and everything that came of it."""

    def __init__(self, *, stream=True, door=None, filters=(), prompt_bytes=400, recorders=None):
        self.entries = []
        self.door = door or FakeDoor()
        self.stream = stream
        call = make_call({"stream": stream}, model="asked-for", id="req_1")
        reply = Reply(self.door, Messages("anthropic-version"), "req_1")
        reply.answer_to(call)
        settlement = Settlement(
            CATALOG, lambda call, usage, served: (), {"books": self.entries.append}, neutral=frozenset(), asked_facts=()
        )
        self.relay = Relay(
            reply,
            filters,
            lambda usage, outcome, said: settlement.settle(
                Report(call, 1, outcome, Timings(None, 1.0, 1.0), error=said), usage
            ),
            lambda: -(-prompt_bytes // 4),
        )

    def take(self, *bursts, then=None):
        def source():
            for burst in bursts:
                yield list(burst) if isinstance(burst, list) else [burst]
            if then is not None:
                raise then

        return self.relay.run(source(), stream=self.stream)

    def breaks(self, kind, *bursts, then=None):
        with pytest.raises(kind) as broken:
            self.take(*bursts, then=then)
        assert len(self.entries) == 1
        return broken.value

    @property
    def entry(self):
        (one,) = self.entries
        return one

    @property
    def names(self):
        return [one.name for one in parse_stream(self.door.received)]


WHOLE = [start(), PING, block(0, "text", text=""), text("Grüße"), stop(), delta(output_tokens=20), END]


def test_a_stream_arrives_whole_and_is_settled_once():
    ride = Ride()
    entry = ride.take(*WHOLE)
    assert ride.entries == [entry]
    assert (entry.outcome, entry.estimated, entry.error) == ("complete", False, "")
    assert entry.cost == Decimal("0.0055")  # 1000 x 5 + 20 x 25 a million
    sent = ride.door.received
    assert b"".join(one.frame for one in WHOLE[1:]) in sent
    assert b'"model":"asked-for"' in sent
    assert sent.endswith(b"\n\n: gateway-cost-usd 0.005500\n\n")
    assert ride.names == [one.name for one in WHOLE]


def test_the_sample_passes_as_the_very_bytes():
    frames = b"".join(one.frame for one in sample_stream())
    ride = Ride()
    ride.take(*sample_stream())
    assert ride.door.received.startswith(frames.replace(b'"model":"claude-test-1"', b'"model":"asked-for"'))


def test_a_whole_answer_is_settled_before_its_headers_leave():
    ride = Ride(stream=False)
    entry = ride.take(Event("message", strictjson.dumps(sample_message())))
    assert ride.door.answer_headers["gateway-cost-usd"] == "0.0005525"
    assert entry.cost == Decimal("0.0005525")
    assert strictjson.loads_object(ride.door.received) == sample_message() | {"model": "asked-for"}


def test_nothing_leaves_before_the_first_content():
    ride, seen = Ride(), []

    def source():
        for one in (start(), PING, PING, block(0, "text"), END):
            yield [one]
            seen.append((ride.relay.committed, ride.door.status))

    ride.relay.run(source(), stream=True)
    assert seen == [(False, 0)] * 3 + [(True, 200)]
    assert len(ride.door.pieces) == 3
    assert ride.names[:4] == ["message_start", "ping", "ping", "content_block_start"]


@pytest.mark.parametrize("first", [block(0, "text"), delta(output_tokens=0), event("brand_new"), END])
def test_anything_but_a_greeting_is_content(first):
    ride = Ride()
    ride.take(start(), [first], END)
    assert ride.relay.committed


def test_a_host_that_breaks_before_its_first_word_costs_the_prompt_at_a_guess():
    ride = Ride(prompt_bytes=4001)
    ride.breaks(Unreachable, then=Unreachable("broken"))
    assert ride.door.status == 0
    assert (ride.entry.outcome, ride.entry.estimated, ride.entry.error) == ("failed", True, "broken")
    assert ride.entry.usage == {"input_tokens": 1001, "output_tokens": 0}
    assert ride.entry.cost == Decimal("0.005005")


def test_a_host_that_breaks_after_its_greeting_leaves_no_trace_at_the_client():
    ride = Ride()
    ride.breaks(UpstreamTimeout, start(cache_read_input_tokens=100), PING, then=UpstreamTimeout("silent"))
    assert (ride.door.status, ride.relay.committed) == (0, False)
    assert (ride.entry.outcome, ride.entry.estimated) == ("cut", True)
    assert ride.entry.passes[0].counts == {"input": 1000, "cache_read": 100, "output": 1}


def test_a_host_that_breaks_midway_costs_what_was_delivered():
    ride = Ride()
    ride.breaks(Unreachable, start(), block(0, "text"), *[text("x" * 400)] * 10, then=Unreachable("broken"))
    assert (ride.entry.outcome, ride.entry.estimated) == ("cut", True)
    assert ride.entry.passes[0].counts["input"] == 1000
    assert ride.entry.passes[0].counts["output"] == pytest.approx(1000, abs=20)
    assert ride.names.count("content_block_delta") == 10


@pytest.mark.parametrize("seen", range(len(WHOLE)))
def test_an_end_without_its_last_event_is_an_error(seen):
    ride = Ride()
    broken = ride.breaks(Garbled, *WHOLE[:seen])
    assert "ended before its final event" in broken.message
    assert ride.entry.outcome == ("failed" if seen == 0 else "cut")
    assert b"message_stop" not in ride.door.received
    assert b"gateway-cost-usd" not in ride.door.received


def test_an_error_event_at_first_is_a_refusal_and_free():
    ride = Ride()
    refused = ride.breaks(UpstreamRefused, PING, error(details={"error_code": "busy"}))
    assert (refused.status, refused.kind, refused.message) == (529, "overloaded_error", "Overloaded")
    assert refused.details == {"error_code": "busy"}
    assert ride.door.status == 0
    assert (ride.entry.outcome, ride.entry.cost, ride.entry.estimated) == ("refused", 0, False)


def test_an_error_event_midway_ends_the_stream():
    ride = Ride()
    refused = ride.breaks(UpstreamRefused, start(), block(0, "text"), [text("half"), error(), text("never"), END])
    assert refused.status == 529
    assert ride.names == ["message_start", "content_block_start", "content_block_delta"]
    assert (ride.entry.outcome, ride.entry.error, ride.entry.estimated) == ("cut", "Overloaded", True)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("invalid_request_error", 400),
        ("permission_error", 403),
        ("not_found_error", 404),
        ("rate_limit_error", 429),
        ("timeout_error", 504),
        ("overloaded_error", 529),
        ("api_error", 502),
        ("authentication_error", 502),
        ("from_next_year", 502),
    ],
)
def test_an_error_event_has_the_status_of_its_type(kind, status):
    assert Ride().breaks(UpstreamRefused, error(kind)).status == status


@pytest.mark.parametrize("data", [b"[]", b"{}", b'{"error":"text"}', b'{"error":{"message":null}}', b"null"])
def test_an_odd_error_event_is_still_one(data):
    refused = Ride().breaks(UpstreamRefused, Event("error", data))
    assert refused.message == "The host ended the stream with an error."


def test_an_error_event_loses_its_secrets():
    refused = Ride().breaks(UpstreamRefused, error(message="see https://internal.example/x for sk-ant-12345678"))
    assert refused.message == "see [removed] for [removed]"


def test_several_deltas_end_with_the_last_totals():
    ride = Ride()
    entry = ride.take(
        start(), block(0, "text"), delta(output_tokens=10), delta(output_tokens=30, input_tokens=1100), END
    )
    assert entry.passes[0].counts == {"input": 1100, "output": 30}


def test_unknown_events_pass_unread():
    novelty = Event("brand_new", b"<not even json>", b"event: brand_new\ndata: <not even json>\n\n")
    ride = Ride()
    ride.take(start(), novelty, END)
    assert novelty.frame in ride.door.received


def test_nothing_follows_the_last_event():
    for bursts in ([[start(), END, text("late"), error()]], [[start()], [END], [text("late")], [error()]]):
        ride = Ride()
        assert ride.take(*bursts).outcome == "complete"
        assert ride.names == ["message_start", "message_stop"]


def test_usage_that_is_no_json_breaks_the_stream():
    ride = Ride()
    ride.breaks(Garbled, start(), block(0, "text"), Event("message_delta", b"<html>"))
    assert ride.entry.outcome == "cut"


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_a_client_that_leaves_is_settled_as_cut(writes):
    ride = Ride(door=Leaving(writes))
    ride.breaks(ClientLeft, start(), block(0, "text"), text("x" * 400), text("x" * 400), text("x" * 400), END)
    assert (ride.entry.outcome, ride.entry.error) == ("cut", "ClientLeft")
    assert ride.entry.estimated
    assert ride.entry.cost > 0


def test_a_client_that_leaves_at_the_last_write_costs_the_exact_sum():
    ride = Ride(door=Leaving(4))
    ride.breaks(ClientLeft, *WHOLE)
    assert (ride.entry.outcome, ride.entry.estimated, ride.entry.cost) == ("cut", False, Decimal("0.0055"))


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_after_the_settlement_is_not_settled_again(stream):
    ride = Ride(stream=stream, door=Leaving(5 if stream else 0))
    ride.breaks(ClientLeft, *(WHOLE if stream else [Event("message", strictjson.dumps(sample_message()))]))
    assert ride.entry.outcome == "complete"


@pytest.mark.parametrize("data", [b"", b"<html>", b"[]", b"null", b"7", b'"text"'])
def test_a_whole_answer_that_is_no_message_is_garbled(data):
    ride = Ride(stream=False)
    ride.breaks(Garbled, Event("message", data))
    assert ride.door.status == 0


def test_an_answer_without_any_event_is_garbled():
    Ride(stream=False).breaks(Garbled)
    Ride(stream=False).breaks(Garbled, Event("novelty", b"{}"))
    message = Event("message", strictjson.dumps(sample_message()))
    Ride(stream=False).breaks(Garbled, message, message)


def test_a_whole_answer_that_is_an_error_is_a_refusal():
    ride = Ride(stream=False)
    refused = ride.breaks(UpstreamRefused, Event("message", error().data))
    assert refused.status == 529
    assert (ride.entry.outcome, ride.entry.cost) == ("refused", 0)


def broke(failure, **facts):
    ride = Ride(prompt_bytes=400)
    ride.relay.broke(failure, **facts)
    return ride.entry


def test_what_never_left_for_the_host_is_free():
    entry = broke(Unreachable("no connection"), sent=False, answered=False)
    assert (entry.outcome, entry.cost, entry.usage, entry.estimated) == ("failed", 0, {}, False)


@pytest.mark.parametrize("failure", [Unreachable("cut"), UpstreamTimeout("silent")])
def test_what_nobody_answered_is_unknown_and_costs_the_prompt(failure):
    entry = broke(failure, sent=True, answered=False)
    assert (entry.outcome, entry.estimated, entry.usage["input_tokens"]) == ("unknown", True, 100)


def test_what_the_host_refused_is_free():
    entry = broke(UpstreamRefused("no", status=400), sent=True, answered=False)
    assert (entry.outcome, entry.cost, entry.estimated, entry.error) == ("refused", 0, False, "no")


def test_who_left_before_an_answer_pays_the_prompt():
    entry = broke(ClientLeft(), sent=True, answered=False)
    assert (entry.outcome, entry.estimated, entry.usage["input_tokens"]) == ("cut", True, 100)


def test_an_unexpected_failure_is_settled_by_its_type_alone():
    ride = Ride()
    ride.breaks(RuntimeError, start(), then=RuntimeError("with a secret"))
    assert ride.entry.error == "RuntimeError"


def test_what_has_no_price_is_named_in_a_header():
    ride = Ride(stream=False)
    usage = {"input_tokens": 1, "service_tier": "batch"}
    ride.take(Event("message", strictjson.dumps({"type": "message", "usage": usage})))
    assert ride.door.answer_headers["gateway-unpriced"] == "service_tier=batch"


def shout(one):
    yield Event(one.name, one.data.upper())


def test_a_filter_gets_the_events_that_it_names():
    ride = Ride(filters=[Filter(shout, events=frozenset({"brand_new"}))])
    ride.take(start(), event("brand_new", a="b"), text("c"), END)
    events = parse_stream(ride.door.received)
    assert [one.data for one in events[1:3]] == [b'{"TYPE":"BRAND_NEW","A":"B"}', text("c").data]


def test_a_filter_gets_whole_blocks_of_its_types_and_no_others():
    ride = Ride(filters=[Filter(shout, blocks=frozenset({"novelty"}))])
    mixed = [
        block(0, "text"), block(1, "novelty"), text("a", 0), text("b", 1), stop(0), text("c", 1), stop(1),
        block(1, "text"), text("d", 1), stop(1),
    ]  # fmt: skip
    ride.take(start(), *mixed, END)
    changed = [one.data.startswith(b'{"TYPE"') for one in parse_stream(ride.door.received)[1:-1]]
    assert changed == [False, True, False, True, False, True, True, False, False, False]


def test_a_filter_may_hold_back_and_add_events():
    kept = []

    def gather(one):
        kept.append(one)
        if one.name == "content_block_stop":
            yield from [*kept, event("extra")]

    ride = Ride(filters=[Filter(gather, blocks=frozenset({"text"}))])
    ride.take(*WHOLE)
    assert ride.names[2:6] == ["content_block_start", "content_block_delta", "content_block_stop", "extra"]
    assert len(ride.door.pieces) == 5


def test_filters_see_what_other_filters_made():
    def twice(one):
        yield from [one, one]

    two = [Filter(twice, events=frozenset({"brand_new"})), Filter(shout, events=frozenset({"brand_new"}))]
    ride = Ride(filters=two)
    ride.take(start(), event("brand_new"), END)
    assert ride.door.received.count(b'{"TYPE":"BRAND_NEW"}') == 2


def test_a_filter_gets_a_whole_answer_as_one_event():
    def shorten(one):
        yield Event.of(one.json() | {"content": []})

    message = Event("message", strictjson.dumps(sample_message()))
    ride = Ride(stream=False, filters=[Filter(shorten, events=frozenset({"message"}))])
    ride.take(message)
    assert b'"content":[]' in ride.door.received
    untouched = Ride(stream=False, filters=[Filter(shorten, blocks=frozenset({"text"}))])
    untouched.take(message)
    assert b'"content":[{' in untouched.door.received


def test_a_filter_that_swallows_a_whole_answer_is_settled_all_the_same():
    ride = Ride(stream=False, filters=[Filter(lambda one: (), events=frozenset({"message"}))])
    ride.breaks(Garbled, Event("message", strictjson.dumps(sample_message())))
    assert ride.entry.cost == Decimal("0.0005525")


@pytest.mark.parametrize(
    "data", [b"[]", b"{}", b'{"content_block":null,"index":[]}', b'{"content_block":{"type":["x"]}}']
)
def test_a_filter_survives_blocks_of_another_shape(data):
    ride = Ride(filters=[Filter(shout, blocks=frozenset({"text"}))])
    odd = [Event(f"content_block_{part}", data) for part in ("start", "delta", "stop")]
    ride.take(start(), block(0, "text"), *odd, END)
    assert ride.door.received.count(data) == 3


palette = st.sampled_from(
    [*WHOLE, error(), event("brand_new"), Event("message_delta", b"<html>"), Event("message_start", b"{}")]
)
endings = st.sampled_from(
    [None, Unreachable("x"), UpstreamTimeout("x"), ClientLeft(), RuntimeError("x"), KeyboardInterrupt()]
)


@given(st.lists(st.lists(palette, max_size=3), max_size=6), endings, st.integers(0, 8), st.booleans())
def test_every_ending_is_settled_exactly_once(bursts, ending, writes, stream):
    ride = Ride(stream=stream, door=Leaving(writes))
    try:
        entry = ride.take(*bursts, then=ending)
    except (UpstreamError, ClientLeft, RuntimeError, KeyboardInterrupt):
        pass
    else:
        assert entry.outcome == "complete"
    assert len(ride.entries) == 1
    assert ride.entry.bill is not None
    if ride.door.received:
        assert all(one.name != "error" for one in parse_stream(ride.door.received))


@given(st.lists(st.integers(0, 60), max_size=12))
def test_no_cut_into_bursts_changes_a_byte(places):
    events = [*sample_stream()]
    edges = [0, *sorted(place % len(events) for place in places), len(events)]
    ride = Ride()
    ride.take(*(events[one:other] for one, other in pairwise(edges)))
    whole = Ride()
    whole.take(events)
    assert ride.door.received == whole.door.received
    assert ride.entry.cost == whole.entry.cost


def test_a_credential_that_is_refused_midway_is_ours_too():
    error = Event.of({"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}})
    told = Ride().breaks(UpstreamError, error)
    assert (told.status, told.should_retry) == (502, False)
    assert "this gateway's credential" in told.message


def test_a_writer_that_trips_is_the_hosts_fault_and_is_settled(monkeypatch, caplog):
    ride = Ride()

    def trip(_writer, _burst):
        raise TypeError("unhashable")

    monkeypatch.setattr("gateway.surface.MessagesWriter.events", trip)
    assert "could not be understood" in ride.breaks(Garbled, start(), block(0, "text")).message
    assert "unhashable" in caplog.text


def test_an_answer_without_usage_is_not_free():
    ride = Ride(stream=False)
    ride.take(Event.of({"type": "message", "content": [{"type": "text", "text": "abcd"}], "usage": None}))
    assert ride.entry.estimated
    assert ride.entry.cost > 0
    assert ride.entry.unpriced == ("usage: everything",)
    assert ride.door.answer_headers["gateway-unpriced"] == "usage: everything"


def test_a_host_that_tells_its_prompt_only_at_the_end_is_not_cheaper_when_it_breaks():
    ride = Ride(prompt_bytes=400)
    empty = start(input_tokens=0, output_tokens=0)
    ride.breaks(Unreachable, empty, block(0, "text"), text("x" * 400), then=Unreachable("broken"))
    assert (ride.entry.outcome, ride.entry.estimated) == ("cut", True)
    assert ride.entry.passes[0].counts["input"] > 0
    whole = Ride().take(empty, delta(input_tokens=7, output_tokens=3), END)
    assert whole.passes[0].counts == {"input": 7, "output": 3}


def test_a_whole_stream_that_never_told_its_prompt_is_estimated_and_says_so():
    ride = Ride()
    entry = ride.take(start(input_tokens=0, output_tokens=0), block(0, "text"), text("x"), delta(output_tokens=3), END)
    assert entry.passes[0].counts["input"] > 0
    assert (entry.estimated, entry.unpriced) == (True, ("usage: input_tokens",))
    told = Ride().take(start(input_tokens=0, output_tokens=0), delta(input_tokens=0, output_tokens=3), END)
    assert (told.passes[0].counts, told.estimated) == ({"output": 3}, False)
