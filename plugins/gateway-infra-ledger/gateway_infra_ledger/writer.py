"""The writer: one thread per process that carries entries from the backlog into the store, off the client's path.

While the database is away it tries again, ever more slowly, and the backlog waits. What cannot be written is logged as
one line of JSON, so that nothing is ever lost in silence.
"""

import atexit
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from gateway import Entry, GatewayError, strictjson
from gateway_infra_ledger.backlog import Backlog
from gateway_infra_ledger.database import Away
from gateway_infra_ledger.fork import at_fork
from gateway_infra_ledger.outage import FIRST_PAUSE, Outage
from gateway_infra_ledger.record import Record

log = logging.getLogger(__name__)

BATCH = 200
"""Entries in one transaction."""

LINGER = 0.05
"""Seconds that an entry waits for company."""

PATIENCE = 1.0
"""Seconds that ``put`` waits for room."""

CLOSING = 5.0
"""Seconds that the rest gets at the end of the process."""


class Writer:
    """Writes entries in the background.

    Args:
        add: writes a batch, see ``Store.add``.
        size: how many entries may wait.
        patience: seconds that ``put`` waits for room.
        settled: told of entries that nothing more will be done about: written, or in the log.
        left: told of each entry that waits at the very end; without it, it goes into the log.
        done: called at the very end, when nothing more will be written.
    """

    _backlog: Backlog
    _outage: Outage
    _thread: threading.Thread | None
    _starting: threading.Lock
    _stop: threading.Event
    _deadline: float

    def __init__(
        self,
        add: Callable[[Iterable[Entry]], None],
        size: int,
        *,
        patience: float = PATIENCE,
        settled: Callable[[Sequence[Entry]], None] = lambda _batch: None,
        left: Callable[[Entry], None] | None = None,
        done: Callable[[], None] = lambda: None,
    ) -> None:
        self._add = add
        self._size = size
        self._patience = patience
        self._settled = settled
        self._left = left or _left
        self._done = done
        self._renew()
        at_fork(child=self._renew)

    @property
    def stuck(self) -> bool:
        """Whether entries wait because the database does not take them."""
        return self._outage.lasts

    def put(self, entry: Entry, *, waits: bool = True) -> None:
        """Have an entry written. Returns at once, unless the backlog is full: then within the patience, if it waits."""
        if not self.offer(entry, self._patience if waits else 0):
            lost(entry, "the ledger is closed" if self._stop.is_set() else "too many entries wait")

    def offer(self, entry: Entry, patience: float) -> bool:
        """Have an entry written, if there is room for it within the patience."""
        if not self._backlog.put(entry, patience):
            return False
        if self._thread is None:
            self._start()
        return True

    def waiting(self, call_id: str) -> list[Entry]:
        """Entries of a call that are not known to be written yet."""
        return self._backlog.of(call_id)

    def flush(self, timeout: float) -> bool:
        """Wait until everything is written; False when it was not in time."""
        return self._backlog.wait_empty(timeout)

    def close(self, timeout: float = CLOSING) -> None:
        """Write what is left, then stop; what is still left after ``timeout`` seconds goes into the log."""
        self._deadline = time.monotonic() + timeout
        self._stop.set()
        self._backlog.close()
        if self._thread is not None:
            self._thread.join(timeout + 1)
        for entry in self._backlog.drain():
            self._left(entry)
        atexit.unregister(self.close)
        self._done()

    def _start(self) -> None:
        """One thread per process, started by its first entry: a thread from before the fork would not be here."""
        with self._starting:
            if self._thread is None:
                atexit.register(self.close)
                thread = threading.Thread(target=self._run, name="gateway-ledger", daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        while batch := self._backlog.take(LINGER):
            try:
                self._write(batch)
                self._outage.over()
            except GatewayError as error:
                if self._stop.is_set() and time.monotonic() > self._deadline:
                    return
                self._wait(self._outage.failed(_reason(error), len(self._backlog)))

    def _wait(self, pause: float) -> None:
        if self._stop.wait(pause):  # it returns at once when we are closing, which is no reason to hammer
            time.sleep(FIRST_PAUSE)

    def _write(self, batch: list[Entry]) -> None:
        """Write a batch, and let go of what is written.

        Raises:
            GatewayError: the database is away; what was not written still waits.
        """
        try:
            self._add(batch)
        except GatewayError:
            raise
        except Exception:  # noqa: BLE001 - whose fault it is, and why, is found out and logged one by one
            self._write_singly(batch)
        else:
            self._let_go(batch)

    def _write_singly(self, batch: list[Entry]) -> None:
        """Whatever is wrong with one entry must not stop the others."""
        for entry in batch:
            try:
                self._add([entry])
            except GatewayError:
                raise
            except Exception as error:  # noqa: BLE001 - logged in full, with the entry
                lost(entry, repr(error))
            self._let_go([entry])

    def _let_go(self, batch: list[Entry]) -> None:
        gone = self._backlog.remove(batch)
        try:
            self._settled(gone)
        except Exception:  # whoever is told must not end the thread that writes
            log.exception("entries are written, but are still kept elsewhere")

    def _renew(self) -> None:
        """Start afresh in a new process; what waits in the parent is written by the parent."""
        self._backlog = Backlog(self._size, BATCH)
        self._outage = Outage()
        self._thread = None
        self._starting = threading.Lock()
        self._stop = threading.Event()
        self._deadline = 0.0


def lost(entry: Entry, why: str) -> None:
    """Put an entry that could not be stored into the log, whole, as JSON on one line."""
    try:
        told = strictjson.dumps(Record.of(entry).as_dict()).decode()
    except Exception:  # noqa: BLE001 - perhaps it could not be stored for the same reason
        told = repr(entry)
    log.error("an entry is not in the ledger (%s): %s", why, told)


def _left(entry: Entry) -> None:
    lost(entry, "the database was away until the end")


def _reason(error: GatewayError) -> str:
    return error.reason if isinstance(error, Away) else error.message
