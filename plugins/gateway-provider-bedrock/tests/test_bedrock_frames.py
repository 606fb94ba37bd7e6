"""Event-stream frames under any split and any damage, and the model's events inside them."""

import base64
import json
import struct
import zlib
from contextlib import suppress
from itertools import pairwise

import pytest
from gateway_provider_bedrock import frames, invoke
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import Garbled
from gateway.testing import parse_stream


def header(name, value):
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()


def frame(payload, **headers):
    head = b"".join(header(":" + name.replace("_", "-"), value) for name, value in headers.items())
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    whole = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    return whole + struct.pack("!I", zlib.crc32(whole))


def chunk(event):
    data = event if isinstance(event, bytes) else json.dumps(event).encode()
    payload = json.dumps({"bytes": base64.b64encode(data).decode(), "p": "abcdef"}).encode()
    return frame(payload, message_type="event", event_type="chunk", content_type="application/json")


def exception(name, **payload):
    return frame(json.dumps(payload).encode(), message_type="exception", exception_type=name)


EVENTS = [
    {
        "type": "message_start",
        "message": {"id": "msg_1", "model": "claude", "usage": {"input_tokens": 3, "output_tokens": 1}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "grüße 你好 🙂\n\r\u2028"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
]
STREAM = b"".join(map(chunk, EVENTS))


def read(*chunks):
    return [event for burst in invoke.events(frames.bursts(chunks)) for event in burst]


def cut(data, places):
    edges = [0, *sorted(places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_split_gives_the_same_events(places):
    assert [event.json() for event in read(*cut(STREAM, places))] == EVENTS


def test_byte_by_byte_is_a_split_too():
    assert [event.name for event in read(*(bytes([byte]) for byte in STREAM))] == [one["type"] for one in EVENTS]


def test_what_one_read_completes_is_one_burst():
    bursts = [*invoke.events(frames.bursts([STREAM[:-1], STREAM[-1:]]))]
    assert [len(burst) for burst in bursts] == [5, 1]


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 255))
@settings(max_examples=400, deadline=None)
def test_a_damaged_byte_never_becomes_an_event(place, flip):
    damaged = bytearray(STREAM)
    damaged[place] ^= flip
    seen = []
    with suppress(Garbled):  # or the rest of the stream is awaited, which then never comes
        for burst in invoke.events(frames.bursts([bytes(damaged)])):
            seen += burst
    assert [event.json() for event in seen] == EVENTS[: len(seen)]
    assert len(seen) < len(EVENTS)


def test_a_damaged_byte_behind_the_length_is_garbled():
    one = chunk(EVENTS[2])
    for place in range(len(one)):
        damaged = bytearray(one)
        damaged[place] ^= 1
        with pytest.raises(Garbled):
            read(bytes(damaged))


def test_what_came_whole_before_the_damage_is_kept():
    bursts = invoke.events(frames.bursts([chunk(EVENTS[0]) + b"\x00" * 40]))
    assert [event.name for event in next(bursts)] == ["message_start"]
    with pytest.raises(Garbled):
        next(bursts)


def test_a_stream_that_ends_within_a_frame_gives_no_event_for_it():
    assert [event.name for event in read(STREAM[:-3])] == [one["type"] for one in EVENTS[:-1]]


@pytest.mark.parametrize(
    "broken",
    [
        frame(b"{}"),
        frame(b"{}", message_type="event"),
        frame(b"{}", message_type="gossip", event_type="chunk"),
        frame(b"[]", message_type="event", event_type="chunk"),
        frame(b"{", message_type="event", event_type="chunk"),
        frame(b"{}", message_type="exception"),
        frame(b"{}", message_type="event", event_type="chunk"),
        frame(b'{"bytes": 7}', message_type="event", event_type="chunk"),
        frame(b'{"bytes": "$$"}', message_type="event", event_type="chunk"),
        chunk(b"no json"),
        chunk(b"[]"),
        chunk(b"null"),
        chunk(b"{}"),
        struct.pack("!III", 0, 0, zlib.crc32(bytes(8))) + bytes(20),
        struct.pack("!III", 12, 0, zlib.crc32(struct.pack("!II", 12, 0))),
    ],
)
def test_a_frame_that_makes_no_sense_is_garbled(broken):
    with pytest.raises(Garbled):
        read(broken + STREAM)


def test_a_frame_that_is_too_large_is_refused_by_its_first_bytes():
    prelude = struct.pack("!II", 25 * 1024 * 1024, 0)
    with pytest.raises(Garbled):
        read(prelude + struct.pack("!I", zlib.crc32(prelude)))


def test_events_that_nobody_knows_are_passed_over():
    other = frame(b"{}", message_type="event", event_type="initial-response")
    assert [event.json() for event in read(other + STREAM)] == EVENTS


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("internalServerException", "api_error"),
        ("modelStreamErrorException", "api_error"),
        ("validationException", "invalid_request_error"),
        ("throttlingException", "rate_limit_error"),
        ("modelTimeoutException", "timeout_error"),
        ("serviceUnavailableException", "overloaded_error"),
        ("serviceQuotaExceededException", "rate_limit_error"),
        ("surpriseException", "api_error"),
    ],
)
def test_an_exception_frame_is_an_error_event(name, kind):
    (event,) = read(exception(name, message="as the host says it", originalStatusCode=500))
    assert event.json() == {"type": "error", "error": {"type": kind, "message": "as the host says it"}}


def test_an_exception_without_words_gets_some():
    (event,) = read(exception("throttlingException"))
    assert event.json()["error"] == {"type": "rate_limit_error", "message": "The host ended the stream with an error."}


def test_the_models_own_words_stand_in_for_the_hosts():
    (event,) = read(exception("modelStreamErrorException", originalMessage="out of memory", originalStatusCode=500))
    assert event.json()["error"]["message"] == "out of memory"


def test_an_error_without_a_shape_is_told_by_its_headers():
    (event,) = read(frame(b"", message_type="error", error_code="InternalServerException", error_message="sorry"))
    assert event.json()["error"] == {"type": "api_error", "message": "sorry"}


def test_what_the_host_adds_to_the_last_event_is_taken_out():
    metrics = {"inputTokenCount": 3, "outputTokenCount": 9, "invocationLatency": 5, "firstByteLatency": 1}
    (event,) = read(chunk({"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics}))
    assert event.json() == {"type": "message_stop"}
    assert event.frame == b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def test_every_other_event_keeps_its_bytes():
    text = b'{"type": "content_block_delta",  "x": 1.50, "delta": {"text": "amazon-bedrock-invocationMetrics"}}'
    (event,) = read(chunk(text))
    assert event.data == text


# ------------------------------------------------------------------------------------------ through the gateway

STREAMING = {"content-type": "application/vnd.amazon.eventstream"}


def streamed(ask, host, *parts):
    host.answers = [(200, STREAMING, b"".join(parts))]
    return ask({"stream": True}, "global.anthropic.claude-opus-4-6-v1")


def test_a_client_gets_the_models_stream(ask, host):
    answer = streamed(ask, host, STREAM)
    assert [event.json() for event in parse_stream(answer.data)] == EVENTS
    assert b": gateway-cost-usd 0.00024" in answer.data
    assert host.requests[0][0].endswith("/invoke-with-response-stream")


@pytest.mark.parametrize("end", [b"", chunk(EVENTS[-1])[:-5]])
def test_a_stream_without_its_last_frame_is_an_error(ask, host, end):
    *events, last = parse_stream(streamed(ask, host, *map(chunk, EVENTS[:-1]), end).data)
    assert [event.json() for event in events] == EVENTS[:-1]
    assert last.json()["error"]["type"] == "api_error"


def test_an_exception_before_the_first_content_is_a_status(ask, host):
    answer = streamed(ask, host, chunk(EVENTS[0]), exception("throttlingException", message="Too many tokens"))
    assert (answer.status_code, answer.json["error"]["message"]) == (429, "Too many tokens")


def test_an_exception_in_the_middle_is_an_event(ask, host):
    text = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/x failed"
    answer = streamed(ask, host, *map(chunk, EVENTS[:3]), exception("modelStreamErrorException", message=text))
    *events, last = parse_stream(answer.data)
    assert [event.json() for event in events] == EVENTS[:3]
    assert last.json()["error"] == {"type": "api_error", "message": "[removed] failed"}


def test_a_damaged_stream_is_an_error_and_no_event_of_it_passes(ask, host):
    damaged = bytearray(chunk(EVENTS[3]))
    damaged[-20] ^= 4
    *events, last = parse_stream(streamed(ask, host, *map(chunk, EVENTS[:3]), bytes(damaged)).data)
    assert [event.json() for event in events] == EVENTS[:3]
    assert "damaged" in last.json()["error"]["message"]
