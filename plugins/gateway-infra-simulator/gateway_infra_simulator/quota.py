"""Quota: the rate limit headers of an answer. The limits are never reached; they only look like limits."""

import time
from functools import lru_cache
from typing import Any

LIMITS = {"requests": 4_000, "tokens": 2_400_000, "input-tokens": 2_000_000, "output-tokens": 400_000}


def quota_headers(usage: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """What is left after one answer."""
    read, written = usage.get("input_tokens") or 0, usage.get("output_tokens") or 0
    used = {"requests": 1, "tokens": read + written, "input-tokens": read, "output-tokens": written}
    reset = _rfc3339(int(time.time()))
    headers: list[tuple[str, str]] = []
    for kind, limit in LIMITS.items():
        name = f"anthropic-ratelimit-{kind}"
        headers += [(f"{name}-limit", str(limit)), (f"{name}-remaining", str(max(0, limit - used[kind])))]
        headers.append((f"{name}-reset", reset))
    return tuple(headers)


@lru_cache(maxsize=2)
def _rfc3339(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))
