import json
from decimal import ROUND_HALF_EVEN, Context, Decimal

from gateway_infra_ledger.record import Record
from gateway_infra_ledger.share import shares
from hypothesis import given
from hypothesis import strategies as st

from gateway import Bill, Factor, Line
from gateway.testing import make_entry

EXACT = Context(prec=300, rounding=ROUND_HALF_EVEN)

prices = st.decimals(0, 1000, places=15, allow_nan=False)
times = st.decimals(0, 10, places=6, allow_nan=False)
reasons = st.sampled_from(["fast_mode", "inference_geo", "long_context", "partner"])
factors = st.lists(st.builds(Factor, reasons, times), max_size=5)
counts = st.integers(1, 10**9)


def stored(line):
    (row,) = Record.of(make_entry(bill=Bill((line,)))).lines
    return row


def told(line):
    return [tuple(share) for share in shares(stored(line))]


@given(counts, prices, factors)
def test_shares_sum_to_the_amount_of_the_line_to_the_last_unit(quantity, price, factors):
    line = stored(Line("output", quantity, price, 1_000_000, tuple(factors)))
    found = list(shares(line))
    assert sum(share.units for share in found) == line["amount"]
    assert [share.kind for share in found] == ["base", *["factor"] * len(factors)]
    assert [share.name for share in found[1:]] == sorted(factor.reason for factor in factors)


@given(counts, prices, factors)
def test_the_order_in_which_factors_stand_in_a_line_changes_no_share(quantity, price, factors):
    row = stored(Line("output", quantity, price, 1_000_000, tuple(factors)))
    turned = {**row, "factors": json.dumps(json.loads(row["factors"])[::-1])}
    assert list(shares(row)) == list(shares(turned))


@given(counts, st.decimals(0, 1000, places=12, allow_nan=False), factors)
def test_each_share_is_the_amount_before_it_times_factor_minus_one(quantity, price, factors):
    found = list(shares(stored(Line("output", quantity, price, 1_000_000, tuple(factors)))))
    exact = EXACT.divide(EXACT.multiply(quantity, price), Decimal(10**6)).scaleb(12, EXACT)
    ordered = sorted(factors, key=lambda factor: (factor.reason, factor.times))
    assert abs(found[0].units - exact) <= Decimal("0.5")
    for share, factor in zip(found[1:], ordered, strict=True):
        assert abs(share.units - EXACT.multiply(exact, factor.times - 1)) <= 1
        exact = EXACT.multiply(exact, factor.times)


def test_a_fast_answer_in_the_us_from_a_long_prompt_is_split_in_the_order_of_the_names():
    stacked = (
        Factor("long_context", Decimal(2)),
        Factor("fast_mode", Decimal(6)),
        Factor("inference_geo", Decimal("1.1")),
    )
    assert told(Line("input", 1_000_000, Decimal(5), 1_000_000, stacked)) == [
        ("base", "", 5 * 10**12),
        ("factor", "fast_mode", 25 * 10**12),
        ("factor", "inference_geo", 3 * 10**12),
        ("factor", "long_context", 33 * 10**12),
    ]


def test_a_discount_is_a_negative_share():
    half = Factor("batch", Decimal("0.5"))
    assert told(Line("input", 1_000_000, Decimal(5), 1_000_000, (half,))) == [
        ("base", "", 5 * 10**12),
        ("factor", "batch", -25 * 10**11),
    ]


def test_a_meter_is_no_base_price():
    assert told(Line("web_search", 3, Decimal("0.01"), 1, ())) == [("meter", "web_search", 3 * 10**10)]


def test_what_rounding_moved_belongs_to_the_last_factor():
    third = Factor("a", Decimal("0.3333333"))
    line = stored(Line("input", 1, Decimal("0.00001"), 1_000_000, (third,)))
    assert [share.units for share in shares(line)] == [10, line["amount"] - 10]
