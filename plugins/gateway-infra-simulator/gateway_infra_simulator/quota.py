"""Quota: the rate limit headers of an answer. The limits are never reached unless a script says so."""

import time
from functools import lru_cache
from typing import Any

Headers = tuple[tuple[str, str], ...]

LIMITS = {"requests": 4_000, "tokens": 2_400_000, "input-tokens": 2_000_000, "output-tokens": 400_000}
FAST_LIMITS = {"input-tokens": 200_000, "output-tokens": 40_000}
"""Fast mode draws on tokens of its own."""


def quota_headers(usage: dict[str, Any]) -> Headers:
    """What is left after one answer; a fast one leaves the ordinary tokens alone."""
    read, written = usage.get("input_tokens") or 0, usage.get("output_tokens") or 0
    tokens = {"tokens": read + written, "input-tokens": read, "output-tokens": written}
    if usage.get("speed") != "fast":
        return _headers("ratelimit", LIMITS, {"requests": 1} | tokens)
    return _headers("ratelimit", LIMITS, {"requests": 1}) + _headers("fast", FAST_LIMITS, tokens)


def empty_fast_headers() -> Headers:
    """Nothing is left of fast mode."""
    return _headers("fast", FAST_LIMITS, FAST_LIMITS)


def _headers(pool: str, limits: dict[str, int], used: dict[str, int]) -> Headers:
    reset = _rfc3339(int(time.time()))
    headers: list[tuple[str, str]] = []
    for kind, limit in limits.items():
        name = f"anthropic-{pool}-{kind}"
        headers += [(f"{name}-limit", str(limit)), (f"{name}-remaining", str(max(0, limit - used.get(kind, 0))))]
        headers.append((f"{name}-reset", reset))
    return tuple(headers)


@lru_cache(maxsize=2)
def _rfc3339(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))
