"""Looking up a call, wherever its entries are: in this process's backlog, in the database, or about to get there."""

import time
from typing import Protocol

from gateway import Entry
from gateway_infra_ledger.database import Away
from gateway_infra_ledger.record import Record
from gateway_infra_ledger.store import Store

PATIENCE = 1.0
"""Seconds that a call may be on its way; it is another worker's, or its answer has just ended."""

INTERVAL = 0.02
"""Seconds between looks."""


class Waiting(Protocol):
    """Where entries wait on their way to the database."""

    def waiting(self, call_id: str) -> list[Entry]:
        """Entries of a call that are not known to be there yet."""


class Lookup:
    """Finds the attempts of a call."""

    def __init__(self, spool: Waiting, store: Store) -> None:
        self._spool = spool
        self._store = store

    def call(self, call_id: str, key_id: str | None, patience: float = PATIENCE) -> list[Record]:
        """The attempts of a call, waiting for the first; with ``key_id`` those of another key do not exist.

        Raises:
            Away: none waits here, and the database cannot be asked.
        """
        deadline = time.monotonic() + patience
        while not (found := self._look(call_id, key_id)) and time.monotonic() < deadline:
            time.sleep(INTERVAL)
        return found

    def _look(self, call_id: str, key_id: str | None) -> list[Record]:
        """The backlog first: an entry leaves it only after it came to the database."""
        waiting = [Record.of(entry) for entry in self._spool.waiting(call_id) if key_id in (None, entry.key_id)]
        found = {record.entry["attempt"]: record for record in waiting}
        try:
            found |= {record.entry["attempt"]: record for record in self._store.call(call_id, key_id)}
        except Away:
            if not found:
                raise
        return [found[attempt] for attempt in sorted(found, key=lambda number: (abs(number), -number))]
