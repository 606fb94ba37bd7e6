"""The prompt cache: which prefixes were marked and seen before, and for how long they are kept."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway_infra_simulator.model import Model
from gateway_infra_simulator.prompt import Part, tokens

LOOKBACK = 20
"""How many parts before a mark are tried for an earlier prefix."""

SECONDS = {"5m": 300.0, "1h": 3600.0}


@dataclass(frozen=True)
class Cached:
    """The tokens of a prompt that were read from the cache or written to it."""

    read: int = 0
    written_5m: int = 0
    written_1h: int = 0

    @property
    def written(self) -> int:
        """Both lifetimes together."""
        return self.written_5m + self.written_1h


@dataclass(frozen=True)
class _Prefix:
    digest: bytes
    tokens: int
    ttl: str | None


class Cache:
    """Remembers the prefixes of one simulator.

    Args:
        minimum: do as the API does and leave short prefixes uncached; otherwise every mark counts.
        clock: seconds that only grow.
    """

    def __init__(self, *, minimum: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._minimum = minimum
        self._clock = clock
        self._kept: dict[bytes, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def account(self, model: Model, parts: tuple[Part, ...]) -> Cached:
        """What one request reads and writes; it is remembered for the next."""
        if not any(part.control for part in parts):
            return Cached()
        prefixes = _prefixes(model, parts)
        least = model.cache_minimum if self._minimum else 0
        marked = [at for at, prefix in enumerate(prefixes) if prefix.ttl and prefix.tokens >= least]
        with self._lock:
            hit = self._hit(prefixes, marked)
            return self._write(prefixes, [at for at in marked if at > hit], hit)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()

    def _hit(self, prefixes: list[_Prefix], marked: list[int]) -> int:
        now = self._clock()
        tried = sorted({at for mark in marked for at in range(max(0, mark - LOOKBACK), mark + 1)}, reverse=True)
        for at in tried:
            expires, ttl = self._kept.get(prefixes[at].digest, (0.0, "5m"))
            if expires > now:
                self._kept[prefixes[at].digest] = (now + SECONDS[ttl], ttl)
                return at
        return -1

    def _write(self, prefixes: list[_Prefix], marks: list[int], hit: int) -> Cached:
        read = before = prefixes[hit].tokens if hit >= 0 else 0
        written = {"5m": 0, "1h": 0}
        for at in marks:
            ttl = prefixes[at].ttl or "5m"
            written[ttl] += prefixes[at].tokens - before
            before = prefixes[at].tokens
            self._kept[prefixes[at].digest] = (self._clock() + SECONDS[ttl], ttl)
        return Cached(read, written["5m"], written["1h"])


def _prefixes(model: Model, parts: tuple[Part, ...]) -> list[_Prefix]:
    running, size, prefixes = hashlib.blake2b(model.id.encode()), 0, []
    for part in parts:
        bare = {key: value for key, value in part.content.items() if key != "cache_control"}
        running.update(json.dumps(bare, sort_keys=True).encode())
        size += part.size
        ttl = part.control.get("ttl", "5m") if part.control else None
        prefixes.append(_Prefix(running.digest(), tokens(size), ttl))
    return prefixes
