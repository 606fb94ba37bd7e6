"""Money as the database keeps it: whole numbers of 10^-12 dollars, because neither database may round it."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

PLACES = 12
"""Decimal places of a dollar that are kept."""

LARGEST = 2**63 - 1
"""What a 64-bit column holds: 9.2 million dollars."""

_EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN)
"""Wide enough that moving the point never rounds; only the one rounding that is meant happens."""


def to_units(amount: Decimal) -> int:
    """Dollars as units; finer digits are rounded half to even, once.

    Raises:
        OverflowError: it does not fit into 64 bits, or is no number.
    """
    if not amount.is_finite():
        raise OverflowError(f"{amount} is no amount")
    return checked(int(amount.scaleb(PLACES, _EXACT).to_integral_value(context=_EXACT)))


def checked(units: int) -> int:
    """The units themselves.

    Raises:
        OverflowError: they do not fit into 64 bits.
    """
    if abs(units) > LARGEST:
        raise OverflowError(f"${from_units(units)} is more than the ledger's ${from_units(LARGEST)}")
    return units


def from_units(units: int) -> Decimal:
    """Units as dollars, exact."""
    return Decimal(units).scaleb(-PLACES, _EXACT)


def plain(amount: Decimal) -> str:
    """A price as people write it: no exponent, no zeros at its end."""
    return f"{amount.normalize(_EXACT):f}"
