"""Everything that can go wrong, and whose fault it is.

GatewayError
├── ConfigError                startup: the operator's words do not fit
│   ├── DuplicatePlugin
│   ├── ClaimConflict
│   ├── CatalogConflict
│   └── UnpricedDeployment
├── Refusal                    ours: nothing was sent upstream
│   ├── InvalidRequest         400
│   │   ├── UnknownParameter
│   │   └── UnsupportedCapability
│   ├── Unauthenticated        401
│   ├── Forbidden              403
│   ├── UnknownModel           404
│   ├── Conflict               409
│   ├── TooLarge               413
│   ├── UnsupportedMedia       415
│   ├── RateLimited            429
│   │   └── BudgetExceeded
│   ├── NotSupported           501
│   └── Unavailable            503
└── UpstreamError              theirs: the host, or the way to it
    ├── UpstreamRefused        its own status and wording
    ├── Unreachable            502
    ├── Unidentified           502
    ├── Garbled                502
    ├── UpstreamTimeout        504
    └── Stopping               503: ours in truth, but something may have been used

A message names the parameter, the party and the remedy. Rendering belongs to the surface.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from gateway.limit import Limit

KINDS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    415: "invalid_request_error",
    429: "rate_limit_error",
    501: "not_supported",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Error type of the Messages API for a status (Messages API reference, "Errors"); others are ``api_error``."""


class ClientLeft(Exception):
    """The client closed its connection; there is nobody to answer, but there is something to settle."""


class GatewayError(Exception):
    """Base of everything this package raises on purpose.

    Attributes:
        message: for people; safe to show to a client.
        status: HTTP status when it is answered before the first byte.
        kind: the error's type in the words of the Messages API.
        code: one stable machine word, sent as ``gateway-error``.
        param: dotted path of the parameter at fault, if one is.
        retry_after: whole seconds after which a new try makes sense, if known.
        should_retry: what ``x-should-retry`` says; None leaves the client its own rule.
        details: further machine-readable facts, such as the capability that is missing.
        limits: what is left of the limits that it is about.
    """

    status: int = 500
    limits: Sequence[Limit] = ()
    code: ClassVar[str] = "internal"
    should_retry: bool | None = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        status: int | None = None,
        kind: str | None = None,
        retry_after: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.status = status or self.status
        self.kind = kind or KINDS.get(self.status, "api_error")
        self.retry_after = retry_after
        self.details = dict(details or {})


class ConfigError(GatewayError):
    """The configuration, a plugin or a catalog cannot be used; the process does not start."""

    code = "config"


class DuplicatePlugin(ConfigError):
    """Two distributions offer a plugin, provider or surface of one name."""


class ClaimConflict(ConfigError):
    """Two plugins claim one parameter, variant or beta."""


class CatalogConflict(ConfigError):
    """Two rows of the catalog say something about the same thing at the same time."""


class UnpricedDeployment(ConfigError):
    """A deployment named in the configuration has no price."""


class Refusal(GatewayError):
    """We say no, before a byte went upstream. A retry of the same request cannot cure it."""

    status = 400
    should_retry: bool | None = False


class InvalidRequest(Refusal):
    """The request is malformed."""

    code = "invalid_request"


class UnknownParameter(InvalidRequest):
    """The parameter needs a package that is not installed, or the operator refuses unknown ones."""

    code = "unknown_parameter"


class UnsupportedCapability(InvalidRequest):
    """No deployment of the model has what the request needs.

    Attributes:
        need: the need that is not met, where leaving out its parameter may help.
        betas: the tokens that belong to it and fall with it.
    """

    code = "unsupported_capability"

    def __init__(self, message: str, *, need: Any = None, betas: Iterable[str] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        self.need = need
        self.betas = frozenset(betas)


class Unauthenticated(Refusal):
    """One text for a key that is missing, malformed, unknown, expired or revoked."""

    status = 401
    code = "unauthenticated"


class Forbidden(Refusal):
    """The key is good, but not for this."""

    status = 403
    code = "forbidden"


class UnknownModel(Refusal):
    """No deployment has this name."""

    status = 404
    code = "unknown_model"


class Conflict(Refusal):
    """The same idempotency key came with another request, or its first request is still being answered."""

    status = 409
    code = "conflict"


class TooLarge(Refusal):
    """The body is over the limit."""

    status = 413
    code = "too_large"


class UnsupportedMedia(Refusal):
    """The body is not plain JSON."""

    status = 415
    code = "unsupported_media"


class RateLimited(Refusal):
    """Too many requests or tokens for now."""

    status = 429
    code = "rate_limited"
    should_retry: bool | None = None

    def __init__(self, message: str, *, limits: Sequence[Limit] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        self.limits = limits


class BudgetExceeded(RateLimited):
    """The money is spent; only the next window or a higher budget helps."""

    code = "budget_exceeded"
    should_retry = False

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message, **{"kind": "billing_error", **facts})


class NotSupported(Refusal):
    """The host has no such operation."""

    status = 501
    code = "not_supported"


class Unavailable(Refusal):
    """Something this gateway depends on is down, and its policy says to refuse."""

    status = 503
    code = "unavailable"
    should_retry = None


class UpstreamError(GatewayError):
    """The host, or the way to it, failed."""

    status = 502
    code = "upstream"


class UpstreamRefused(UpstreamError):
    """The host answered with an error; its status and wording are kept."""

    code = "upstream_refused"


class Unreachable(UpstreamError):
    """No connection, or one that broke."""

    code = "upstream_unreachable"


class Unidentified(UpstreamError):
    """The service that gives us our credential for a host gave none; ``retry`` says whether another try may help."""

    code = "upstream_unidentified"

    def __init__(self, message: str, *, retry: bool = True, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.should_retry = None if retry else False


class Garbled(UpstreamError):
    """The host's answer cannot be understood, or it ended too early."""

    code = "upstream_garbled"


class UpstreamTimeout(UpstreamError):
    """The host was silent for too long."""

    status = 504
    code = "upstream_timeout"


class Stopping(UpstreamError):
    """This process ends before the host does; what was used so far is settled."""

    status = 503
    code = "stopping"


def visible(value: str) -> str:
    """A value that fits into a header: visible ASCII, at most 500 characters."""
    return "".join(char if " " <= char <= "~" else "?" for char in value)[:500]


def credential_refused() -> UpstreamRefused:
    """The host does not know our credential; the client's own is fine, and a retry cannot help."""
    error = UpstreamRefused(
        "The host did not accept this gateway's credential; its operator has to check the deployment's key.", status=502
    )
    error.should_retry = False
    return error
