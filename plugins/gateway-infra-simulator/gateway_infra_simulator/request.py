"""A request as it comes off the socket: HTTP/1.1, and nothing that the simulator does not need of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO
from urllib.parse import parse_qsl, unquote

MAX_BODY = 32 * 1024 * 1024
MAX_LINE = 65536

_DISCARD = 1 << 20


class MalformedError(Exception):
    """What came is no HTTP request."""


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        raw_headers: names and values as they came.
        too_large: the body was longer than the API takes, and was thrown away.
    """

    method: str
    target: str
    protocol: str
    raw_headers: list[tuple[str, str]]
    body: bytes = field(repr=False, default=b"")
    too_large: bool = False

    @property
    def path(self) -> str:
        """The path alone, decoded."""
        return unquote(self.raw_path)

    @property
    def raw_path(self) -> str:
        """The path as it came."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the question mark."""
        return self.target.partition("?")[2]

    @property
    def arguments(self) -> dict[str, str]:
        """The query's names and values."""
        return dict(parse_qsl(self.query))

    @cached_property
    def headers(self) -> dict[str, str]:
        """Values by lower-case name; repeated ones are joined by a comma."""
        joined: dict[str, str] = {}
        for name, value in self.raw_headers:
            key = name.lower()
            joined[key] = f"{joined[key]}, {value}" if key in joined else value
        return joined

    @property
    def keeps_alive(self) -> bool:
        """Whether another request may follow."""
        return self.protocol == "HTTP/1.1" and self.headers.get("connection", "").lower() != "close"


class RequestReader:
    """Reads the requests of one connection.

    Args:
        stream: the connection's bytes.
        proceed: called when the client waits for leave to send its body.
    """

    def __init__(self, stream: BinaryIO, proceed: Callable[[], None]) -> None:
        self._stream = stream
        self._proceed = proceed

    def read(self) -> Request | None:
        """The next request; None when the peer has closed."""
        line = self._stream.readline(MAX_LINE)
        if not line.strip():
            return None
        try:
            method, target, protocol = line.decode("latin-1").split()
        except ValueError:
            raise MalformedError(f"request line {line!r}") from None
        head = Request(method, target, protocol, self._headers())
        if head.headers.get("expect", "").lower() == "100-continue":
            self._proceed()
        body, too_large = self._body(head.headers)
        return Request(method, target, protocol, head.raw_headers, body, too_large)

    def _headers(self) -> list[tuple[str, str]]:
        headers = []
        while (line := self._stream.readline(MAX_LINE)) not in (b"\r\n", b"\n", b""):
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise MalformedError(f"header {line!r}")
            headers.append((name, value.strip()))
        return headers

    def _body(self, headers: dict[str, str]) -> tuple[bytes, bool]:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunked()
        try:
            length = int(headers.get("content-length") or 0)
        except ValueError:
            raise MalformedError("content-length") from None
        if length <= MAX_BODY:
            return self._exactly(length), False
        for _ in range(0, length, _DISCARD):
            self._stream.read(min(_DISCARD, length))
            length -= _DISCARD
        return b"", True

    def _chunked(self) -> tuple[bytes, bool]:
        chunks, total = [], 0
        while size := self._chunk_size():
            chunk = self._exactly(size)
            total += size
            if total <= MAX_BODY:
                chunks.append(chunk)
            self._stream.readline(MAX_LINE)
        self._headers()
        return (b"".join(chunks), False) if total <= MAX_BODY else (b"", True)

    def _chunk_size(self) -> int:
        line = self._stream.readline(MAX_LINE)
        try:
            return int(line.partition(b";")[0], 16)
        except ValueError:
            raise MalformedError(f"chunk size {line!r}") from None

    def _exactly(self, length: int) -> bytes:
        data = self._stream.read(length)
        if len(data) < length:
            raise MalformedError("the body ended early")
        return data
