"""The listener: accepts connections and gives each a thread of its own."""

import contextlib
import socket
import threading

from gateway_infra_simulator.connection import Connection, Serve

BACKLOG = 1024


class Listener:
    """A listening socket; it takes connections from ``start`` to ``stop``."""

    def __init__(self, host: str, port: int, serve: Serve) -> None:
        self._serve = serve
        self._socket = socket.create_server((host, port), backlog=BACKLOG)
        self._open: set[Connection] = set()
        self._lock = threading.Lock()
        self._stopping = False
        self._thread = threading.Thread(target=self._accept, name="simulator", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self._socket.getsockname()[1]
        return port

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def stop(self) -> None:
        """Close the door and every connection."""
        self._stopping = True
        with contextlib.suppress(OSError):
            socket.create_connection(self._socket.getsockname()[:2], timeout=1).close()  # wakes the accepting thread
        self._thread.join()
        self._socket.close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            connection.abort()

    def _accept(self) -> None:
        while True:
            peer, _ = self._socket.accept()
            if self._stopping:
                peer.close()
                return
            threading.Thread(target=self._run, args=(peer,), daemon=True).start()

    def _run(self, peer: socket.socket) -> None:
        connection = Connection(peer, self._serve)
        with self._lock:
            self._open.add(connection)
        try:
            connection.run()
        finally:
            with self._lock:
                self._open.discard(connection)
