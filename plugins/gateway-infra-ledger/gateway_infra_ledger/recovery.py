"""Recovery: attempts of processes that died, found in the journals that they left, each by one of those that live."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gateway import Entry, strictjson
from gateway_infra_ledger.backlog import UNKNOWN
from gateway_infra_ledger.fork import at_fork
from gateway_infra_ledger.home import Home
from gateway_infra_ledger.line import Key, Line, Torn

log = logging.getLogger(__name__)

MOST = 5000
"""Entries of one look; more come with the next."""

BATCH = 200
"""Entries that the database is asked for at once."""

KNOWN = 2
"""What a line knows: 0 that its attempt began, 1 that nobody knows how it ended, 2 how it ended."""

Spot = tuple[Path, int, int]
"""A line of a journal that is read only: its file, where it begins, how long it is."""

Missing = Callable[[Sequence[Entry]], list[Entry]]


class Recovery:
    """Looks for what dead processes left.

    Args:
        folder: where all processes have their journals.
        prefix: how the names of those begin that belong to our database.
        missing: which of these entries the database does not have.
    """

    _held: dict[Path, "Remains"]
    _warned: bool

    def __init__(self, folder: Path, prefix: str, missing: Missing) -> None:
        self._folder = folder
        self._prefix = prefix
        self._missing = missing
        self._lock = threading.Lock()
        self._renew()
        at_fork(child=self._left_behind)

    def look(self) -> list[Entry]:
        """Entries that are in no database yet. They come again until somebody takes them or the database has them.

        Raises:
            Away: the database cannot be asked for now.
        """
        with self._lock:
            self._hold()
            found: list[Entry] = []
            for remains in list(self._held.values()):
                found += remains.owed(self._missing, MOST - len(found))
            self._bury()
            return found

    def take(self, entry: Entry) -> None:
        """Forget an attempt: it is in a journal of the living now, with no less than is known of it here."""
        for remains in tuple(self._held.values()):
            remains.yield_to(entry)

    def close(self) -> None:
        """Let go of what is held; another process may look at it."""
        with self._lock:
            self._bury()
            self._left_behind()

    def _hold(self) -> None:
        """Take every journal whose owner is gone, and keep it locked."""
        for path in self._abandoned():
            try:
                self._take_over(path)
            except OSError:  # one that cannot be read must not keep the others waiting
                log.exception("the journal %s cannot be recovered", path)

    def _take_over(self, path: Path) -> None:
        home = Home.take(path)
        if home is None:
            return
        try:
            self._held[path] = Remains(home)
        except BaseException:
            home.close()
            raise

    def _abandoned(self) -> Iterator[Path]:
        try:
            names = sorted(path.name for path in self._folder.iterdir())
        except FileNotFoundError:
            return
        foreign = [name for name in names if not name.startswith(f"{self._prefix}-")]
        if foreign and not self._warned:
            self._warned = True
            log.warning("in %s there is %s, which belongs to another database", self._folder, ", ".join(foreign))
        for name in names:
            path = self._folder / name
            if name not in foreign and path not in self._held:
                yield path

    def _bury(self) -> None:
        for path, remains in list(self._held.items()):
            if not remains.owes:
                remains.home.remove()
                del self._held[path]

    def _renew(self) -> None:
        self._held = {}
        self._warned = False

    def _left_behind(self) -> None:
        for remains in self._held.values():
            remains.home.close()
        self._lock = threading.Lock()
        self._renew()


class Remains:
    """The journal of a dead process.

    Args:
        home: where it is, held.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self._spots: dict[Key, Spot] = {}
        self._known: dict[Key, int] = {}
        for path in home.segments():
            self._survey(path)

    @property
    def owes(self) -> bool:
        """Whether there is an attempt in it that is not known to be elsewhere."""
        return bool(self._spots)

    def owed(self, missing: Missing, most: int) -> list[Entry]:
        """Entries in it that are not in the database, at most so many.

        Raises:
            Away: the database cannot be asked for now.
        """
        found: list[Entry] = []
        keys = list(self._spots)
        while keys and len(found) < most:
            batch, keys = keys[:BATCH], keys[BATCH:]
            read = [entry for key in batch if (entry := self._read(key)) is not None]
            wanted = missing(read)
            for key in {*batch} - {(entry.call_id, entry.attempt) for entry in wanted}:
                self._spots.pop(key, None)
            found += wanted
        return found[:most]

    def yield_to(self, entry: Entry) -> None:
        """Leave an attempt to an entry that knows as much of it."""
        key = (entry.call_id, entry.attempt)
        if entry.outcome != UNKNOWN or self._known.get(key, 0) < KNOWN:
            self._spots.pop(key, None)

    def _survey(self, path: Path) -> None:
        """Where the line stands that knows most of each attempt."""
        offset = torn = 0
        with path.open("rb") as file:
            for data in file:
                try:
                    self._note(Line.parse(data), (path, offset, len(data)))
                except (Torn, KeyError, TypeError):  # also what another release's line may be to this one
                    torn += bool(data.strip())
                offset += len(data)
        if torn:
            log.warning("%s: %d torn lines were left out", path, torn)

    def _note(self, line: Line, spot: Spot) -> None:
        knows = 0 if not line.ended else 1 if line.value["outcome"] == UNKNOWN else KNOWN
        if knows > self._known.get(line.key, -1):
            self._spots[line.key] = spot
            self._known[line.key] = knows

    def _read(self, key: Key) -> Entry | None:
        """The entry; one that another release wrote, and this one does not understand, goes into the log, whole."""
        path, offset, length = self._spots[key]
        try:
            with path.open("rb") as file:
                file.seek(offset)
                line = Line.parse(file.read(length))
        except (OSError, Torn):
            log.exception("an entry of the journal cannot be read any more: %s in %s", key, path)
            return None
        try:
            return line.entry()
        except (KeyError, TypeError, ValueError):
            log.exception("an entry of the journal is not in the ledger: %s", strictjson.dumps_lenient(line.value))
            return None
