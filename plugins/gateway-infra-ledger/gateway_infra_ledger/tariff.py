"""Tariffs: what one token or piece costs where a pass ran, under a price book, by the core's own pricing.

A pass is priced through ``Settlement.estimate`` as if it had just ended. What comes back is linear in its tokens as
long as its prompt stays on one side of every size at which prices change; both ends of a step are asked to be sure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from gateway import Bill, Call, Deployment, GatewayError, Principal, Usage, strictjson
from gateway.app import assemble
from gateway.capability import Capabilities
from gateway.config import Config
from gateway.deployments import Deployments
from gateway.plugins import Found, discover
from gateway.routing import Routing
from gateway_infra_ledger.schema import TOKENS
from gateway_infra_ledger.tally import STEP

PRICING = ("provider", "feature")
"""Kinds of plugins that know of prices; the others would only open what is open already."""

ONE = "one"
"""The kind under which a piece has its price."""

_PROMPT = tuple(kind for kind in TOKENS if kind != "output")
_NOBODY = Principal("rerate")


class Place(NamedTuple):
    """Where passes ran, and what decides about their price beside the day.

    Attributes:
        served: facts as served, as JSON.
        label, pass_model: the passes' own.
        step: their prompts' size, in steps.
        path: of a number in the host's usage; empty for passes.
    """

    model: str
    deployment: str
    provider: str
    upstream_model: str
    served: str = "{}"
    label: str = ""
    pass_model: str = ""
    step: int = 0
    path: str = ""


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices.

    Attributes:
        prices: dollars for one token or piece, by kind; None where nobody can price the pass.
        unpriced: what has no price, by name.
    """

    prices: Mapping[str, Decimal] | None
    unpriced: tuple[str, ...] = ()


class Tariffs:
    """Tariffs under a book.

    Args:
        config: the operator's; its deployments may have prices of their own.
        book: the price book, which need not be the configuration's.
        found: plugins to use instead of the installed ones, for tests.

    Raises:
        ConfigError: the configuration is unfit to serve.
    """

    def __init__(self, config: Config, book: str, found: Sequence[Found] | None = None) -> None:
        found = discover(config.plugins, PRICING) if found is None else found
        names = {one.name for one in found}
        sections = {name: section for name, section in config.sections.items() if name in names}
        config = replace(config, sections=sections, book=book)
        self._pricing = assemble(replace(config, models=()), found=found, sends=False)
        deployments = Deployments(config, self._pricing.providers).read()
        self._routing = Routing(deployments, Capabilities(self._pricing.catalog))
        self._known: dict[tuple[Place, date, frozenset[str]], Tariff] = {}
        self._deployments: dict[Place, Deployment] = {}

    @property
    def turns(self) -> list[date]:
        """Days on which some price may change, in order."""
        book = self._pricing.catalog.book
        rows = (row for group in self._pricing.plugins.gather("register_catalog").values() for row in group)
        return sorted({day for row in rows if row.book in ("", book) for day in (row.since, row.until)})

    def of(self, place: Place, day: date, kinds: Iterable[str]) -> Tariff:
        """What one token of each kind, or one piece, costs in a place on a day."""
        asked = (place, day, frozenset(kinds))
        if asked not in self._known:
            self._known[asked] = self._piece(place, day) if place.path else self._pass(*asked)
        return self._known[asked]

    def _pass(self, place: Place, day: date, kinds: frozenset[str]) -> Tariff:
        low = self._estimate(place, day, _pass_usage(place, kinds, place.step * STEP + 1))
        high = self._estimate(place, day, _pass_usage(place, kinds, (place.step + 1) * STEP))
        if low == high:
            return high
        return Tariff(None, (f"prompts of {place.step * STEP + 1:,} to {(place.step + 1) * STEP:,} tokens differ",))

    def _piece(self, place: Place, day: date) -> Tariff:
        usage: Any = 1
        for name in reversed(place.path.split(".")):
            usage = {name: usage}
        found = self._estimate(place, day, usage)
        prices = found.prices or {}
        return Tariff({ONE: sum(prices.values(), Decimal(0))}, found.unpriced)

    def _estimate(self, place: Place, day: date, usage: dict[str, Any]) -> Tariff:
        call = Call(
            id="rerate",
            at=datetime(day.year, day.month, day.day, tzinfo=UTC),
            principal=_NOBODY,
            surface="",
            model=place.model,
            asked={},
            body={},
            stream=False,
            deployment=self._deployment(place),
        )
        bill, unpriced = self._pricing.settlement.estimate(call, Usage(raw=usage), {})
        return Tariff(_prices(bill) if bill else None, unpriced)

    def _deployment(self, place: Place) -> Deployment:
        """The configured one, because it may have prices of its own; else what the entry says of it."""
        where = Place(*place[:4])
        if where not in self._deployments:
            self._deployments[where] = self._configured(where) or Deployment(
                place.deployment, place.model, place.provider, place.upstream_model, {}
            )
        return self._deployments[where]

    def _configured(self, where: Place) -> Deployment | None:
        try:
            found = self._routing.deployments(where.model, _NOBODY)
        except GatewayError:  # the model is served no more
            return None
        same = (one for one in found if (one.id, one.provider, one.shown) == where[1:4])
        return next(same, None)


def _prices(bill: Bill) -> dict[str, Decimal]:
    return {line.kind: replace(line, quantity=1).amount for line in bill.lines}


def _pass_usage(place: Place, kinds: frozenset[str], prompt: int) -> dict[str, Any]:
    """A usage object with one pass of these kinds of tokens and a prompt of this size."""
    first, *others = [kind for kind in _PROMPT if kind in kinds] or [""]
    counts = {**dict.fromkeys((*others, *(["output"] if "output" in kinds else [])), 1)}
    counts[first] = max(prompt - len(others), 1)
    short, long = counts.get("cache_write_5m", 0), counts.get("cache_write_1h", 0)
    one = {
        "type": place.label,
        "model": place.pass_model,
        "input_tokens": counts.get("input", 0),
        "cache_creation_input_tokens": short + long,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "cache_read_input_tokens": counts.get("cache_read", 0),
        "output_tokens": counts.get("output", 0),
    }
    return {"iterations": [one], **strictjson.loads_lenient(place.served.encode())}
