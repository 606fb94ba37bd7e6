"""Limits of one process, in the memory storage of the library ``limits``.

All that a call wants is taken under one lock. The library's own limiters ask for one limit at a time, refuse to count
what is over it, and give nothing back; so only its storage and the way that it cuts its windows are used.

Every process counts for itself. With ``workers`` processes each of them enforces its share of a limit, rounded up; so
all of them together let through at most the limit, plus one per process. Where the operator does not say how many
there are, each process enforces the whole limit, and several together let through several times as much.
"""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from gateway_infra_ledger.fork import at_fork
from limits.storage import MemoryStorage

from gateway_infra_keys.limit_window import LONG, PERIOD, Count, Taken, Want


class Local:
    """Counts in memory.

    Args:
        workers: how many processes share the limits.
    """

    _lock: threading.Lock
    _storage: MemoryStorage | None
    _calls: Counter[str]

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers
        self._begin()
        at_fork(child=self._begin)

    def take(self, name: str, wants: Sequence[Want]) -> Taken:
        """Take all that a call wants, or nothing."""
        with self._lock:
            # the library starts a thread for its storage, which has to be on this side of a fork
            self._storage = self._storage or MemoryStorage()
            now = time.time()
            mine = tuple(self._share(want) for want in wants)
            counts = tuple(self._count(self._storage, want, now) for want in mine)
            fits = all(count.fits(want) for want, count in zip(mine, counts, strict=True))
            for want in mine if fits else ():
                self._add(self._storage, want, now)
            return Taken(name, now, fits, mine, counts)

    def finish(self, taken: Taken, used: int) -> None:
        """A call is over and used so many tokens: they take the place of what was taken for it."""
        with self._lock:
            for want in taken.wants:
                if want.kind == "parallel":
                    self._calls[want.subject] -= 1
                    self._calls += Counter()  # drops what is zero
                elif want.kind == "tokens" and self._storage is not None:
                    _correct(self._storage, want, taken.at, used - want.cost)

    def _share(self, want: Want) -> Want:
        """A call that is larger than the share takes all of it, or it could never pass."""
        limit = -(-want.limit // self._workers)
        return replace(want, limit=limit, cost=min(want.cost, limit))

    def _count(self, storage: MemoryStorage, want: Want, now: float) -> Count:
        if want.kind == "parallel":
            return Count(0, self._calls[want.subject], 0.0)
        previous, current = map(storage.get, _keys(want, now))
        return Count(previous, current, PERIOD - now % PERIOD)

    def _add(self, storage: MemoryStorage, want: Want, now: float) -> None:
        if want.kind == "parallel":
            self._calls[want.subject] += want.cost
        else:
            storage.incr(_keys(want, now)[1], LONG, want.cost)

    def _begin(self) -> None:
        """Start afresh in a new process."""
        self._lock = threading.Lock()
        self._storage = None
        self._calls = Counter()


def _keys(want: Want, at: float) -> tuple[str, str]:
    """The counters of the minute before a moment, and of its own."""
    return MemoryStorage.sliding_window_keys(f"{want.kind}/{want.subject}", PERIOD, at)


def _correct(storage: MemoryStorage, want: Want, at: float, extra: int) -> None:
    """What was too much goes back into the minute that it was taken from; what was too little counts now."""
    if extra > 0:
        storage.incr(_keys(want, time.time())[1], LONG, extra)
        return
    held = _keys(want, at)[1]
    if storage.get(held):
        storage.decr(held, -extra)
