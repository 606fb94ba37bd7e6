"""What plugin authors and users of the SDK may import. A test pins this list."""

from gateway import sse, strictjson
from gateway.address import HttpUrl
from gateway.call import Call, Deployment, Grant, Need, Permissions, Principal
from gateway.catalog import BetaRow, FactorRow, GrantRow, MeterRow, ModelRow, Rows, rows
from gateway.errors import (
    BudgetExceeded,
    ClaimConflict,
    ClientLeft,
    ConfigError,
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
    UnknownModel,
    UnknownParameter,
    Unreachable,
    UnsupportedCapability,
    UnsupportedMedia,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    clean,
)
from gateway.hold import Hold
from gateway.hookspecs import hookimpl
from gateway.ledger import Entry, Timings
from gateway.params import Beta, Param, Variant
from gateway.pricing import Bill, Factor, Line, dollars
from gateway.provider import Fault, Outbound, Provider
from gateway.relay import Filter
from gateway.secret import Secret, SecretField
from gateway.sse import Event
from gateway.surface import Action, Reading, Surface, Writer
from gateway.usage import Pass, Usage

__all__ = [
    "Action", "Beta", "BetaRow", "Bill", "BudgetExceeded", "Call", "ClaimConflict", "ClientLeft", "ConfigError",
    "Deployment", "Entry", "Event", "Factor", "FactorRow", "Fault", "Filter", "Forbidden", "Garbled", "GatewayError",
    "Grant", "GrantRow", "Hold", "HttpUrl", "InvalidRequest", "Line", "MeterRow", "ModelRow", "Need", "NotSupported",
    "Outbound", "Param", "Pass", "Permissions", "Principal", "Provider", "RateLimited", "Reading", "Refusal", "Rows",
    "Secret", "SecretField", "Surface", "Timings", "TooLarge", "Unauthenticated", "Unavailable", "UnknownModel",
    "UnknownParameter", "Unreachable", "UnsupportedCapability", "UnsupportedMedia", "UpstreamError",
    "UpstreamRefused", "UpstreamTimeout", "Usage", "Variant", "Writer", "clean", "dollars", "hookimpl", "rows", "sse",
    "strictjson",
]  # fmt: skip
