"""Texts of the commands: keys and teams for eyes."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway_infra_ledger.amount import plain
from gateway_infra_ledger.sheet import Column

from gateway_infra_keys.admin_answer import state
from gateway_infra_keys.model import Budget, Key, Limits, Mode, OnOutage, Team, Window

NOTHING = "-"
"""What stands where there is nothing."""

MODES: Mapping[Mode, str] = {
    "strict": "strict: the most that a call may cost has to be left before it starts, so no call exceeds the budget; "
    "one whose cost nobody can bound is refused.",
    "soft": "soft: what a call typically costs has to be left before it starts; at most one call exceeds the budget.",
}
"""What a mode means; printed on the key."""

OUTAGES: Mapping[OnOutage, str] = {
    "closed": "closed: while the database is away, calls are refused with a 503.",
    "open": "open: while the database is away, calls go on and are counted when it is back.",
}
"""What becomes of a key while the database is away; printed on the key."""

PER: Mapping[Window, str] = {
    "total": "in total",
    "daily": "a day",
    "weekly": "a week",
    "monthly": "a month",
}
KEYS = [
    Column("id", whole=True),
    *map(Column, ("alias", "team", "models", "capabilities", "budget", "limits", "mode", "expires")),
    Column("state", whole=True),
]
TEAMS = [Column("id", whole=True), *map(Column, ("name", "budget", "limits")), Column("state", whole=True)]
CHANGES = [Column("time (UTC)", whole=True), *map(Column, ("who", "did", "before", "after"))]


def key_row(key: Key, team: str) -> list[str]:
    """A key in a table."""
    allowed = [", ".join(key.models), ", ".join(key.capabilities)]
    expires = f"{key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else NOTHING
    spends = [budget_text(key.budget), limits_text(key.limits), key.mode]
    return [key.id, key.alias or NOTHING, team or NOTHING, *allowed, *spends, expires, state(key)]


def team_row(team: Team) -> list[str]:
    """A team in a table."""
    return [team.id, team.name, budget_text(team.budget), limits_text(team.limits), state(team)]


def key_facts(key: Key, team: str) -> Iterator[tuple[str, str]]:
    """Everything that is known of a key, with what it means."""
    yield from (("alias", key.alias or NOTHING), ("team", team or NOTHING))
    yield from (("tags", ", ".join(key.tags) or NOTHING), ("ends in", key.hint))
    yield from (("models", ", ".join(key.models)), ("capabilities", ", ".join(key.capabilities)))
    yield from (("budget", budget_text(key.budget)), ("limits", limits_text(key.limits)))
    yield from (("mode", MODES[key.mode]), ("on outage", OUTAGES[key.on_outage]))
    yield from _dates(key, ("created_at", "expires_at", "revoked_at"))


def team_facts(team: Team) -> Iterator[tuple[str, str]]:
    """Everything that is known of a team."""
    yield "name", team.name
    yield from (("budget", budget_text(team.budget)), ("limits", limits_text(team.limits)))
    yield from _dates(team, ("created_at", "revoked_at"))


def change_rows(history: Iterable[Mapping[str, Any]]) -> Iterator[list[str]]:
    """What was done."""
    for one in history:
        said = [_facts_text(one["before"]), _facts_text(one["after"])]
        yield [f"{one['at']:%Y-%m-%d %H:%M:%S}", one["actor"], one["action"], *said]


def head(what: str, object_id: str) -> list[Column]:
    """The columns of what is known of one object."""
    return [Column(what, whole=True), Column(object_id)]


def budget_text(budget: Budget | None) -> str:
    """A budget in words."""
    if budget is None:
        return NOTHING
    zone = "" if budget.window == "total" else f" ({budget.time_zone})"
    return f"${plain(budget.amount)} {PER[budget.window]}{zone}"


def limits_text(limits: Limits) -> str:
    """Limits in words."""
    units = ((limits.requests, "calls/min"), (limits.tokens, "tokens/min"), (limits.parallel, "at once"))
    return ", ".join(f"{limit:,} {unit}" for limit, unit in units if limit is not None) or NOTHING


def _dates(one: Key | Team, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        moment = getattr(one, name)
        yield name.removesuffix("_at"), f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else NOTHING


def _facts_text(facts: Mapping[str, Any]) -> str:
    return "; ".join(f"{name}: {_value_text(value)}" for name, value in facts.items()) or NOTHING


def _value_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name} {inner}" for name, inner in value.items() if inner is not None) or NOTHING
    return ", ".join(value) if isinstance(value, list) else str(value or NOTHING)
