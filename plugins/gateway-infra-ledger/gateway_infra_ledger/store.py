"""The store: entries go in, whole or not at all and each once; what a call left behind comes out."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select

from gateway import Entry
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.record import Record, text
from gateway_infra_ledger.schema import entries, lines


class Store:
    """Entries in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, batch: Iterable[Entry]) -> None:
        """Write entries in one transaction. One that is there already is left as it is, so a replay is harmless.

        Raises:
            Away: not now; perhaps it was written all the same.
            Rejected: none was written: one never can be, or another process was writing the same one.
        """
        records = {(entry.call_id, entry.attempt): Record.of(entry) for entry in batch}
        calls = sorted({call for call, _ in records})
        with self._database.writing() as connection:
            for key in _ids(connection, calls):
                records.pop(key, None)
            if not records:
                return
            connection.execute(insert(entries), [dict(record.entry) for record in records.values()])
            ids = _ids(connection, calls)
            bills = [{"entry_id": ids[key], **line} for key, record in records.items() for line in record.lines]
            if bills:
                connection.execute(insert(lines), bills)

    def call(self, call_id: str, key_id: str | None = None) -> list[Record]:
        """The attempts of a call, in order; with ``key_id`` only those of that key.

        Raises:
            Away: not now.
        """
        if call_id != text(call_id):
            return []
        query = select(entries).where(entries.c.call_id == call_id).order_by(entries.c.attempt)
        if key_id is not None:
            query = query.where(entries.c.key_id == key_id)
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
            bills = _bills(connection, [row["id"] for row in rows])
        return [Record(dict(row), tuple(bills[row["id"]])) for row in rows]


def _ids(connection: Connection, calls: Sequence[str]) -> dict[tuple[str, int], int]:
    """Ids of what is stored of these calls, by call and attempt."""
    query = select(entries.c.id, entries.c.call_id, entries.c.attempt).where(entries.c.call_id.in_(calls))
    return {(row.call_id, row.attempt): row.id for row in connection.execute(query)}


def _bills(connection: Connection, ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The lines of entries, in order."""
    bills: dict[int, list[dict[str, Any]]] = {one: [] for one in ids}
    query = select(lines).where(lines.c.entry_id.in_(ids)).order_by(lines.c.entry_id, lines.c.position)
    for row in connection.execute(query).mappings() if ids else ():
        bills[row["entry_id"]].append(dict(row))
    return bills
