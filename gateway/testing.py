"""For plugin authors: the checks that our own packages pass, and fixtures for pytest.

Put ``pytest_plugins = ["gateway.testing"]`` into your ``conftest.py`` and call the check of your plugin's kind::

    def test_the_feature_keeps_its_promises():
        check_feature(MyPlugin, bodies=[{"my_param": "value"}])

Everything here works with the core alone, without a network.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import pytest
from flask import Flask
from requests import Request

from gateway import config as configuration
from gateway import sse, strictjson
from gateway.app import create_app
from gateway.call import Call, Deployment, Principal, new_id
from gateway.catalog import BOOKS, Catalog, ModelRow
from gateway.errors import GatewayError, InvalidRequest, NotSupported, UpstreamRefused
from gateway.hookspecs import hookimpl
from gateway.ledger import Entry, Timings
from gateway.params import Claims, Dialect, Param, Variant
from gateway.plugins import KIND_HOOKS, Found, Plugins, build
from gateway.pricing import Bill, Factor
from gateway.provider import Outbound, Provider
from gateway.sse import Event
from gateway.surface import Surface
from gateway.usage import KINDS, Pass

HOSTILE: tuple[Any, ...] = (
    None, True, 7, -1, math.pi, "x", "", [], [None], [[]], {}, {"type": 7}, [{"role": "user"}], [{"type": "text"}],
)  # fmt: skip
"""Values that stand where something else belongs."""

MODEL = "claude-test-1"
"""The model that checks ask for where the plugin does not care."""

# ---------------------------------------------------------------------------------------------- making things


def make_call(body: Mapping[str, Any] | None = None, **facts: Any) -> Call:
    """A call as the corridor would make it, for a deployment of a test provider unless ``facts`` say otherwise."""
    whole: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hello"}],
        **(body or {}),
    }
    known: dict[str, Any] = {
        "id": new_id(),
        "at": datetime.now(UTC),
        "principal": Principal("test"),
        "surface": "messages",
        "model": whole["model"],
        "asked": whole,
        "body": dict(whole),
        "stream": whole.get("stream") is True,
        "version": "2023-06-01",
        "deployment": make_deployment(),
    }
    return Call(**(known | facts))


def make_deployment(**facts: Any) -> Deployment:
    """A deployment of the test provider unless ``facts`` say otherwise."""
    known: dict[str, Any] = {
        "id": "test/one",
        "model_name": MODEL,
        "provider": "test",
        "upstream": MODEL,
        "settings": {},
    }
    return Deployment(**(known | facts))


def make_entry(**facts: Any) -> Entry:
    """An entry of a small, whole answer unless ``facts`` say otherwise."""
    known: dict[str, Any] = {
        "call_id": new_id(),
        "attempt": 1,
        "at": datetime.now(UTC),
        "key_id": "test",
        "alias": "",
        "team": "",
        "tags": (),
        "surface": "messages",
        "model": MODEL,
        "deployment": "test/one",
        "provider": "test",
        "upstream_model": MODEL,
        "served_model": MODEL,
        "upstream_request_id": "req_upstream",
        "stream": False,
        "outcome": "complete",
        "passes": (Pass("message", "", {"input": 10, "output": 5}),),
        "served": {},
        "unpriced": (),
        "unread": (),
        "usage": {"input_tokens": 10, "output_tokens": 5},
        "odd": (),
        "bill": Bill((), BOOKS[0], "test"),
        "error": "",
        "estimated": False,
        "timings": Timings(1.0, 2.0, 0.5),
    }
    return Entry(**(known | facts))


def found(factory: type, name: str, kind: str) -> Found:
    """A plugin class as discovery would find it; for ``create_app(found=[...])``."""
    return Found(name, kind, factory, f"gateway-{kind}-{name.replace('_', '-')}", "0")


@dataclass
class FakeDoor:
    """A client in memory.

    Attributes:
        sent: what it sends as its body.
        headers: its headers, names in lower case.
        status, answer_headers: what came back first.
        pieces: the bytes that came back, write by write.
    """

    sent: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 0
    answer_headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    socket: None = None

    def body(self) -> bytes:
        """The body."""
        return self.sent

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Note status and headers."""
        if self.status:
            raise AssertionError("the answer began twice")
        self.status, self.answer_headers = status, dict(headers)

    def write(self, data: bytes) -> None:
        """Note bytes."""
        self.pieces.append(data)

    @property
    def received(self) -> bytes:
        """Everything that came back."""
        return b"".join(self.pieces)


# ------------------------------------------------------------------------------------------- a host for tests


@dataclass
class TestHost(Provider):
    """A provider whose host is a list of bytes, for tests of features and surfaces; it never opens a socket.

    Attributes:
        calls: what was encoded, in order.
    """

    __test__ = False

    name: str = "test"
    passes_unknown_betas: bool = True
    calls: list[Call] = field(default_factory=list)

    def auth(self, deployment: Deployment) -> None:
        """Nobody signs."""

    def encode(self, call: Call) -> Outbound:
        """The body as it is."""
        self.calls.append(call)
        headers = {"anthropic-beta": ",".join(call.betas)} if call.betas else {}
        return Outbound("POST", "http://127.0.0.1:9/v1/messages", headers, strictjson.dumps(call.body))


RATES: Mapping[str, Decimal] = dict(zip(KINDS, map(Decimal, ("5", "6.25", "10", "0.50", "25")), strict=True))
"""Prices of the test host's models, per million tokens."""


class TestHostPlugin:
    """Brings a ``TestHost`` whose every model costs ``RATES``."""

    __test__ = False

    @hookimpl
    def register_provider(self) -> Provider:
        """The test host."""
        return TestHost()

    @hookimpl
    def register_catalog(self) -> Sequence[ModelRow]:
        """One row for everything."""
        return [ModelRow(provider="test", upstream=("*",), id=MODEL, max_output=1000, rates=RATES, source="test")]


@pytest.fixture
def gateway_app() -> Callable[..., Flask]:
    """Make an app with a ``TestHost`` and the plugins that a test brings: ``gateway_app(found(...), section=...)``."""

    def make(*plugins: Found, yaml: str = "") -> Flask:
        text = f"model_list: [{{model_name: '*', litellm_params: {{model: 'test/*'}}}}]\n{yaml}"
        host = found(TestHostPlugin, "test", "provider")
        return create_app(configuration.parse(text, "test.yaml", {}), found=[host, *plugins])

    return make


# ------------------------------------------------------------------------------------------------- the checks


def check_plugin(factory: type, kind: str, settings: Mapping[str, Any] | None = None) -> object:
    """What every plugin keeps: it can be built twice, and implements only hooks of its kind that exist.

    Returns the plugin, built.
    """
    one = found(factory, "checked", kind)
    build(one, settings)
    plugins = Plugins([one], {"checked": settings} if settings is not None else {})
    (loaded,) = plugins.loaded
    assert loaded.hooks, f"{factory.__name__} implements no hook"
    assert set(loaded.hooks) <= KIND_HOOKS[kind]
    return loaded.plugin


def check_provider(
    factory: type,
    *,
    settings: Mapping[str, Any],
    upstream: str,
    secrets: Iterable[str] = (),
    faults: Mapping[tuple[int, bytes], tuple[int, str]] | None = None,
    plugin_settings: Mapping[str, Any] | None = None,
) -> Provider:
    """What every provider keeps.

    Encoding is pure and leaves the call alone, JSON and stream; nothing of the client's headers goes along unasked; the
    credential appears only when the request is signed; every model row has a source and a day; faults become errors.

    Args:
        factory: the plugin class.
        settings: what a deployment says beside its model.
        upstream: a model that the catalog prices.
        secrets: texts that may appear in signed headers only.
        faults: ``(status, body)`` of the host to ``(status, kind)`` for the client.
        plugin_settings: the plugin's own section.
    """
    plugin = check_plugin(factory, "provider", plugin_settings)
    provider: Provider = plugin.register_provider()  # type: ignore[attr-defined]  # every provider plugin has it
    deployment = make_deployment(provider=provider.name, upstream=upstream, settings=provider.settings().load(settings))
    _check_encoding(provider, deployment, tuple(secrets))
    _check_catalog(plugin, provider, upstream)
    for status in (400, 401, 403, 404, 413, 429, 500, 503, 529):
        for body in (b"", b"<html>no</html>", b"[]", b"null", b'{"error": "text"}', b'{"error": {"message": 7}}'):
            fault = provider.fault(status, {}, body)
            assert fault.message, f"a fault {status} {body!r} has no message"
            assert 400 <= fault.status < 600  # noqa: PLR2004 - the range of HTTP errors
    for (status, body), expected in (faults or {}).items():
        fault = provider.fault(status, {}, body)
        assert (fault.status, fault.kind) == expected
    return provider


def _check_encoding(provider: Provider, deployment: Deployment, secrets: tuple[str, ...]) -> None:
    for stream in (False, True):
        call = make_call({"stream": stream}, deployment=deployment, betas=["test-beta"])
        before = json.dumps(call.body)
        outbound = provider.encode(call)
        assert outbound == provider.encode(call), "encode is not pure"
        assert json.dumps(call.body) == before, "encode changed the call"
        name = deployment.upstream.rpartition("/")[2]  # what stands before it says how to speak, or whose it is
        assert name in unquote(outbound.url) + outbound.body.decode(), "the upstream's model name is missing"
        plain = repr(outbound)
        assert not any(secret in plain for secret in secrets), "a credential stands in the unsigned request"
        auth = provider.auth(deployment)
        if secrets and auth is not None:
            signed = Request("POST", outbound.url, data=outbound.body, auth=auth).prepare()
            assert any(secret in str(signed.headers) for secret in secrets), "the credential is not sent"
    with suppress(NotSupported):
        provider.encode_count(make_call(deployment=deployment))


def _check_catalog(plugin: Any, provider: Provider, upstream: str) -> None:
    for book in BOOKS:
        catalog = Catalog({"checked": plugin.register_catalog()}, book)
        assert catalog.model(provider.name, upstream), f"{upstream} has no price in book {book}"
    for row in plugin.register_catalog():
        assert row.source, f"a row without a source: {row}"
        assert row.checked, f"a row without the day on which somebody looked: {row}"


def check_feature(
    factory: type,
    *,
    bodies: Sequence[Mapping[str, Any]] = (),
    settings: Mapping[str, Any] | None = None,
    providers: Sequence[object] = (),
) -> object:
    """What every feature keeps.

    It writes only what it claims; its claims fit the dialect; ``adjust_cost`` is pure and returns factors; its
    rows have a source and a day; filters return events.

    Args:
        factory: the plugin class.
        bodies: parts of request bodies that use the feature.
        settings: the plugin's own section.
        providers: further plugins whose rows it meets.
    """
    plugin = check_plugin(factory, "feature", settings)
    claims = _claims(plugin)
    Claims(Dialect.load(), {"checked": claims})
    for body in ({}, *bodies):
        call = make_call(body)
        before = strictjson.loads(strictjson.dumps(call.body))
        if hasattr(plugin, "prepare_request"):
            _call(plugin.prepare_request, call=call)
            _check_writes(before, call, claims)
        if hasattr(plugin, "adjust_cost"):
            _check_adjust(plugin, call)
        if hasattr(plugin, "filter_events"):
            _check_filter(plugin, call)
    for row in [*_rows(plugin), *(row for other in providers for row in _rows(other))]:
        assert row.source, f"a row without a source: {row}"
        assert row.checked, f"a row without the day on which somebody looked: {row}"
    return plugin


def _claims(plugin: Any) -> list[Any]:
    return list(plugin.register_params()) if hasattr(plugin, "register_params") else []


def _rows(plugin: Any) -> list[Any]:
    return list(plugin.register_catalog()) if hasattr(plugin, "register_catalog") else []


def _call(method: Callable[..., Any], **given: Any) -> Any:
    """Call an implementation with the arguments that it names, as the core does."""
    names = method.__code__.co_varnames[1 : method.__code__.co_argcount]
    return method(**{name: given[name] for name in names})


def _check_writes(before: dict[str, Any], call: Call, claims: Sequence[Any]) -> None:
    own = {claim.path for claim in claims if isinstance(claim, Param) and claim.surface is None}
    own |= {claim.union.removesuffix("[]") for claim in claims if isinstance(claim, Variant)}
    for path in _changed(before, strictjson.loads(strictjson.dumps(call.body))):
        owned = any(path == name or path.startswith(f"{name}.") for name in own)
        assert owned, f"prepare_request wrote {path}, which it does not claim"


def _changed(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Dotted paths at which two bodies differ."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        if before != after:
            yield path
        return
    for name in {**before, **after}:
        inner = f"{path}.{name}" if path else name
        yield from _changed(before.get(name), after.get(name), inner)


def _check_adjust(plugin: Any, call: Call) -> None:
    usage = Pass("message", "", {"input": 300_000, "output": 1000})
    body = strictjson.dumps(call.body)
    first = _call(plugin.adjust_cost, call=call, usage=usage, served={})
    second = _call(plugin.adjust_cost, call=call, usage=usage, served={})
    assert _listed(first) == _listed(second), "adjust_cost is not pure"
    assert strictjson.dumps(call.body) == body, "adjust_cost changed the call"
    for given in _listed(first):
        assert isinstance(given, Factor | str), f"adjust_cost returned {given!r}"
        if isinstance(given, Factor):
            number = isinstance(given.times, Decimal) and given.times.is_finite()
            assert number, f"a factor whose number is {given.times!r}, not a Decimal"
            assert given.reason, "a factor without a reason"


def _listed(given: Any) -> list[Any]:
    return [] if given is None else [given] if isinstance(given, Factor | str) else list(given)


def _check_filter(plugin: Any, call: Call) -> None:
    wanted = _call(plugin.filter_events, call=call)
    if wanted is None:
        return
    assert wanted.events or wanted.blocks, "a filter that wants nothing; return None instead"
    for event in wanted.apply(list(sample_stream())):
        assert isinstance(event, Event), f"a filter returned {event!r}"


def check_surface(
    factory: type,
    *,
    body: Mapping[str, Any],
    parse: Callable[[bytes], Any] = bytes,
    settings: Mapping[str, Any] | None = None,
) -> Surface:
    """What every surface keeps.

    Reading is pure and gives a body that the Messages API knows; a stream can be cut anywhere without changing what is
    written; errors have a body; hostile JSON is refused, never tripped over.

    Args:
        factory: the plugin class.
        body: a request of a client of this surface.
        parse: reads a stream as a strict client would; raises when it cannot.
        settings: the plugin's own section.
    """
    plugin = check_plugin(factory, "surface", settings)
    surface: Surface = plugin.register_surface()  # type: ignore[attr-defined]  # every surface plugin has it
    asked = dict(body)
    reading = surface.read(asked, {})
    assert asked == body, "read changed the client's body"
    assert reading == surface.read(asked, {}), "read is not pure"
    Claims(Dialect.load(), {}).check(surface.name, asked, dict(reading.body), surface.optional)
    _check_writer(surface, reading.body, asked, parse)
    _check_hostile(surface, asked)
    for error in (InvalidRequest("No.", param="x"), UpstreamRefused("Busy.", status=529, retry_after=1)):
        assert surface.error(error, "req_1"), "an error without a body"
    return surface


def _check_writer(surface: Surface, body: dict[str, Any], asked: dict[str, Any], parse: Callable[[bytes], Any]) -> None:
    events = list(sample_stream())
    call = make_call(body | {"stream": True}, asked=asked, surface=surface.name)
    whole = _written(surface, call, [events])
    assert whole == _written(surface, call, [[event] for event in events]), "bursts change what is written"
    parse(whole)
    message = Event.of(sample_message())
    strictjson.loads_object(surface.writer(replace(call, stream=False)).message(message, make_entry()))
    assert surface.writer(call).error(InvalidRequest("No.")), "an error without bytes"


def _written(surface: Surface, call: Call, bursts: Sequence[list[Event]]) -> bytes:
    writer = surface.writer(call)
    return b"".join(writer.events(burst) for burst in bursts) + writer.end(make_entry(call_id=call.id))


def _check_hostile(surface: Surface, asked: dict[str, Any]) -> None:
    for name in asked:
        for value in HOSTILE:
            with suppress(GatewayError):
                surface.read({**asked, name: value}, {})


# ---------------------------------------------------------------------------------------------------- samples


def sample_message() -> dict[str, Any]:
    """A whole answer with thinking, multi-byte text, a tool call and a block of a type that nobody knows."""
    return {
        "id": "msg_sample",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [
            {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmF0dXJl"},
            {"type": "text", "text": "Grüße, 世界"},
            {"type": "novelty", "content": "new", "extra": {"kept": True}},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Zürich"}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 20, "cache_read_input_tokens": 5},
    }


def sample_stream() -> Iterator[Event]:
    """The same answer as a stream, with a ping and an event that nobody knows."""
    message = sample_message()
    yield Event.of({"type": "message_start", "message": {**message, "content": [], "stop_reason": None}})
    for index, block in enumerate(message["content"]):
        yield from _sample_block(index, block)
        yield Event.of({"type": "ping"})
    yield Event.of({"type": "novelty_event", "value": 1})
    yield Event.of(
        {
            "type": "message_delta",
            "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": 20},
        }
    )
    yield Event.of({"type": "message_stop"})


def _sample_block(index: int, block: dict[str, Any]) -> Iterator[Event]:
    empty = {"text": "", "thinking": "", "signature": "", "input": {}}
    start = {name: empty.get(name, value) for name, value in block.items()}
    yield Event.of({"type": "content_block_start", "index": index, "content_block": start})
    for delta in _sample_deltas(block):
        yield Event.of({"type": "content_block_delta", "index": index, "delta": delta})
    yield Event.of({"type": "content_block_stop", "index": index})


def _sample_deltas(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "text" in block:
        yield from ({"type": "text_delta", "text": part} for part in _halves(block["text"]))
    if "thinking" in block:
        yield from ({"type": "thinking_delta", "thinking": part} for part in _halves(block["thinking"]))
        yield {"type": "signature_delta", "signature": block["signature"]}
    if "input" in block:
        text = json.dumps(block["input"])
        yield from ({"type": "input_json_delta", "partial_json": part} for part in _halves(text))


def _halves(text: str) -> list[str]:
    cuts = [0, len(text) // 2, len(text)]
    return [text[start:end] for start, end in pairwise(cuts)]


def parse_stream(data: bytes) -> list[Event]:
    """A stream's events by the strict rules: whole frames only, and nothing left behind."""
    assert data.endswith(b"\n\n"), "the stream ends inside a frame"
    return [event for burst in sse.bursts([data]) for event in burst]
