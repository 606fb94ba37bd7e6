from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from gateway_infra_keys.model import Budget
from gateway_infra_keys.window import Period, period
from hypothesis import example, given
from hypothesis import strategies as st

ZONES = sorted(available_timezones() - {"localtime", "Factory"})
SECONDS = (datetime(1990, 1, 1, tzinfo=UTC).timestamp(), datetime(2060, 1, 1, tzinfo=UTC).timestamp())
INSTANTS = st.integers(*map(int, SECONDS)).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def at(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def of(window, zone, text):
    return period(Budget(Decimal(1), window, zone), at(text))


def test_a_total_has_one_window_without_an_end():
    assert of("total", "Europe/Berlin", "2026-11-25T12:00:00Z") == Period("total", None)


@pytest.mark.parametrize(
    ("window", "zone", "instant", "name", "end"),
    [
        ("daily", "UTC", "2026-11-25T23:59:59.999999Z", "daily:2026-11-25", "2026-11-26T00:00:00Z"),
        ("daily", "UTC", "2026-11-26T00:00:00Z", "daily:2026-11-26", "2026-11-27T00:00:00Z"),
        ("daily", "America/New_York", "2026-11-26T04:59:59Z", "daily:2026-11-25", "2026-11-26T05:00:00Z"),
        ("weekly", "UTC", "2026-11-29T23:59:59Z", "weekly:2026-11-23", "2026-11-30T00:00:00Z"),
        ("weekly", "UTC", "2026-11-30T00:00:00Z", "weekly:2026-11-30", "2026-12-07T00:00:00Z"),
        ("weekly", "UTC", "2027-01-01T00:00:00Z", "weekly:2026-12-28", "2027-01-04T00:00:00Z"),
        ("monthly", "UTC", "2026-12-31T23:59:59Z", "monthly:2026-12-01", "2027-01-01T00:00:00Z"),
        ("monthly", "Asia/Tokyo", "2026-01-31T15:00:00Z", "monthly:2026-02-01", "2026-02-28T15:00:00Z"),
        ("monthly", "UTC", "2028-02-29T00:00:00Z", "monthly:2028-02-01", "2028-03-01T00:00:00Z"),
    ],
)
def test_a_window_begins_at_midnight_in_its_zone(window, zone, instant, name, end):
    assert of(window, zone, instant) == Period(name, at(end))


@pytest.mark.parametrize(
    ("zone", "noon", "hours"),
    [
        ("Europe/Berlin", "2026-03-29T10:00:00Z", 23),
        ("Europe/Berlin", "2026-10-25T11:00:00Z", 25),
        ("Australia/Lord_Howe", "2026-10-04T02:00:00Z", 23.5),
        ("Africa/Cairo", "2024-04-26T10:00:00Z", 23),
    ],
    ids=["skips an hour", "repeats an hour", "skips half an hour", "skips midnight itself"],
)
def test_a_day_is_as_long_as_its_clocks_make_it(zone, noon, hours):
    today = of("daily", zone, noon)
    begin = period(Budget(Decimal(1), "daily", zone), at(noon) - timedelta(days=1)).end
    assert today.end - begin == timedelta(hours=hours)


def test_a_clock_set_back_over_midnight_does_not_bring_yesterday_back():
    """St. John's went from 00:01 back to 23:01 of the day before, so it had 23:30 twice."""
    zone = "America/St_Johns"
    late, again = at("2010-11-06T23:30:00-02:30"), at("2010-11-06T23:30:00-03:30")
    assert late.astimezone(ZoneInfo(zone)).date() == again.astimezone(ZoneInfo(zone)).date()
    assert [of("daily", zone, one.isoformat()).id for one in (late, again)] == ["daily:2010-11-06", "daily:2010-11-07"]


def test_a_day_that_a_country_left_out_has_no_window():
    """Samoa went from 29 to 31 December 2011."""
    before = of("daily", "Pacific/Apia", "2011-12-30T09:59:59Z")
    assert before == Period("daily:2011-12-29", at("2011-12-30T10:00:00Z"))
    assert of("daily", "Pacific/Apia", "2011-12-30T10:00:00Z").id == "daily:2011-12-31"


@given(INSTANTS, st.sampled_from(["daily", "weekly", "monthly"]), st.sampled_from(ZONES))
@example(datetime(2010, 11, 7, 3, 0, tzinfo=UTC), "daily", "America/St_Johns")
@example(datetime(2011, 12, 30, 10, 0, tzinfo=UTC), "daily", "Pacific/Apia")
def test_windows_follow_each_other_without_gap_or_overlap(instant, window, zone):
    budget = Budget(Decimal(1), window, zone)
    current = period(budget, instant)
    assert instant < current.end
    assert current.end - instant < timedelta(days={"daily": 2.1, "weekly": 9, "monthly": 33}[window])
    assert period(budget, current.end - timedelta(microseconds=1)) == current
    following = period(budget, current.end)
    assert following.id > current.id
    assert following.end > current.end


@given(INSTANTS, st.lists(st.timedeltas(timedelta(0), timedelta(hours=3)), max_size=30), st.sampled_from(ZONES))
def test_a_window_that_was_left_never_comes_back(instant, steps, zone):
    instants = [instant]
    for step in steps:
        instants.append(instants[-1] + step)
    names = [period(Budget(Decimal(1), "daily", zone), one).id for one in instants]
    assert all(first <= second for first, second in pairwise(names))
