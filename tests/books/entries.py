"""The gateway's book: the ledger's rows, read with nothing of the gateway in between."""

import json
from collections import defaultdict
from dataclasses import dataclass, replace

import sqlalchemy


@dataclass(frozen=True)
class Line:
    """A line of a bill; the amount is in 10^-12 dollars."""

    label: str
    kind: str
    quantity: int
    amount: int


@dataclass(frozen=True)
class Row:
    """An entry; the cost is in 10^-12 dollars."""

    call_id: str
    attempt: int
    key_id: str
    model: str
    outcome: str
    error: str
    estimated: bool
    unpriced: tuple
    request_id: str
    cost: int | None
    lines: tuple


def read(url):
    """All entries; a correction has been added to what it corrects."""
    with engine(url).connect() as connection:
        lines = connection.execute(sqlalchemy.text("SELECT * FROM ledger_lines ORDER BY entry_id, position"))
        bills = defaultdict(list)
        for line in lines.mappings():
            bills[line["entry_id"]].append(Line(line["label"], line["kind"], line["quantity"], line["amount"]))
        rows = connection.execute(sqlalchemy.text("SELECT * FROM ledger_entries ORDER BY id")).mappings()
        return corrected([_row(row, tuple(bills[row["id"]])) for row in rows])


def models(url):
    """The markers of all entries; none while there is no table yet."""
    with engine(url).connect() as connection:
        if not sqlalchemy.inspect(connection).has_table("ledger_entries"):
            return set()
        return {*connection.execute(sqlalchemy.text("SELECT model FROM ledger_entries")).scalars()}


def engine(url):
    """A way to the database that keeps no connection open."""
    return sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1), poolclass=sqlalchemy.NullPool)


def corrected(rows):
    """Each entry with the correction that has its number, negative."""
    later = {(row.call_id, -row.attempt): row for row in rows if row.attempt < 0}
    return [_with(row, later.get((row.call_id, row.attempt))) for row in rows if row.attempt > 0]


def _with(row, correction):
    if correction is None:
        return row
    lines = defaultdict(lambda: [0, 0])
    for line in (*row.lines, *correction.lines):
        lines[line.label, line.kind][0] += line.quantity
        lines[line.label, line.kind][1] += line.amount
    bill = tuple(Line(*where, *sums) for where, sums in lines.items() if any(sums))
    return replace(correction, attempt=row.attempt, cost=row.cost + correction.cost, lines=bill)


def _row(row, lines):
    return Row(
        **{name: row[name] for name in ("call_id", "attempt", "key_id", "model", "outcome", "error", "cost")},
        request_id=row["upstream_request_id"],
        estimated=bool(row["estimated"]),
        unpriced=tuple(json.loads(row["unpriced"])),
        lines=lines,
    )
