from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from gateway_infra_keys import terms
from gateway_infra_keys.model import Budget, Limits

from gateway import InvalidRequest

NOW = datetime.now(UTC)

WRONG = [
    ("alias", 7, "text of at most"),
    ("alias", "a" * 201, "text of at most"),
    ("alias", "two\nlines", "printable"),
    ("alias", " space", "without spaces around"),
    ("team_id", None, "text of at most"),
    ("tags", "a,b", "list of at most"),
    ("tags", [""], "must not be empty"),
    ("tags", ["a"] * 101, "list of at most"),
    ("models", [], r"'\*' allows all"),
    ("models", [""], "must not be empty"),
    ("capabilities", (), r"'\*' allows all"),
    ("budget", Decimal(5), "has to be a budget"),
    ("budget", Budget(Decimal("-0.01")), "budget.amount: .* not negative"),
    ("budget", Budget(Decimal("NaN")), "budget.amount"),
    ("budget", Budget(Decimal("Infinity")), "budget.amount"),
    ("budget", Budget(5.0), "budget.amount"),
    ("budget", Budget(Decimal(9300000)), "at most 9223372.036854775807 US dollars"),
    ("budget", Budget(Decimal("1E-13")), "twelve decimal places"),
    ("budget", Budget(Decimal(1), "hourly"), "budget.window: .* total, daily, weekly, monthly"),
    ("budget", Budget(Decimal(1), "daily", "Mars"), "budget.time_zone: 'Mars' is no time zone"),
    ("budget", Budget(Decimal(1), "daily", "../etc/passwd"), "is no time zone"),
    ("budget", Budget(Decimal(1), "daily", ""), "is no time zone"),
    ("budget", Budget(Decimal(1), "daily", None), "is no time zone"),
    ("limits", None, "has to be limits"),
    ("limits", Limits(requests=0), "limits.requests: .* from 1 on"),
    ("limits", Limits(tokens=-1), "limits.tokens"),
    ("limits", Limits(parallel=1.5), "limits.parallel"),
    ("limits", Limits(parallel=True), "limits.parallel"),
    ("limits", Limits(tokens=10**13), "limits.tokens"),
    ("mode", "lenient", "mode: has to be one of: strict, soft"),
    ("on_outage", "", "on_outage: has to be one of: closed, open"),
    ("expires_at", NOW - timedelta(seconds=1), "is in the past; .* revoke it"),
    ("expires_at", datetime(2099, 1, 1), "with its time zone"),  # noqa: DTZ001 - that is what is wrong with it
    ("expires_at", "2099-01-01", "with its time zone"),
    ("operator", True, "operator: no such field; there are: alias, "),
    ("hash", "00", "no such field"),
    ("revoked_at", None, "no such field"),
]


@pytest.mark.parametrize(("field", "value", "said"), WRONG)
def test_a_value_that_does_not_fit_is_refused_by_the_name_of_its_field(field, value, said):
    with pytest.raises(InvalidRequest, match=said) as refused:
        terms.checked(terms.KEY, {field: value})
    assert refused.value.param.startswith(field)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_a_time_zone_is_one_that_exists(zone):
    budget = Budget(Decimal("50.25"), "monthly", zone)
    assert terms.checked(terms.KEY, {"budget": budget}) == {"budget": budget}


def test_no_budget_no_limit_and_no_end_are_fine():
    facts = {"budget": None, "limits": Limits(), "expires_at": None, "alias": "", "tags": ()}
    assert terms.checked(terms.KEY, facts) == facts


def test_zero_dollars_are_a_budget():
    assert terms.checked(terms.TEAM, {"budget": Budget(Decimal(0))})["budget"].amount == 0


def test_an_end_is_kept_in_utc_and_names_once_each():
    end = datetime(2099, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    found = terms.checked(terms.KEY, {"expires_at": end, "models": ["a", "b", "a"]})
    assert found == {"expires_at": datetime(2099, 1, 1, tzinfo=UTC), "models": ("a", "b")}
    assert found["expires_at"].tzinfo is UTC


def test_a_team_keeps_its_name_and_has_one():
    with pytest.raises(InvalidRequest, match="name: no such field"):
        terms.checked(terms.TEAM_CHANGES, {"name": "other"})
    with pytest.raises(InvalidRequest, match="name: must not be empty"):
        terms.checked(terms.TEAM, {"name": ""})
