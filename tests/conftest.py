"""What many tests share: quiet generated examples, no way out of this machine, and a host on loopback."""

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")


class LoopbackHost:
    """A host that answers the requests of each connection by its script, one step per request.

    Attributes:
        seen: heads and bodies of the requests, in order.
        closed: gets an item whenever the other side has closed a connection.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self.closed: queue.Queue[bool] = queue.Queue()
        self.script: list[Callable[[socket.socket], None]] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def says(self, *pieces: bytes) -> None:
        """Add a step that sends these pieces."""
        self.script.append(lambda connection: [connection.sendall(piece) for piece in pieces] and None)

    def does(self, step: Callable[[socket.socket], None]) -> None:
        """Add a step of the test's own."""
        self.script.append(step)

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _start(self, work: Callable[..., None], *given: object) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            while head := self._read_head(lines):
                length = next((line for line in head.lower().split("\r\n") if line.startswith("content-length")), ": 0")
                self.seen.append((head, lines.read(int(length.split(":")[1]))))
                if self.script:
                    self.script.pop(0)(connection)
            self.closed.put(True)

    def _read_head(self, lines) -> str:
        head = b""
        while (line := lines.readline()) not in (b"", b"\r\n"):
            head += line
        return head.decode()


@pytest.fixture
def host() -> Iterator[LoopbackHost]:
    one = LoopbackHost()
    yield one
    one.stop()
