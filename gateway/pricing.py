"""What a call costs: quantities times rates times factors, each with its reason. Pure, Decimal from end to end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import reduce

from gateway.usage import KINDS, Pass

MILLION = Decimal(1_000_000)
ZERO = Decimal(0)
EXACT = Context(prec=300)
"""Digits enough for any bill; the thread's own context would round at 28, or wherever somebody has set it."""


@dataclass(frozen=True, slots=True)
class Factor:
    """Why a price is multiplied.

    Attributes:
        reason: one word for people and machines, such as ``partner``.
        times: by how much.
        kinds: the kinds of tokens that it multiplies; empty means all of them.
        fact: the served fact that it prices, such as ``speed``; empty when it prices none.
        source: where the number comes from.
    """

    reason: str
    times: Decimal
    kinds: frozenset[str] = frozenset()
    fact: str = ""
    source: str = ""

    def applies(self, kind: str) -> bool:
        """Whether this kind of tokens is multiplied."""
        return not self.kinds or kind in self.kinds


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill: ``amount = quantity x price x factors``.

    Attributes:
        kind: what was used: a kind of tokens, or a meter's kind.
        quantity: how much of it.
        price: US dollars for one ``unit``.
        unit: how many make one: a million for tokens, one for meters.
        factors: what multiplies it.
        label, model: the pass that it belongs to.
    """

    kind: str
    quantity: int
    price: Decimal
    unit: int
    factors: tuple[Factor, ...]
    label: str = ""
    model: str = ""

    @property
    def amount(self) -> Decimal:
        """US dollars, exact."""
        amount = EXACT.divide(EXACT.multiply(self.quantity, self.price), self.unit)
        return reduce(EXACT.multiply, (factor.times for factor in self.factors), amount)


@dataclass(frozen=True, slots=True)
class Bill:
    """Lines, and what they add up to.

    Attributes:
        lines: in the order of the passes, meters last.
        book: the price book that was in force.
        digest: fingerprint of the catalog that the prices come from.
    """

    lines: tuple[Line, ...]
    book: str = ""
    digest: str = ""
    currency: str = "USD"

    @property
    def total(self) -> Decimal:
        """US dollars, exact."""
        return reduce(EXACT.add, (line.amount for line in self.lines), ZERO)


@dataclass(frozen=True, slots=True)
class Rates:
    """What a model costs at a host on a day.

    Attributes:
        model: the canonical model id.
        prices: US dollars per million tokens by kind.
        tiers: ``(above, prices)``: prices of a whole pass whose prompt exceeds ``above`` tokens, highest first.
        surcharge_above: prompt tokens above which these prices alone are not the whole price; 0 when they always are.
        source: where the numbers come from.
    """

    model: str
    prices: Mapping[str, Decimal]
    tiers: tuple[tuple[int, Mapping[str, Decimal]], ...] = ()
    source: str = ""
    surcharge_above: int = 0

    def at(self, prompt: int) -> Mapping[str, Decimal]:
        """The prices that hold for a pass with a prompt of so many tokens."""
        return next((prices for above, prices in self.tiers if prompt > above), self.prices)


@dataclass(frozen=True, slots=True)
class Meter:
    """A quantity in the usage object that has a price of its own.

    Attributes:
        path: dotted path of the quantity in the usage object.
        kind: the word on the bill.
        price: US dollars for one.
    """

    path: str
    kind: str
    price: Decimal
    source: str = ""


def pass_lines(one: Pass, rates: Rates, factors: Sequence[Factor]) -> list[Line]:
    """The lines of one pass; factors commute, so their order is only for the eye."""
    prices = rates.at(one.prompt)
    ordered = sorted(factors, key=lambda factor: (factor.reason, factor.times))
    return [
        Line(
            kind=kind,
            quantity=one.counts[kind],
            price=prices[kind],
            unit=int(MILLION),
            factors=tuple(factor for factor in ordered if factor.applies(kind)),
            label=one.label,
            model=rates.model,
        )
        for kind in KINDS
        if one.counts.get(kind)
    ]


def meter_lines(quantities: Iterable[tuple[Meter, int]]) -> list[Line]:
    """The lines of what is paid by the piece."""
    return [Line(meter.kind, quantity, meter.price, 1, ()) for meter, quantity in quantities if quantity]


def dollars(amount: Decimal) -> str:
    """A plain decimal number, at least six places, never an exponent."""
    whole, _, places = f"{amount.normalize(EXACT):f}".partition(".")
    return f"{whole}.{places:0<6}"  # a millionth of a dollar: one token at a dollar
