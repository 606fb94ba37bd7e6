"""The facts that join providers, features and prices: dated rows, looked up by provider, model and day.

Packages bring rows as TOML. A row holds from ``since`` up to, not including, ``until`` (UTC days), in one price
book or, without ``book``, in all of them. Rows that say something about the same thing at the same time stop startup.
A model row gives a host's name for a model its canonical id; grants and factors speak of models by that id.
"""

import hashlib
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from importlib import resources
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from gateway.call import Deployment, Grant
from gateway.errors import CatalogConflict, ConfigError
from gateway.pricing import Factor, Meter, Rates
from gateway.usage import KINDS

BOOKS = ("announcement", "current")
"""The price books: the day-0 announcement's prices, and the full dated history."""

UNKNOWN = "unknown"
"""The canonical id of a model without a row. Rows that name it say what is assumed of models newer than the catalog."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What every row has.

    Attributes:
        provider: glob of provider names.
        upstream: globs of model names at the host.
        models: globs of canonical model ids; ``unknown`` is a model that no model row knows.
        since, until: first UTC day on which it holds, first day on which it no longer does.
        book: the price book that it belongs to; empty for all of them.
        source, checked, note: where the fact comes from, and the day on which a person looked.
    """

    provider: str = "*"
    upstream: tuple[str, ...] = ("*",)
    models: tuple[str, ...] = ("*",)
    since: date = date.min
    until: date = date.max
    book: str = ""
    source: str = ""
    checked: date | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse a book that does not exist; its rows would never hold."""
        if self.book not in ("", *BOOKS):
            raise ValueError(f"there is no book {self.book!r}")

    def covers(self, provider: str, upstream: str, model: str = UNKNOWN) -> bool:
        """Whether it speaks of this model at this provider; ``model`` is its canonical id."""
        return self.is_of(provider) and _any(self.upstream, upstream) and self.is_about(model)

    def is_of(self, provider: str) -> bool:
        """Whether it speaks of this provider."""
        return fnmatchcase(provider, self.provider)

    def is_about(self, model: str) -> bool:
        """Whether it speaks of the model with this canonical id."""
        return _any(self.models, model)

    def holds(self, book: str, day: date) -> bool:
        """Whether it is in force."""
        return self.book in ("", book) and self.since <= day < self.until

    @property
    def subject(self) -> str:
        """What two rows may not both speak of at one time."""
        return ""

    def agrees_with(self, other: "Row") -> bool:
        """Whether both can hold at one time for one model, because they speak of different things."""
        return self.subject != other.subject


@dataclass(frozen=True, kw_only=True)
class ModelRow(Row):
    """A model at a host, and its base rates per million tokens.

    ``surcharge_above`` names a prompt's size above which the host charged more than these rates; a bill on which no
    factor says so is marked as unpriced.
    """

    id: str
    name: str = ""
    created: date | None = None
    window: int = 0
    max_output: int = 0
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    tiers: tuple[tuple[int, Mapping[str, Decimal]], ...] = ()
    surcharge_above: int = 0

    def priced(self) -> Rates:
        """Its rates as a value of its own."""
        return Rates(self.id, self.rates, self.tiers, self.source, self.surcharge_above)


@dataclass(frozen=True, kw_only=True)
class GrantRow(Row):
    """A capability that a model has at a host, the betas that it takes to use it, and the values that it knows."""

    capability: str
    betas: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """What two rows may not both speak of at one time."""
        return self.capability

    def grant(self) -> Grant:
        """What a call is told of it."""
        return Grant(self.betas, self.values)


@dataclass(frozen=True, kw_only=True)
class FactorRow(Row):
    """The number behind a reason that a feature may return at settlement.

    ``when`` narrows it to passes that were served so: ``fact=value``, or ``fact=*`` for any value that is not
    neutral. Where such a row holds, it stands in place of those without, kind by kind.
    """

    reason: str
    times: Decimal
    kinds: tuple[str, ...] = ()
    fact: str = ""
    when: str = ""

    @property
    def subject(self) -> str:
        """What two rows may not both speak of at one time."""
        return f"{self.reason}:{','.join(sorted(self.kinds))}"

    def agrees_with(self, other: Row) -> bool:
        """One reason may have several numbers, each for kinds or served facts of its own."""
        if not isinstance(other, FactorRow) or self.reason != other.reason:
            return True
        apart = bool(self.when) != bool(other.when) or not _meet(self.when, other.when)
        return apart or bool(self.kinds and other.kinds and not {*self.kinds} & {*other.kinds})

    def speaks_of(self, served: Mapping[str, str]) -> bool:
        """Whether a pass that was served so is one that it narrows itself to."""
        fact, _, value = self.when.partition("=")
        return fact in served and fnmatchcase(served[fact], value)

    def beside(self, taken: set[str]) -> "FactorRow | None":
        """The row for the kinds that narrower rows leave to it; None when they leave none."""
        kept = tuple(kind for kind in self.kinds or KINDS if kind not in taken)
        return self if not taken else replace(self, kinds=kept) if kept else None

    def factor(self) -> Factor:
        """The factor that a bill's line keeps."""
        return Factor(self.reason, self.times, frozenset(self.kinds), self.fact, self.source)


@dataclass(frozen=True, kw_only=True)
class MeterRow(Row):
    """A quantity in usage that is paid by the piece."""

    path: str
    kind: str
    price: Decimal

    @property
    def subject(self) -> str:
        """What two rows may not both speak of at one time."""
        return self.path

    def meter(self) -> Meter:
        """The meter that settlement reads."""
        return Meter(self.path, self.kind, self.price, self.source)


@dataclass(frozen=True, kw_only=True)
class BetaRow(Row):
    """What a host does with a beta token, or with all that a glob matches: ``forward``, ``drop``, or ``rename``."""

    token: str
    action: str = "forward"
    to: str = ""

    def __post_init__(self) -> None:
        """Refuse an action that does not exist."""
        super().__post_init__()
        if self.action not in ("forward", "drop", "rename") or (self.action == "rename") != bool(self.to):
            raise ValueError("an action is forward, drop, or rename with its new name in `to`")

    @property
    def subject(self) -> str:
        """What two rows may not both speak of at one time."""
        return self.token

    def agrees_with(self, other: Row) -> bool:
        """Two rows may not both speak of a token, whether by its name or by a glob."""
        return isinstance(other, BetaRow) and not _meet(self.token, other.token)


@dataclass(frozen=True, kw_only=True)
class FieldRow(Row):
    """What a host does with a top-level field of the body: takes it, or not.

    One that it does not take is left out as a hint without effect (``ignore``), or the request is refused
    (``refuse``); ``note`` tells people why. ``*.holder.key`` is a key of every object called ``holder`` inside of
    content; such a one can only be ignored.
    """

    field: str
    action: str = "forward"

    def __post_init__(self) -> None:
        """Refuse an action that does not exist."""
        super().__post_init__()
        if self.action not in ("forward", "ignore", "refuse"):
            raise ValueError("an action is forward, ignore or refuse")
        if self.field.startswith("*.") and self.action != "ignore":
            raise ValueError("what stands inside of content can only be ignored")

    @property
    def subject(self) -> str:
        """What two rows may not both speak of at one time."""
        return self.field


SomeRow = TypeVar("SomeRow", bound=Row)
Rows = Sequence[Row]
"""What ``register_catalog`` returns."""

_SPREAD = ("provider", "when")

_TABLES: Mapping[str, type[Row]] = {
    "model": ModelRow,
    "grant": GrantRow,
    "factor": FactorRow,
    "meter": MeterRow,
    "beta": BetaRow,
    "field": FieldRow,
}


def rows(package: str, name: str = "catalog.toml") -> list[Row]:
    """The rows of a TOML file that ships inside a package.

    Raises:
        CatalogConflict: a row that cannot be read.
    """
    return parse(resources.files(package).joinpath(name).read_text("utf-8"), f"{package}/{name}")


def parse(text: str, where: str) -> list[Row]:
    """The rows of a TOML text; ``where`` names it in errors."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogConflict(f"{where}: no valid TOML: {error}") from None
    unknown = set(tables) - set(_TABLES)
    if unknown:
        raise CatalogConflict(f"{where}: unknown table {min(unknown)!r}; there are {', '.join(_TABLES)}.")
    return [_row(_TABLES[table], entry, where) for table, entries in tables.items() for entry in _entries(entries)]


def _entries(table: Any) -> Iterator[Any]:
    """The rows of a table; one that lists several providers or conditions is a row for each."""
    for entry in table if isinstance(table, list) else [table]:
        lists = {name: value for name, value in _fields(entry) if name in _SPREAD and isinstance(value, list)}
        for choice in product(*lists.values()):
            yield {**entry, **dict(zip(lists, choice, strict=True))} if lists else entry


def _fields(entry: Any) -> Iterable[tuple[str, Any]]:
    return entry.items() if isinstance(entry, dict) else ()


def _row(kind: type[Row], entry: Mapping[str, Any], where: str) -> Row:
    try:
        return kind(**{name: _read(name, value) for name, value in entry.items()})
    except (TypeError, ValueError, KeyError, AttributeError, InvalidOperation) as error:
        raise CatalogConflict(f"{where}: a {kind.__name__} that cannot be read ({error}): {entry!r}") from None


def _read(name: str, value: Any) -> Any:
    return _READ[name](value) if name in _READ else _text(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} has to be a text")
    return value


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):  # a lone text would be read letter by letter, and its * would match everything
        raise TypeError(f"{value!r} has to be a list of texts")
    return tuple(map(_text, value))


def _kinds(value: Any) -> tuple[str, ...]:
    kinds = _words(value)
    if set(kinds) - set(KINDS):
        raise ValueError(f"the kinds are {', '.join(KINDS)}")
    return kinds


def _day(value: Any) -> date:
    if type(value) is not date:  # a datetime is a date too, but does not compare with one
        raise TypeError(f"{value!r} has to be a day, such as 2026-02-05")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} has to be a whole number")
    return value


def _number(value: Any) -> Decimal:
    number = Decimal(_text(value))
    if not number.is_finite() or number < 0:
        raise ValueError(f"{value!r} is no price and no factor")
    return number


def _prices(value: Mapping[str, str]) -> dict[str, Decimal]:
    prices = {kind: _number(price) for kind, price in value.items()}
    if set(prices) != set(KINDS):
        raise ValueError(f"rates need exactly the kinds {', '.join(KINDS)}")
    return prices


def _tiers(value: Sequence[Mapping[str, Any]]) -> tuple[tuple[int, Mapping[str, Decimal]], ...]:
    tiers = [(_count(tier["above"]), _prices(tier["rates"])) for tier in value]
    return tuple(sorted(tiers, reverse=True, key=lambda tier: tier[0]))


_READ: Mapping[str, Callable[[Any], Any]] = {
    "upstream": _words,
    "models": _words,
    "betas": _words,
    "values": _words,
    "kinds": _kinds,
    "since": _day,
    "until": _day,
    "created": _day,
    "checked": _day,
    "window": _count,
    "max_output": _count,
    "surcharge_above": _count,
    "rates": _prices,
    "tiers": _tiers,
    "times": _number,
    "price": _number,
}
"""How each field is read; every other one is a text."""


class Offer(NamedTuple):
    """A model at a host, as rows are asked for it.

    Attributes:
        upstream: its name there.
        priced_as: the name by which its model row is found, where the upstream's does not say.
    """

    provider: str
    upstream: str
    priced_as: str = ""

    @classmethod
    def of(cls, deployment: Deployment, priced_as: str = "") -> "Offer":
        """What a deployment offers; a pass of another model than its own is priced as that one."""
        return cls(deployment.provider, deployment.upstream, priced_as or deployment.priced_as)


class Catalog:
    """All packages' rows, indexed, for one price book.

    Args:
        rows: rows by the name of the plugin that brought them.
        book: the price book in force.

    Attributes:
        metered: everything that some host has paid by the piece: its kind, by its path in usage.

    Raises:
        CatalogConflict: two rows overlap; both are named.
    """

    def __init__(self, rows: Mapping[str, Rows], book: str = BOOKS[0]) -> None:
        if book not in BOOKS:
            raise ConfigError(f"pricing.book: unknown book {book!r}; there are {', '.join(BOOKS)}.")
        self.book = book
        self._rows: dict[type[Row], list[Row]] = {}
        owners: dict[int, str] = {}
        for plugin, group in rows.items():
            for row in group:
                owners[id(row)] = plugin
                self._add(row, owners)
        self.digest = _digest(group for group in rows.values())
        self._cache: dict[tuple[type[Row], Offer, date], list[Any]] = {}
        self._by_token: dict[str, set[str]] = {}
        for row in self._of(GrantRow):
            for token in row.betas:
                self._by_token.setdefault(token, set()).add(row.capability)
        self.metered: Mapping[str, str] = {row.path: row.kind for row in self._of(MeterRow)}
        self._granted: dict[tuple[Offer, date], Mapping[str, Grant]] = {}
        self._fields: dict[tuple[Offer, date], Mapping[str, FieldRow]] = {}
        self._betas: dict[tuple[str, Offer, date], BetaRow | None] = {}

    def model(self, provider: str, upstream: str, day: date | None = None) -> ModelRow | None:
        """The row of a model at a host on a day (today without one)."""
        return next(iter(self._find(ModelRow, Offer(provider, upstream), day)), None)

    def models(self, provider: str) -> list[ModelRow]:
        """Today's rows of a provider."""
        day = _today()
        return [row for row in self._of(ModelRow) if fnmatchcase(provider, row.provider) and row.holds(self.book, day)]

    def all_models(self) -> list[ModelRow]:
        """Every model row of the book, past and future ones too."""
        return [row for row in self._of(ModelRow) if row.book in ("", self.book)]

    def id_of(self, offer: Offer, day: date | None = None) -> str:
        """The canonical id of a model at a host; ``unknown`` where no row knows it."""
        row = self.model(offer.provider, offer.priced_as or offer.upstream, day)
        return row.id if row else UNKNOWN

    def grants(self, offer: Offer, day: date | None = None) -> Mapping[str, Grant]:
        """What a model can do at a host, by capability."""
        day = day or _today()
        found = self._granted.get((offer, day))
        if found is None:
            found = {row.capability: row.grant() for row in self._find(GrantRow, offer, day)}
            _keep(self._granted, (offer, day), found)
        return found

    def granted_by(self, capability: str, day: date | None = None) -> list[GrantRow]:
        """Every row that gives the capability to somebody."""
        day = day or _today()
        return [row for row in self._of(GrantRow) if row.capability == capability and row.holds(self.book, day)]

    @property
    def capability_names(self) -> Collection[str]:
        """Every capability that some row speaks of."""
        return {row.capability for row in self._of(GrantRow)}

    def capabilities(self, token: str) -> Collection[str]:
        """The capabilities that a beta token belongs to, on any host and any day."""
        return self._by_token.get(token, frozenset())

    def factors(
        self, reason: str, offer: Offer, day: date, served: Mapping[str, str] = MappingProxyType({})
    ) -> list[Factor]:
        """The numbers behind a reason for a model at a host on a day; one for each set of kinds."""
        rows = [row for row in self._find(FactorRow, offer, day) if row.reason == reason]
        narrow = [row for row in rows if row.when and row.speaks_of(served)]
        taken = {kind for row in narrow for kind in row.kinds or KINDS}
        wide = [row.beside(taken) for row in rows if not row.when]
        return [row.factor() for row in [*narrow, *wide] if row]

    def meters(self, offer: Offer, day: date) -> list[Meter]:
        """What is paid by the piece for a model at a host on a day."""
        return [row.meter() for row in self._find(MeterRow, offer, day)]

    def beta(self, token: str, offer: Offer) -> BetaRow | None:
        """What a host does with a beta token, if a row says."""
        day = _today()
        if (token, offer, day) not in self._betas:
            rows = self._find(BetaRow, offer, day)
            _keep(self._betas, (token, offer, day), next((row for row in rows if fnmatchcase(token, row.token)), None))
        return self._betas[token, offer, day]

    def fields(self, offer: Offer) -> Mapping[str, FieldRow]:
        """What a host does with fields of the body, as far as rows say."""
        day = _today()
        found = self._fields.get((offer, day))
        if found is None:
            found = {row.field: row for row in self._find(FieldRow, offer, day)}
            _keep(self._fields, (offer, day), found)
        return found

    def _of(self, kind: type[SomeRow]) -> list[SomeRow]:
        return self._rows.get(kind, [])  # type: ignore[return-value]  # the dict is keyed by the rows' own type

    def _find(self, kind: type[SomeRow], offer: Offer, day: date | None) -> list[SomeRow]:
        day = day or _today()
        found = self._cache.get((kind, offer, day))
        if found is None:
            model = UNKNOWN if kind is ModelRow else self.id_of(offer, day)  # it is model rows that give the id
            place = (offer.provider, offer.upstream, model)
            found = [row for row in self._of(kind) if row.holds(self.book, day) and row.covers(*place)]
            _keep(self._cache, (kind, offer, day), found)
        return found

    def _add(self, row: Row, owners: Mapping[int, str]) -> None:
        kind = self._rows.setdefault(type(row), [])
        other = next((other for other in kind if _overlap(row, other)), None)
        if other is not None:
            raise CatalogConflict(
                f"Two {type(row).__name__}s overlap: "
                f"{_told(row, owners[id(row)])} and {_told(other, owners[id(other)])}."
            )
        kind.append(row)


MOST_KEPT = 10_000
"""Answers kept at once; names reached through a wildcard are the clients' choice, so there is no end to them."""


def _keep(cache: dict[Any, Any], key: Any, value: Any) -> None:
    if len(cache) >= MOST_KEPT:
        cache.clear()
    cache[key] = value


def _told(row: Row, plugin: str) -> str:
    """A row as people need it to find it."""
    return (
        f"{row.provider} {', '.join(row.upstream)} {row.subject} "
        f"[{plugin}, {row.since} to {row.until}, {row.book or 'all books'}, {row.source}]"
    )


def _overlap(one: Row, other: Row) -> bool:
    same_time = one.since < other.until and other.since < one.until
    same_book = not one.book or not other.book or one.book == other.book
    return (
        not one.agrees_with(other)
        and same_time
        and same_book
        and _meet(one.provider, other.provider)
        and any(_meet(left, right) for left in one.upstream for right in other.upstream)
        and any(_meet(left, right) for left in one.models for right in other.models)
    )


def _any(globs: Iterable[str], name: str) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def _meet(left: str, right: str) -> bool:
    """Whether two globs can match one name: where both hold a star, their beginnings and their ends have to fit."""
    if fnmatchcase(left, right) or fnmatchcase(right, left):
        return True
    if "*" not in left or "*" not in right:
        return False
    head, other_head = left.partition("*")[0], right.partition("*")[0]
    tail, other_tail = left.rpartition("*")[2], right.rpartition("*")[2]
    heads_fit = head.startswith(other_head) or other_head.startswith(head)
    return heads_fit and (tail.endswith(other_tail) or other_tail.endswith(tail))


def _digest(groups: Iterable[Rows]) -> str:
    """Twelve hex digits that change with any row."""
    lines = sorted(repr(row) for group in groups for row in group)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _today() -> date:
    return datetime.now(UTC).date()
