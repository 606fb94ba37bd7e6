"""The reader forgives nothing."""

import pytest
from gateway_infra_simulator import BrokenStreamError, assemble, read_stream

START = 'event: message_start\ndata: {"type":"message_start","message":{"usage":{}}}\n\n'
OPEN = 'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"x"}}\n\n'
DELTA = 'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"y","z":1}}\n\n'
CLOSE = 'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
LAST = 'event: message_delta\ndata: {"type":"message_delta","delta":{},"usage":{}}\n\n'
STOP = 'event: message_stop\ndata: {"type":"message_stop"}\n\n'
ERROR = 'event: error\ndata: {"type":"error","error":{}}\n\n'
NOVEL = 'event: novel\ndata: {"type":"novel"}\n\n'
WHOLE = START + OPEN + DELTA + CLOSE + LAST + STOP


@pytest.mark.parametrize(
    "stream",
    [WHOLE, WHOLE.replace("\n", "\r\n"), NOVEL + START + NOVEL + LAST + STOP, START + OPEN + ERROR, ERROR],
    ids=["whole", "crlf", "novel", "error", "error alone"],
)
def test_sound_streams_are_read(stream):
    assert read_stream(stream.encode())


@pytest.mark.parametrize(
    "stream",
    [
        "",
        START,
        START + LAST,
        WHOLE + NOVEL,
        WHOLE + STOP,
        WHOLE[:-1],
        START + WHOLE,
        OPEN,
        START + DELTA,
        START + OPEN + OPEN,
        START + OPEN + LAST,
        START + OPEN + CLOSE + CLOSE,
        START + OPEN + CLOSE + DELTA,
        START + OPEN.replace('"index":0', '"index":1'),
        START + LAST + OPEN,
        START + STOP,
        START + OPEN + DELTA.replace('"index":0', '"index":1'),
        ": comment\n\n" + WHOLE,
        "data: {}\n\n" + WHOLE,
        WHOLE.replace("event: ping", "event: pong").replace("event: message_stop", "event: message_end"),
        WHOLE + "data: [DONE]\n\n",
    ],
)
def test_everything_else_is_broken(stream):
    with pytest.raises(BrokenStreamError):
        read_stream(stream.encode())


def test_comments_are_left_out_if_they_are_allowed():
    commented = f": one\n\n{START}: two\n{LAST}{STOP}: three\n"
    events = read_stream(commented.encode(), comments=True)
    assert [event.name for event in events] == ["message_start", "message_delta", "message_stop"]


def test_a_part_may_be_read_as_one():
    assert [event.name for event in read_stream((START + OPEN).encode(), complete=False)][-1] == "content_block_start"


def test_the_message_is_put_together():
    assert assemble(read_stream(WHOLE.encode())) == {"usage": {}, "content": [{"type": "x", "z": 1}]}
