"""A probe: how the database is, asked in a thread of its own, so that nobody waits for one that does not answer."""

import logging
import threading
import time
from collections.abc import Callable

from gateway_infra_ledger.database import Away
from gateway_infra_ledger.fork import at_fork

log = logging.getLogger(__name__)

FRESH = 1.0
"""Seconds after which an answer is asked for anew."""

STALE = 4.0
"""Seconds after which an answer says nothing any more."""

PATIENCE = 1.0
"""Seconds that the first who asks waits, and whoever asks after a long time."""

AWAY = "its database is away; the log says why"


class Probe:
    """Knows how the database was a moment ago.

    Args:
        ask: does something with it, or raises.
    """

    _told: threading.Condition
    _known: float
    _began: float | None
    _trouble: str | None

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._renew()
        at_fork(child=self._renew)

    def trouble(self) -> str | None:
        """What is wrong, for operators; None if nothing is."""
        with self._told:
            began = self._began
            if began is None and time.monotonic() - self._known > FRESH:
                began = self._start()
            if began is not None and self._stale():
                self._told.wait_for(lambda: not self._stale(), began + PATIENCE - time.monotonic())
            return AWAY if self._stale() else self._trouble

    def _stale(self) -> bool:
        return time.monotonic() - self._known > STALE

    def _start(self) -> float:
        threading.Thread(target=self._run, args=(self._told,), name="ledger-probe", daemon=True).start()
        self._began = began = time.monotonic()
        return began

    def _run(self, told: threading.Condition) -> None:
        reason = self._reason()
        with told:
            if reason and not self._trouble:
                log.warning("the ledger's database is away: %s", reason)
            self._trouble = AWAY if reason else None
            self._known, self._began = time.monotonic(), None
            told.notify_all()

    def _reason(self) -> str | None:
        try:
            self._ask()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it cannot be used
            return error.reason if isinstance(error, Away) else getattr(error, "message", repr(error))
        return None

    def _renew(self) -> None:
        self._told = threading.Condition()
        self._known = float("-inf")
        self._began = None
        self._trouble = None
