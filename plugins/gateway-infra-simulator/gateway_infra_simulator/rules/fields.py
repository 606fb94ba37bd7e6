"""Top-level fields: which exist, for which endpoint, version and beta, and of which type they are."""

import re
from collections.abc import Callable
from typing import Any

from gateway_infra_simulator import shape
from gateway_infra_simulator.beta import betas, granted
from gateway_infra_simulator.refusal import bad

Check = Callable[[str, object], object]

MAX_MESSAGES = 100_000
SAMPLING = ("temperature", "top_p", "top_k")

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[a-zA-Z]{2,}")
_NOT_COUNTED = (
    *SAMPLING,
    "container",
    "diagnostics",
    "fallback_credit_token",
    "fallbacks",
    "inference_geo",
    "max_tokens",
    "metadata",
    "service_tier",
    "stop_sequences",
    "stream",
    "thread",
)
_NULLABLE = (
    "billing_policy",
    "cache_control",
    "compaction",
    "container",
    "context_management",
    "diagnostics",
    "fallback_credit_token",
    "fallbacks",
    "inference_geo",
    "speed",
    "thread",
)


def check(body: dict[str, Any], version: str, tokens: frozenset[str], *, counting: bool) -> None:
    """Refuse fields that are missing, unknown, not allowed here, or of the wrong type."""
    shape.only("", body, _allowed(version, tokens, counting=counting))
    for required in ("model", "messages") if counting else ("model", "messages", "max_tokens"):
        shape.need("", body, required)
    for name, value in body.items():
        if not (value is None and name in _NULLABLE):
            CHECKS[name](name, value)


def _allowed(version: str, tokens: frozenset[str], *, counting: bool) -> frozenset[str]:
    absent = {name for name in betas().fields if name != "speed" and not granted(betas().fields, name, tokens)}
    if counting:
        absent.update(_NOT_COUNTED)
    if version >= "2026-10-21":
        absent.update(SAMPLING)
    return frozenset(CHECKS).difference(absent)


def _messages(path: str, value: object) -> None:
    messages = shape.listing(path, value)
    if not messages:
        raise bad(path, "at least one message is required")
    if len(messages) > MAX_MESSAGES:
        raise bad(path, f"List should have at most {MAX_MESSAGES} items")


def _max_tokens(path: str, value: object) -> None:
    shape.integer(path, value)


def _stop_sequences(path: str, value: object) -> None:
    for index, sequence in enumerate(shape.listing(path, value)):
        if not shape.string(shape.under(path, index), sequence).strip():
            raise bad(path, "each stop sequence must contain non-whitespace")


def _metadata(path: str, value: object) -> None:
    metadata = shape.mapping(path, value)
    shape.only(path, metadata, ("user_id",))
    user = metadata.get("user_id")
    if user is not None and _EMAIL.fullmatch(shape.string(f"{path}.user_id", user).strip()):
        raise bad(f"{path}.user_id", "user_id appears to contain an email address")


def _system(path: str, value: object) -> None:
    if not isinstance(value, str):
        shape.listing(path, value)


def _service_tier(path: str, value: object) -> None:
    shape.choice(path, value, ("auto", "standard_only"))


def _speed(path: str, value: object) -> None:
    shape.choice(path, value, ("standard", "fast"))


def _fallbacks(path: str, value: object) -> None:
    if value != "default":
        shape.listing(path, value)


def _anything(path: str, value: object) -> None:
    """Opaque to the simulator."""


CHECKS: dict[str, Check] = {
    "billing_policy": shape.mapping,
    "cache_control": shape.mapping,
    "compaction": shape.mapping,
    "container": _anything,
    "context_management": shape.mapping,
    "diagnostics": shape.mapping,
    "fallback_credit_token": _anything,
    "fallbacks": _fallbacks,
    "inference_geo": shape.string,
    "max_tokens": _max_tokens,
    "mcp_servers": shape.listing,
    "messages": _messages,
    "metadata": _metadata,
    "model": shape.string,
    "output_config": shape.mapping,
    "output_format": shape.mapping,
    "safeguards": _anything,
    "service_tier": _service_tier,
    "speed": _speed,
    "stop_sequences": _stop_sequences,
    "stream": shape.boolean,
    "system": _system,
    "temperature": shape.number,
    "thinking": shape.mapping,
    "thread": _anything,
    "tool_choice": shape.mapping,
    "tools": shape.listing,
    "top_k": shape.integer,
    "top_p": shape.number,
}
"""Every field of the body and the check of its type."""
