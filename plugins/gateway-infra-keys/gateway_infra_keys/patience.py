"""Patience with the database: work is done by threads of its own, and whoever asked for it waits only so long.

A database that is frozen does not even answer with an error, and no driver's time limit covers every way to be away.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Any, NoReturn, TypeVar

from gateway_infra_ledger.database import Away

T = TypeVar("T")

WAIT = 0.8
"""Seconds without an answer to anybody after which the database is away; a refusal has to leave within one."""

FILE_WAIT = 3.0
"""The same for SQLite, which says by itself when its lock is taken for too long: a busy machine is no outage."""

LONGEST = 10.0
"""Seconds that anybody waits for a database that answers others, but slowly."""

PAUSE = 0.5
"""Seconds between tries while it is away; who comes in between is told at once."""


class Patience:
    """Runs database work, with a breaker.

    Args:
        threads: how many; one is right for SQLite, where one transaction writes at a time.
        quiet: seconds without an answer after which nobody waits any more.
        pause: seconds between tries while the database is away.
    """

    def __init__(self, threads: int, quiet: float = WAIT, pause: float = PAUSE) -> None:
        self._threads = threads
        self._quiet = quiet
        self._pause = pause
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any], float]] = SimpleQueue()
        self._lock = threading.Lock()
        self._started = False
        self._away = False
        self._next = 0.0
        self._heard = 0.0
        self._failed_at = 0.0

    def run(self, work: Callable[[], T], late: Callable[[], None] = lambda: None) -> T:
        """What the work returns or raises.

        Args:
            work: one transaction, or nothing of it.
            late: called when the work was done after all, but too late for whoever asked.

        Raises:
            Away: it could not be done in time; unless ``late`` is called, it was not or is still being tried.
        """
        future: Future[T] = Future()
        self._admit()
        began = time.monotonic()
        self._jobs.put((future, work, began))
        while True:
            left = min(max(began, self._heard) + self._quiet, began + LONGEST) - time.monotonic()
            if wait([future], max(left, 0)).done:
                return future.result()
            if left <= 0:
                self._give_up(future, late)

    def _give_up(self, future: Future[Any], late: Callable[[], None]) -> NoReturn:
        self._failed()
        if not future.cancel():
            future.add_done_callback(lambda done: None if done.exception() else late())
        raise Away(f"it did not answer within {self._quiet} s")

    def _admit(self) -> None:
        """One try at a time while the database is away; the others need not wait to hear that it is.

        Raises:
            Away: somebody tried a moment ago.
        """
        with self._lock:
            now = time.monotonic()
            if self._away and now < self._next:
                raise Away("it was away a moment ago")
            self._next = now + self._quiet + self._pause
            if not self._started:
                self._started = True
                for _ in range(self._threads):
                    threading.Thread(target=self._work, name="gateway-keys", daemon=True).start()

    def _work(self) -> None:
        while True:
            future, work, since = self._jobs.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if self._away and since < self._failed_at:
                    raise Away("it went away while this waited")  # noqa: TRY301 - told like every other way to be away
                result = work()
            except BaseException as error:  # noqa: BLE001 - it is raised again where it was asked for
                self._failed() if isinstance(error, Away) else self._worked()
                future.set_exception(error)
            else:
                self._worked()
                future.set_result(result)
            del future, work

    def _failed(self) -> None:
        self._failed_at = time.monotonic()
        self._next = self._failed_at + self._pause
        self._away = True

    def _worked(self) -> None:
        self._heard = time.monotonic()
        self._away = False
