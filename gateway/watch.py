"""One thread that minds two sockets: the host's, for bytes, and the client's, for its leaving.

A generator notices that its reader left only when it next writes, which may be minutes away while a model thinks. So
the transport asks a ``Watch`` before each read of the host: it returns when there is something to read, tells the
client that we are alive when the host is silent, and gives up when somebody's patience ends.

A client that shuts only its writing side counts as gone, as it does for nginx.
"""

import math
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.drain import Drain
from gateway.errors import ClientLeft, Stopping, UpstreamTimeout

_HANG_UP = select.POLLHUP | select.POLLERR | select.POLLNVAL
_LEAVING = getattr(select, "POLLRDHUP", 0)  # Linux; elsewhere an empty peek tells


@dataclass(frozen=True)
class Timeouts:
    """Patience with a host, in seconds.

    Attributes:
        connect: until the connection stands.
        first_byte: from the request sent to the answer's head; thinking models take minutes.
        idle: between two bytes of the answer.
        total: for the whole attempt.
        write: until a client takes what it is sent; one that stopped reading counts as gone.
        keepalive: of silence toward a streaming client, until it gets a sign of life.
    """

    connect: float = 10.0
    first_byte: float = 600.0
    idle: float = 300.0
    total: float = 3600.0
    write: float = 60.0
    keepalive: float = 15.0


class Listener(Protocol):
    """The client's side, as far as a watch needs it."""

    @property
    def socket(self) -> socket.socket | None:
        """The client's connection, if there is one to look at."""

    @property
    def wrote_at(self) -> float:
        """When the client last got a byte, on the monotonic clock; infinity when it needs no signs of life."""

    def keepalive(self) -> None:
        """Send a sign of life."""


class Watch:
    """Watches one attempt.

    Args:
        timeouts: the patience with the host.
        listener: the client's side; None when nobody listens, as in a count or a test.
        drain: tells when the process is about to end.
        clock: the monotonic clock.

    Attributes:
        waited: seconds spent waiting for the host.
        sent: some of the request has left for the host.
    """

    def __init__(
        self,
        timeouts: Timeouts,
        listener: Listener | None = None,
        *,
        drain: Drain | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.timeouts = timeouts
        self.waited = 0.0
        self.sent = False
        self._listener = listener
        self._clock = clock
        self._began = self._silent_since = clock()
        self._answering = False
        self._poll = select.poll()
        self._drain = drain
        if drain is not None:
            drain.register(self._poll)
        self._client = listener.socket if listener else None
        self._client_fd = self._client.fileno() if self._client else -1
        if self._client_fd >= 0:
            self._poll.register(self._client_fd, _LEAVING or select.POLLIN)

    def answering(self) -> None:
        """The answer's head has come; from now on the time between bytes counts."""
        self._answering = True

    def hurry(self, seconds: float) -> None:
        """From now on the host may be silent for so long only."""
        self.timeouts = replace(self.timeouts, idle=seconds)

    def wait(self, upstream: socket.socket) -> None:
        """Return once the host's socket has something to read.

        Raises:
            ClientLeft: the client closed its connection.
            UpstreamTimeout: the host was silent for too long, or the attempt took too long in all.
        """
        if isinstance(upstream, ssl.SSLSocket) and upstream.pending():
            return
        descriptor = upstream.fileno()
        self._poll.register(descriptor, select.POLLIN)
        self._silent_since = self._clock()  # while nobody listened, as when a client reads slowly, nobody was silent
        try:
            while not self._ready(descriptor):
                self._lose_patience()
        finally:
            self._poll.unregister(descriptor)
            self.waited += self._clock() - self._silent_since

    def _ready(self, descriptor: int) -> bool:
        now = self._clock()
        if now >= self._began + self.timeouts.total:  # also when the host talks all the time
            raise UpstreamTimeout(f"The host did not finish within {self.timeouts.total:g} s.")
        if self._listener and now >= self._ring_at():
            self._listener.keepalive()
        until = min(self._deadline(), self._ring_at())
        events = dict(self._poll.poll(max(until - now, 0) * 1000))
        if self._drain is not None and self._drain.ended:
            raise Stopping("The gateway is stopping; ask again, another instance will answer.")
        if self._client_fd in events:
            self._look_at_client(events[self._client_fd])
        return descriptor in events

    def _ring_at(self) -> float:
        return self._listener.wrote_at + self.timeouts.keepalive if self._listener else math.inf

    def _look_at_client(self, event: int) -> None:
        if event & (_HANG_UP | _LEAVING):
            raise ClientLeft
        if self._client and not self._client.recv(1, socket.MSG_PEEK):
            raise ClientLeft
        self._poll.unregister(self._client_fd)  # it sent its next request early: no use asking again
        self._client_fd = -1

    @property
    def _patience(self) -> float:
        return self.timeouts.idle if self._answering else self.timeouts.first_byte

    def _deadline(self) -> float:
        return min(self._silent_since + self._patience, self._began + self.timeouts.total)

    def _lose_patience(self) -> None:
        if self._clock() >= self._silent_since + self._patience:
            raise UpstreamTimeout(f"The host was silent for {self._patience:g} s.")
