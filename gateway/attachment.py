"""Attachments: images and documents behind a URL, brought as bytes to hosts that do not fetch by themselves.

A client names the address, so fetching it is a favour that the operator has to grant, and then only public addresses
count: a gateway often stands where a client could not reach by itself.
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from gateway.call import Call
from gateway.errors import InvalidRequest, UnsupportedCapability, UpstreamError
from gateway.provider import Outbound
from gateway.transport import Answer, Transport
from gateway.watch import Timeouts, Watch

TYPES: Mapping[str, frozenset[str]] = {
    "image": frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"}),
    "document": frozenset({"application/pdf"}),
}
"""What may stand behind a URL, by the block that names it (Messages API reference, "Vision" and "PDF support")."""

OK = 200


@dataclass(frozen=True)
class Patience:
    """How much is fetched for one request at most.

    Attributes:
        size: bytes in all.
        seconds: in all.
        count: addresses.
    """

    size: int = 14 * 1024 * 1024  # base64 adds a third, and the smallest limit of a host is 20 MB
    seconds: float = 10.0
    count: int = 20


Bring = Callable[[Mapping[str, Any], str], dict[str, Any]]
Watching = Callable[[Timeouts], Watch]


class Attachments:
    """Replaces URL sources by base64 ones.

    Args:
        transport: reaches public addresses only; None when the operator does not let clients make the gateway fetch.
        patience: what one request may take of us.
    """

    def __init__(self, transport: Transport | None = None, patience: Patience = Patience()) -> None:
        self._transport = transport
        self._patience = patience

    def bring(self, call: Call, watch: Watching | None) -> None:
        """Put the bytes in the place of every URL; empty ones without a ``watch``. The client's own objects stay.

        Args:
            call: prepared for a host that takes bytes only.
            watch: makes what minds the client and the clock while something is fetched; None fetches nothing.

        Raises:
            UnsupportedCapability: the host takes no URLs, and nothing is fetched here.
            InvalidRequest: an address is not allowed, or does not give what its block says.
        """
        messages = call.body.get("messages")
        if not isinstance(messages, list) or not any(_is_url(block) for block in _blocks(messages)):
            return
        if self._transport is None:
            raise _not_fetched(call)
        if sum(map(_is_url, _blocks(messages))) > self._patience.count:
            raise InvalidRequest(f"messages: they hold more than {self._patience.count} URLs.", param="messages")
        errand = _Errand(self._transport, self._patience, watch) if watch else None
        bring = errand.bring if errand else _placeholder
        call.body["messages"] = _mapped(messages, "messages", lambda turn, path: _inside(turn, path, bring))


class _Errand:
    """One request's fetching: what is left of its bytes, its seconds and its addresses."""

    def __init__(self, transport: Transport, patience: Patience, watch: Watching) -> None:
        self._transport = transport
        self._watch = watch
        self._patience = patience
        self._until = monotonic() + patience.seconds
        self._size = patience.size

    def bring(self, block: Mapping[str, Any], path: str) -> dict[str, Any]:
        """The block with the bytes behind its URL."""
        url = block["source"].get("url")
        self._check(url, path)
        kind, data = self._fetch(str(url), TYPES[block["type"]], path)
        return {**block, "source": _source(kind, data)}

    def _check(self, url: Any, path: str) -> None:
        problem = _problem(url)
        if problem:
            raise _refused(path, problem)

    def _fetch(self, url: str, types: frozenset[str], path: str) -> tuple[str, bytes]:
        left = max(self._until - monotonic(), 0.001)
        watch = self._watch(Timeouts(connect=left, first_byte=left, idle=left, total=left))
        headers = {"accept": ", ".join(sorted(types)), "accept-encoding": "identity", "user-agent": "gateway"}
        try:
            answer = self._transport.send(Outbound("GET", url, headers, b""), None, watch)
            try:
                return self._read(answer, types, path)
            finally:
                answer.close()
        except UpstreamError:
            raise _refused(path, "could not be fetched from a public address in time") from None

    def _read(self, answer: Answer, types: frozenset[str], path: str) -> tuple[str, bytes]:
        if answer.status != OK:
            raise _refused(path, f"answered with status {answer.status}; redirects are not followed")
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in types:
            raise _refused(path, f"has to be one of {', '.join(sorted(types))}")
        data = bytearray()
        for chunk in answer.chunks():
            data += chunk
            if len(data) > self._size:
                raise _refused(path, f"makes more than {self._patience.size} bytes of attachments")
        self._size -= len(data)
        return kind, bytes(data)


def _placeholder(block: Mapping[str, Any], _path: str) -> dict[str, Any]:
    return {**block, "source": _source(min(TYPES[block["type"]]), b"")}


def _source(kind: str, data: bytes) -> dict[str, str]:
    return {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode()}


def _problem(url: Any) -> str:
    """What is wrong with an address before anybody is asked; empty when nothing is."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no valid URL"
    if parts.scheme != "https" or not host:
        return "has to be an https URL"
    return "must not hold a user or a password" if "@" in parts.netloc else ""


def _blocks(messages: Sequence[Any]) -> Iterator[Any]:
    """Every block of the turns, those inside tool results and documents included."""
    for holder in messages:
        content = holder.get("content") if isinstance(holder, dict) else None
        for block in content if isinstance(content, list) else ():
            yield block
            if isinstance(block, dict):
                yield from _blocks([block, block.get("source")])


def _is_url(block: Any) -> bool:
    if not isinstance(block, dict) or block.get("type") not in ("image", "document"):
        return False
    source = block.get("source")
    return isinstance(source, dict) and source.get("type") == "url"


def _inside(holder: Any, path: str, bring: Bring) -> Any:
    """A turn, a tool result or a document's source with its URL blocks replaced."""
    content = holder.get("content") if isinstance(holder, dict) else None
    if not isinstance(content, list):
        return holder
    return {**holder, "content": _mapped(content, f"{path}.content", lambda one, at: _brought(one, at, bring))}


def _brought(block: Any, path: str, bring: Bring) -> Any:
    if _is_url(block):
        return bring(block, f"{path}.source.url")
    if isinstance(block, dict) and isinstance(block.get("source"), dict):
        block = {**block, "source": _inside(block["source"], f"{path}.source", bring)}
    return _inside(block, path, bring)


def _mapped(items: Sequence[Any], path: str, change: Callable[[Any, str], Any]) -> list[Any]:
    return [change(item, f"{path}[{position}]") for position, item in enumerate(items)]


def _refused(path: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"{path}: {why}.", param=path)


def _not_fetched(call: Call) -> UnsupportedCapability:
    return UnsupportedCapability(
        f"messages: {call.host.provider} takes images and documents as base64 only, and this gateway fetches no URLs; "
        "send the bytes, or ask the operator for general_settings.fetch_urls.",
        param="messages",
        details={"param": "messages", "model": call.model, "provider": [call.host.provider]},
    )
