"""What was spent, in sums for people: by key, team, model, deployment, feature and day, and any of them together.

By feature means: the base price, what each feature's factor costs on top of it, and what is paid by the piece. They sum
to the cost, to the last unit; ``share.py`` has the rule. What had no price is counted and named, what is an estimate is
counted and summed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Table, func, select

from gateway import dollars
from gateway_infra_ledger.amount import from_units
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.keeper import Keeper
from gateway_infra_ledger.question import COLUMNS, DAY, FEATURE, Question
from gateway_infra_ledger.share import BASE
from gateway_infra_ledger.tally import FACTOR, METER, MONEY, SPLIT, UNPRICED, days, parts, scopes

MOST_NAMES = 50
"""Names of what had no price that a row lists; clients choose some of them."""


@dataclass(slots=True)
class Row:
    """The sums of one group.

    Attributes:
        group: its names, by what was asked for; ``kind`` says whether a feature is base, factor or meter.
        entries: attempts that it counts.
        units: what they cost, in 10^-12 dollars.
        estimated, estimated_units: how many of them have an estimate in them, and what those cost.
        unpriced: how many of them lack a price for something.
        missing: what lacks a price, and how often.
    """

    group: Mapping[str, str]
    entries: int = 0
    units: int = 0
    estimated: int = 0
    estimated_units: int = 0
    unpriced: int = 0
    missing: Counter[str] = field(default_factory=Counter)

    @property
    def cost(self) -> Decimal:
        """US dollars."""
        return from_units(self.units)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; amounts are decimal strings."""
        return {
            **self.group,
            "entries": self.entries,
            "cost_usd": dollars(self.cost),
            "estimated": self.estimated,
            "estimated_usd": dollars(from_units(self.estimated_units)),
            "unpriced": self.unpriced,
            "unpriced_names": listed(self.missing),
        }


@dataclass(frozen=True, slots=True)
class Spending:
    """The answer to a question.

    Attributes:
        rows: the dearest first; by day first, they stand in the order of the days.
        total: over all of them.
    """

    question: Question
    rows: Sequence[Row]
    total: Row

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        rows = [row.as_dict() for row in self.rows]
        return {"question": self.question.as_dict(), "spend": rows, "total": self.total.as_dict()}


class Spend:
    """Answers questions about a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keeper = Keeper(database)

    def of(self, question: Question) -> Spending:
        """The sums over everything that is written by now.

        Raises:
            Away: the database cannot be asked, or not be written while its sums are behind.
        """
        self._keeper.catch_up()
        with self._database.reading() as connection:
            snapshot(connection)
            whole = {_key(row, question): _row(row, question) for row in _sums(connection, days, question)}
            pieces = [*_pieces(connection, question)]
        for piece in pieces:
            if piece["kind"] == UNPRICED:
                whole[_key(piece, question)].missing[piece["name"]] += int(piece["entries"])
        rows = [*whole.values()] or ([] if question.by else [Row({})])
        total = _total(rows)
        if FEATURE in question.by:
            rows = [*_features(whole, pieces, question)]
        return Spending(question, sorted(rows, key=lambda row: _order(row, question)), total)


def snapshot(connection: Connection) -> None:
    """Let every query of a connection see the same moment; SQLite does so by itself."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def listed(missing: Counter[str]) -> dict[str, int]:
    """Names and how often; the most frequent ones where there are too many."""
    names = sorted(missing.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in names[MOST_NAMES:])
    return dict(names[:MOST_NAMES]) | ({f"and {len(names) - MOST_NAMES} more names": rest} if rest else {})


def grouped(
    table: Table,
    question: Question,
    names: Sequence[str],
    own: Sequence[ColumnElement[Any]],
    shared: Sequence[str],
    *where: ColumnElement[bool],
) -> Select[Any]:
    """A query for sums of a table, by columns of its own and by columns of its scopes.

    Scopes with the same texts are numbered first, so that rows are grouped by numbers; and unless days are wanted, it
    sums by scope before, in the order in which rows lie there.
    """
    told = [column.name for column in own]
    conditions = (*question.conditions(table), *where)
    if not shared:
        return select(*own, *_summed(table, names)).where(*conditions).group_by(*told)
    texts = [scopes.c[name] for name in shared]
    place = func.dense_rank().over(order_by=texts).label("place")
    ranked = select(scopes.c.id, scopes.c.alias.label("any_alias"), place, *texts).subquery()
    source: FromClause = table
    if DAY not in told:
        by_scope = select(table.c.scope_id, *own, *_summed(table, names)).where(*conditions)
        source, conditions = by_scope.group_by("scope_id", *told).subquery(), ()
    kept = [source.c[name] for name in told]
    inner = select(ranked.c.place, *kept, *_summed(source, names)).join(ranked, ranked.c.id == source.c.scope_id)
    sums = inner.where(*conditions).group_by("place", *told).subquery()
    named = [func.max(ranked.c[name]).label(name) for name in shared]
    places = (
        select(ranked.c.place, func.max(ranked.c.any_alias).label("any_alias"), *named).group_by("place").subquery()
    )
    return select(sums, places).join(places, places.c.place == sums.c.place)


def _summed(source: FromClause, names: Sequence[str]) -> list[ColumnElement[Any]]:
    return [func.sum(source.c[name]).label(name) for name in names]


def groups(question: Question, table: Table) -> tuple[list[ColumnElement[Any]], list[str]]:
    """What a question groups by: columns of the table's own, and columns of its scopes."""
    own: list[ColumnElement[Any]] = [table.c.day] if DAY in question.by else []
    return own, [COLUMNS[name] for name in question.by if name in COLUMNS]


def group_of(row: Mapping[str, Any], question: Question) -> dict[str, str]:
    """A group's names, in the order of the question; a key has its alias beside it."""
    found: dict[str, str] = {}
    for name in question.by:
        if name == DAY:
            found[name] = row["day"].isoformat()
        elif name in COLUMNS:
            found[name] = row[COLUMNS[name]]
        if name == "key":
            found["alias"] = row["any_alias"]
    return found


def money(row: Mapping[str, Any], prefix: str = "") -> int:
    """An amount from its halves, in units."""
    return int(row[f"{prefix}high"]) * SPLIT + int(row[f"{prefix}low"])


def _sums(connection: Connection, table: Table, question: Question) -> Iterator[dict[str, Any]]:
    names = ("entries", "estimated", "unpriced", *MONEY)
    query = grouped(table, question, names, *groups(question, table))
    for row in connection.execute(query).mappings():
        if row["entries"]:
            yield dict(row)


def _pieces(connection: Connection, question: Question) -> Iterator[dict[str, Any]]:
    """The names of what had no price; and what stands beside the base price, where it is wanted."""
    own, shared = groups(question, parts)
    kinds = (UNPRICED, FACTOR, METER) if FEATURE in question.by else (UNPRICED,)
    names, own = ("entries", "estimated", *MONEY), [parts.c.kind, parts.c.name, *own]
    for row in connection.execute(grouped(parts, question, names, own, shared, parts.c.kind.in_(kinds))).mappings():
        if row["entries"]:  # a correction may have taken back all that there was
            yield dict(row)


def _key(row: Mapping[str, Any], question: Question) -> tuple[Any, ...]:
    return tuple(row[COLUMNS.get(name, name)] for name in question.by if name != FEATURE)


def _row(row: Mapping[str, Any], question: Question, **more: str) -> Row:
    return Row(
        {**group_of(row, question), **more},
        int(row["entries"]),
        money(row),
        int(row["estimated"]),
        money(row, "estimated_"),
        int(row.get("unpriced", 0)),
    )


def _total(rows: Sequence[Row]) -> Row:
    total = Row({})
    for row in rows:
        for name in ("entries", "units", "estimated", "estimated_units", "unpriced"):
            setattr(total, name, getattr(total, name) + getattr(row, name))
        total.missing.update(row.missing)
    return total


def _features(
    whole: Mapping[tuple[Any, ...], Row], pieces: Sequence[Mapping[str, Any]], question: Question
) -> Iterator[Row]:
    """Factors and meters, and the base price, which is what they leave."""
    beside: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for piece in pieces:
        if piece["kind"] in (FACTOR, METER):
            row = _row(piece, question, feature=piece["name"], kind=piece["kind"])
            beside[_key(piece, question)].append(row)
    for key, row in whole.items():
        row.group = {**row.group, "feature": BASE, "kind": BASE}
        row.units -= sum(one.units for one in beside[key])
        row.estimated_units -= sum(one.estimated_units for one in beside[key])
        yield from (row, *beside[key])


def _order(row: Row, question: Question) -> tuple[Any, ...]:
    names = tuple(row.group.values())
    first_day = question.by[:1] == (DAY,)
    return (row.group[DAY] if first_day else "", -row.units, names)
