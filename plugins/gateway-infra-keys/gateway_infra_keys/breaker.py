"""A breaker: once something far away fails, nobody waits for it until it is known to work again.

The first failure opens it. From then on a thread asks once a second, so that no call has to try.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from gateway_infra_ledger.fork import at_fork

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two probes."""

T = TypeVar("T")


class Broken(Exception):
    """It does not work for now; the reason is in the log."""


class Breaker:
    """Stands between us and one thing far away.

    Args:
        what: its name for the log.
        probe: does what would be done with it, and raises while that fails.
        secrets: texts that must not be logged.
        pause: seconds between two probes.
    """

    _lock: threading.Lock
    _stop: threading.Event
    _open: bool

    def __init__(
        self, what: str, probe: Callable[[], None], secrets: Sequence[str] = (), *, pause: float = PAUSE
    ) -> None:
        self._what = what
        self._probe = probe
        self._secrets = secrets
        self._pause = pause
        self._begin()
        at_fork(child=self._begin)

    @property
    def is_open(self) -> bool:
        """Whether nobody tries at the moment."""
        return self._open

    def run(self, work: Callable[[], T]) -> T:
        """Do something with it.

        Raises:
            Broken: it failed, now or a moment ago.
        """
        if self._open:
            raise Broken
        try:
            return work()
        except Exception as error:  # whatever a client library raises, no call may fail for it
            self._trip(error)
            raise Broken from error

    def close(self) -> None:
        """Ask no more."""
        self._stop.set()

    def _trip(self, error: Exception) -> None:
        with self._lock:
            if not self._open:
                log.warning("%s is away, and every process counts for itself: %s", self._what, self._said(error))
                with suppress(RuntimeError):  # no thread to be had: then the next call tries again
                    threading.Thread(target=self._watch, name="gateway-breaker", daemon=True).start()
                    self._open = True

    def _watch(self) -> None:
        while not self._stop.wait(self._pause):
            try:
                self._probe()
            except Exception:  # noqa: BLE001, S112 - it was logged when it began
                continue
            with self._lock:
                self._open = False
            log.warning("%s is back", self._what)
            return

    def _said(self, error: Exception) -> str:
        text = f"{type(error).__name__}: {error}"
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _begin(self) -> None:
        """Start afresh in a new process, in good faith."""
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._open = False
