"""What plugin authors and users of the SDK may import. A test pins this list."""

from typing import TYPE_CHECKING, Any

from gateway import sse, strictjson
from gateway.address import HttpUrl
from gateway.bearer import Bearer, Token
from gateway.call import Call, Deployment, Grant, Need, Permissions, Principal
from gateway.catalog import BetaRow, FactorRow, FieldRow, GrantRow, MeterRow, ModelRow, Rows, rows
from gateway.errors import (
    BudgetExceeded,
    ClaimConflict,
    ClientLeft,
    ConfigError,
    Conflict,
    Forbidden,
    Garbled,
    GatewayError,
    InvalidRequest,
    NotSupported,
    RateLimited,
    Refusal,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unidentified,
    UnknownModel,
    UnknownParameter,
    Unreachable,
    UnsupportedCapability,
    UnsupportedMedia,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
)
from gateway.hold import Hold
from gateway.hookspecs import hookimpl
from gateway.ledger import Entry, Timings
from gateway.limit import Limit
from gateway.params import Beta, Param, Variant
from gateway.pricing import Bill, Factor, Line, dollars
from gateway.provider import Fault, HostAnswer, Outbound, Provider
from gateway.relay import Filter
from gateway.replay import Claim, Saved
from gateway.secret import Secret, SecretField
from gateway.sse import Event
from gateway.surface import Action, Reading, Surface, Writer
from gateway.usage import Pass, Usage

if TYPE_CHECKING:
    from gateway.sdk import Gateway, completion, messages
else:  # hidden from type checkers, which would believe in every name

    def __getattr__(name: str) -> Any:
        """The SDK brings the configuration and the web framework along, so it is loaded only when it is asked for."""
        if name not in {"Gateway", "completion", "messages"}:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from gateway import sdk  # noqa: PLC0415 - that is the point

        return getattr(sdk, name)


__all__ = [
    "Action", "Bearer", "Beta", "BetaRow", "Bill", "BudgetExceeded", "Call", "Claim", "ClaimConflict", "ClientLeft",
    "ConfigError", "Conflict", "Deployment", "Entry", "Event", "Factor", "FactorRow", "Fault", "FieldRow", "Filter",
    "Forbidden", "Garbled", "Gateway", "GatewayError", "Grant", "GrantRow", "Hold", "HostAnswer", "HttpUrl",
    "InvalidRequest", "Limit", "Line", "MeterRow", "ModelRow", "Need", "NotSupported", "Outbound", "Param", "Pass",
    "Permissions", "Principal", "Provider", "RateLimited", "Reading", "Refusal", "Rows", "Saved", "Secret",
    "SecretField", "Surface", "Timings", "Token", "TooLarge", "Unauthenticated", "Unavailable", "Unidentified",
    "UnknownModel", "UnknownParameter", "Unreachable", "UnsupportedCapability", "UnsupportedMedia", "UpstreamError",
    "UpstreamRefused", "UpstreamTimeout", "Usage", "Variant", "Writer", "completion", "dollars", "hookimpl",
    "messages", "rows", "sse", "strictjson",
]  # fmt: skip
