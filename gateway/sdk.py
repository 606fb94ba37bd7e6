"""The SDK: calls from Python through the same corridor, without HTTP."""

import json
import logging
import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, Literal, overload

from gateway import config as configuration
from gateway.app import assemble
from gateway.auth import MASTER
from gateway.call import new_id
from gateway.config import (
    CONFIG_VARIABLE,
    NEVER_FORWARDED,
    NEVER_FORWARDED_PREFIXES,
    OWN_HEADERS,
    Config,
    ModelEntry,
)
from gateway.document import Document, Place
from gateway.errors import ConfigError, InvalidRequest
from gateway.plugins import KIND_HOOKS, Found, discover
from gateway.reply import Reply
from gateway.result import Answer, Corridor, Door, Stream, read_object
from gateway.surface import Surface

log = logging.getLogger(__name__)

KEPT = 32
"""Gateways that the functions keep: one for each configuration, and one for each provider, key and address."""

Turns = Sequence[Mapping[str, Any]]

_PARAMS: Place = ("model_list", 0, "params")


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
        door = Door(_dumps({**asked, "stream": True} if stream else asked), headers)
        answer = partial(self._answer, self._surface(surface), door)
        return Stream(Corridor(answer, door), door) if stream else _whole(answer, door)

    def _answer(self, surface: Surface, door: Door) -> None:
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


def _whole(answer: Callable[[], None], door: Door) -> Answer:
    answer()
    if door.receipt.entry is None:
        raise LookupError("an answer came that was not settled")
    whole = Answer(read_object(door.received))
    whole.entry, whole.headers = door.receipt.entry, door.told
    return whole


_kept = _Kept()
