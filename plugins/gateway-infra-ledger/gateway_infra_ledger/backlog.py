"""The backlog: entries that are not in the database yet, oldest first, and never more than fit."""

import threading
from collections.abc import Iterable
from itertools import islice

from gateway import Entry

UNKNOWN = "unknown"
"""How an attempt ended of which nobody knows more; such as one that was taken for dead while it was only slow."""


class Backlog:
    """A bounded queue that keeps its entries until they are known to be written.

    Args:
        size: how many entries fit.
        batch: how many are taken at once; so many wake the taker before its time.
    """

    def __init__(self, size: int, batch: int) -> None:
        self._size = size
        self._batch = batch
        self._entries: dict[tuple[str, int], Entry] = {}
        self._closed = False
        lock = threading.Lock()
        self._came = threading.Condition(lock)
        self._went = threading.Condition(lock)

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry, patience: float) -> bool:
        """Add an entry, waiting for room if need be; False when there was none, or the backlog is closed."""
        with self._went:
            if len(self._entries) >= self._size:
                self._went.wait_for(lambda: len(self._entries) < self._size or self._closed, patience)
            if len(self._entries) >= self._size or self._closed:
                return False
            key = (entry.call_id, entry.attempt)
            if key not in self._entries or knows_more(entry, self._entries[key]):
                self._entries[key] = entry
            if len(self._entries) in (1, self._batch):  # it sleeps until the first, then until the batch is full
                self._came.notify()
            return True

    def take(self, linger: float) -> list[Entry]:
        """The oldest entries, which stay until they are removed: wait for one, then for company, but not for long.

        Nothing comes back only when the backlog is closed and empty.
        """
        with self._came:
            self._came.wait_for(lambda: self._entries or self._closed)
            self._came.wait_for(lambda: len(self._entries) >= self._batch or self._closed, linger)
            return list(islice(self._entries.values(), self._batch))

    def remove(self, written: Iterable[Entry]) -> list[Entry]:
        """Let go of entries that are written; those that went. An entry that came in the place of one stays."""
        with self._went:
            gone = [entry for entry in written if self._entries.get((entry.call_id, entry.attempt)) is entry]
            for entry in gone:
                del self._entries[entry.call_id, entry.attempt]
            self._went.notify_all()
            return gone

    def of(self, call_id: str) -> list[Entry]:
        """Entries of a call that are waiting."""
        with self._went:
            return [entry for (call, _), entry in self._entries.items() if call == call_id]

    def wait_empty(self, timeout: float) -> bool:
        """Wait until everything is written; False when it was not in time."""
        with self._went:
            return self._went.wait_for(lambda: not self._entries, timeout)

    def close(self) -> None:
        """Take nothing more; wake whoever waits."""
        with self._went:
            self._closed = True
            self._came.notify_all()
            self._went.notify_all()

    def drain(self) -> list[Entry]:
        """Everything that is left."""
        with self._went:
            left = list(self._entries.values())
            self._entries.clear()
            return left


def knows_more(one: Entry, other: Entry) -> bool:
    """Whether one entry says how the attempt ended where the other one does not know."""
    return other.outcome == UNKNOWN != one.outcome
