"""Quantities times rates times factors, exact to the last digit, in whatever order."""

from decimal import ROUND_UP, Decimal, localcontext
from fractions import Fraction
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pricing import Bill, Factor, Line, Meter, Rates, dollars, meter_lines, pass_lines
from gateway.usage import KINDS, Pass

PRICES = dict(zip(KINDS, map(Decimal, ("5", "6.25", "10", "0.50", "25")), strict=True))
DEAR = {kind: price * 2 for kind, price in PRICES.items()}

prices = st.decimals("0", "1000", places=9)
times = st.decimals("0.001", "100", places=6)
counts = st.dictionaries(st.sampled_from(KINDS), st.integers(1, 10**12), min_size=1)
factors = st.lists(
    st.builds(Factor, st.sampled_from("abcdef"), times, st.frozensets(st.sampled_from(KINDS), max_size=2)), max_size=4
)
rates = st.fixed_dictionaries(dict.fromkeys(KINDS, prices)).map(lambda one: Rates("m", one))


def total(lines):
    return Bill(tuple(lines)).total


@given(counts, rates, factors)
def test_every_amount_is_exact(used, cost, given_factors):
    for line in pass_lines(Pass("message", "", used), cost, given_factors):
        applied = [Fraction(one.times) for one in given_factors if one.applies(line.kind)]
        assert Fraction(line.amount) == Fraction(used[line.kind]) * Fraction(cost.prices[line.kind]) / 10**6 * prod(
            applied
        )


@given(st.lists(st.tuples(counts, rates, factors), max_size=4))
def test_the_lines_of_a_bill_sum_to_its_total(passes):
    lines = [line for used, cost, many in passes for line in pass_lines(Pass("message", "", used), cost, many)]
    assert Fraction(total(lines)) == sum(Fraction(line.amount) for line in lines)


@given(counts, rates, factors, st.randoms(use_true_random=False))
def test_the_order_of_factors_changes_nothing(used, cost, many, chance):
    shuffled = chance.sample(many, len(many))
    one = Pass("message", "", used)
    assert total(pass_lines(one, cost, many)) == total(pass_lines(one, cost, shuffled))


@given(counts, rates, factors)
def test_nobody_elses_rounding_reaches_a_bill(used, cost, many):
    one = Pass("message", "", used)
    expected = total(pass_lines(one, cost, many))
    with localcontext(prec=3, rounding=ROUND_UP):
        assert total(pass_lines(one, cost, many)) == expected
        assert Decimal(dollars(expected)) == expected


@given(st.decimals("0", "1000000", places=12))
def test_dollars_lose_no_digit_and_show_no_exponent(amount):
    text = dollars(amount)
    assert Decimal(text) == amount
    assert "E" not in text
    assert len(text.partition(".")[2]) >= 6


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.000000"),
        ("0E-10", "0.000000"),
        ("0.876", "0.876000"),
        ("10", "10.000000"),
        ("1E+3", "1000.000000"),
        ("0.0000005", "0.0000005"),
        ("1E-12", "0.000000000001"),
        ("0.1234560", "0.123456"),
    ],
)
def test_dollars_are_plain_decimal_text(amount, text):
    assert dollars(Decimal(amount)) == text


def test_a_pass_is_billed_kind_by_kind():
    used = {"output": 4, "input": 1, "cache_read": 3, "cache_write_1h": 2}
    lines = pass_lines(Pass("message", "", used), Rates("m-1", PRICES), [])
    assert [(line.kind, line.quantity, line.price, line.unit, line.label, line.model) for line in lines] == [
        ("input", 1, Decimal(5), 1_000_000, "message", "m-1"),
        ("cache_write_1h", 2, Decimal(10), 1_000_000, "message", "m-1"),
        ("cache_read", 3, Decimal("0.50"), 1_000_000, "message", "m-1"),
        ("output", 4, Decimal(25), 1_000_000, "message", "m-1"),
    ]


def test_a_factor_multiplies_its_own_kinds_only():
    surcharge = Factor("long", Decimal("1.5"), frozenset({"output"}))
    region = Factor("region", Decimal("1.1"))
    fresh, out = pass_lines(
        Pass("message", "", {"input": 10**6, "output": 10**6}), Rates("m", PRICES), [surcharge, region]
    )
    assert (fresh.amount, out.amount) == (Decimal("5.5"), Decimal("41.25"))
    assert [one.reason for one in fresh.factors] == ["region"]
    assert [one.reason for one in out.factors] == ["long", "region"]


@pytest.mark.parametrize(("prompt", "price"), [(0, 5), (100, 5), (101, 10), (1000, 10), (1001, 20)])
def test_a_tier_holds_above_its_step(prompt, price):
    steps = ((1000, {"input": Decimal(20)}), (100, {"input": Decimal(10)}))
    assert Rates("m", {"input": Decimal(5)}, steps).at(prompt) == {"input": Decimal(price)}


def test_a_tier_reprices_every_kind_of_the_pass():
    used = {"input": 50, "cache_write_5m": 30, "cache_read": 21, "output": 1}
    lines = pass_lines(Pass("message", "", used), Rates("m", PRICES, ((100, DEAR),)), [])
    assert [line.price for line in lines] == [DEAR[line.kind] for line in lines]


def test_output_does_not_lift_a_prompt_over_the_step():
    lines = pass_lines(Pass("message", "", {"input": 100, "output": 10**6}), Rates("m", PRICES, ((100, DEAR),)), [])
    assert [line.price for line in lines] == [Decimal(5), Decimal(25)]


def test_meters_are_paid_by_the_piece():
    searches = Meter("searches", "search", Decimal("0.01"))
    (line,) = meter_lines([(searches, 3), (Meter("fetches", "fetch", Decimal(1)), 0)])
    assert line == Line("search", 3, Decimal("0.01"), 1, ())
    assert line.amount == Decimal("0.03")


def test_an_empty_bill_costs_nothing():
    assert total([]) == 0
    assert pass_lines(Pass("message", "", {}), Rates("m", PRICES), []) == []
