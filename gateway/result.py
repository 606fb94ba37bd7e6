"""What a caller in this process gets back: a whole answer, or a stream that it pulls.

A stream is pushed by the corridor and pulled by its caller, so its corridor runs in a thread, with a pair of sockets
between the two: a slow caller holds it up, and one that leaves is noticed at once, as on HTTP.
"""

import atexit
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType, TracebackType
from typing import Any, Self

from gateway import sse, strictjson
from gateway.call import Call, Deployment
from gateway.errors import ClientLeft
from gateway.hold import Hold
from gateway.ledger import Entry
from gateway.limit import Limit
from gateway.pipeline import Admit
from gateway.pricing import Bill

SETTLING = 5.0
"""Seconds that a process that ends gives each stream that was not read to its end."""

_PIECE = 64 * 1024


class Object(dict[str, Any]):
    """A JSON object whose fields are attributes too.

    A field that is not there reads as None, as optional ones do in the official clients; as an item it is a KeyError.
    One that is named like a method of ``dict`` can only be had as an item.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # a protocol that asks whether we know it
            raise AttributeError(name)
        return self.get(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]


class Billed:
    """What a call cost, once it is settled."""

    __slots__ = ()
    entry: Entry | None

    @property
    def cost(self) -> Decimal | None:
        """US dollars; None when the call could not be priced, or is not settled yet."""
        return self.entry.cost if self.entry else None

    @property
    def bill(self) -> Bill | None:
        """The same line by line."""
        return self.entry.bill if self.entry else None


class Answer(Object, Billed):
    """A whole answer: the body that an HTTP client gets, and what it cost.

    Attributes:
        entry: what was used, where it went, and how long it took.
        headers: what an HTTP client gets beside the body, such as the names of what did not travel.
    """

    __slots__ = ("entry", "headers")
    entry: Entry
    headers: Mapping[str, str]


class Receipt:
    """A hold that holds nothing: every entry settles the holds, so the caller gets it whatever became of the call."""

    headers: Mapping[str, str] = MappingProxyType({})
    limits: Sequence[Limit] = ()
    entry: Entry | None = None

    def settle(self, entry: Entry) -> None:
        """Keep the entry; floats in a host's own spelling can be neither copied nor pickled."""
        self.entry = replace(entry, usage=strictjson.plain(entry.usage))

    def release(self) -> None:
        """Nothing is held."""

    def beside(self, admit: Admit) -> Admit:
        """An admission that takes this hold too."""

        def both(call: Call, candidates: Sequence[Deployment]) -> list[Hold]:
            return [*admit(call, candidates), self]

        return both


class Door:
    """A caller in this process, and the way back to it: into memory, or through a socket to one that pulls.

    Attributes:
        told: the headers of the answer, once it has begun.
        received: the answer, where there is no socket.
        receipt: has the entry, once the call is settled.
    """

    def __init__(self, asked: bytes, headers: Mapping[str, str]) -> None:
        self.headers = headers
        self.socket: socket.socket | None = None
        self.told: Mapping[str, str] = {}
        self.received = b""
        self.receipt = Receipt()
        self._asked = asked

    def body(self) -> bytes:
        """The body, as JSON."""
        return self._asked

    def begin(self, status: int, headers: Mapping[str, str]) -> None:  # noqa: ARG002 - what is no success is raised
        """Keep the headers."""
        self.told = headers

    def write(self, data: bytes) -> None:
        """Keep the bytes, or push them; a caller that closed its end has left."""
        if self.socket is None:
            self.received += data
            return
        try:
            self.socket.sendall(data)
        except OSError:
            raise ClientLeft from None


class Corridor(threading.Thread):
    """The thread of one stream; it pushes into one end of a pair of sockets.

    Attributes:
        near: the caller's end.
        error: what went wrong, once the thread has ended.
    """

    def __init__(self, answer: Callable[[], None], door: Door) -> None:
        super().__init__(name="gateway-stream", daemon=True)
        self.near, self._far = socket.socketpair()
        self.error: BaseException | None = None
        self._answer = answer
        door.socket = self._far

    def run(self) -> None:
        """Answer. A process that ends meanwhile cannot wait for the host, but for what was used to be settled."""
        atexit.register(self._end)
        try:
            self._answer()
        except ClientLeft:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the caller's thread
            self.error = error
        finally:
            atexit.unregister(self._end)
            self._hang_up(self._far)

    def leave(self) -> None:
        """Let the corridor see that nobody is there any more: it closes the host's connection, and settles."""
        if self.is_alive():  # in a forked child it is not, and this end is still the parent's
            self._hang_up(self.near)
        self.near.close()

    def _hang_up(self, end: socket.socket) -> None:
        """Closing is not enough while a forked child holds a copy."""
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()

    def _end(self) -> None:
        if self.is_alive():
            self.leave()
            self.join(SETTLING)


class Stream(Billed, Iterator[Object]):
    """An answer as it comes, chunk by chunk or event by event.

    Read it to its end, or close it: by ``close``, by ``with``, or by letting go of it. Closing it early closes the
    host's connection. It is for one thread at a time, but any may close it.

    Attributes:
        entry: what was used, also by a stream that broke or was closed early; None until it has ended.
        headers: what an HTTP client gets beside the body, such as the names of what did not travel.

    Raises:
        GatewayError: at once, for what goes wrong before the first chunk; else while it is read.
    """

    entry: Entry | None = None

    def __init__(self, corridor: Corridor, door: Door) -> None:
        self._corridor = corridor
        self._receipt = door.receipt
        self._objects: Iterator[Object] = _objects(corridor.near)
        corridor.start()
        try:
            begun = corridor.near.recv(1, socket.MSG_PEEK)
        except BaseException:  # the caller was interrupted
            corridor.leave()
            raise
        if not begun:
            self._finish()
        self.headers = door.told

    def __next__(self) -> Object:
        for one in self._objects:
            return one
        self._finish()
        raise StopIteration

    def close(self) -> None:
        """Leave, and wait until what was used is settled. A stream that has ended stays as it is."""
        self._corridor.leave()
        self._corridor.join()
        self._objects = iter(())
        self.entry = self._receipt.entry

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self._corridor.leave()

    def _finish(self) -> None:
        self.close()
        error, self._corridor.error = self._corridor.error, None
        if error is not None:
            raise error


def _objects(near: socket.socket) -> Iterator[Object]:
    """The objects of a stream; what is no object is the surface's end mark."""
    for burst in sse.bursts(_pieces(near)):
        for event in burst:
            if event.data.startswith(b"{"):
                yield read_object(event.data)


def _pieces(near: socket.socket) -> Iterator[bytes]:
    with suppress(OSError):  # it was closed by another thread
        while data := near.recv(_PIECE):
            yield data


def read_object(text: bytes) -> Object:
    """A JSON object whose fields are attributes too."""
    value: Object = json.loads(text, object_hook=Object)
    return value
