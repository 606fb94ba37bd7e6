"""Frames: AWS event-stream bytes into messages, by botocore's decoder. Pure.

Each frame carries its length, its headers and two checksums, so whatever a network or a proxy did to it shows. Source:
botocore ``eventstream``; botocore service model ``bedrock-runtime``, ``ResponseStream`` and ``ConverseStreamOutput``.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.eventstream import EventStreamBuffer, ParserError

from gateway import Garbled, strictjson

_BROKEN = (ParserError, struct.error, KeyError, ValueError)
"""What the decoder raises; its last three come from frames whose checksums fit and whose insides do not."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of a stream.

    Attributes:
        name: the type of the event, or of the exception.
        payload: its JSON object.
        failed: it is an exception, and the last message.
    """

    name: str
    payload: dict[str, Any]
    failed: bool = False


def bursts(chunks: Iterable[bytes]) -> Iterator[list[Frame]]:
    """Cut a byte stream into frames; each list holds what one chunk completed. Any split is fine.

    Raises:
        Garbled: a frame that is damaged, larger than 24 MB, or no event. What came whole before it is yielded first.
    """
    buffer = EventStreamBuffer()
    for chunk in chunks:
        buffer.add_data(chunk)
        whole: list[Frame] = []
        try:
            whole.extend(_frame(message.headers, message.payload) for message in buffer)
        except _BROKEN:
            if whole:
                yield whole
            raise Garbled("The host's stream is damaged: a frame does not decode.") from None
        if whole:
            yield whole


def _frame(headers: dict[str, Any], payload: bytes) -> Frame:
    """A decoded message.

    Raises:
        ValueError, KeyError: it is none that this protocol has.
    """
    kind = headers[":message-type"]
    if kind == "error":  # a failure without a modelled shape says everything in its headers
        return Frame(str(headers[":error-code"]), {"message": headers.get(":error-message", "")}, failed=True)
    if kind not in ("event", "exception"):
        raise ValueError(kind)
    value = strictjson.loads_lenient(payload)
    if not isinstance(value, dict):
        raise ValueError("a payload is an object")  # noqa: TRY004 - like every other broken frame
    return Frame(str(headers[f":{kind}-type"]), value, failed=kind == "exception")
