"""The SDK: calls from Python through the same corridor, without HTTP.

A whole answer is made in the caller's own thread. A stream is pushed by the corridor and pulled by its caller, so its
corridor runs in a thread, with a pair of sockets between the two: a slow caller holds it up, and one that leaves is
noticed at once, as on HTTP.
"""

import atexit
import json
import logging
import math
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache, partial
from types import MappingProxyType, TracebackType
from typing import Any, Literal, Self, overload

from gateway import config as configuration
from gateway import sse, strictjson
from gateway.app import assemble
from gateway.auth import MASTER
from gateway.call import Call, Deployment, new_id
from gateway.config import (
    CONFIG_VARIABLE,
    NEVER_FORWARDED,
    NEVER_FORWARDED_PREFIXES,
    OWN_HEADERS,
    Config,
    ModelEntry,
)
from gateway.document import Document, Place
from gateway.errors import ClientLeft, ConfigError, InvalidRequest
from gateway.hold import Hold
from gateway.ledger import Entry
from gateway.pipeline import Admit
from gateway.plugins import KIND_HOOKS, Found, discover
from gateway.pricing import Bill
from gateway.reply import Reply
from gateway.surface import Surface

log = logging.getLogger(__name__)

KEPT = 32
"""Gateways that the functions keep: one for each configuration, and one for each provider, key and address."""

SETTLING = 5.0
"""Seconds that a process that ends gives each stream that was not read to its end."""

Turns = Sequence[Mapping[str, Any]]

_PIECE = 64 * 1024
_PARAMS: Place = ("model_list", 0, "params")


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


class _Receipt:
    """A hold that holds nothing: every entry settles the holds, so the caller gets it whatever became of the call."""

    headers: Mapping[str, str] = MappingProxyType({})
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


class _Door:
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
        self.receipt = _Receipt()
        self._asked = asked

    def body(self) -> bytes:
        return self._asked

    def begin(self, status: int, headers: Mapping[str, str]) -> None:  # noqa: ARG002 - what is no success is raised
        self.told = headers

    def write(self, data: bytes) -> None:
        if self.socket is None:
            self.received += data
            return
        try:
            self.socket.sendall(data)
        except OSError:
            raise ClientLeft from None


class _Corridor(threading.Thread):
    """The thread of one stream; it pushes into one end of a pair of sockets.

    Attributes:
        near: the caller's end.
        error: what went wrong, once the thread has ended.
    """

    def __init__(self, answer: Callable[[], None], door: _Door) -> None:
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

    def __init__(self, corridor: _Corridor, door: _Door) -> None:
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


class Gateway:
    """The corridor of one configuration, for callers in this process; threads may share it, forked processes may not.

    Whoever calls it is the operator: no key is asked for, and the headers that are given travel.

    Args:
        config: the configuration, or the path of its file.
        found: plugins to use instead of the installed ones.

    Raises:
        ConfigError: anything that makes the configuration, the plugins or the catalog unfit to serve.
    """

    def __init__(self, config: Config | str | os.PathLike[str], *, found: Sequence[Found] | None = None) -> None:
        if not isinstance(config, Config):
            config = configuration.load(config)
        patience = replace(config.timeouts, keepalive=math.inf)  # nobody in this process needs signs of life
        parts = assemble(replace(config, forward_headers=True, timeouts=patience), found=found)
        for warning in parts.warnings:
            log.warning("%s", warning)
        self._pipeline = parts.pipeline
        self._surfaces = {surface.name: surface for surface in parts.surfaces}
        self._betas_header = parts.claims.dialect.betas_header

    @overload
    def completion(self, *, model: str, messages: Turns, stream: Literal[False] = ..., **params: Any) -> Answer: ...

    @overload
    def completion(self, *, model: str, messages: Turns, stream: Literal[True], **params: Any) -> Stream: ...

    @overload
    def completion(self, *, model: str, messages: Turns, stream: bool, **params: Any) -> Answer | Stream: ...

    def completion(self, *, model: str, messages: Turns, stream: bool = False, **params: Any) -> Answer | Stream:
        """A chat completion, as the function of this name makes it."""
        return self._create("chat", {"model": model, "messages": messages, **params}, stream=stream)

    @overload
    def messages(
        self, *, model: str, max_tokens: int, messages: Turns, stream: Literal[False] = ..., **params: Any
    ) -> Answer: ...

    @overload
    def messages(
        self, *, model: str, max_tokens: int, messages: Turns, stream: Literal[True], **params: Any
    ) -> Stream: ...

    @overload
    def messages(
        self, *, model: str, max_tokens: int, messages: Turns, stream: bool, **params: Any
    ) -> Answer | Stream: ...

    def messages(
        self, *, model: str, max_tokens: int, messages: Turns, stream: bool = False, **params: Any
    ) -> Answer | Stream:
        """A message, as the function of this name makes it."""
        asked = {"model": model, "max_tokens": max_tokens, "messages": messages, **params}
        return self._create("messages", asked, stream=stream)

    def _create(self, surface: str, asked: dict[str, Any], *, stream: bool) -> Answer | Stream:
        headers = _headers(asked, self._betas_header)
        door = _Door(_dumps({**asked, "stream": True} if stream else asked), headers)
        answer = partial(self._answer, self._surface(surface), door)
        return Stream(_Corridor(answer, door), door) if stream else _whole(answer, door)

    def _answer(self, surface: Surface, door: _Door) -> None:
        pipeline = replace(
            self._pipeline,
            admit=door.receipt.beside(self._pipeline.admit),
            forwarded_headers=tuple(name for name in door.headers if name not in OWN_HEADERS),
        )
        pipeline.answer(surface, "create", Reply(door, surface, new_id()), MASTER)

    def _surface(self, name: str) -> Surface:
        if name not in self._surfaces:
            raise ConfigError(f"no surface {name!r} is let in; its package is gateway-surface-{name}.")
        return self._surfaces[name]


@overload
def completion(*, model: str, messages: Turns, stream: Literal[False] = ..., **params: Any) -> Answer: ...


@overload
def completion(*, model: str, messages: Turns, stream: Literal[True], **params: Any) -> Stream: ...


@overload
def completion(*, model: str, messages: Turns, stream: bool, **params: Any) -> Answer | Stream: ...


def completion(
    *,
    model: str,
    messages: Turns,
    stream: bool = False,
    api_key: str | None = None,
    api_base: str | None = None,
    **params: Any,
) -> Answer | Stream:
    """A chat completion, in OpenAI's words.

    Args:
        model: ``provider/model``; with ``GATEWAY_CONFIG``, a name of that configuration.
        messages: the conversation.
        stream: chunks as they come, instead of a whole answer.
        api_key: the credential, where it is not the provider's usual variable.
        api_base: where the host is, where it is not the usual address.
        params: what else a request's body may hold; and ``extra_headers``, which travel.

    Raises:
        ConfigError: a credential is missing, or the configuration is unfit.
        Refusal: the call is refused before anything is sent.
        UpstreamError: the host refuses, or something breaks.
    """
    gateway = _kept.gateway(model, api_key, api_base)
    return gateway.completion(model=model, messages=messages, stream=stream, **params)


@overload
def messages(
    *, model: str, max_tokens: int, messages: Turns, stream: Literal[False] = ..., **params: Any
) -> Answer: ...


@overload
def messages(*, model: str, max_tokens: int, messages: Turns, stream: Literal[True], **params: Any) -> Stream: ...


@overload
def messages(*, model: str, max_tokens: int, messages: Turns, stream: bool, **params: Any) -> Answer | Stream: ...


def messages(
    *,
    model: str,
    max_tokens: int,
    messages: Turns,
    stream: bool = False,
    api_key: str | None = None,
    api_base: str | None = None,
    **params: Any,
) -> Answer | Stream:
    """A message, in the words of the Messages API.

    Args:
        model: ``provider/model``; with ``GATEWAY_CONFIG``, a name of that configuration.
        max_tokens: the most that the answer may hold.
        messages: the conversation.
        stream: events as they come, instead of a whole answer.
        api_key: the credential, where it is not the provider's usual variable.
        api_base: where the host is, where it is not the usual address.
        params: what else a request's body may hold; and ``extra_headers``, which travel.

    Raises:
        ConfigError: a credential is missing, or the configuration is unfit.
        Refusal: the call is refused before anything is sent.
        UpstreamError: the host refuses, or something breaks.
    """
    gateway = _kept.gateway(model, api_key, api_base)
    return gateway.messages(model=model, max_tokens=max_tokens, messages=messages, stream=stream, **params)


class _Arguments(Document):
    """What a caller says without a file: an error names the argument, and no line."""

    def error(self, path: Place, text: str) -> ConfigError:
        argument = path[len(_PARAMS) :]
        return ConfigError(f"{argument[0]}: {text}" if argument else text)


class _Kept:
    """The gateways of the functions, each built once in a process. A fork starts afresh: sockets cannot be shared."""

    def __init__(self) -> None:
        self._renew()
        os.register_at_fork(after_in_child=self._renew)

    def gateway(self, model: str, api_key: str | None, api_base: str | None) -> Gateway:
        """The gateway that serves a model; built by one caller, while others wait."""
        path = os.environ.get(CONFIG_VARIABLE, "").strip()
        if path and (api_key, api_base) != (None, None):
            raise ConfigError(f"api_key, api_base: {CONFIG_VARIABLE} is set, and its deployments have their own.")
        with self._building:
            return self._configured(path) if path else self._direct(_provider(model), api_key, api_base)

    def _renew(self) -> None:
        self._building = threading.Lock()
        self._configured = lru_cache(KEPT)(Gateway)
        self._direct = lru_cache(KEPT)(_direct)


def _direct(provider: str, api_key: str | None, api_base: str | None) -> Gateway:
    """Every model of a provider, and none of the plugins that keep something: nobody has said where."""
    given = {"model": f"{provider}/*", "api_key": api_key, "api_base": api_base}
    params = {name: value for name, value in given.items() if value is not None}
    entry = ModelEntry(0, _PARAMS, f"{provider}/*", provider, "*", params, {})
    config = Config(_Arguments("", {}, {}), models=(entry,))
    return Gateway(config, found=discover(kinds=KIND_HOOKS.keys() - {"infra"}))


def _provider(model: str) -> str:
    """The provider in a model's name.

    Raises:
        InvalidRequest: there is none.
    """
    provider, _, upstream = str(model).partition("/")
    if not (provider and upstream):
        raise InvalidRequest(
            f"model: {model!r} has to read provider/model, or {CONFIG_VARIABLE} has to name a configuration with it.",
            param="model",
        )
    return provider


def _headers(asked: dict[str, Any], betas_header: str) -> dict[str, str]:
    """Take the headers out of the arguments; beta tokens may also be a list, under their header's name.

    Raises:
        InvalidRequest: one that never travels, or that is none.
    """
    given = asked.pop("extra_headers", None) or {}
    if not isinstance(given, Mapping):
        raise InvalidRequest("extra_headers: has to be a mapping of names to values.", param="extra_headers")
    headers = {str(name).lower(): value for name, value in given.items()}
    listed = asked.pop(betas_header.replace("-", "_"), None) or []
    tokens = [headers.get(betas_header), *([listed] if isinstance(listed, str) else listed)]
    if any(tokens):
        headers[betas_header] = ",".join(str(token) for token in tokens if token)
    for name, value in headers.items():
        if name in NEVER_FORWARDED or name.startswith(NEVER_FORWARDED_PREFIXES):
            raise InvalidRequest(f"extra_headers: {name!r} is never forwarded.", param="extra_headers")
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise InvalidRequest(f"extra_headers: {name!r} has to be printable ASCII.", param="extra_headers")
    return headers


def _dumps(asked: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(asked, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"The arguments hold a value that JSON cannot: {error}.") from None


def _whole(answer: Callable[[], None], door: _Door) -> Answer:
    answer()
    if door.receipt.entry is None:
        raise LookupError("an answer came that was not settled")
    whole = Answer(_object(door.received))
    whole.entry, whole.headers = door.receipt.entry, door.told
    return whole


def _objects(near: socket.socket) -> Iterator[Object]:
    """The objects of a stream; what is no object is the surface's end mark."""
    for burst in sse.bursts(_pieces(near)):
        for event in burst:
            if event.data.startswith(b"{"):
                yield _object(event.data)


def _pieces(near: socket.socket) -> Iterator[bytes]:
    with suppress(OSError):  # it was closed by another thread
        while data := near.recv(_PIECE):
            yield data


def _object(text: bytes) -> Object:
    value: Object = json.loads(text, object_hook=Object)
    return value


_kept = _Kept()
