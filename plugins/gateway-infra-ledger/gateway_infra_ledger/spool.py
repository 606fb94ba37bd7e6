"""The spool: the way of every entry, through the journal and by way of memory into the database.

Memory is the fast way. What it has no room for is fetched from the journal later, and what a process cannot get rid of
before its end stays there for whoever looks next.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from gateway import Entry
from gateway_infra_ledger.backlog import UNKNOWN
from gateway_infra_ledger.fork import at_fork
from gateway_infra_ledger.journal import Journal
from gateway_infra_ledger.line import Key
from gateway_infra_ledger.segment import Place
from gateway_infra_ledger.writer import CLOSING, Writer, lost

log = logging.getLogger(__name__)

INTERVAL = 0.01
"""Seconds between looks of who waits for everything to be written."""


class Spool:
    """Takes entries, and sees to it that each is in the database in the end.

    Args:
        journal: keeps what must not be lost.
        add: writes a batch, see ``Store.add``.
        size: how many entries may wait in memory.
        done: called at the very end.
    """

    _overflow: dict[Key, Place]
    _refilling: threading.Lock

    def __init__(
        self,
        journal: Journal,
        add: Callable[[Iterable[Entry]], None],
        size: int,
        *,
        done: Callable[[], None] = lambda: None,
    ) -> None:
        self._journal = journal
        self._done = done
        self._writer = Writer(add, size, settled=self._settled, left=self._left, done=self._finish)
        self._renew()
        at_fork(child=self._renew)

    @property
    def stuck(self) -> bool:
        """Whether entries wait because the database does not take them."""
        return self._writer.stuck

    def begin(self, entry: Entry) -> None:
        """Write down what stands if this process dies before the attempt ends.

        Raises:
            Unavailable: it cannot be written, so the attempt must not be made.
        """
        self._journal.begin(entry)

    def put(self, entry: Entry) -> bool:
        """Have an entry written; whether it is in the journal already, where a crash cannot take it."""
        key, place = (entry.call_id, entry.attempt), self._place(entry)
        if place is None:
            self._writer.put(entry, waits=self._journal.holds(key))  # what never began keeps no client waiting
        elif not self._writer.offer(entry, 0):
            if key not in self._overflow or entry.outcome != UNKNOWN:
                self._overflow[key] = place
            self._refill()
        return place is not None

    def waiting(self, call_id: str) -> list[Entry]:
        """Entries of a call that are not known to be in the database yet."""
        beyond = [place for (call, _), place in tuple(self._overflow.items()) if call == call_id]
        return [*self._writer.waiting(call_id), *(entry for place in beyond if (entry := _read(place)))]

    def flush(self, timeout: float) -> bool:
        """Wait until everything is in the database; False when it was not in time."""
        deadline = time.monotonic() + timeout
        while not (self._writer.flush(max(deadline - time.monotonic(), 0)) and self._idle()):
            if time.monotonic() > deadline:
                return False
            time.sleep(INTERVAL)
        return True

    def _idle(self) -> bool:
        """Whether nothing waits anywhere, nor is on its way from the journal to memory."""
        with self._refilling:
            return not self._overflow and self._writer.flush(0)

    def close(self, timeout: float = CLOSING) -> None:
        """Write what is left, and leave in the journal what cannot be written in time."""
        self._writer.close(timeout)

    def _place(self, entry: Entry) -> Place | None:
        try:
            return self._journal.end(entry)
        except Exception:  # whatever is wrong with it, the database may still take it, or the log will
            log.exception("call %s could not be put into the journal", entry.call_id)
            return None

    def _settled(self, batch: Sequence[Entry]) -> None:
        """These need no journal any more, unless there is a later word; there is room again."""
        keys = [(entry.call_id, entry.attempt) for entry in batch]
        self._journal.done([key for key in keys if key not in self._overflow])
        self._refill()

    def _refill(self) -> None:
        """Fetch what memory had no room for."""
        with self._refilling:
            while self._overflow:
                key = next(iter(self._overflow))
                place = self._overflow.pop(key)
                entry = _read(place) if self._journal.holds(key) else None  # else it came twice, and is written
                if entry is None:
                    self._journal.done([key])
                elif not self._writer.offer(entry, 0):
                    self._overflow[key] = place
                    return

    def _left(self, entry: Entry) -> None:
        """What the journal holds is not lost when the process ends."""
        if not self._journal.holds((entry.call_id, entry.attempt)):
            lost(entry, "the database was away until the end")

    def _finish(self) -> None:
        self._overflow.clear()
        self._journal.close()
        self._done()

    def _renew(self) -> None:
        self._overflow = {}
        self._refilling = threading.Lock()


def _read(place: Place) -> Entry | None:
    try:
        return place.read().entry()
    except (OSError, ValueError, TypeError, KeyError):
        log.exception("an entry in the journal cannot be read any more")
        return None
