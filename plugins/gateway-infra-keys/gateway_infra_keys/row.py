"""Rows of the tables, and the keys and teams that they stand for."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from gateway_infra_ledger.amount import from_units, plain, to_units

from gateway import strictjson
from gateway_infra_keys.model import Budget, Key, Limits, Team

_LISTS = ("tags", "models", "capabilities")


Row = Mapping[Any, Any]
"""A row as SQLAlchemy gives it, or as we give it to SQLAlchemy."""


def key_of(row: Row) -> Key:
    """The key in a row."""
    names = ("id", "alias", "team_id", "mode", "on_outage", "created_at", "expires_at", "revoked_at", "hint")
    facts: dict[str, Any] = {name: row[name] for name in names}
    facts |= {name: tuple(strictjson.loads(row[name].encode())) for name in _LISTS}
    return Key(**facts, budget=_budget(row), limits=_limits(row))


def team_of(row: Row) -> Team:
    """The team in a row."""
    names = ("id", "name", "created_at", "revoked_at")
    return Team(**{name: row[name] for name in names}, budget=_budget(row), limits=_limits(row))


def columns(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Checked facts, as columns."""
    found: dict[str, Any] = {}
    for name, value in facts.items():
        if name == "budget":
            found |= _budget_columns(value)
        elif name == "limits":
            found |= {"requests": value.requests, "tokens": value.tokens, "parallel": value.parallel}
        else:
            found[name] = strictjson.dumps(list(value)).decode() if name in _LISTS else value
    return found


def told(value: Any) -> Any:
    """A key, a team or a part of one, JSON-ready: amounts as decimal text, moments as ISO text."""
    if isinstance(value, Key | Team | Budget | Limits):
        return {name: told(getattr(value, name)) for name in value.__slots__}
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return list(value) if isinstance(value, tuple) else value


def _budget(row: Row) -> Budget | None:
    if row["budget"] is None:
        return None
    return Budget(from_units(row["budget"]), row["budget_window"], row["budget_zone"])


def _budget_columns(budget: Budget | None) -> dict[str, Any]:
    if budget is None:
        return {"budget": None, "budget_window": "", "budget_zone": ""}
    return {
        "budget": to_units(budget.amount),
        "budget_window": budget.window,
        "budget_zone": budget.time_zone,
    }


def _limits(row: Row) -> Limits:
    return Limits(row["requests"], row["tokens"], row["parallel"])
