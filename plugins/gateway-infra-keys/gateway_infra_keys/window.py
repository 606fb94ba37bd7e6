"""The window of a budget that an instant falls into: its name, and when it ends. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway_infra_keys.model import Budget

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """One window of a budget, such as one day.

    Attributes:
        id: its kind and first day, such as ``weekly:2026-02-02``; or ``total``.
        end: the instant at which the next one begins, UTC; None when none ever does.
    """

    id: str
    end: datetime | None = None


def period(budget: Budget, instant: datetime) -> Period:
    """The budget's window at an instant.

    Days, weeks (from Monday) and months begin at the first midnight of their first day in the budget's time zone. A
    clock that is set back over midnight does not bring yesterday back, and a midnight that is skipped lies where it
    would have been, so windows follow each other without a gap and without a second visit.
    """
    if budget.window == "total":
        return Period("total")
    first, following = _KINDS[budget.window]
    zone = ZoneInfo(budget.time_zone)
    day = instant.astimezone(zone).date()
    if instant < _midnight(day, zone):
        day -= _DAY
    elif instant >= _midnight(day + _DAY, zone):
        day += _DAY
    begin = first(day)
    return Period(f"{budget.window}:{begin.isoformat()}", _midnight(following(begin), zone))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins; of two midnights the first, and for one that is skipped the old offset counts (PEP 495)."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _same(day: date) -> date:
    return day


def _next_day(day: date) -> date:
    return day + _DAY


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _next_week(day: date) -> date:
    return day + timedelta(days=7)


def _first_of_month(day: date) -> date:
    return day.replace(day=1)


def _next_month(day: date) -> date:
    return _first_of_month(day + timedelta(days=31))


_KINDS: dict[str, tuple[Callable[[date], date], Callable[[date], date]]] = {
    "daily": (_same, _next_day),
    "weekly": (_monday, _next_week),
    "monthly": (_first_of_month, _next_month),
}
"""By window: the first day of the one that a day lies in, and the first day of the next."""
