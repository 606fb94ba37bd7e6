"""Server-sent events: bytes into events, events into bytes. Pure.

An event keeps the frame it came in, so that a surface that changes nothing passes on the very bytes of the host.
Frames: ``event:`` and ``data:`` lines and an empty line (Messages API reference, "Streaming").
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from gateway import strictjson
from gateway.errors import Garbled

MAX_FRAME = 16 * 1024 * 1024
"""Bytes that one frame may hold before the stream counts as garbled."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")


class Event:
    """One event: its name, its data, and the frame that carries both.

    Attributes:
        name: such as ``content_block_delta``; ``message`` for a whole JSON answer.
        data: the JSON text.
    """

    __slots__ = ("_frame", "_json", "data", "name")

    def __init__(self, name: str, data: bytes, frame: bytes | None = None) -> None:
        self.name = name
        self.data = data
        self._frame = frame
        self._json: Any = None

    @classmethod
    def of(cls, value: dict[str, Any]) -> "Event":
        """An event made here; its name is the value's ``type``, as the Messages API has it."""
        event = cls(str(value["type"]), strictjson.dumps_lenient(value))
        event._json = value
        return event

    @property
    def frame(self) -> bytes:
        """The bytes on the wire, empty line included."""
        if self._frame is None:
            lines = b"\ndata: ".join(_LINE_END.split(self.data))
            self._frame = b"event: %b\ndata: %b\n\n" % (self.name.encode(), lines)
        return self._frame

    def json(self) -> Any:
        """The data, parsed once; treat it as read-only.

        Raises:
            Garbled: the data is not JSON.
        """
        if self._json is None:
            try:
                self._json = strictjson.loads_lenient(self.data)
            except ValueError:
                raise Garbled(f"The host sent an event {self.name!r} whose data is not JSON.") from None
        return self._json

    def __repr__(self) -> str:
        return f"Event({self.name!r}, {self.data[:60]!r})"


def comment(text: str) -> bytes:
    """A line that every reader skips."""
    return f": {text}\n\n".encode()


def bursts(chunks: Iterable[bytes]) -> Iterator[list[Event]]:
    """Cut a byte stream into events; each list holds what one chunk completed.

    Any split, any of the three line ends, a byte order mark and comments are fine. What the stream leaves behind
    without its empty line is no event.

    Raises:
        Garbled: a frame larger than ``MAX_FRAME``.
    """
    held: list[bytes] = []  # a large frame in small chunks is put together once, not once per chunk
    size, seam = 0, b""
    for chunk in _whole_line_ends(_without_mark(chunks)):
        seam = seam[-3:] + chunk
        held.append(chunk)
        size += len(chunk)
        if size > MAX_FRAME:
            raise Garbled(f"The host sent a frame of more than {MAX_FRAME} bytes.")
        if b"\n\n" not in seam and (b"\r" not in seam or _BLANK_LINE.search(seam) is None):
            continue
        *frames, rest = _frames(b"".join(held))
        held, size, seam = [rest], len(rest), rest
        events = [event for event in map(_event, frames) if event is not None]
        if events:
            yield events


def _frames(text: bytes) -> list[bytes]:
    """Whole frames, then the rest."""
    return _BLANK_LINE.split(text) if b"\r" in text else text.split(b"\n\n")


def _event(frame: bytes) -> Event | None:
    """The usual two lines are taken as they stand; anything else is read by the rules and written anew."""
    head, _, tail = frame.partition(b"\n")
    usual = head[:7] == b"event: " and tail[:6] == b"data: " and tail != b"data: "
    if usual and b"\n" not in tail and b"\r" not in frame:
        return Event(head[7:].decode("utf-8", "replace"), tail[6:], frame + b"\n\n")
    return _unusual(frame)


def _unusual(frame: bytes) -> Event | None:
    name, data = b"", []
    for line in _LINE_END.split(frame):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            name = value
        elif field == b"data":
            data.append(value)
    event = Event(name.decode("utf-8", "replace"), b"\n".join(data))
    if not event.data:
        return None
    if not name:
        event.name = _type(event)
    return event


def _type(event: Event) -> str:
    """The name that the data itself gives; none when the data is no event of ours, such as a bare end mark."""
    try:
        value = event.json()
    except Garbled:
        return ""
    return str(value.get("type", "")) if isinstance(value, dict) else ""


def _whole_line_ends(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The stream without the LF of a CRLF that was cut in two; its CR has ended the line already."""
    half = False
    for chunk in chunks:
        whole = chunk[1:] if half and chunk.startswith(b"\n") else chunk
        half = chunk.endswith(b"\r") or (half and not chunk)
        yield whole


def _without_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The stream without the byte order mark that may stand first."""
    head = b""
    chunks = iter(chunks)
    for chunk in chunks:
        head += chunk
        if len(head) >= 3 or not b"\xef\xbb\xbf".startswith(head):  # noqa: PLR2004 - the mark has three bytes
            yield head.removeprefix(b"\xef\xbb\xbf")
            yield from chunks
            return
    if head:
        yield head
