"""Frames as botocore reads them."""

import json
import zlib

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from gateway_infra_simulator import eventstream


def decoded(data, step=None):
    buffer = EventStreamBuffer()
    messages = []
    for at in range(0, len(data), step or len(data)):
        buffer.add_data(data[at : at + (step or len(data))])
        messages += list(buffer)
    return messages


def test_botocore_reads_an_event():
    (message,) = decoded(eventstream.event("chunk", {"bytes": "aGk="}))
    assert message.headers == {
        ":event-type": "chunk",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    payload = json.loads(message.payload)
    assert payload.pop("p", None) is not None
    assert payload == {"bytes": "aGk="}


def test_botocore_reads_an_exception():
    (message,) = decoded(eventstream.exception("throttlingException", {"message": "Zu schnell, 世界"}))
    assert message.headers[":message-type"] == "exception"
    assert message.headers[":exception-type"] == "throttlingException"
    assert json.loads(message.payload) == {"message": "Zu schnell, 世界"}


def test_frames_that_come_byte_by_byte_are_the_same_frames():
    frames = [eventstream.event("chunk", {"n": n}) for n in range(5)]
    found = [json.loads(message.payload)["n"] for message in decoded(b"".join(frames), 1)]
    assert found == [0, 1, 2, 3, 4]


def test_an_empty_frame_is_sixteen_bytes():
    frame = eventstream.frame({}, b"")
    assert len(frame) == 16
    assert int.from_bytes(frame[8:12], "big") == zlib.crc32(frame[:8])
    assert int.from_bytes(frame[-4:], "big") == zlib.crc32(frame[:-4])


@pytest.mark.parametrize("at", [9, 20, -8])
def test_a_changed_byte_shows(at):
    frame = bytearray(eventstream.event("chunk", {"bytes": "aGk="}))
    frame[at] ^= 1
    with pytest.raises(ChecksumMismatch):
        decoded(bytes(frame))


def test_padding_hides_how_long_a_payload_is():
    sizes = {len(eventstream.event("chunk", {"bytes": "aGk="})) for _ in range(50)}
    assert len(sizes) > 5
