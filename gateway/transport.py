"""The only module that opens sockets. A request goes out as bytes; its answer comes back as bytes.

requests and urllib3 do the work: pooled connections, TLS always verified. What they are kept from doing: following
redirects, retrying, reading proxies or passwords from the environment, keeping cookies, inflating bodies.
"""

import http.client
import io
import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from time import monotonic
from typing import Any, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from gateway.errors import ClientLeft, Garbled, GatewayError, Unreachable, UpstreamTimeout
from gateway.provider import Outbound
from gateway.watch import Watch

MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of a whole JSON answer before it counts as garbled."""

MAX_FAULT = 1024 * 1024
"""Bytes of an error body that are looked at."""

LAST_BYTES = 0.25
"""Seconds that a finished stream may take to close."""

_CHUNK = 64 * 1024
_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


class Transport:
    """Sends requests over pooled connections; safe to share between threads.

    Args:
        ca: path of a certificate authority to trust instead of the public ones.
        proxy: URL of a forward proxy; the environment is never asked.
        pool: connections kept alive per host.
        public: says of an address (IP) whether it may be reached, for requests whose host a client names; such
            requests go out over TLS only. None for hosts that the operator names.
    """

    def __init__(
        self,
        *,
        ca: str | None = None,
        proxy: str | None = None,
        pool: int = 64,
        public: Callable[[str], bool] | None = None,
    ) -> None:
        self._verify: bool | str = ca or True
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        pools = {"https": _guarded_pool(public)} if public else {"http": _Pool, "https": _SecurePool}
        self._adapter = _Adapter(pools, pool_connections=32, pool_maxsize=pool)

    def send(self, outbound: Outbound, auth: AuthBase | None, watch: Watch) -> "Answer":
        """Send, and return once the answer's head is there.

        Raises:
            ClientLeft: the client closed its connection meanwhile.
            Unreachable: no connection, or one that broke.
            UpstreamTimeout: the host was silent for too long.
        """
        began, waited = monotonic(), watch.waited
        with _watching(watch), _translated():
            prepared = requests.Request(
                outbound.method, outbound.url, headers=dict(outbound.headers), data=outbound.body, auth=auth
            ).prepare()
            response = self._adapter.send(
                prepared,
                stream=True,
                timeout=(watch.timeouts.connect, watch.timeouts.total),
                verify=self._verify,
                proxies=self._proxies,
            )
        watch.waited = waited + monotonic() - began
        watch.answering()
        return Answer(response, watch)

    def close(self) -> None:
        """Close the idle connections."""
        self._adapter.close()


class Answer:
    """A host's answer, its head read, its body still on the wire.

    Attributes:
        status: the HTTP status.
        headers: the host's headers; names are looked up without regard to case.
    """

    def __init__(self, response: requests.Response, watch: Watch) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._watch = watch

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes in.

        Raises:
            ClientLeft, Unreachable, UpstreamTimeout, Garbled: as for ``Transport.send``.
        """
        self._refuse_compressed()
        while True:
            with _watching(self._watch), _translated():
                chunk = self._response.raw.read1(_CHUNK, decode_content=False)
            if not chunk:
                return
            yield chunk

    def read(self, limit: int = MAX_ANSWER) -> bytes:
        """The whole body.

        Raises:
            Garbled: it is larger than ``limit``, or compressed though we asked for it plain.
        """
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) > limit:
                raise Garbled(f"The host's answer is larger than {limit} bytes.")
        return bytes(body)

    def read_fault(self) -> bytes:
        """What can be read of an error's body; nothing when even that fails."""
        try:
            return self.read(MAX_FAULT)
        except GatewayError:
            return b""

    def finish(self) -> None:
        """Read what trails the terminal event, so that the connection can be used again; not worth waiting for long."""
        self._watch.hurry(LAST_BYTES)
        with suppress(GatewayError, ClientLeft):
            next(self.chunks(), None)

    def close(self) -> None:
        """Let go: a connection whose body was read to the end goes back to the pool, any other is closed."""
        self._response.close()

    def _refuse_compressed(self) -> None:
        encoding = self.headers.get("content-encoding", "identity")
        if encoding.strip().lower() not in ("identity", ""):
            raise Garbled("The host compressed its answer although it was asked not to.")


class _Adapter(HTTPAdapter):
    """Hands out connections that ask the watch before they block."""

    def __init__(self, pools: Mapping[str, type[HTTPConnectionPool]], **kwargs: Any) -> None:
        self._pools = pools
        super().__init__(**kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


class _Watched:
    """A socket whose reader waits with the watch and whose sender tells it; everything else is the socket's."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def sendall(self, data: Any) -> None:
        watch = _watch.get()
        if watch is not None:
            watch.sent = True
        self._inner.sendall(data)

    def makefile(self, *_args: Any, **_kwargs: Any) -> io.BufferedReader:
        return io.BufferedReader(_WatchedReads(self._inner), _CHUNK)


class _WatchedReads(io.RawIOBase):
    def __init__(self, inner: socket.socket) -> None:
        self._socket = inner
        self._file = cast("io.RawIOBase", inner.makefile("rb", buffering=0))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        watch = _watch.get()
        if watch is not None:
            watch.wait(self._socket)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _WholeLines:
    """The reader of an answer's head, in which a line that breaks off is no line."""

    def __init__(self, inner: io.BufferedReader) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def readline(self, limit: int = -1) -> bytes:
        line = self._inner.readline(limit)
        if not line.endswith(b"\n") and len(line) != limit:
            raise http.client.RemoteDisconnected("the head of the answer breaks off")
        return line


class _Response(http.client.HTTPResponse):
    """The library takes the end of the connection for the end of the head."""

    def begin(self) -> None:
        inner = self.fp
        self.fp = cast("io.BufferedReader", _WholeLines(inner))
        try:
            super().begin()
        finally:
            self.fp = inner if isinstance(self.fp, _WholeLines) else self.fp


class _Connection(HTTPConnection):
    response_class = _Response

    def connect(self) -> None:
        super().connect()
        self.sock = _watched(self.sock)


class _SecureConnection(HTTPSConnection):
    response_class = _Response

    def connect(self) -> None:
        super().connect()
        self.sock = _watched(self.sock)


def _watched(inner: socket.socket) -> socket.socket:
    """A fresh connection, watched. A large prompt may take longer to send than a connection takes to stand."""
    watch = _watch.get()
    if watch is not None:
        inner.settimeout(watch.timeouts.first_byte)
    return cast("socket.socket", _Watched(inner))


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, whatever it is wrapped in."""
    found = ipaddress.ip_address(address)
    found = getattr(found, "ipv4_mapped", None) or found
    wrapped = any(found in network for network in _WRAPPING if network.version == found.version)
    return found.is_global and not found.is_multicast and not wrapped


_WRAPPING = [
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "::ffff:0:0:0/96", "fec0::/10")
]
"""IPv6 networks in which an IPv4 address can hide, and sites of old: NAT64, 6to4, Teredo, IPv4-compatible and
-translated, site-local (RFC 6052, 8215, 3056, 4380, 4291, 2765, 3879)."""


def _guarded_pool(allowed: Callable[[str], bool]) -> type[HTTPSConnectionPool]:
    """Connections whose host was resolved, looked at, and is then reached at the very address that was looked at."""

    class Connection(_SecureConnection):
        def _new_conn(self) -> socket.socket:
            name = self._dns_host
            *others, last = _looked_up(name, self.port or 443, allowed)
            try:
                for self._dns_host in others:
                    with suppress(urllib3.exceptions.HTTPError):
                        return super()._new_conn()
                self._dns_host = last
                return super()._new_conn()
            finally:
                self._dns_host = name  # TLS checks the name

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool


def _looked_up(host: str, port: int, allowed: Callable[[str], bool]) -> list[str]:
    """The addresses of a name, all of which may be reached."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses or not all(map(allowed, addresses)):
        raise Unreachable("The address is not a public one.")
    return addresses[:2]  # an IPv6 address that leads nowhere and an IPv4 address that does


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


@contextmanager
def _watching(watch: Watch) -> Iterator[None]:
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


@contextmanager
def _translated() -> Iterator[None]:
    """The libraries' exceptions as ours, in one place; none of their texts, which hold hosts and paths."""
    try:
        yield
    except (requests.ConnectTimeout, requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError):
        raise UpstreamTimeout("The host could not be reached or did not answer in time.") from None
    except (requests.exceptions.SSLError, urllib3.exceptions.SSLError):
        raise Unreachable("The host's TLS certificate could not be verified, or its handshake failed.") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError):
        raise Unreachable("The connection to the host failed or broke.") from None
