"""The end of a process: every call that still waits for its host is told, while there is time to settle it.

A server that stops waits for its threads, then leaves without them, and a call that is left behind is billed to nobody.
So some seconds before that a drain ends the calls that are left: each gets an error, and each is written down as far as
it came.
"""

import os
import select
import socket
import threading


class Drain:
    """Wakes every watch of a process at once. A process that was forked starts with a fresh one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = 0
        self._ended = False
        self._ends: tuple[socket.socket, socket.socket] | None = None

    @property
    def ended(self) -> bool:
        """Whether the time has come."""
        return self._ended

    def begin(self, seconds: float) -> None:
        """End the calls that are left after so many seconds."""
        timer = threading.Timer(seconds, self.end)
        timer.daemon = True
        timer.start()

    def end(self) -> None:
        """End them now."""
        _, hung_up = self._pair()
        self._ended = True
        hung_up.shutdown(socket.SHUT_RDWR)

    def register(self, poll: "select.poll") -> None:
        """Have a poll woken when the time has come."""
        watched, _ = self._pair()
        poll.register(watched, 0)  # a hang-up is reported unasked

    def _pair(self) -> tuple[socket.socket, socket.socket]:
        with self._lock:
            if self._ends is None or self._process != os.getpid():
                self._close()
                self._ends = socket.socketpair()
                self._process = os.getpid()
            return self._ends

    def _close(self) -> None:
        for end in self._ends or ():
            end.close()
        self._ends = None

    def __del__(self) -> None:
        self._close()
