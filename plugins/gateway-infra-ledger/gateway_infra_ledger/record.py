"""An entry as rows of the database, and those rows as JSON. What is shown is always what is, or will be, stored."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway import Bill, Entry, GatewayError, Line, Pass, dollars, strictjson
from gateway_infra_ledger.amount import checked, from_units, plain, to_units
from gateway_infra_ledger.schema import TOKENS

log = logging.getLogger(__name__)

LONGEST = 500
"""Characters of a text. Clients choose some of them, and an index takes 2.7 kB."""

MOST = 100
"""Members of a list of names."""

SAFE_DIGITS = 18
"""Digits of an integer that fits into 64 bits for certain."""

TEXTS = (
    "key_id",
    "alias",
    "team",
    "surface",
    "model",
    "deployment",
    "provider",
    "upstream_model",
    "served_model",
    "upstream_request_id",
    "outcome",
)
LISTS = ("tags", "unpriced", "unread", "odd")


@dataclass(frozen=True, slots=True)
class Record:
    """The rows of one entry.

    Attributes:
        entry: a row of the entries, by column.
        lines: rows of its bill, in order.
    """

    entry: Mapping[str, Any]
    lines: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, entry: Entry) -> "Record":
        """What will be stored of an entry."""
        lines, cost, unpriced = _priced(entry)
        bill = entry.bill or Bill(())
        row = {
            "call_id": entry.call_id,
            "attempt": entry.attempt,
            "at": entry.at.astimezone(UTC),
            **{name: text(getattr(entry, name)) for name in TEXTS},
            **{name: _json(_short(getattr(entry, name))) for name in LISTS},
            "unpriced": _json(_short(unpriced)),
            "stream": entry.stream,
            "error": text(entry.error, 10 * LONGEST),
            "estimated": entry.estimated,
            "served": _json({text(name): text(value) for name, value in entry.served.items()}),
            "passes": _json([_pass(one) for one in entry.passes]),
            "usage": _json(dict(entry.usage)),
            **{f"{kind}_tokens": sum(one.counts.get(kind, 0) for one in entry.passes) for kind in TOKENS},
            "cost": cost,
            **{name: text(getattr(bill, name)) for name in ("currency", "book", "digest")},
            "first_byte_ms": entry.timings.first_byte,
            "total_ms": entry.timings.total,
            "ours_ms": entry.timings.ours,
        }
        return cls(_storable(row), lines)

    @property
    def key(self) -> tuple[str, int]:
        """Which attempt of which call."""
        return self.entry["call_id"], self.entry["attempt"]

    def correcting(self, old: "Record") -> "Record":
        """This entry as a correction of a stored one: the difference, so that sums over both are those of this one."""
        tokens = {f"{kind}_tokens": self.entry[f"{kind}_tokens"] - old.entry[f"{kind}_tokens"] for kind in TOKENS}
        costs = [self.entry["cost"], old.entry["cost"]]
        row = {
            **self.entry,
            **tokens,
            "attempt": -self.entry["attempt"],
            "passes": _json([*map(_reversed_pass, _loads(old.entry["passes"])), *_loads(self.entry["passes"])]),
            "cost": None if costs == [None, None] else (costs[0] or 0) - (costs[1] or 0),
        }
        lines = [*map(_reversed_line, old.lines), *self.lines]
        return Record(row, tuple({**line, "position": position} for position, line in enumerate(lines)))

    def as_dict(self) -> dict[str, Any]:
        """The entry, JSON-ready; amounts are decimal strings, never floats."""
        row = self.entry
        cost = row["cost"]
        return {
            "call_id": row["call_id"],
            "attempt": row["attempt"],
            "at": row["at"].isoformat(),
            "key_id": row["key_id"],
            "alias": row["alias"],
            "team": row["team"],
            "tags": _loads(row["tags"]),
            **{name: row[name] for name in ("surface", "model", "deployment", "provider", "upstream_model")},
            **{name: row[name] for name in ("served_model", "upstream_request_id", "stream", "outcome")},
            **{name: _loads(row[name]) for name in ("passes", "served", "unpriced", "unread", "usage", "odd")},
            "bill": None if cost is None else {name: row[name] for name in ("book", "digest", "currency")},
            "error": row["error"],
            "estimated": row["estimated"],
            "timings": {"first_byte": row["first_byte_ms"], "total": row["total_ms"], "ours": row["ours_ms"]},
            "cost_usd": None if cost is None else dollars(from_units(cost)),
            "lines": [_line_dict(line) for line in self.lines],
        }


def call_dict(call_id: str, records: Sequence[Record]) -> dict[str, Any]:
    """A call: what it cost over all its attempts, why, and each attempt by itself."""
    attempts = [record.as_dict() for record in records]
    corrected = {-attempt["attempt"] for attempt in attempts}
    standing = [attempt for attempt in attempts if attempt["attempt"] not in corrected]
    costs = [record.entry["cost"] for record in records if record.entry["cost"] is not None]
    return {
        "call_id": call_id,
        "cost_usd": dollars(from_units(sum(costs))) if costs else None,
        "estimated": any(attempt["estimated"] for attempt in standing),
        "unpriced": list(dict.fromkeys(name for attempt in standing for name in attempt["unpriced"])),
        "lines": [{"attempt": attempt["attempt"], **line} for attempt in attempts for line in attempt["lines"]],
        "attempts": attempts,
    }


def text(value: str, longest: int = LONGEST) -> str:
    """Text that both databases take: no NUL, no half of a surrogate pair, and no longer than it may be."""
    clean = value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return clean if len(clean) <= longest else f"{clean[: longest - 1]}…"


def _storable(row: dict[str, Any]) -> dict[str, Any]:
    """The row itself. A strange value is refused here, where it cannot look like trouble with the database."""
    for name, value in row.items():
        if value is not None and not isinstance(value, str | int | float | datetime):
            raise TypeError(f"{name}: {type(value).__name__} cannot be stored")
    return row


def _priced(entry: Entry) -> tuple[tuple[dict[str, Any], ...], int | None, Sequence[str]]:
    """Lines, their sum, and what has no price. A bill that does not fit is no bill, and that is said."""
    if entry.bill is None:
        return (), None, entry.unpriced
    try:
        lines = tuple(_line(position, line) for position, line in enumerate(entry.bill.lines))
        return lines, checked(sum(line["amount"] for line in lines)), entry.unpriced
    except OverflowError as error:
        log.error("call %s, attempt %d is stored without its bill: %s", entry.call_id, entry.attempt, error)  # noqa: TRY400 - the trace says nothing
        return (), None, (f"amount: {error}", *entry.unpriced)


def _line(position: int, line: Line) -> dict[str, Any]:
    factors = [{"reason": one.reason, "times": str(one.times), "source": one.source} for one in line.factors]
    return {
        "position": position,
        "kind": text(line.kind),
        "quantity": checked(line.quantity),
        "price": to_units(line.price),
        "unit": line.unit,
        "factors": _json(factors),
        "amount": to_units(line.amount),
        "label": text(line.label),
        "model": text(line.model),
    }


def _line_dict(line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": line["kind"],
        "quantity": line["quantity"],
        "price_usd": plain(from_units(line["price"])),
        "unit": line["unit"],
        "factors": _loads(line["factors"]),
        "amount_usd": dollars(from_units(line["amount"])),
        "pass": line["label"],
        "model": line["model"],
    }


def _reversed_line(line: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in line.items() if name != "entry_id"}
    return {**told, "quantity": -line["quantity"], "amount": -line["amount"]}


def _reversed_pass(one: Mapping[str, Any]) -> dict[str, Any]:
    return {**one, "counts": {kind: -count for kind, count in one["counts"].items()}}


def _pass(one: Pass) -> dict[str, Any]:
    return {"label": text(one.label), "model": text(one.model), "counts": dict(one.counts)}


def _short(names: Iterable[str]) -> list[str]:
    """Names in a list that no client can make long."""
    found = [text(name) for name in names]
    return found if len(found) <= MOST else [*found[: MOST - 1], f"and {len(found) - MOST + 1} more"]


def _json(value: Any) -> str:
    try:
        return strictjson.dumps(value).decode()
    except GatewayError:  # a number beyond 64 bits, half a surrogate pair: odd, but no reason to lose a bill
        return strictjson.dumps(_tamed(value)).decode()


def _tamed(value: Any) -> Any:
    """The value with everything that JSON's readers disagree about turned into text."""
    spelled = json.dumps(value, default=str, ensure_ascii=False).encode("utf-8", "replace")
    return json.loads(spelled, parse_int=_small, parse_float=str, parse_constant=str)


def _small(digits: str) -> int | str:
    return int(digits) if len(digits) <= SAFE_DIGITS else digits


def _loads(stored: str) -> Any:
    return strictjson.loads_lenient(stored.encode())
