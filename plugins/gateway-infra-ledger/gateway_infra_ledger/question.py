"""A question about spend: which days and whose, and what the sums are wanted for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Table, or_, select

from gateway import InvalidRequest
from gateway_infra_ledger.tally import scopes

FEATURE, DAY = "feature", "day"
GROUPS = ("key", "team", "model", "deployment", FEATURE, DAY)

COLUMNS = {"key": "key_id", "team": "team", "model": "model", "deployment": "deployment"}
"""Where the groups stand that entries have in common."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which sums.

    Attributes:
        by: groups, the first one first; none for one sum over everything.
        since, until: first and last UTC day; both count.
        key: a key's id or alias.
        team: a team's id.
        model: the name that clients asked for.
    """

    by: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    key: str = ""
    team: str = ""
    model: str = ""

    @classmethod
    def read(cls, told: Mapping[str, str]) -> "Question":
        """A question as texts, such as a query string's; several groups are divided by commas.

        Raises:
            InvalidRequest: a group that there is not, a day that is none, a word that nobody knows.
        """
        unknown = sorted(set(told) - set(cls.__slots__))
        if unknown:
            raise InvalidRequest(f"{unknown[0]}: there are {', '.join(cls.__slots__)}.", param=unknown[0])
        by = tuple(name for name in told.get("by", "").split(",") if name)
        for name in by:
            if name not in GROUPS:
                raise InvalidRequest(f"by: there are {', '.join(GROUPS)}.", param="by")
        names = {name: told.get(name, "") for name in ("key", "team", "model")}
        return cls(tuple(dict.fromkeys(by)), _day(told, "since"), _day(told, "until"), **names)

    def conditions(self, table: Table) -> Iterator[ColumnElement[bool]]:
        """What the database has to check in a table of sums."""
        if self.since:
            yield table.c.day >= self.since
        if self.until:
            yield table.c.day <= self.until
        asked = [*self._scoped()]
        if asked:
            yield table.c.scope_id.in_(select(scopes.c.id).where(*asked))

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; what was not asked is left out."""
        days = {name: day.isoformat() for name in ("since", "until") if (day := getattr(self, name))}
        names = {name: value for name in ("key", "team", "model") if (value := getattr(self, name))}
        return {"by": list(self.by), **days, **names}

    def _scoped(self) -> Iterator[ColumnElement[bool]]:
        if self.key:
            yield or_(scopes.c.key_id == self.key, scopes.c.alias == self.key)
        if self.team:
            yield scopes.c.team == self.team
        if self.model:
            yield scopes.c.model == self.model


def _day(told: Mapping[str, str], name: str) -> date | None:
    try:
        return date.fromisoformat(told[name]) if told.get(name) else None
    except ValueError:
        raise InvalidRequest(f"{name}: has to be a day, such as 2026-02-05.", param=name) from None
