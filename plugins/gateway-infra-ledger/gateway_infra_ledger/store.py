"""The store: entries go in, whole or not at all and each once; what a call left behind comes out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select

from gateway import Entry
from gateway_infra_ledger.backlog import UNKNOWN
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.line import Key
from gateway_infra_ledger.record import Record, text
from gateway_infra_ledger.schema import entries, lines


class Store:
    """Entries in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, batch: Iterable[Entry]) -> None:
        """Write entries in one transaction. One that is there already is left as it is, so a replay is harmless.

        An entry that says how an attempt ended, where the stored one says that nobody knows, comes beside it as a
        correction: the difference, under the negative number of the attempt.

        Raises:
            Away: not now; perhaps it was written all the same.
            Rejected: none was written: one never can be, or another process was writing the same one.
        """
        given = {(entry.call_id, entry.attempt): entry for entry in batch}
        records = {key: Record.of(entry) for key, entry in given.items()}
        with self._database.writing() as connection:
            fresh = [_due(connection, records[key], old) for key, old in _wanted(connection, given).items()]
            if not fresh:
                return
            connection.execute(insert(entries), [dict(record.entry) for record in fresh])
            ids = {key: stored for key, (stored, _) in _stored(connection, given).items()}
            bills = [{"entry_id": ids[record.key], **line} for record in fresh for line in record.lines]
            if bills:
                connection.execute(insert(lines), bills)

    def missing(self, batch: Sequence[Entry]) -> list[Entry]:
        """Those that ``add`` would write.

        Raises:
            Away: not now.
        """
        given = {(entry.call_id, entry.attempt): entry for entry in batch}
        with self._database.reading() as connection:
            wanted = _wanted(connection, given)
        return [given[key] for key in wanted]

    def ask(self) -> None:
        """See whether the database answers.

        Raises:
            Away: it does not.
        """
        with self._database.reading() as connection:
            connection.execute(select(1))

    def call(self, call_id: str, key_id: str | None = None) -> list[Record]:
        """The attempts of a call, in order, each before its correction; with ``key_id`` only those of that key.

        Raises:
            Away: not now.
        """
        if call_id != text(call_id):
            return []
        own = () if key_id is None else (entries.c.key_id == key_id,)
        with self._database.reading() as connection:
            return _records(connection, entries.c.call_id == call_id, *own)


def _wanted(connection: Connection, given: Mapping[Key, Entry]) -> dict[Key, int | None]:
    """Which of the entries say something new; with the id of the entry that they correct, if they do."""
    stored = _stored(connection, given)
    wanted: dict[Key, int | None] = {}
    for (call_id, attempt), entry in given.items():
        found, outcome = stored.get((call_id, attempt), (None, ""))
        corrects = outcome == UNKNOWN != entry.outcome and (call_id, -attempt) not in stored
        if found is None or corrects:
            wanted[call_id, attempt] = found
    return wanted


def _due(connection: Connection, record: Record, corrected: int | None) -> Record:
    """What has to be written for an entry."""
    if corrected is None:
        return record
    (old,) = _records(connection, entries.c.id == corrected)
    return record.correcting(old)


def _stored(connection: Connection, keys: Iterable[Key]) -> dict[Key, tuple[int, str]]:
    """Ids and outcomes of what is stored of these calls, by call and attempt."""
    calls = sorted({call for call, _ in keys})
    columns = (entries.c.id, entries.c.call_id, entries.c.attempt, entries.c.outcome)
    rows = connection.execute(select(*columns).where(entries.c.call_id.in_(calls)))
    return {(row.call_id, row.attempt): (row.id, row.outcome) for row in rows}


def _records(connection: Connection, *conditions: ColumnElement[bool]) -> list[Record]:
    order = (func.abs(entries.c.attempt), entries.c.attempt.desc())
    rows = connection.execute(select(entries).where(*conditions).order_by(*order)).mappings().all()
    bills = _bills(connection, [row["id"] for row in rows])
    return [Record(dict(row), tuple(bills[row["id"]])) for row in rows]


def _bills(connection: Connection, ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The lines of entries, in order."""
    bills: dict[int, list[dict[str, Any]]] = {one: [] for one in ids}
    query = select(lines).where(lines.c.entry_id.in_(ids)).order_by(lines.c.entry_id, lines.c.position)
    for row in connection.execute(query).mappings() if ids else ():
        bills[row["entry_id"]].append(dict(row))
    return bills
