"""Reports: entries one by one, and sums over many, for whatever was selected."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, literal_column, or_, select

from gateway_infra_ledger.amount import from_units
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.schema import TOKENS, entries

GROUPS = ("key", "model", "deployment", "day", "team")

_COUNTED = tuple(f"{kind}_tokens" for kind in TOKENS)
_LISTED = (
    *("at", "call_id", "attempt", "key_id", "alias", "team", "model", "deployment", *_COUNTED),
    *("outcome", "estimated", "unpriced", "cost"),
)
_SPLIT = 10**6
"""Sums are built in two halves, because SQLite's sum of 64-bit integers is one itself: 9.2 million dollars."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries.

    Attributes:
        since, until: from this moment on, and before that one.
        key: a key's id or alias.
        model: the name that clients asked for.
    """

    since: datetime | None = None
    until: datetime | None = None
    key: str = ""
    model: str = ""

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """What the database has to check."""
        if self.since:
            yield entries.c.at >= self.since
        if self.until:
            yield entries.c.at < self.until
        if self.key:
            yield or_(entries.c.key_id == self.key, entries.c.alias == self.key)
        if self.model:
            yield entries.c.model == self.model


class Report:
    """Reads the ledger for people and their programs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def entries(self, selection: Selection, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Entries, newest first, with their cost in dollars; read as they are asked for.

        Raises:
            Away: the database cannot be asked.
        """
        columns: list[ColumnElement[Any]] = [entries.c[name] for name in _LISTED]
        query: Select[Any] = select(*columns).where(*selection.conditions())
        query = query.order_by(entries.c.at.desc(), entries.c.id.desc()).limit(limit)
        for row in self._stream(query):
            yield {**row, "cost": None if row["cost"] is None else from_units(row["cost"])}

    def totals(self, selection: Selection, by: str | None = None) -> list[dict[str, Any]]:
        """Sums over the selection, or over each group of it; the dearest first, days in their order.

        Raises:
            Away: the database cannot be asked.
        """
        group = self._group(by)
        query: Select[Any] = select(*_sums()).where(*selection.conditions())
        if group is not None:
            query = query.add_columns(group.label("name")).group_by("name")
        rows = [_total(row) for row in self._stream(query)]
        return sorted(rows, key=lambda row: row["name"] if by == "day" else (-row["cost"], row.get("name", "")))

    def _stream(self, query: Select[Any]) -> Iterator[Mapping[str, Any]]:
        with self._database.reading() as connection:
            streaming = connection.execution_options(yield_per=1000)
            with streaming.execute(query) as found:
                yield from (dict(row) for row in found.mappings())

    def _group(self, by: str | None) -> ColumnElement[str] | None:
        if by is None:
            return None
        if by != "day":
            return entries.c["key_id" if by == "key" else by]
        if self._database.dialect == "sqlite":
            return func.substr(entries.c.at, 1, 10)
        moment = func.timezone(literal_column("'UTC'"), entries.c.at)
        return func.to_char(moment, literal_column("'YYYY-MM-DD'"))


def _sums() -> list[ColumnElement[Any]]:
    """A correction is no attempt of its own, and what it corrects is no estimate any more."""
    known = case((entries.c.attempt < 0, -1), else_=0)
    return [
        func.coalesce(func.sum(case((entries.c.attempt > 0, 1), else_=0)), 0).label("entries"),
        *(func.coalesce(func.sum(entries.c[name]), 0).label(name) for name in _COUNTED),
        func.coalesce(func.sum(entries.c.cost // _SPLIT), 0).label("high"),
        func.coalesce(func.sum(entries.c.cost % _SPLIT), 0).label("low"),
        func.coalesce(func.sum(case((entries.c.estimated, 1), else_=0) + known), 0).label("estimated"),
        func.coalesce(func.sum(case((entries.c.unpriced != "[]", 1), else_=0)), 0).label("unpriced"),
    ]


def _total(row: Mapping[str, Any]) -> dict[str, Any]:
    sums = {name: value if name == "name" else int(value) for name, value in row.items()}
    high, low = sums.pop("high"), sums.pop("low")
    cost: Decimal = from_units(high * _SPLIT + low)
    return {**sums, "cost": cost}
