from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import pytest
from gateway_infra_ledger.amount import LARGEST, checked, from_units, plain, to_units
from hypothesis import given
from hypothesis import strategies as st

AMOUNTS = st.decimals(min_value=-9_000_000, max_value=9_000_000, places=12)


@given(AMOUNTS)
def test_what_fits_comes_back_exactly(amount):
    assert from_units(to_units(amount)) == amount


@given(st.decimals(min_value=0, max_value=1000, places=30))
def test_what_is_finer_is_rounded_once_half_to_even(amount):
    with localcontext(prec=100):
        assert from_units(to_units(amount)) == amount.quantize(Decimal("1e-12"), ROUND_HALF_EVEN)


@pytest.mark.parametrize(
    ("amount", "units"),
    [
        ("0.0000000000005", 0),
        ("0.0000000000015", 2),
        ("0.00000000000050000000000000000000000000000000001", 1),
        ("-0.0000000000015", -2),
        ("5E-12", 5),
        ("1E+3", 10**15),
    ],
)
def test_ties_and_exponents(amount, units):
    assert to_units(Decimal(amount)) == units


def test_the_largest_amount_fits_and_the_next_does_not():
    largest = from_units(LARGEST)
    assert to_units(largest) == LARGEST
    assert to_units(-largest) == -LARGEST
    with pytest.raises(OverflowError, match=r"9223372\.036854775808 is more than"):
        checked(LARGEST + 1)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "1E+300"])
def test_what_is_no_amount_overflows_loudly(amount):
    with pytest.raises(OverflowError):
        to_units(Decimal(amount))


@pytest.mark.parametrize(
    ("amount", "text"), [("5.00", "5"), ("1E+2", "100"), ("37.50", "37.5"), ("0", "0"), ("1E-12", "0.000000000001")]
)
def test_a_price_is_plain(amount, text):
    assert plain(Decimal(amount)) == text
