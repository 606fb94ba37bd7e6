"""Records: what came, what was sent, and how the peer left; the simulator's account of the truth."""

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from gateway_infra_simulator.flow import Event
from gateway_infra_simulator.prompt import size_of, tokens
from gateway_infra_simulator.request import Request


@dataclass
class Record:
    """One request and what became of it; filled in while the answer goes out.

    Events, usage and text are noted just before they are written, so that a client that has read them finds them here.

    Attributes:
        number: 1 for the first request.
        method: the HTTP method.
        path: without the query, decoded.
        raw_path: the same as it came, with its percent signs.
        query: without the question mark.
        headers: by lower-case name.
        raw_headers: names and values as they came.
        body: as it came.
        started: monotonic time at which the request had been read.
        wire: the host that was played: ``anthropic``, ``azure``, ``vertex`` or ``bedrock``, or the identity service
            ``entra``, ``google`` or ``sts``; empty if the path belongs to none.
        status: of the answer; None if none was begun.
        events: the names of the events that were sent whole.
        usage: what those events, or the JSON answer, reported.
        sent: how many bytes went out, headers included.
        said: bytes of text, thinking and tool input in the deltas that were sent whole.
        peer: ``closed`` if the peer left before the answer was complete.
        peer_closed_at: when that was noticed.
        ended: monotonic time at which the answer was complete or given up.
    """

    number: int
    method: str
    path: str
    query: str
    headers: dict[str, str]
    raw_headers: list[tuple[str, str]]
    body: bytes = field(repr=False)
    started: float
    raw_path: str = ""
    wire: str = ""
    status: int | None = None
    events: list[str] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    sent: int = 0
    said: int = 0
    peer: str | None = None
    peer_closed_at: float | None = None
    ended: float | None = None
    _before: tuple[dict[str, Any], int] = field(default=({}, 0), repr=False)

    @property
    def json(self) -> Any:
        """The body's JSON; None if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def said_tokens(self) -> int:
        """The tokens of what was said so far, by the simulator's rule."""
        return tokens(self.said)

    def note(self, event: Event) -> None:
        """An event is about to be written."""
        self._before = (self.usage, self.said)
        self.events.append(event.name)
        usage = event.data.get("message", event.data).get("usage")
        if usage:
            self.usage = self.usage | usage
        delta = event.data.get("delta")
        if event.name == "content_block_delta" and isinstance(delta, dict):
            self.said += sum(size_of(str(delta.get(key, ""))) for key in ("text", "thinking", "partial_json"))

    def take_back(self) -> None:
        """The event that was noted last could not be written."""
        self.events.pop()
        self.usage, self.said = self._before

    def leave(self) -> None:
        """The peer has left before the end."""
        self.peer = "closed"
        self.peer_closed_at = time.monotonic()

    def dump(self) -> dict[str, Any]:
        """The record as JSON; the body as text."""
        own = {key: value for key, value in vars(self).items() if not key.startswith("_")}
        return own | {"body": self.body.decode("utf-8", "replace"), "json": self.json}


class Log:
    """The records in order of arrival; the oldest go when there are too many."""

    def __init__(self, limit: int) -> None:
        self._records: deque[Record] = deque(maxlen=limit)
        self._count = 0
        self._ended = 0
        self._changed = threading.Condition()

    def open(self, request: Request) -> Record:
        """A new record."""
        with self._changed:
            self._count += 1
            record = Record(
                number=self._count,
                method=request.method,
                path=request.path,
                query=request.query,
                headers=request.headers,
                raw_headers=request.raw_headers,
                body=request.body,
                started=time.monotonic(),
                raw_path=request.raw_path,
            )
            self._records.append(record)
        return record

    def close(self, record: Record) -> None:
        """The record is complete."""
        with self._changed:
            record.ended = time.monotonic()
            self._ended += 1
            self._changed.notify_all()

    def records(self) -> list[Record]:
        """A copy."""
        with self._changed:
            return list(self._records)

    def wait(self, count: int, timeout: float) -> list[Record]:
        """The records, once so many of them are complete; TimeoutError if they do not get there."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._ended >= count, timeout):
                raise TimeoutError(f"{self._ended} of {count} requests ended within {timeout} s")
            return list(self._records)

    def clear(self) -> None:
        """Forget everything; records still open stay with their requests."""
        with self._changed:
            self._records.clear()
            self._count = self._ended = 0
