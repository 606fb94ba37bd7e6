"""The reader: takes a stream apart as strictly as the simulator made it, for tests of whatever lies between.

``read_stream`` forgives nothing that a lenient client would: stray lines, names that differ from types, deltas outside
their block, anything after the end. Events and deltas of unknown names are allowed, as the API may add some.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from gateway_infra_simulator.block import fold
from gateway_infra_simulator.flow import Event

Body = dict[str, Any]

_COMMENT = re.compile(r"^:[^\n]*\n\n?", re.MULTILINE)

ENDS = ("message_stop", "error")


class BrokenStreamError(ValueError):
    """The bytes are no stream of a message."""


def read_stream(data: bytes, *, complete: bool = True, comments: bool = False) -> list[Event]:
    """The events of a whole stream.

    Args:
        data: its bytes.
        complete: it must not end before ``message_stop`` or ``error``; otherwise after any whole event.
        comments: lines that begin with a colon are allowed, and left out.
    """
    events = [_event(frame) for frame in _frames(data, comments=comments)]
    _Order().follow(events)
    if complete and not (events and events[-1].name in ENDS):
        raise BrokenStreamError(f"the stream ends after {events[-1].name if events else 'nothing'}")
    return events


def assemble(events: list[Event]) -> Body:
    """The message that a stream amounts to."""
    message: Body = {}
    for event in events:
        match event.name:
            case "message_start":
                message = dict(event.data["message"])
            case "message_delta":
                extra = {key: value for key, value in event.data.items() if key not in ("type", "delta", "usage")}
                message |= event.data["delta"] | extra | {"usage": message["usage"] | event.data["usage"]}
    return message | {"content": _blocks(events)}


def _blocks(events: list[Event]) -> list[Body]:
    starts = [event.data["content_block"] for event in events if event.name == "content_block_start"]
    deltas: list[list[Body]] = [[] for _ in starts]
    for event in events:
        if event.name == "content_block_delta":
            deltas[event.data["index"]].append(event.data["delta"])
    return [fold(start, tuple(own)) for start, own in zip(starts, deltas, strict=True)]


def _frames(data: bytes, *, comments: bool) -> Iterator[str]:
    text = data.decode("utf-8").replace("\r\n", "\n")
    if comments:
        text = _COMMENT.sub("", text)
    *frames, rest = text.split("\n\n")
    if rest:
        raise BrokenStreamError(f"the stream ends inside a frame: {rest!r}")
    yield from frames


def _event(frame: str) -> Event:
    lines = frame.split("\n")
    if [line.partition(": ")[0] for line in lines] != ["event", "data"]:
        raise BrokenStreamError(f"a frame is an event line and a data line, not {frame!r}")
    name, data = (line.partition(": ")[2] for line in lines)
    value = json.loads(data)
    if value.get("type") != name:
        raise BrokenStreamError(f"event {name} carries the type {value.get('type')}")
    return Event(name, value)


class _Order:
    """Where a stream stands: before its start, between blocks, in a block, at its end."""

    def __init__(self) -> None:
        self._started = False
        self._open: int | None = None
        self._blocks = 0
        self._closing = False
        self._ended = False

    def follow(self, events: list[Event]) -> None:
        """Check each event against those before it."""
        steps = {
            "message_start": self._start,
            "content_block_start": self._block_start,
            "content_block_delta": self._block_delta,
            "content_block_stop": self._block_stop,
            "message_delta": self._delta,
            "message_stop": self._stop,
            "error": self._error,
        }
        for event in events:
            self._need(not self._ended, event)
            if event.name in steps:
                steps[event.name](event)

    def _need(self, holds: bool, event: Event) -> None:
        if not holds:
            raise BrokenStreamError(f"{event.name} is out of place: {event.data}")

    def _start(self, event: Event) -> None:
        self._need(not self._started, event)
        self._started = True

    def _block_start(self, event: Event) -> None:
        self._need(self._started and self._open is None and not self._closing, event)
        self._need(event.data["index"] == self._blocks, event)
        self._open = self._blocks
        self._blocks += 1

    def _block_delta(self, event: Event) -> None:
        self._need(self._open is not None and event.data["index"] == self._open, event)

    def _block_stop(self, event: Event) -> None:
        self._block_delta(event)
        self._open = None

    def _delta(self, event: Event) -> None:
        self._need(self._started and self._open is None, event)
        self._closing = True

    def _stop(self, event: Event) -> None:
        self._need(self._closing, event)
        self._ended = True

    def _error(self, event: Event) -> None:
        self._need("error" in event.data, event)
        self._ended = True
