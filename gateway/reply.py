"""The answer as the client gets it: headers while nothing is sent, bytes afterwards.

Until the first byte, status and headers can still change; after it, an error is an event in the client's own words.
"""

import math
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from gateway.call import MANNERS, Call, named
from gateway.errors import GatewayError, visible
from gateway.limit import Limit
from gateway.replay import Saved
from gateway.surface import Surface, Writer

STREAM = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no"}
JSON = {"content-type": "application/json"}
REPLAYED = "gateway-replayed"
"""Says that an answer was given before; nothing new was asked, and nothing is to pay."""


class Door(Protocol):
    """One client's request and the way back to it, whatever carries them.

    Attributes:
        headers: the request's headers, names in lower case.
    """

    headers: Mapping[str, str]

    @property
    def socket(self) -> socket.socket | None:
        """The connection, if there is one to look at."""

    def body(self) -> bytes:
        """The request's body.

        Raises:
            TooLarge, UnsupportedMedia, InvalidRequest, ClientLeft: it cannot be had.
        """

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status and headers; once."""

    def write(self, data: bytes) -> None:
        """Send bytes now.

        Raises:
            ClientLeft: nobody is there any more.
        """


class Reply:
    """One answer on its way out.

    Args:
        door: the way to the client.
        surface: how errors are worded.
        call_id: goes out as ``gateway-call-id`` and under the surface's own name.

    Attributes:
        call_id: the call's id.
        headers: response headers, sent with the first byte.
        started: something was sent.
        began: when the request came in, on the monotonic clock.
        whole: the JSON answer, once it was given.
    """

    def __init__(self, door: Door, surface: Surface, call_id: str) -> None:
        self.door = door
        self.started = False
        self.began = time.monotonic()
        self.headers: dict[str, str] = {"gateway-call-id": call_id, surface.request_id: call_id}
        self._surface = surface
        self.call_id = call_id
        self._writer: Writer | None = None
        self._wrote_at = math.inf
        self.whole: Saved | None = None

    @property
    def socket(self) -> socket.socket | None:
        """The client's connection, for the watch."""
        return self.door.socket

    @property
    def wrote_at(self) -> float:
        """When a streaming client last got a byte; infinity for a JSON client, which needs no signs of life."""
        return self._wrote_at

    @property
    def writer(self) -> Writer:
        """The writer of the call that is answered.

        Raises:
            LookupError: the request was not understood yet.
        """
        if self._writer is None:
            raise LookupError("no call is being answered yet")
        return self._writer

    def answer_to(self, call: Call) -> None:
        """From here on the answer is one to this call."""
        self._writer = self._surface.writer(call)
        self._wrote_at = time.monotonic() if call.stream else math.inf
        self.tell_left_out(call)

    def tell_left_out(self, call: Call) -> None:
        """Name in headers what of a call does not travel; a prepared call may know more of it."""
        for manner in MANNERS:
            header = f"gateway-{manner}"
            self.headers.pop(header, None)
            if names := named(call.left_out, manner):
                self.headers[header] = visible(", ".join(names))

    def keepalive(self) -> None:
        """A sign of life, at need before anything else was sent."""
        self.stream(self.writer.keepalive)

    def stream(self, data: bytes) -> None:
        """Send a piece of a stream."""
        if data:
            self._begin(200, STREAM)
            self.door.write(data)
            self._wrote_at = time.monotonic()

    def json(self, body: bytes) -> None:
        """Send a whole answer."""
        self.whole = Saved(200, {**self.headers, **JSON}, body)
        self._begin(200, JSON | {"content-length": str(len(body))})
        self.door.write(body)

    def replay(self, saved: Saved) -> None:
        """Send an answer that was given before; it says so."""
        self.headers = {**saved.headers, REPLAYED: "true"}
        self._begin(saved.status, {"content-length": str(len(saved.body))})
        self.door.write(saved.body)

    def tell_limits(self, limits: Sequence[Limit]) -> None:
        """Tell what is left of limits, in the surface's own headers."""
        self.headers.update(self._surface.limit_headers(limits))

    def fail(self, error: GatewayError) -> None:
        """Tell the client what went wrong, as a status or, once a stream runs, as its last event."""
        if self.started:
            self.stream(self.writer.error(error))
            return
        body = self._surface.error(error, self.call_id)
        limits = self._surface.limit_headers(error.limits)
        self._begin(error.status, JSON | {"content-length": str(len(body))} | limits | error_headers(error))
        self.door.write(body)

    def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        if not self.started:
            self.started = True
            self.door.begin(status, {**self.headers, **headers})


def error_headers(error: GatewayError) -> dict[str, str]:
    """What clients read of an error beside its body."""
    headers = {"gateway-error": error.code}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if error.should_retry is not None:
        headers["x-should-retry"] = "true" if error.should_retry else "false"
    return headers
