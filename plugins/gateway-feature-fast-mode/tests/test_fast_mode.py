"""Fast mode: one word, one beta, and multiples that have their days."""

from datetime import date
from decimal import Decimal

import pytest
from gateway_feature_fast_mode import FastModePlugin

from gateway import Grant, InvalidRequest, ModelRow
from gateway.catalog import Catalog, Offer
from gateway.params import Claims, Dialect
from gateway.testing import RATES, check_feature, make_call

BETA = "fast-mode-2026-02-01"
THERE = {"fast_mode": Grant((BETA,), ("standard", "fast"))}


def catalog(model, book="announcement", provider="anthropic"):
    row = ModelRow(provider=provider, upstream=("m",), id=model, rates=RATES)
    return Catalog({"fast_mode": FastModePlugin().register_catalog(), "p": [row]}, book)


def prepared(speed, grants=THERE):
    call = make_call({} if speed is None else {"speed": speed}, grants=grants)
    FastModePlugin().prepare_request(call)
    return call


def needs(speed):
    claims = Claims(Dialect.load(), {"fast_mode": FastModePlugin().register_params()})
    body = make_call({"speed": speed}).body
    return [(need.capability, need.value) for need in claims.check("messages", body, body).needs]


def test_the_feature_keeps_its_promises():
    check_feature(FastModePlugin, bodies=[{"speed": "fast"}, {"speed": "standard"}])


def test_every_speed_but_the_standard_one_needs_the_capability():
    assert needs("fast") == [("fast_mode", "fast")]
    assert needs("turbo") == [("fast_mode", "turbo")]
    assert needs("standard") == []


def test_a_speed_is_a_text():
    with pytest.raises(InvalidRequest, match=r"^speed: has to be a string\.$"):
        needs(2)


def test_the_standard_speed_is_said_only_where_the_word_is_known():
    there, elsewhere = prepared("standard"), prepared("standard", {})
    assert (there.get("speed"), there.betas) == ("standard", [BETA])
    assert (elsewhere.get("speed"), elsewhere.betas) == (None, [])
    assert prepared("fast", {}).get("speed") == "fast"
    assert prepared(None).betas == []


def test_what_was_served_is_priced_whatever_was_asked():
    adjust = FastModePlugin().adjust_cost
    assert adjust({"speed": "fast"}) == "fast_mode"
    assert adjust({}) is None


@pytest.mark.parametrize(
    ("model", "book", "day", "times"),
    [
        ("claude-opus-4-6", "announcement", date(2026, 2, 5), ["6"]),
        ("claude-opus-4-6", "announcement", date(2026, 11, 25), ["6"]),
        ("claude-opus-4-6", "current", date(2026, 2, 6), []),
        ("claude-opus-4-6", "current", date(2026, 2, 7), ["6"]),
        ("claude-opus-4-6", "current", date(2026, 6, 28), ["6"]),
        ("claude-opus-4-6", "current", date(2026, 6, 29), []),
        ("claude-opus-4-7", "current", date(2026, 5, 12), ["6"]),
        ("claude-opus-4-7", "current", date(2026, 7, 24), []),
        ("claude-opus-4-8", "current", date(2026, 5, 28), ["2"]),
        ("claude-opus-4-8", "announcement", date(2026, 11, 29), ["2"]),
        ("claude-opus-4-8", "current", date(2026, 11, 30), []),
        ("claude-opus-5", "announcement", date(2026, 11, 25), ["2"]),
        ("claude-opus-5-5", "current", date(2026, 11, 25), ["2"]),
        ("claude-fable-5-2", "current", date(2026, 11, 25), ["2"]),
        ("claude-sonnet-4-6", "current", date(2026, 11, 25), []),
    ],
)
def test_the_multiple_has_its_days(model, book, day, times):
    found = catalog(model, book).factors("fast_mode", Offer("anthropic", "m"), day, {"speed": "fast"})
    assert [(factor.times, factor.kinds, factor.fact) for factor in found] == [
        (Decimal(one), frozenset(), "speed") for one in times
    ]


def test_a_speed_that_nobody_priced_has_no_multiple():
    served = {"speed": "turbo"}
    assert catalog("claude-opus-4-6").factors("fast_mode", Offer("anthropic", "m"), date(2026, 3, 1), served) == []


@pytest.mark.parametrize(
    ("model", "day", "there"),
    [
        ("claude-opus-4-6", date(2026, 11, 25), True),
        ("claude-opus-4-7", date(2026, 7, 23), True),
        ("claude-opus-4-7", date(2026, 7, 24), False),
        ("claude-opus-4-8", date(2026, 11, 29), True),
        ("claude-opus-4-8", date(2026, 11, 30), False),
        ("claude-sonnet-5-5", date(2026, 11, 25), False),
        ("unknown", date(2026, 11, 25), True),
    ],
)
def test_which_models_run_fast_is_a_matter_of_rows(model, day, there):
    assert catalog(model).grants(Offer("anthropic", "m"), day) == (THERE if there else {})


@pytest.mark.parametrize("provider", ["azure_ai", "vertex_ai", "bedrock"])
def test_other_hosts_do_not_run_fast(provider):
    assert catalog("claude-opus-4-6", provider=provider).grants(Offer(provider, "m")) == {}
