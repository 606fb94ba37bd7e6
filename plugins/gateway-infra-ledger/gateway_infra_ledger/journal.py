"""The journal: what this process has begun and ended, on disk before anybody waits for it, so that no crash takes it.

A line is written before an attempt may cost something, another when it has ended. Both are in one ``write`` each: from
then on they survive the process. The database takes over from there; then the lines are let go.
"""

import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from gateway import ConfigError, Entry, Unavailable
from gateway_infra_ledger.fork import at_fork
from gateway_infra_ledger.home import Home
from gateway_infra_ledger.line import BEGUN, ENDED, Key, spelled
from gateway_infra_ledger.segment import Place, Segment

log = logging.getLogger(__name__)

SEGMENT = 1_000_000
"""Bytes of a segment. One attempt that runs for an hour keeps one of them."""

SHARE = 4
"""Segments that there is room for at the least, so that finished ones can go."""

RETRY = 5
"""Seconds after which a refused client may ask again."""


class Journal:
    """The journal of one process.

    Args:
        folder: where all processes have theirs.
        prefix: how the names of those begin that belong to the same database.
        limit: bytes that this process may take; at that point new attempts are refused.
        durable: lines survive a power cut too.
    """

    _home: Home | None
    _segments: list[Segment]
    _pins: dict[Key, list[Segment]]
    _lock: threading.Lock
    _number: int
    _reason: str

    def __init__(self, folder: Path, prefix: str, limit: int, *, durable: bool = False) -> None:
        self._folder = folder
        self._prefix = prefix
        self._limit = limit
        self._durable = durable
        self._renew()
        at_fork(child=self._left_behind)

    def check(self) -> None:
        """Look, without writing, whether there is a place for it.

        Raises:
            ConfigError: there is none.
        """
        place = next(path for path in (self._folder, *self._folder.parents) if path.exists())
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise ConfigError(f"ledger: journal_dir: {self._folder} cannot be written by this user; name another.")

    def begin(self, entry: Entry) -> None:
        """Write down what stands if this process dies before the attempt ends.

        Raises:
            Unavailable: it cannot be written, so the attempt must not be made.
        """
        if self._full():
            raise _unavailable()
        try:
            self._write(BEGUN, entry)
        except OSError:
            raise _unavailable() from None

    def end(self, entry: Entry) -> Place | None:
        """Write down how an attempt ended; None if that was not possible.

        A full journal takes what it has begun to its end, and nothing else.
        """
        if self._full() and not self.holds((entry.call_id, entry.attempt)):
            return None
        try:
            return self._write(ENDED, entry)
        except OSError:
            return None

    def done(self, keys: Iterable[Key]) -> None:
        """Let go of attempts that are in the database; segments that nobody needs any more go away."""
        with self._lock:
            for key in keys:
                for segment in self._pins.pop(key, ()):
                    segment.pins -= 1
            for segment in [one for one in self._segments[:-1] if not one.pins]:
                self._segments.remove(segment)
                segment.remove()

    def holds(self, key: Key) -> bool:
        """Whether there is something of this attempt in it."""
        return key in self._pins

    def trouble(self) -> str | None:
        """Why nothing can be begun, if nothing can. A journal that failed is tried again."""
        if self._full():
            return "its journal is full"
        if self._reason and not self._works():
            return "its journal cannot be written; the log says why"
        return None

    def close(self) -> None:
        """Let go of it. What is still needed stays for whoever looks next; without such a rest nothing stays."""
        with self._lock:
            home, kept = self._home, len(self._pins)
            for segment in self._segments:
                segment.close()
            self._renew()
        if home is not None and kept:
            log.warning("%d attempts wait in the journal at %s for the next start", kept, home.path)
            home.close()
        elif home is not None:
            home.remove()

    def _write(self, kind: bytes, entry: Entry) -> Place:
        data = spelled(kind, entry)
        try:
            with self._lock:
                segment = self._current()
                place = segment.append(data)
                segment.pins += 1
                self._pins.setdefault((entry.call_id, entry.attempt), []).append(segment)
            if self._durable:
                place.sync()
        except OSError as error:
            self._failed(error)
            raise
        self._reason = ""
        return place

    def _current(self) -> Segment:
        """The segment that takes the next line."""
        last = self._segments[-1] if self._segments else None
        if last is None or last.broken or last.gone() or last.size >= min(SEGMENT, self._limit // SHARE):
            return self._next()
        return last

    def _next(self) -> Segment:
        if self._home is None or self._home.gone():
            if self._home is not None:
                self._home.close()
            self._home = Home.make(self._folder, self._prefix)
        self._number += 1
        segment = Segment(self._home.path / f"{self._number:08}.journal")
        if self._durable:
            self._home.sync()
        if self._segments and not self._segments[-1].pins:
            self._segments.pop().remove()
        self._segments.append(segment)
        return segment

    def _full(self) -> bool:
        return sum(segment.size for segment in tuple(self._segments)) >= self._limit

    def _works(self) -> bool:
        """An empty line says nothing, but shows whether there is room for another."""
        try:
            with self._lock:
                self._current().append(b"\n")
        except OSError as error:
            self._failed(error)
            return False
        self._reason = ""
        return True

    def _failed(self, error: OSError) -> None:
        reason = error.strerror or str(error)
        if reason != self._reason:
            log.error("the ledger's journal in %s cannot be written: %s", self._folder, reason)
        self._reason = reason

    def _renew(self) -> None:
        self._home = None
        self._segments = []
        self._pins = {}
        self._lock = threading.Lock()
        self._number = 0
        self._reason = ""

    def _left_behind(self) -> None:
        """Let go, in a new process, of what is its parent's; to close a file there does not unlock it here."""
        for segment in self._segments:
            segment.close()
        if self._home is not None:
            self._home.close()
        self._renew()


def _unavailable() -> Unavailable:
    return Unavailable("The gateway cannot write down new calls at the moment.", retry_after=RETRY)
