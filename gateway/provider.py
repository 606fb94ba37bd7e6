"""The provider: an object that speaks to one kind of host. Encoding and reading faults are pure.

All hosts speak the Messages JSON, so a provider is an envelope: URL, version word, where the model and the betas
travel, who signs. The base class does what a host does that speaks the dialect plainly.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from marshmallow import Schema
from requests.auth import AuthBase

from gateway import sse, strictjson
from gateway.call import Call, Deployment
from gateway.errors import KINDS, Garbled, NotSupported, UpstreamRefused, credential_refused
from gateway.redaction import Redaction
from gateway.sse import Event


@dataclass(frozen=True, slots=True)
class Outbound:
    """A finished request, but for its signature."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """What a host's error means.

    Attributes:
        status: what the client should see.
        kind: the error's type in the words of the Messages API.
        message: the host's own wording, as it came; the core takes out what a client must not see.
        retry_after: whole seconds, when the host says so.
        should_retry: the host's own word on retries, if it gave one.
        ours: the host does not accept our credential; the client is not to blame.
        details: further facts that the host gave in machine-readable form.
    """

    status: int
    kind: str
    message: str
    retry_after: int | None = None
    should_retry: bool | None = None
    ours: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    def error(self, redaction: Redaction) -> UpstreamRefused:
        """The error that the client gets."""
        if self.ours:
            return credential_refused()
        error = UpstreamRefused(
            redaction.text(self.message),
            status=self.status,
            kind=self.kind,
            retry_after=self.retry_after,
            details=redaction.facts(self.details),
        )
        error.should_retry = self.should_retry
        return error


LONGEST_WAIT = 7 * 24 * 3600
"""Seconds that a host's ``retry-after`` is believed at most."""


class HostAnswer(Protocol):
    """A host's answer as providers see it."""

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes in."""

    def read(self) -> bytes:
        """The whole body."""


class Provider:
    """Base class of providers.

    Attributes:
        name: the word before the slash in ``model: name/upstream``; also in ledger and errors.
        settings: schema of what a deployment of this provider may say beside ``model``.
        passes_unknown_betas: whether beta tokens without a row in the catalog travel to this host.
        passes_unknown_fields: whether fields of the body without a row in the catalog do.
        takes_urls: whether the host fetches images and documents by itself; else they reach it as bytes only.
    """

    name: str = ""
    settings: type[Schema] = Schema
    passes_unknown_betas: bool = False
    passes_unknown_fields: bool = True
    takes_urls: bool = True

    def check(self, deployment: Deployment) -> None:
        """Look at a deployment once, at startup.

        Raises:
            ConfigError: it cannot work, such as for want of a credential.
        """

    def public_name(self, upstream: str) -> str:
        """The model's name at the host as clients may see it; an account has no place in it."""
        return upstream

    def private(self, deployment: Deployment) -> Iterable[str]:
        """Words that no client may see in what the host says, beside those that look secret by themselves."""
        host = urlsplit(str(deployment.settings.get("api_base") or "")).hostname
        return [host] if host else []

    def auth(self, deployment: Deployment) -> AuthBase | None:
        """Who signs the finished bytes; the last step before they are sent."""
        raise NotImplementedError

    def refused(self, deployment: Deployment) -> bool:  # noqa: ARG002 - a key stays what it is
        """The host did not accept our credential; whether it was dropped, so that a new try may help."""
        return False

    def encode(self, call: Call) -> Outbound:
        """The request for ``call.host``, JSON or stream as ``call.stream`` says. Pure."""
        raise NotImplementedError

    def headers(self, call: Call) -> dict[str, str]:
        """Headers that every host understands: the client's that may travel, and what we send and want back."""
        return {
            **call.headers,
            "content-type": "application/json",
            "accept": "text/event-stream" if call.stream else "application/json",
            "accept-encoding": "identity",
            "user-agent": "gateway",
        }

    def encode_count(self, call: Call) -> Outbound:  # noqa: ARG002 - a host that cannot count needs no call
        """The request that counts the prompt's tokens. Pure.

        Raises:
            NotSupported: the host cannot count.
        """
        raise NotSupported(f"Token counting is not available on {self.name}.")

    def read_count(self, body: bytes) -> dict[str, Any]:
        """The answer to ``encode_count`` as the Messages API words it: ``{"input_tokens": 12}``.

        Raises:
            Garbled: it is no count.
        """
        value = strictjson.object_or_empty(body)
        if not isinstance(value.get("input_tokens"), int):
            raise Garbled("The host's count of tokens cannot be understood.")
        return value

    def events(self, call: Call, answer: HostAnswer) -> Iterator[list[Event]]:
        """The answer as Messages events, in bursts: what one read of the socket completed stays together.

        A JSON answer is a stream of one event named ``message``.
        """
        if call.stream:
            return sse.bursts(answer.chunks())
        return iter([[Event("message", answer.read())]])

    def served(self, call: Call) -> Mapping[str, str]:  # noqa: ARG002 - hosts that echo everything add nothing
        """Facts that price the call and that the host does not echo in its usage."""
        return {}

    def request_id(self, headers: Mapping[str, str]) -> str:
        """The host's own id of the request."""
        return headers.get("request-id", "")

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        """What an error of this host means. Pure."""
        error = _error_object(body)
        details = error.get("details")
        return Fault(
            status=status if 400 <= status < 600 else 502,  # noqa: PLR2004 - the range of HTTP errors
            kind=str(error.get("type") or KINDS.get(status, "api_error")),
            message=str(error.get("message") or f"The host answered with status {status}."),
            retry_after=seconds(headers.get("retry-after")),
            should_retry={"true": True, "false": False}.get(headers.get("x-should-retry", "")),
            ours=status == 401,  # noqa: PLR2004 - the credential that it refused is ours
            details=details if isinstance(details, dict) else {},
        )


def seconds(value: str | None) -> int | None:
    """A ``retry-after`` in whole seconds, rounded up; None when it is absent or no such number."""
    try:
        return min(max(-int(-float(value) // 1), 0), LONGEST_WAIT) if value else None
    except (ValueError, OverflowError):
        return None


def _error_object(body: bytes) -> dict[str, Any]:
    error = strictjson.object_or_empty(body).get("error")
    return error if isinstance(error, dict) else {}
