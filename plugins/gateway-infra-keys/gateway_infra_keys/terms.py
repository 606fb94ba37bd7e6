"""The terms of keys and teams: what may be written into which field, checked before it gets near the database."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args
from zoneinfo import ZoneInfo

from gateway_infra_ledger.amount import LARGEST, from_units, to_units

from gateway import InvalidRequest
from gateway_infra_keys.model import Budget, Limits, Mode, OnOutage, Window

LONGEST = 200
"""Characters of a name, a tag or a pattern."""

MOST = 100
"""Tags or patterns of a key."""

FASTEST = 10**12
"""The largest limit: beyond it nothing is limited."""

Check = Callable[[str, Any], Any]


def checked(checks: Mapping[str, Check], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts as they are stored.

    Raises:
        InvalidRequest: a field does not exist, or its value does not fit; names the field and the remedy.
    """
    for name in facts:
        if name not in checks:
            raise InvalidRequest(f"{name}: no such field; there are: {', '.join(checks)}.", param=name)
    return {name: checks[name](name, value) for name, value in facts.items()}


def refused(field: str, why: str) -> InvalidRequest:
    """A value that does not fit."""
    return InvalidRequest(f"{field}: {why}", param=field)


def check_zone(field: str, name: Any) -> str:
    """The name of a time zone.

    Raises:
        InvalidRequest: there is no such zone.
    """
    try:
        ZoneInfo(name)
    except (OSError, ValueError, TypeError, KeyError):
        raise refused(field, f"{name!r} is no time zone; write one such as UTC or Europe/Berlin.") from None
    return str(name)


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST or not value.isprintable() or value != value.strip():
        raise refused(field, f"has to be a text of at most {LONGEST} printable characters, without spaces around it.")
    return value


def _name(field: str, value: Any) -> str:
    if not _text(field, value):
        raise refused(field, "must not be empty.")
    return str(value)


def _names(field: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > MOST:
        raise refused(field, f"has to be a list of at most {MOST} texts.")
    return tuple(dict.fromkeys(_name(field, one) for one in value))


def _patterns(field: str, value: Any) -> tuple[str, ...]:
    if not (found := _names(field, value)):
        raise refused(field, "must not be empty; '*' allows all of them.")
    return found


def _budget(field: str, value: Any) -> Budget | None:
    if value is None:
        return None
    if not isinstance(value, Budget):
        raise refused(field, "has to be a budget or nothing.")
    _one_of(Window)(f"{field}.window", value.window)
    check_zone(f"{field}.time_zone", value.time_zone)
    return Budget(_amount(f"{field}.amount", value.amount), value.window, value.time_zone)


def _amount(field: str, value: Any) -> Decimal:
    if not isinstance(value, Decimal) or not value.is_finite() or value < 0:
        raise refused(field, "has to be an amount of US dollars, not negative, such as 50 or 0.25.")
    try:
        stored = from_units(to_units(value))
    except OverflowError:
        raise refused(field, f"has to be at most {from_units(LARGEST):f} US dollars.") from None
    if stored != value:
        raise refused(field, "has at most twelve decimal places.")
    return stored


def _limits(field: str, value: Any) -> Limits:
    if not isinstance(value, Limits):
        raise refused(field, "has to be limits.")
    for name in ("requests", "tokens", "parallel"):
        limit = getattr(value, name)
        if limit is not None and (type(limit) is not int or not 1 <= limit <= FASTEST):
            raise refused(f"{field}.{name}", "has to be a whole number from 1 on, or nothing for no limit.")
    return value


def _one_of(choices: Any) -> Check:
    """A check for one of a ``Literal``'s words."""
    words = get_args(choices)

    def check(field: str, value: Any) -> Any:
        if value not in words:
            raise refused(field, f"has to be one of: {', '.join(words)}.")
        return value

    return check


def _expiry(field: str, value: Any) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise refused(field, "has to be a moment with its time zone, such as 2027-01-01T00:00:00Z.")
    if value <= datetime.now(UTC):
        raise refused(field, "is in the past; to end a key now, revoke it.")
    return value.astimezone(UTC)


KEY: Mapping[str, Check] = {
    "alias": _text,
    "team_id": _text,
    "tags": _names,
    "models": _patterns,
    "capabilities": _patterns,
    "budget": _budget,
    "limits": _limits,
    "mode": _one_of(Mode),
    "on_outage": _one_of(OnOutage),
    "expires_at": _expiry,
}
"""What may be said of a key."""

TEAM: Mapping[str, Check] = {"name": _name, "budget": _budget, "limits": _limits}
"""What may be said of a team when it is made."""

TEAM_CHANGES: Mapping[str, Check] = {name: check for name, check in TEAM.items() if name != "name"}
"""What may be changed; not the name, by which the ledger knows what it has spent."""
