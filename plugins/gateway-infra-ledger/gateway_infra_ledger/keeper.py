"""The keeper of the tally: adds entries to the sums, each exactly once, whoever wrote them and whenever."""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, exists, func, insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from gateway import GatewayError, strictjson
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.record import MOST, text
from gateway_infra_ledger.schema import TOKENS, entries, lines
from gateway_infra_ledger.share import BASE, shares
from gateway_infra_ledger.tally import (
    COUNT,
    SCOPE,
    SPLIT,
    STEP,
    UNPRICED,
    days,
    parts,
    scopes,
    unfolded,
)

log = logging.getLogger(__name__)

BATCH = 1000
"""Entries that are folded in one transaction."""

LOCK = 0x6C65646765720002
"""PostgreSQL's lock for one keeper at a time; SQLite has only one writer anyway."""

PATIENCE = "2s"
"""How long a keeper waits for another one in PostgreSQL."""

NO_BILL = "no bill"
"""The name for entries without a bill that do not say what they lack."""

DEEPEST = 4
"""Levels of a usage object that are looked through for numbers."""

_READ = (*(name for name in SCOPE if name not in ("label", "pass_model")), "id", "call_id", "attempt", "at", "cost")
_TOLD = ("estimated", "unpriced", "passes", "usage")
_SCOPED = (*SCOPE, "step")
_TOLD_IN_PASSES = {"iterations", "cache_creation", "input_tokens", "output_tokens"} | {
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
}

KEYS = ("scope_id", "day", "kind", "name")
"""What the keys of sums stand for; days end at the second."""

Sums = defaultdict[tuple[Any, ...], Counter[str]]


class Keeper:
    """Keeps the tally of a database up to date."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def follow(self) -> None:
        """Fold a batch after entries were written. Never raises: the sums can wait, the entries are safe."""
        try:
            self.fold()
        except GatewayError as error:
            log.info("the ledger's sums wait: %s", error)
        except Exception:  # whatever is wrong with the sums must not stop who writes entries
            log.exception("the ledger's sums could not be brought up to date")

    def catch_up(self) -> None:
        """Fold everything that is written; without a write when there is nothing.

        Raises:
            Away: the database cannot be asked, or not be written.
        """
        with self._database.reading() as connection:
            waiting = connection.execute(select(exists(select(unfolded)))).scalar()
        while waiting:
            waiting = self.fold() == BATCH

    def fold(self, most: int = BATCH) -> int:
        """Add the oldest entries that wait to the sums; how many there were.

        Raises:
            Away: not now; nothing was added.
        """
        with self._database.writing() as connection:
            _alone(connection)
            found = _waiting(connection, most)
            if found:
                _add_up(connection, found)
                connection.execute(delete(unfolded).where(unfolded.c.entry_id.in_([row["id"] for row in found])))
            return len(found)


def _alone(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":  # both hold for this transaction
        connection.execute(select(func.set_config("lock_timeout", PATIENCE, True)))
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))


def _waiting(connection: Connection, most: int) -> list[dict[str, Any]]:
    query = _read().join(unfolded, unfolded.c.entry_id == entries.c.id).order_by(entries.c.id).limit(most)
    return [dict(row) for row in connection.execute(query).mappings()]


def _read() -> Select[Any]:
    return select(*(entries.c[name] for name in (*_READ, *_TOLD)))


def _add_up(connection: Connection, found: Sequence[Mapping[str, Any]]) -> None:
    """Sum a batch here, then add what came of it there, in the order of the keys."""
    by_day: Sums = defaultdict(Counter)
    by_part: Sums = defaultdict(Counter)
    for sign, row, bill in _versions(connection, found):
        day = row["at"].date()
        scoped = [*_scopes(row)]
        first = scoped[0][0]
        for scope, counts in [*scoped, (first, _entry(row))]:
            by_day[scope, day].update({name: sign * count for name, count in counts.items()})
        for kind, name, counts in _parts(row, bill):
            by_part[first, day, kind, name].update({name: sign * count for name, count in counts.items()})
    ids = _ids(connection, {scope for scope, _ in by_day})
    _add(connection, days, ids, by_day)
    _add(connection, parts, ids, by_part)


Version = tuple[int, Mapping[str, Any], list[Mapping[str, Any]]]
"""An entry to count or, with -1, to count no more; and its lines."""


def _versions(connection: Connection, found: Sequence[Mapping[str, Any]]) -> Iterator[Version]:
    """What the rows say. A correction takes back what the corrected entry says, and says everything anew."""
    old = _corrected(connection, [row["call_id"] for row in found if row["attempt"] < 0])
    bills = _lines(connection, [row["id"] for row in (*found, *old.values())])
    for row in found:
        if row["attempt"] > 0:
            yield 1, row, bills[row["id"]]
            continue
        before = old[row["call_id"], -row["attempt"]]
        yield -1, before, bills[before["id"]]
        yield 1, _anew(row, before), [line for line in bills[row["id"]] if line["quantity"] >= 0]


def _corrected(connection: Connection, calls: Sequence[str]) -> dict[tuple[str, int], Mapping[str, Any]]:
    """The entries that corrections belong to, by call and attempt."""
    query = _read().where(entries.c.call_id.in_(calls), entries.c.attempt > 0)
    rows = connection.execute(query).mappings() if calls else ()
    return {(row["call_id"], row["attempt"]): dict(row) for row in rows}


def _anew(row: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What is known now: a correction's row holds differences."""
    passes = _loads(row["passes"])[len(_loads(before["passes"])) :]
    cost = None if row["cost"] is None else row["cost"] + (before["cost"] or 0)
    return {**row, "passes": strictjson.dumps(passes).decode(), "cost": cost}


def _lines(connection: Connection, ids: Sequence[int]) -> dict[int, list[Mapping[str, Any]]]:
    """Lines that are more than a base price."""
    bills: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    more = or_(lines.c.factors != "[]", lines.c.kind.not_in(TOKENS))
    for row in connection.execute(select(lines).where(lines.c.entry_id.in_(ids), more)).mappings():
        bills[row["entry_id"]].append(dict(row))
    return bills


def _scopes(row: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], dict[str, int]]]:
    """The scope of each pass, and its tokens; an entry without passes has a scope too."""
    own = tuple(row[name] for name in SCOPE if name in row)
    passes = _loads(row["passes"]) or [{"label": "", "model": "", "counts": {}}]
    for one in passes:
        counts = one["counts"]
        prompt = sum(count for kind, count in counts.items() if kind != "output")
        tokens = {f"{kind}_tokens": counts.get(kind, 0) for kind in TOKENS}
        scope = (*own, one["label"], one["model"], max(prompt - 1, 0) // STEP)
        yield scope, {"passes": int(any(counts.values())), **tokens}


def _entry(row: Mapping[str, Any]) -> dict[str, int]:
    """What an entry adds as a whole."""
    cost = row["cost"] or 0
    return {
        "entries": 1,
        "estimated": int(row["estimated"]),
        "unpriced": int(bool(_missing(row))),
        **_money(cost, estimated=row["estimated"]),
    }


def _parts(row: Mapping[str, Any], bill: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str, dict[str, int]]]:
    """Everything that an entry adds to the parts, each name once."""
    once = {"entries": 1, "estimated": int(row["estimated"])}
    amounts: Counter[tuple[str, str]] = Counter()
    for line in bill:
        for share in shares(line):
            amounts[share.kind, share.name] += share.units
    for (kind, name), units in amounts.items():
        if kind != BASE:
            yield kind, name, {**once, **_money(units, estimated=row["estimated"])}
    for name in _missing(row):
        yield UNPRICED, name, once
    for path, quantity in _numbers(_loads(row["usage"])):
        yield COUNT, path, {**once, "quantity": quantity}


def _missing(row: Mapping[str, Any]) -> list[str]:
    names = list(dict.fromkeys(_loads(row["unpriced"])))
    return names or ([NO_BILL] if row["cost"] is None else [])


def _money(units: int, *, estimated: bool) -> dict[str, int]:
    high, low = divmod(units, SPLIT)
    return {"high": high, "low": low, **({"estimated_high": high, "estimated_low": low} if estimated else {})}


def _numbers(usage: Any) -> list[tuple[str, int]]:
    """What a host counted beside the tokens of its passes, by dotted path."""
    rest = {name: value for name, value in usage.items() if name not in _TOLD_IN_PASSES}
    return [*dict(_leaves(rest, "", DEEPEST)).items()][:MOST]


def _leaves(value: Any, path: str, deeper: int) -> Iterator[tuple[str, int]]:
    if isinstance(value, dict) and deeper:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name, deeper - 1)
    elif isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 10**12:
        yield text(path), value


def _loads(stored: str) -> Any:
    return strictjson.loads_lenient(stored.encode())


def _ids(connection: Connection, wanted: set[tuple[Any, ...]]) -> dict[tuple[Any, ...], int]:
    """Ids of scopes, of new ones too."""
    digests = {_digest(scope): scope for scope in wanted}
    known = _known(connection, digests)
    new = [{"digest": digest, **dict(zip(_SCOPED, digests[digest], strict=True))} for digest in digests.keys() - known]
    if new:
        connection.execute(insert(scopes), new)
        known = _known(connection, digests)
    return {scope: known[digest] for digest, scope in digests.items()}


def _known(connection: Connection, digests: Iterable[str]) -> dict[str, int]:
    query = select(scopes.c.digest, scopes.c.id).where(scopes.c.digest.in_(list(digests)))
    return {row.digest: row.id for row in connection.execute(query)}


def _digest(scope: tuple[Any, ...]) -> str:
    return hashlib.sha256(strictjson.dumps(scope)).hexdigest()


def _add(connection: Connection, table: Table, ids: Mapping[tuple[Any, ...], int], sums: Sums) -> None:
    """Add sums to rows, or make them the rows."""
    if not sums:
        return
    names = [column.name for column in table.columns if not column.primary_key]
    keys = [column.name for column in table.primary_key]
    rows = [
        {**dict(zip(KEYS, (ids[scope], *rest), strict=False)), **{name: counts[name] for name in names}}
        for (scope, *rest), counts in sums.items()
    ]
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    new = make(table)
    added = {name: table.c[name] + new.excluded[name] for name in names}
    ordered = sorted(rows, key=lambda row: [row[key] for key in keys])
    connection.execute(new.on_conflict_do_update(index_elements=keys, set_=added), ordered)
