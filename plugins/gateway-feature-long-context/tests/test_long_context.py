"""Long context: one beta token, and a price for long prompts that has its days."""

from datetime import date
from decimal import Decimal

import pytest
from gateway_feature_long_context import LongContextPlugin

from gateway import ModelRow
from gateway.catalog import Catalog, Offer
from gateway.testing import RATES, check_feature

INPUT = frozenset({"input", "cache_write_5m", "cache_write_1h", "cache_read"})
OUTPUT = frozenset({"output"})
LONG = {INPUT: Decimal(2), OUTPUT: Decimal("1.5")}


def catalog(model, book="announcement"):
    row = ModelRow(provider="p", upstream=("m",), id=model, rates=RATES)
    return Catalog({"long_context": LongContextPlugin().register_catalog(), "p": [row]}, book)


def factors(model, day, book="announcement", **served):
    found = catalog(model, book).factors("long_context", Offer("p", "m"), day, served)
    assert all(factor.fact == "prompt" for factor in found)
    return {factor.kinds: factor.times for factor in found}


def test_the_feature_keeps_its_promises():
    check_feature(LongContextPlugin)


def test_only_a_pass_that_its_host_charges_as_long_is_priced():
    adjust = LongContextPlugin().adjust_cost
    assert adjust({"prompt": "long"}) == "long_context"
    assert adjust({"speed": "fast"}) is None


def test_the_announced_price_has_no_end():
    for day in (date(2026, 2, 5), date(2026, 3, 13), date(2030, 1, 1)):
        assert factors("claude-opus-4-6", day) == LONG
        assert factors("claude-opus-4-6", day, speed="fast") == LONG


@pytest.mark.parametrize(
    ("model", "day", "served", "expected"),
    [
        ("claude-opus-4-6", date(2026, 2, 5), {}, LONG),
        ("claude-opus-4-6", date(2026, 2, 20), {"speed": "fast"}, LONG),
        ("claude-opus-4-6", date(2026, 2, 21), {"speed": "fast"}, {frozenset(): Decimal(1)}),
        ("claude-opus-4-6", date(2026, 2, 21), {}, LONG),
        ("claude-opus-4-6", date(2026, 3, 12), {}, LONG),
        ("claude-opus-4-6", date(2026, 3, 13), {}, {}),
        ("claude-sonnet-4-6", date(2026, 3, 12), {}, LONG),
        ("claude-sonnet-4-6", date(2026, 3, 13), {}, {}),
        ("claude-opus-4-7", date(2026, 5, 1), {}, {}),
    ],
)
def test_the_history_has_its_days(model, day, served, expected):
    assert factors(model, day, "current", **served) == expected


@pytest.mark.parametrize(
    ("model", "day", "there"),
    [
        ("claude-opus-4-6", date(2026, 2, 5), True),
        ("claude-opus-5-5", date(2026, 11, 25), True),
        ("claude-sonnet-4-5", date(2026, 4, 29), True),
        ("claude-sonnet-4-5", date(2026, 4, 30), False),
        ("claude-haiku-4-5", date(2026, 11, 25), False),
        ("unknown", date(2026, 11, 25), True),
    ],
)
def test_which_models_have_the_window_is_a_matter_of_rows(model, day, there):
    grants = catalog(model).grants(Offer("p", "m"), day)
    assert ("long_context" in grants) is there
    assert all(grant.betas == ("context-1m-2025-08-07",) for grant in grants.values())
