"""An outage of the database: how long to wait between tries, and how often to speak of it."""

import logging
import time

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between tries; each pause is twice the one before."""

REMINDER = 60.0
"""Seconds between two warnings."""


class Outage:
    """Whether the database is away, and since when."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._said = 0.0
        self._pause = FIRST_PAUSE

    @property
    def lasts(self) -> bool:
        """Whether more than one try in a row has failed."""
        return self._since is not None and self._pause > 2 * FIRST_PAUSE

    def failed(self, reason: str, waiting: int) -> float:
        """Note a failed try; the seconds to wait before the next. A single one is not worth a word."""
        now = time.monotonic()
        if self._since is None:
            self._since, self._said, self._pause = now, now - REMINDER, FIRST_PAUSE
        elif now - self._said >= REMINDER:
            self._said = now
            log.warning("the ledger's database is away, %d entries wait: %s", waiting, reason)
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        return pause

    def over(self) -> None:
        """Note a try that worked."""
        if self._since is not None and self.lasts:
            log.info("the ledger's database is back after %.1f s", time.monotonic() - self._since)
        self._since = None
