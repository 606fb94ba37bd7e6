"""Any split of a stream gives the same events, and what is written can be read again."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import sse
from gateway.errors import Garbled
from gateway.sse import Event, bursts, comment

DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"}}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def read(*chunks):
    return [event for burst in bursts(chunks) for event in burst]


def pairs(events):
    return [(event.name, event.data) for event in events]


def cut(stream, places):
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


words = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
data = st.lists(words, min_size=1, max_size=3).filter(any)
frames = st.tuples(names, data, st.lists(words, max_size=2), st.booleans())


def written(frame, end, space):
    name, lines, comments, name_last = frame
    body = [f"data:{space}{line}" if space else f"data:{line.removeprefix(' ')}" for line in lines]
    head = [f"event:{space}{name}"]
    parts = [*(f":{text}" for text in comments), *(body + head if name_last else head + body)]
    return (end.join(parts) + end + end).encode()


@given(
    st.lists(frames, max_size=4),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", " "]),
    st.booleans(),
    st.lists(st.integers(0, 10_000), max_size=8),
)
def test_every_split_and_line_end_gives_the_same_events(sent, end, space, marked, places):
    stream = (b"\xef\xbb\xbf" if marked else b"") + b"".join(written(frame, end, space) for frame in sent)
    strip = (lambda line: line) if space else (lambda line: line.removeprefix(" "))
    expected = [(name, "\n".join(map(strip, lines)).encode()) for name, lines, _, _ in sent]
    assert pairs(read(stream)) == expected
    assert pairs(read(*cut(stream, places))) == expected
    assert pairs(read(*(bytes([byte]) for byte in stream))) == expected


@given(st.lists(frames, min_size=1, max_size=4), st.sampled_from(["\n", "\r\n", "\r"]))
def test_what_is_written_reads_as_the_same_event(sent, end):
    events = read(b"".join(written(frame, end, " ") for frame in sent))
    assert pairs(read(b"".join(event.frame for event in events))) == pairs(events)


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_usual_frames_pass_as_the_bytes_that_came(places):
    stream = (DELTA + STOP) * 2
    assert b"".join(event.frame for event in read(*cut(stream, places))) == stream


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_arrives_with_the_chunk_that_ends_it(end):
    stream = bursts(iter([b"event: ping" + end + b"data: {}" + end + end, b"event: never"]))
    assert pairs(next(stream)) == [("ping", b"{}")]


def test_a_burst_holds_what_one_chunk_completed():
    sizes = [len(burst) for burst in bursts([DELTA + DELTA + STOP[:9], STOP[9:]])]
    assert sizes == [2, 1]


def test_a_line_end_split_in_two_is_one_line_end():
    assert pairs(read(b"event: a\r", b"\ndata: 1\r", b"\n", b"", b"\r", b"", b"\nevent: b\r\ndata: 2\r\n\r\n")) == [
        ("a", b"1"),
        ("b", b"2"),
    ]


def test_line_ends_may_change_in_the_middle():
    assert pairs(read(b"event: a\ndata: 1\n\nevent: b\r\ndata: 2\r\n\r\nevent: c\rdata: 3\r\r")) == [
        ("a", b"1"),
        ("b", b"2"),
        ("c", b"3"),
    ]


def test_a_frame_without_its_empty_line_is_no_event():
    assert read(DELTA, STOP[:-1])[-1].name == "content_block_delta"
    assert read(b"event: a\r\ndata: 1\r\n") == []


def test_comments_and_unknown_fields_are_skipped():
    assert pairs(read(b": hello\n\n: there\nid: 7\nretry: 5\nevent: a\ndata: 1\n\n")) == [("a", b"1")]


def test_an_event_without_data_is_none():
    assert read(b"event: ping\n\n\n\ndata\n\nevent: ping\ndata: \n\n") == []


def test_a_nameless_event_is_named_by_its_type():
    assert pairs(read(b'data: {"type":"ping"}\n\n')) == [("ping", b'{"type":"ping"}')]


@pytest.mark.parametrize("text", [b"[DONE]", b"[1]", b"{}", b'{"type":7}'])
def test_a_nameless_event_of_another_kind_harms_nobody(text):
    (event, stop) = read(b"data: " + text + b"\n\n" + STOP)
    assert event.data == text
    assert stop.name == "message_stop"


def test_a_byte_order_mark_counts_only_at_the_start():
    assert pairs(read(b"\xef", b"\xbb", b"\xbf" + STOP)) == pairs(read(STOP))
    assert pairs(read(b"\xef\xbb")) == []


def test_a_frame_without_end_is_garbled(monkeypatch):
    monkeypatch.setattr(sse, "MAX_FRAME", 100)
    with pytest.raises(Garbled, match="more than 100 bytes"):
        read(*[b"x" * 40] * 3)


def test_json_is_read_once_and_kept():
    event = Event("a", b'{"a":1}')
    assert event.json() is event.json()


def test_data_that_is_no_json_is_garbled_and_named():
    with pytest.raises(Garbled, match="'message_start'"):
        Event("message_start", b"<html>").json()


def test_an_event_made_here_carries_its_type_as_name():
    event = Event.of({"type": "error", "error": {"message": "ü"}})
    assert event.frame == 'event: error\ndata: {"type":"error","error":{"message":"ü"}}\n\n'.encode()
    assert event.json()["error"] == {"message": "ü"}


def test_a_comment_is_a_line_of_its_own():
    assert read(comment("keepalive")) == []
    assert comment("keepalive") == b": keepalive\n\n"


def test_an_event_shows_its_beginning_only():
    assert repr(Event("a", b"x" * 100)) == f"Event('a', {b'x' * 60!r})"
