"""The facts that join providers, features and prices: dated rows, looked up by provider, model and day.

Packages bring rows as TOML. A row holds from ``since`` up to, not including, ``until`` (UTC days), in one price
book or, without ``book``, in all of them. Rows that say something about the same thing at the same time stop startup.
"""

import hashlib
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from importlib import resources
from typing import Any, TypeVar

from gateway.errors import CatalogConflict, ConfigError
from gateway.pricing import Factor, Meter, Rates
from gateway.usage import KINDS

BOOKS = ("announcement", "current")
"""The price books: the day-0 announcement's prices, and the full dated history."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What every row has.

    Attributes:
        provider: glob of provider names.
        upstream: globs of model names at the host.
        since, until: first UTC day on which it holds, first day on which it no longer does.
        book: the price book that it belongs to; empty for all of them.
        source, checked, note: where the fact comes from, and the day on which a person looked.
    """

    provider: str = "*"
    upstream: tuple[str, ...] = ("*",)
    since: date = date.min
    until: date = date.max
    book: str = ""
    source: str = ""
    checked: date | None = None
    note: str = ""

    def covers(self, provider: str, upstream: str) -> bool:
        """Whether it speaks of this model at this provider."""
        return fnmatchcase(provider, self.provider) and any(fnmatchcase(upstream, glob) for glob in self.upstream)

    def holds(self, book: str, day: date) -> bool:
        """Whether it is in force."""
        return self.book in ("", book) and self.since <= day < self.until

    @property
    def subject(self) -> str:
        """What two rows may not both speak of at one time."""
        return ""


@dataclass(frozen=True, kw_only=True)
class ModelRow(Row):
    """A model at a host, and its base rates per million tokens."""

    id: str
    name: str = ""
    created: date | None = None
    window: int = 0
    max_output: int = 0
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    tiers: tuple[tuple[int, Mapping[str, Decimal]], ...] = ()

    def priced(self) -> Rates:
        """Its rates as a value of its own."""
        return Rates(self.id, self.rates, self.tiers, self.source)


@dataclass(frozen=True, kw_only=True)
class GrantRow(Row):
    """A capability that a model has at a host, and the betas that it takes to use it."""

    capability: str
    betas: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """What two rows may not both speak of at one time."""
        return self.capability


@dataclass(frozen=True, kw_only=True)
class FactorRow(Row):
    """The number behind a reason that a feature may return at settlement."""

    reason: str
    times: Decimal
    kinds: tuple[str, ...] = ()
    fact: str = ""

    @property
    def subject(self) -> str:
        """What two rows may not both speak of at one time."""
        return f"{self.reason}:{','.join(sorted(self.kinds))}"

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
    """What a host does with a beta token: ``forward``, ``drop``, or ``rename`` it to ``to``."""

    token: str
    action: str = "forward"
    to: str = ""

    @property
    def subject(self) -> str:
        """What two rows may not both speak of at one time."""
        return self.token


SomeRow = TypeVar("SomeRow", bound=Row)
Rows = Sequence[Row]
"""What ``register_catalog`` returns."""

_TABLES: Mapping[str, type[Row]] = {
    "model": ModelRow,
    "grant": GrantRow,
    "factor": FactorRow,
    "meter": MeterRow,
    "beta": BetaRow,
}


def rows(package: str, name: str = "catalog.toml") -> list[Row]:
    """The rows of a TOML file that ships inside a package.

    Raises:
        CatalogConflict: a row that cannot be read.
    """
    return parse(resources.files(package).joinpath(name).read_text("utf-8"), f"{package}/{name}")


def parse(text: str, where: str) -> list[Row]:
    """The rows of a TOML text; ``where`` names it in errors."""
    tables = tomllib.loads(text)
    unknown = set(tables) - set(_TABLES)
    if unknown:
        raise CatalogConflict(f"{where}: unknown table {min(unknown)!r}; there are {', '.join(_TABLES)}.")
    return [_row(_TABLES[table], entry, where) for table, entries in tables.items() for entry in entries]


def _row(kind: type[Row], entry: Mapping[str, Any], where: str) -> Row:
    try:
        return kind(**{name: _READ.get(name, _same)(value) for name, value in entry.items()})
    except (TypeError, ValueError, KeyError, InvalidOperation) as error:
        raise CatalogConflict(f"{where}: a {kind.__name__} that cannot be read ({error}): {dict(entry)!r}") from None


def _same(value: Any) -> Any:
    return value


def _prices(value: Mapping[str, str]) -> dict[str, Decimal]:
    prices = {kind: Decimal(price) for kind, price in value.items()}
    if set(prices) != set(KINDS):
        raise ValueError(f"rates need exactly the kinds {', '.join(KINDS)}")
    return prices


def _tiers(value: Sequence[Mapping[str, Any]]) -> tuple[tuple[int, Mapping[str, Decimal]], ...]:
    return tuple(sorted(((tier["above"], _prices(tier["rates"])) for tier in value), reverse=True, key=lambda t: t[0]))


_READ: Mapping[str, Callable[[Any], Any]] = {
    "upstream": tuple,
    "betas": tuple,
    "values": tuple,
    "kinds": tuple,
    "rates": _prices,
    "tiers": _tiers,
    "times": Decimal,
    "price": Decimal,
}


class Catalog:
    """All packages' rows, indexed, for one price book.

    Args:
        rows: rows by the name of the plugin that brought them.
        book: the price book in force.

    Raises:
        CatalogConflict: two rows overlap; both are named.
    """

    def __init__(self, rows: Mapping[str, Rows], book: str = BOOKS[0]) -> None:
        if book not in BOOKS:
            raise ConfigError(f"pricing.book: unknown book {book!r}; there are {', '.join(BOOKS)}.")
        self.book = book
        self._rows: dict[type[Row], list[Row]] = {}
        for plugin, group in rows.items():
            for row in group:
                self._add(plugin, row)
        self.digest = _digest(group for group in rows.values())
        self._cache: dict[tuple[type[Row], str, str, date], list[Any]] = {}

    def model(self, provider: str, upstream: str, day: date | None = None) -> ModelRow | None:
        """The row of a model at a host on a day (today without one)."""
        return next(iter(self._find(ModelRow, provider, upstream, day)), None)

    def models(self, provider: str) -> list[ModelRow]:
        """Today's rows of a provider."""
        day = _today()
        return [row for row in self._of(ModelRow) if fnmatchcase(provider, row.provider) and row.holds(self.book, day)]

    def all_models(self) -> list[ModelRow]:
        """Every model row of the book, past and future ones too."""
        return [row for row in self._of(ModelRow) if row.book in ("", self.book)]

    def grant(self, capability: str, provider: str, upstream: str, day: date | None = None) -> GrantRow | None:
        """The row that gives a model a capability at a host, if it has it."""
        found = self._find(GrantRow, provider, upstream, day)
        return next((row for row in found if row.capability == capability), None)

    def granted_by(self, capability: str, day: date | None = None) -> list[GrantRow]:
        """Every row that gives the capability to somebody."""
        day = day or _today()
        return [row for row in self._of(GrantRow) if row.capability == capability and row.holds(self.book, day)]

    def factors(self, reason: str, provider: str, upstream: str, day: date) -> list[Factor]:
        """The numbers behind a reason for a model at a host on a day; one for each set of kinds."""
        return [row.factor() for row in self._find(FactorRow, provider, upstream, day) if row.reason == reason]

    def meters(self, provider: str, upstream: str, day: date) -> list[Meter]:
        """What is paid by the piece for a model at a host on a day."""
        return [row.meter() for row in self._find(MeterRow, provider, upstream, day)]

    def beta(self, token: str, provider: str, upstream: str) -> BetaRow | None:
        """What a host does with a beta token, if a row says."""
        return next((row for row in self._find(BetaRow, provider, upstream, None) if row.token == token), None)

    def _of(self, kind: type[SomeRow]) -> list[SomeRow]:
        return self._rows.get(kind, [])  # type: ignore[return-value]  # the dict is keyed by the rows' own type

    def _find(self, kind: type[SomeRow], provider: str, upstream: str, day: date | None) -> list[SomeRow]:
        day = day or _today()
        key = (kind, provider, upstream, day)
        found = self._cache.get(key)
        if found is None:
            found = [row for row in self._of(kind) if row.covers(provider, upstream) and row.holds(self.book, day)]
            if len(self._cache) > 10_000:  # noqa: PLR2004 - names reached through a wildcard are the clients' choice
                self._cache.clear()
            self._cache[key] = found
        return found

    def _add(self, plugin: str, row: Row) -> None:
        kind = self._rows.setdefault(type(row), [])
        for other in kind:
            if _overlap(row, other):
                raise CatalogConflict(
                    f"Two {type(row).__name__}s overlap ({plugin}): "
                    f"{row.provider} {', '.join(row.upstream)} {row.subject} "
                    f"[{row.since} to {row.until}, {row.book or 'all books'}, {row.source}] and "
                    f"{other.provider} {', '.join(other.upstream)} {other.subject} "
                    f"[{other.since} to {other.until}, {other.book or 'all books'}, {other.source}]."
                )
        kind.append(row)


def _overlap(one: Row, other: Row) -> bool:
    same_time = one.since < other.until and other.since < one.until
    same_book = not one.book or not other.book or one.book == other.book
    return (
        one.subject == other.subject
        and same_time
        and same_book
        and _meet(one.provider, other.provider)
        and any(_meet(left, right) for left in one.upstream for right in other.upstream)
    )


def _meet(left: str, right: str) -> bool:
    """Whether two globs can match one name; a literal prefix before the first wildcard decides what fnmatch cannot."""
    if fnmatchcase(left, right) or fnmatchcase(right, left):
        return True
    head_left, star_left, _ = left.partition("*")
    head_right, star_right, _ = right.partition("*")
    if not (star_left and star_right):
        return False
    tails_fit = left.endswith("*") or right.endswith("*") or left[-1] == right[-1]
    return tails_fit and (head_left.startswith(head_right) or head_right.startswith(head_left))


def _digest(groups: Iterable[Rows]) -> str:
    """Twelve hex digits that change with any row."""
    lines = sorted(repr(row) for group in groups for row in group)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _today() -> date:
    return datetime.now(UTC).date()
