"""What the same calls would have cost under a price book. It reads sums, and never rewrites what was billed.

It prices what stands in the tally: tokens by day, place, served facts and size of the prompt, and whatever else the
hosts counted. New amounts are exact and rounded once for each group; the ledger rounded every line once.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, case, func, literal_column, select

from gateway import dollars
from gateway_infra_ledger.amount import from_units
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.question import COLUMNS, DAY, Question
from gateway_infra_ledger.schema import TOKENS
from gateway_infra_ledger.spend import Row, Spend, grouped, listed, snapshot
from gateway_infra_ledger.tally import COUNT, COUNTED, days, parts
from gateway_infra_ledger.tariff import ONE, Place, Tariffs

LASTING = "usage: "
"""How a name begins that no book can price: a number in the host's usage that made no sense."""

_RAN = ("model", "deployment", "provider", "upstream_model")
_SERVED = (*_RAN, "served", "label", "pass_model", "step")
_EXACT = Context(prec=300)


@dataclass(slots=True)
class Rerated:
    """One group, then and now.

    Attributes:
        then: what the ledger has.
        amount: dollars under the book, exact; what could not be priced is not in it.
        unpriced: passes, and numbers of a host, that lack a price for something.
        missing: what that is, and how often.
    """

    then: Row
    amount: Decimal = Decimal(0)
    unpriced: int = 0
    missing: Counter[str] = field(default_factory=Counter)

    @property
    def difference(self) -> Decimal:
        """Dollars; positive where the book is dearer."""
        return _EXACT.subtract(self.amount, self.then.cost)

    def add(self, quantity: int | Decimal, price: Decimal = Decimal(1)) -> None:
        """Count so many at a price."""
        self.amount = _EXACT.add(self.amount, _EXACT.multiply(quantity, price))

    def lack(self, names: Sequence[str], count: int) -> None:
        """Note what so many passes have no price for."""
        self.unpriced += count if names else 0
        self.missing.update(dict.fromkeys(names, count))

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; amounts are decimal strings."""
        return {
            **self.then.group,
            "entries": self.then.entries,
            "cost_usd": dollars(self.then.cost),
            "rerated_usd": dollars(self.amount),
            "difference_usd": dollars(self.difference),
            "unpriced": self.unpriced,
            "unpriced_names": listed(self.missing),
        }


@dataclass(frozen=True, slots=True)
class Rerating:
    """The answer.

    Attributes:
        book: the price book that it was asked under.
        rows: in the order of the spend.
    """

    book: str
    question: Question
    rows: Sequence[Rerated]

    @property
    def total(self) -> Rerated:
        """Over all rows."""
        total = Rerated(Row({}))
        for row in self.rows:
            total.then.entries += row.then.entries
            total.then.units += row.then.units
            total.add(row.amount)
            total.unpriced += row.unpriced
            total.missing.update(row.missing)
        return total

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        rows = [row.as_dict() for row in self.rows]
        asked = self.question.as_dict()
        return {"book": self.book, "question": asked, "rerated": rows, "total": self.total.as_dict()}


class Rerate:
    """Rerates what is in a database.

    Args:
        tariffs: prices under the book.
        book: its name.
    """

    def __init__(self, database: Database, tariffs: Tariffs, book: str) -> None:
        self._database = database
        self._tariffs = tariffs
        self._book = book

    def of(self, question: Question) -> Rerating:
        """Then and now; any groups but features.

        Raises:
            Away: the database cannot be asked.
        """
        before = Spend(self._database).of(question)
        found = {_key(row.group, question): Rerated(row) for row in before.rows}
        with self._database.reading() as connection:
            snapshot(connection)
            turns = self._turns(connection, question)
            for key, row in _used(connection, question, turns, days, _SERVED, ("passes", *COUNTED)):
                self._passes(found.setdefault(key, Rerated(Row({}))), row)
            counted = (parts, _RAN, ("quantity", "entries"), [parts.c.name], parts.c.kind == COUNT)
            for key, row in _used(connection, question, turns, *counted):
                self._pieces(found.setdefault(key, Rerated(Row({}))), row)
        for one in found.values():
            for name, count in one.then.missing.items():
                one.lack([name] if name.startswith(LASTING) else [], count)
            one.amount = from_units(int(one.amount.scaleb(12, _EXACT).to_integral_value(context=_EXACT)))
        return Rerating(self._book, question, [*found.values()])

    def _turns(self, connection: Connection, question: Question) -> list[date]:
        """The first day of the selection, and each later one in it on which a price may change."""
        query = select(func.min(days.c.day), func.max(days.c.day)).where(*question.conditions(days))
        first, last = connection.execute(query).one()
        return [first, *(day for day in self._tariffs.turns if first < day <= last)] if first else []

    def _passes(self, rerated: Rerated, row: Mapping[str, Any]) -> None:
        counts = {kind: int(row[name]) for kind, name in zip(TOKENS, COUNTED, strict=True) if row[name]}
        if not counts:
            return
        tariff = self._tariffs.of(Place(*(row[name] for name in _SERVED)), row["day"], counts)
        for kind, count in counts.items():
            rerated.add(count, (tariff.prices or {}).get(kind, Decimal(0)))
        rerated.lack(tariff.unpriced, int(row["passes"]))

    def _pieces(self, rerated: Rerated, row: Mapping[str, Any]) -> None:
        place = Place(*(row[name] for name in _RAN))._replace(path=row["name"])
        tariff = self._tariffs.of(place, row["day"], ())
        rerated.add(int(row["quantity"]), (tariff.prices or {})[ONE])
        rerated.lack(tariff.unpriced, int(row["entries"]))


def _used(
    connection: Connection,
    question: Question,
    turns: Sequence[date],
    table: Table,
    shared: Sequence[str],
    names: Sequence[str],
    beside: Sequence[ColumnElement[Any]] = (),
    *where: ColumnElement[bool],
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """What was used by place and group, each with a day that stands for all that cost the same."""
    if not turns:
        return
    own: list[ColumnElement[Any]] = [table.c.day] if DAY in question.by else [_turn(table, turns)]
    wanted = dict.fromkeys((*(COLUMNS[name] for name in question.by if name != DAY), *shared))
    query = grouped(table, question, names, [*beside, *own], [*wanted], *where)
    for row in connection.execute(query).mappings():
        day = row["day"] if DAY in question.by else turns[int(row["turn"])]
        told = {**row, DAY: turns[bisect_right(turns, day) - 1]}
        yield tuple(day.isoformat() if name == DAY else row[COLUMNS[name]] for name in question.by), told


def _turn(table: Table, turns: Sequence[date]) -> ColumnElement[Any]:
    """The place of a day among the turns."""
    steps: list[tuple[ColumnElement[bool], ColumnElement[Any]]] = [
        (table.c.day < day, literal_column(str(place))) for place, day in enumerate(turns[1:])
    ]
    last: ColumnElement[Any] = literal_column(str(len(turns) - 1))
    return (case(*steps, else_=last) if steps else last).label("turn")


def _key(group: Mapping[str, str], question: Question) -> tuple[str, ...]:
    return tuple(group[name] for name in question.by)
