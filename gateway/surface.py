"""The surface: what one kind of client speaks, as pure functions around the canonical form.

``read`` turns a client's body into Messages JSON; a ``Writer`` turns Messages events into the client's bytes. The
Messages surface is the identity and lives here; every other one is a package.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from gateway import sse, strictjson
from gateway.call import Call
from gateway.errors import GatewayError, InvalidRequest
from gateway.limit import Limit
from gateway.pricing import dollars
from gateway.sse import Event

if TYPE_CHECKING:
    from gateway.ledger import Entry

Action = Literal["create", "count"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a client's body says.

    Attributes:
        model: the model name that it asks for.
        body: the canonical body; a dict of its own, whose values may be the client's.
        stream: whether it wants events.
        version: the API version that it speaks, when it says so.
        betas: beta tokens that stand in the body rather than in a header.
        ignored: hints that have no counterpart and are left out.
        unsupported: parameters that change the answer and have no counterpart, and why; they are left out of ``body``.
            The operator decides whether that is a refusal.
    """

    model: str
    body: dict[str, Any]
    stream: bool
    version: str = ""
    betas: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    unsupported: Mapping[str, str] = field(default_factory=dict)


class Writer:
    """Writes one call's answer in the client's words; the base class writes Messages events as they are.

    Args:
        call: the call that is answered.
    """

    keepalive: bytes = sse.comment("keepalive")
    """A sign of life that every client of the surface skips."""

    def __init__(self, call: Call) -> None:
        self.call = call

    def message(self, event: Event, entry: "Entry") -> bytes:
        """A whole answer; it is settled already."""
        raise NotImplementedError

    def events(self, burst: Sequence[Event]) -> bytes:
        """A piece of a stream; may be empty."""
        raise NotImplementedError

    def end(self, entry: "Entry") -> bytes:
        """What follows the terminal event once the call is settled."""
        raise NotImplementedError

    def error(self, error: GatewayError) -> bytes:
        """An error in the middle of a stream, and its end."""
        raise NotImplementedError


class Surface:
    """Base class of surfaces.

    Attributes:
        name: the word used in claims, ledger and errors.
        paths: what it serves: path to action.
        request_id: name of the response header that carries the call's id.
        optional: fields that the Messages API requires and clients of this surface may leave out.
    """

    name: str = ""
    paths: Mapping[str, Action] = {}
    request_id: str = "x-request-id"
    optional: frozenset[str] = frozenset()

    def read(self, asked: dict[str, Any], headers: Mapping[str, str]) -> Reading:
        """The canonical form of a client's body. Pure; ``asked`` stays as it is.

        Raises:
            InvalidRequest: something in the body has no counterpart, or the wrong form.
        """
        raise NotImplementedError

    def writer(self, call: Call) -> Writer:
        """The writer of one call's answer."""
        raise NotImplementedError

    def error(self, error: GatewayError, call_id: str) -> bytes:
        """The body of an error answer."""
        raise NotImplementedError

    def limit_headers(self, limits: Sequence[Limit]) -> dict[str, str]:  # noqa: ARG002 - not every dialect has words for it
        """Response headers that tell what is left of limits."""
        return {}


class Messages(Surface):
    """The Messages API itself.

    Nothing that the client sent is reordered or rewritten, because prompt caches depend on it.

    Sources: Messages API reference, "Errors" and "Versioning".
    """

    name = "messages"
    paths: Mapping[str, Action] = {"/v1/messages": "create", "/v1/messages/count_tokens": "count"}
    request_id = "request-id"

    def __init__(self, version_header: str, limit_prefix: str = "") -> None:
        self._version_header = version_header
        self._limit_prefix = limit_prefix

    def read(self, asked: dict[str, Any], headers: Mapping[str, str]) -> Reading:
        """The body as it is; the version header travels when it is a date."""
        version = headers.get(self._version_header, "")
        return Reading(
            model=model_name(asked),
            body=dict(asked),
            stream=asked.get("stream") is True,
            version=version if re.fullmatch(r"\d{4}-\d{2}-\d{2}", version) else "",
        )

    def writer(self, call: Call) -> Writer:
        """The identity, but for the model's name."""
        return MessagesWriter(call)

    def error(self, error: GatewayError, call_id: str) -> bytes:
        """The error object, with the call's id as ``request_id``."""
        return strictjson.dumps_lenient({**error_object(error), "request_id": call_id})

    def limit_headers(self, limits: Sequence[Limit]) -> dict[str, str]:
        """Three headers for each kind; a reset is a time (Messages API reference, "Rate limits")."""
        if not self._limit_prefix:
            return {}
        return {name: text for limit in limits for name, text in _limit_headers(self._limit_prefix, limit)}


class MessagesWriter(Writer):
    """Passes frames on as they came; only the model's name becomes the one that the client asked for."""

    keepalive = Event.of({"type": "ping"}).frame

    def message(self, event: Event, entry: "Entry") -> bytes:  # noqa: ARG002 - the cost stands in a header
        """The host's message under the name that the client asked for."""
        return strictjson.dumps_lenient({**event.json(), "model": self.call.model})

    def events(self, burst: Sequence[Event]) -> bytes:
        """The frames that came."""
        return b"".join([self._start(event) if event.name == "message_start" else event.frame for event in burst])

    def end(self, entry: "Entry") -> bytes:
        """The cost, as a comment that every reader skips."""
        if entry.bill is None:
            return b""
        return sse.comment(f"gateway-cost-usd {dollars(entry.bill.total)}")

    def error(self, error: GatewayError) -> bytes:
        """An ``error`` event; nothing follows it."""
        return Event.of({**error_object(error), "request_id": self.call.id}).frame

    def _start(self, event: Event) -> bytes:
        value = event.json()
        message = value.get("message") if isinstance(value, dict) else None
        if not isinstance(message, dict):
            return event.frame
        renamed = {**value, "message": {**message, "model": self.call.model}}
        return Event(event.name, strictjson.dumps_lenient(renamed)).frame


def _limit_headers(prefix: str, limit: Limit) -> Iterator[tuple[str, str]]:
    reset = datetime.now(UTC) + timedelta(seconds=limit.reset)
    for name, value in (
        ("limit", str(limit.limit)),
        ("remaining", str(limit.remaining)),
        ("reset", reset.strftime("%Y-%m-%dT%H:%M:%SZ")),
    ):
        yield f"{prefix}-{limit.kind}-{name}", value


def model_name(asked: Mapping[str, Any]) -> str:
    """The model that a body asks for.

    Raises:
        InvalidRequest: it names none.
    """
    model = asked.get("model")
    if not isinstance(model, str) or not model:
        raise InvalidRequest("model: Field required, a non-empty string.", param="model")
    return model


def error_object(error: GatewayError) -> dict[str, Any]:
    """An error as the Messages API words it, with our machine-readable facts beside the message."""
    body: dict[str, Any] = {"type": error.kind, "message": error.message}
    if error.details:
        body["details"] = error.details
    return {"type": "error", "error": body}
