"""A connection: one peer's socket, on which requests are read and plans carried out, to the byte and the reset."""

import contextlib
import select
import socket
import struct
from collections.abc import Callable
from typing import BinaryIO, cast

from gateway_infra_simulator.record import Record
from gateway_infra_simulator.request import MalformedError, Request, RequestReader
from gateway_infra_simulator.response import Piece, Plan

Serve = Callable[["Connection", Request], bool]

# Where the kernel can tell that the peer has closed, it is asked for just that; elsewhere anything readable counts.
_GONE = getattr(select, "POLLRDHUP", select.POLLIN)
_RESET = struct.pack("ii", 1, 0)


class Connection:
    """One accepted socket.

    Args:
        peer: the socket.
        serve: answers one request and says whether another may follow.
    """

    def __init__(self, peer: socket.socket, serve: Serve) -> None:
        self._socket = peer
        self._serve = serve
        self._poll = select.poll()
        self._poll.register(peer, _GONE)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self) -> None:
        """Serve requests until either side is done."""
        with self._socket, self._socket.makefile("rb", buffering=65536) as stream:
            reader = RequestReader(cast("BinaryIO", stream), self._proceed)
            with contextlib.suppress(OSError, MalformedError):
                while (request := reader.read()) and self._serve(self, request):
                    pass

    def abort(self) -> None:
        """End the connection from another thread; every wait in it ends too."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def send(self, plan: Plan, record: Record) -> bool:
        """Carry out a plan; whether the connection is still good for another request."""
        try:
            return self._carry_out(plan, record)
        except OSError:
            record.leave()
            return False

    def _carry_out(self, plan: Plan, record: Record) -> bool:
        for piece in plan.pieces:
            if self._gone_within(piece.pause):
                record.leave()
                return False
            self._write(piece, record)
        if plan.cut == "rst":
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        elif plan.close:
            self.abort()
        return not plan.close

    def _write(self, piece: Piece, record: Record) -> None:
        if piece.event:
            record.note(piece.event)
        try:
            self._socket.sendall(piece.data)
        except OSError:
            if piece.event:
                record.take_back()
            raise
        record.sent += len(piece.data)

    def _gone_within(self, seconds: float) -> bool:
        return bool(self._poll.poll(seconds * 1000))

    def _proceed(self) -> None:
        self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
