"""The ledger's entry, and settlement: from what was used to what it costs. Writing entries down is a plugin's job."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from gateway import strictjson
from gateway.call import Call
from gateway.catalog import Catalog, Offer
from gateway.errors import visible
from gateway.pricing import Bill, Factor, Line, Rates, dollars, meter_lines, pass_lines
from gateway.usage import Pass, Usage

log = logging.getLogger(__name__)

Outcome = Literal["complete", "cut", "refused", "failed", "unknown"]
"""How an attempt ended: whole; left or broken midway; the host said no; no usable answer; nobody knows."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds of one attempt: to the first content, in all, and those that were ours."""

    first_byte: float | None
    total: float
    ours: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt at a host: what was asked, what was used, what it costs.

    Attributes:
        call_id, attempt: which call, and which of its attempts, from 1.
        at: when the attempt began, UTC.
        deployment, provider, upstream_model: where it went.
        served_model: the model that the host says it ran.
        upstream_request_id: the host's own id.
        passes: tokens by pass.
        served: facts that may change a price, as served.
        unpriced: what could not be priced, by name; empty when the bill is whole.
        unread: request fields that nobody here knows.
        usage: the host's usage object as it came.
        odd: numbers in it that made no sense and were left out.
        bill: what it costs; None when it could not be priced.
        error: what went wrong, for people.
        estimated: some quantity is an estimate.
    """

    call_id: str
    attempt: int
    at: datetime
    key_id: str
    alias: str
    team: str
    tags: tuple[str, ...]
    surface: str
    model: str
    deployment: str
    provider: str
    upstream_model: str
    served_model: str
    upstream_request_id: str
    stream: bool
    outcome: Outcome
    passes: tuple[Pass, ...]
    served: Mapping[str, str]
    unpriced: tuple[str, ...]
    unread: tuple[str, ...]
    usage: Mapping[str, Any]
    odd: tuple[str, ...]
    bill: Bill | None
    error: str
    estimated: bool
    timings: Timings

    @property
    def cost(self) -> Decimal | None:
        """US dollars; None when it could not be priced."""
        return self.bill.total if self.bill else None

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Entry":
        """The inverse of ``as_dict``, to the last digit of every amount; what that leaves out stays empty.

        Raises:
            KeyError, TypeError, ValueError: it is no entry.
        """
        own = {one.name: value[one.name] for one in fields(cls)}
        tuples = {name: tuple(own[name]) for name in ("tags", "unpriced", "unread", "odd")}
        bill = own["bill"]
        if bill is not None:
            bill = Bill(tuple(map(_line, value["lines"])), bill["book"], bill["digest"], bill["currency"])
        return cls(**{
            **own,
            **tuples,
            "at": datetime.fromisoformat(own["at"]),
            "passes": tuple(Pass(**one) for one in own["passes"]),
            "timings": Timings(**own["timings"]),
            "bill": bill,
        })  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; amounts are decimal strings, never floats."""
        value = {one.name: getattr(self, one.name) for one in fields(self)}
        value["at"] = self.at.isoformat()
        value["passes"] = [{"label": one.label, "model": one.model, "counts": dict(one.counts)} for one in self.passes]
        took = self.timings
        value["timings"] = {"first_byte": took.first_byte, "total": took.total, "ours": took.ours}
        value["usage"] = strictjson.plain(self.usage)
        value["bill"] = None
        value["cost_usd"] = None
        value["lines"] = []
        if self.bill is not None:
            value["bill"] = {"book": self.bill.book, "digest": self.bill.digest, "currency": self.bill.currency}
            value["cost_usd"] = dollars(self.bill.total)
            value["lines"] = [line_dict(line) for line in self.bill.lines]
        return value


def line_dict(line: Line) -> dict[str, Any]:
    """A line, JSON-ready, with everything that explains its amount."""
    return {
        "kind": line.kind,
        "quantity": line.quantity,
        "price_usd": str(line.price),
        "unit": line.unit,
        "factors": [
            {"reason": factor.reason, "times": str(factor.times), "source": factor.source} for factor in line.factors
        ],
        "amount_usd": dollars(line.amount),
        "pass": line.label,
        "model": line.model,
    }


def _line(value: Mapping[str, Any]) -> Line:
    """A line as ``line_dict`` wrote it."""
    return Line(
        kind=value["kind"],
        quantity=value["quantity"],
        price=Decimal(value["price_usd"]),
        unit=value["unit"],
        factors=tuple(Factor(one["reason"], Decimal(one["times"]), source=one["source"]) for one in value["factors"]),
        label=value["pass"],
        model=value["model"],
    )


@dataclass(frozen=True, slots=True)
class Report:
    """What settlement has to know of an attempt beside its usage.

    Attributes:
        call: the attempt's own call, its deployment known.
        stated: gives the facts that the provider states because its host does not echo them.
    """

    call: Call
    number: int
    outcome: Outcome
    timings: Timings
    upstream_request_id: str = ""
    stated: Callable[[], Mapping[str, str]] = dict
    error: str = ""


FAILED = "everything: pricing failed"
"""What of a bill is missing when a feature could not say what it costs."""

LENGTH = "prompt"
"""The fact that stands beside the served ones for a pass whose prompt costs more than the model row's rates."""

Adjust = Callable[[Call, Pass, Mapping[str, str]], Iterable[Factor | str]]
Record = Callable[[Entry], None]


class Settlement:
    """Turns reports of attempts into entries and hands them to whoever records.

    Args:
        catalog: where prices and numbers stand.
        adjust: asks every feature for factors or reasons.
        recorders: each gets every entry; by plugin name.
        neutral: values of facts that change no price.
        asked_facts: request fields whose value counts where the host's usage is silent.
    """

    def __init__(
        self,
        catalog: Catalog,
        adjust: Adjust,
        recorders: Mapping[str, Record],
        *,
        neutral: frozenset[str],
        asked_facts: tuple[str, ...],
    ) -> None:
        self._catalog = catalog
        self._adjust = adjust
        self._recorders = recorders
        self._neutral = neutral
        self._asked_facts = asked_facts

    def settle(self, report: Report, usage: Usage) -> Entry:
        """Price an attempt and write its entry; never raises for what a plugin or a host did wrong."""
        entry = self._entry(report, usage)
        where = visible(entry.deployment)
        log.info("%s %s %s %s %s", entry.call_id, where, entry.surface, entry.outcome, entry.cost)
        self.record(entry)
        return entry

    def provisional(self, report: Report, usage: Usage) -> Entry:
        """The entry that stands if this process dies now; it is not recorded."""
        usage.estimated = True
        return self._entry(report, usage)

    def record(self, entry: Entry) -> None:
        """Hand an entry to every recorder, each by itself."""
        for plugin, record in self._recorders.items():
            try:
                record(entry)
            except Exception:  # one broken recorder must not silence the others
                log.exception("%s could not record call %s", plugin, entry.call_id)

    def estimate(self, call: Call, usage: Usage, stated: Mapping[str, str]) -> tuple[Bill | None, tuple[str, ...]]:
        """What a call would cost at its deployment if it used so much, and what of it nobody can price."""
        try:
            return self._price(call, usage, usage.passes(), self._served(call, usage, stated))
        except Exception:  # a feature that cannot price must not stop every call
            log.exception("call %s could not be estimated", call.id)
            return None, (FAILED,)

    def _entry(self, report: Report, usage: Usage) -> Entry:
        call, host = report.call, report.call.host
        served: Mapping[str, str] = {}
        passes = tuple(usage.passes())
        bill: Bill | None = None
        try:
            served = self._served(call, usage, report.stated())
            bill, unpriced = self._price(call, usage, passes, served)
        except Exception:  # an entry without a bill can be priced later; an answer that was not delivered cannot
            log.exception("call %s could not be priced", call.id)
            unpriced = (FAILED,)
        unpriced = (*unpriced, *(f"usage: {name}" for name in dict.fromkeys(usage.left_out)))
        return Entry(
            call_id=call.id,
            attempt=report.number,
            at=call.at,
            key_id=call.principal.key_id,
            alias=call.principal.alias,
            team=call.principal.team,
            tags=call.principal.tags,
            surface=call.surface,
            model=call.model,
            deployment=host.id,
            provider=host.provider,
            upstream_model=host.shown,
            served_model=usage.model,
            upstream_request_id=report.upstream_request_id,
            stream=call.stream,
            outcome=report.outcome,
            passes=passes,
            served=served,
            unpriced=unpriced,
            unread=call.unread,
            usage=usage.raw,
            odd=tuple(dict.fromkeys(usage.odd)),
            bill=bill,
            error=report.error,
            estimated=usage.estimated or bool(usage.left_out),
            timings=report.timings,
        )

    def _served(self, call: Call, usage: Usage, stated: Mapping[str, str]) -> dict[str, str]:
        """Facts by rank: what the host echoes, else what the provider states, else what the request asked for.

        A host that knows nothing of regions may say so; that takes nothing from what its provider states of the place.
        """
        asked = {name: call.get(name) for name in self._asked_facts}
        said = {name: value for name, value in usage.raw.items() if value is None or isinstance(value, str)}
        told = {name: value for name, value in said.items() if value and value not in self._neutral}
        facts = {**asked, **said, **stated, **told}
        return {name: value for name, value in facts.items() if isinstance(value, str) and value not in self._neutral}

    def _price(
        self, call: Call, usage: Usage, passes: Sequence[Pass], served: Mapping[str, str]
    ) -> tuple[Bill | None, tuple[str, ...]]:
        """The bill, and what it lacks. A pass without rates leaves no bill: half of one would pass for whole."""
        lines: list[Line] = []
        priced: set[str] = set()
        missing: list[str] = []
        whole = True
        paid = [one for one in passes if one.counts]
        for one in paid:
            rates = self._rates(call, one)
            if rates is None:
                whole = False
                missing.append(f"rates of {_model(call, one)}")
                continue
            long = one.prompt > rates.surcharge_above > 0
            factors, unknown = self._factors(call, one, {**served, LENGTH: "long"} if long else served)
            missing += unknown
            facts = {factor.fact for factor in factors}
            priced |= facts
            if long and LENGTH not in facts:
                missing.append(f"the surcharge above {rates.surcharge_above} prompt tokens")
            lines += pass_lines(one, rates, factors)
        meters = self._meters(call)
        lines += meter_lines((meter, usage.quantity(meter.path)) for meter in meters)
        paths = {meter.path for meter in meters}
        elsewhere = ((path, kind) for path, kind in self._catalog.metered.items() if path not in paths)
        missing += [kind for path, kind in elsewhere if usage.quantity(path)]
        if paid:
            missing += [f"{name}={value}" for name, value in served.items() if name not in priced]
        bill = Bill(tuple(lines), self._catalog.book, self._catalog.digest) if whole else None
        return bill, tuple(dict.fromkeys(missing))

    def _rates(self, call: Call, one: Pass) -> Rates | None:
        host = call.host
        if host.rates is not None and _is_own(one):
            return Rates(host.priced_as, host.rates, source="the operator's configuration")
        row = self._catalog.model(host.provider, _model(call, one), call.at.date())
        return row.priced() if row else None

    def _meters(self, call: Call) -> list[Any]:
        return self._catalog.meters(Offer.of(call.host), call.at.date())

    def _factors(self, call: Call, one: Pass, served: Mapping[str, str]) -> tuple[list[Factor], list[str]]:
        """Factors of a pass; a reason without a number is named, never ignored."""
        factors: list[Factor] = []
        unknown: list[str] = []
        offer = Offer.of(call.host, _model(call, one))
        for given in self._adjust(call, one, served):
            if isinstance(given, Factor):
                factors.append(given)
                continue
            found = self._catalog.factors(given, offer, call.at.date(), served)
            factors += found
            unknown += [] if found else [f"factor {given}"]
        return factors, sorted(unknown)


def _is_own(one: Pass) -> bool:
    """Whether the deployment's own model ran, however the host words its name."""
    return not one.model or one.label == "message"


def _model(call: Call, one: Pass) -> str:
    """The name by which a pass is priced: the operator's word on the deployment, else the host's on the pass."""
    own = call.host.base_model if _is_own(one) else ""
    return own or one.model or call.host.upstream
