"""The shares of a line's amount: its base price, and what each factor adds on top.

Factors stand in the order of their names. Each one's share is the amount before it times (factor - 1), counted as the
difference of two amounts that are both rounded to the ledger's unit. So the shares sum to the line's stored amount, to
the last unit, whatever was rounded; what stacked factors earn together belongs to the later name.
"""

from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache
from typing import Any, NamedTuple

from gateway import strictjson
from gateway_infra_ledger.schema import TOKENS
from gateway_infra_ledger.tally import FACTOR, METER

BASE = "base"

_EXACT = Context(prec=300, rounding=ROUND_HALF_EVEN)


class Share(NamedTuple):
    """A part of a line's amount.

    Attributes:
        kind: base, factor or meter.
        name: the factor's reason, or the meter's kind; empty for the base price.
        units: 10^-12 dollars; negative for what makes a line cheaper.
    """

    kind: str
    name: str
    units: int


def shares(line: Mapping[str, Any]) -> Iterator[Share]:
    """The shares of a line as it is stored; they sum to its amount."""
    factors = _factors(line["factors"])
    exact = _EXACT.divide(_EXACT.multiply(line["quantity"], line["price"]), line["unit"])
    before = _rounded(exact) if factors else line["amount"]
    yield Share(BASE, "", before) if line["kind"] in TOKENS else Share(METER, line["kind"], before)
    for place, (reason, times) in enumerate(factors, start=1):
        exact = _EXACT.multiply(exact, times)
        after = line["amount"] if place == len(factors) else _rounded(exact)
        yield Share(FACTOR, reason, after - before)
        before = after


@cache
def _factors(stored: str) -> tuple[tuple[str, Decimal], ...]:
    """Factors by name. There are as many texts as there are combinations of prices, so they are all kept."""
    return tuple(sorted((one["reason"], Decimal(one["times"])) for one in strictjson.loads_lenient(stored.encode())))


def _rounded(exact: Decimal) -> int:
    return int(exact.to_integral_value(context=_EXACT))
