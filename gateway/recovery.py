"""Recovery: what processes that died left unsettled is found by those that live, and written down like any entry."""

import logging
import threading
from collections.abc import Callable, Iterable

from gateway.ledger import Entry

log = logging.getLogger(__name__)

INTERVAL = 5.0
"""Seconds between looks."""


class Recovery:
    """Looks for entries of dead processes, in a thread of its own.

    Args:
        recover: asks every plugin that keeps something across a crash.
        record: hands an entry to every recorder.
        interval: seconds between looks.
    """

    def __init__(
        self,
        recover: Callable[[], Iterable[Entry]],
        record: Callable[[Entry], None],
        interval: float = INTERVAL,
    ) -> None:
        self._recover = recover
        self._record = record
        self._interval = interval
        self._stopped = threading.Event()

    def start(self) -> None:
        """Look now, and again and again, as long as this process lives; a fork has to start its own."""
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="recovery", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def look(self) -> int:
        """Look once; how many entries there were. Who knows how an attempt ended comes before who only guesses."""
        entries = sorted(self._recover(), key=lambda entry: entry.outcome == "unknown")
        for entry in entries:
            log.warning("%s: recovered, %s", entry.call_id, entry.cost)
            self._record(entry)
        return len(entries)

    def _run(self) -> None:
        stopped = self._stopped
        while True:
            try:
                self.look()
            except Exception:  # a look that fails is made again
                log.exception("recovery")
            if stopped.wait(self._interval):
                return
