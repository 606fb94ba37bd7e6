# noqa: INP001 - a script, not a package
"""How long questions about a million entries take: ``python benchmarks/spend_million.py [--postgres URL]``.

It makes a ledger in a folder (or in a database) of its own, fills it with generated entries, folds them as a gateway
does, asks every question, prints the seconds and removes what it made. It ends with 1 if a question took a second.
"""

import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.keeper import Keeper
from gateway_infra_ledger.question import GROUPS, Question
from gateway_infra_ledger.rerate import Rerate
from gateway_infra_ledger.schema import entries, lines
from gateway_infra_ledger.spend import Spend
from gateway_infra_ledger.tariff import Tariffs
from sqlalchemy import NullPool, create_engine, insert

from gateway import config

BATCH = 10_000
BEGIN = datetime(2026, 8, 1, tzinfo=UTC)
MODELS = ("claude-opus-4-6", "claude-sonnet-4-6", "claude-haiku-4-5", "claude-opus-4-5", "claude-sonnet-4-5")
SHARES = (0.1, 0.2, 0.05)
"""Of fast answers, of answers in the US, of answers with searches."""

FAST = {"reason": "fast_mode", "times": "6", "source": "a page"}
US = {"reason": "inference_geo", "times": "1.1", "source": "a page"}
FACTORS = {
    (False, False): ("[]", 10),
    (True, False): (json.dumps([FAST]), 60),
    (False, True): (json.dumps([US]), 11),
    (True, True): (json.dumps([FAST, US]), 66),
}
"""Factors as they are stored, and their product in tenths: of fast answers, of answers in the US."""

SERVED = {
    (False, False): "{}",
    (True, False): '{"speed":"fast"}',
    (False, True): '{"inference_geo":"us"}',
    (True, True): '{"speed":"fast","inference_geo":"us"}',
}
USAGE = '{"server_tool_use":{"web_search_requests":2}}'
PRICES = {"web_search": (10**10, 1), "output": (25 * 10**12, 10**6)}
"""In units of the ledger, for how many; everything else is input."""


@click.command()
@click.option("--entries", "count", type=click.IntRange(BATCH, 5_000_000), default=1_000_000, show_default=True)
@click.option("--days", "span", type=click.IntRange(1, 1000), default=90, show_default=True)
@click.option("--keys", type=click.IntRange(1, 100_000), default=200, show_default=True)
@click.option("--postgres", metavar="URL", help="A server on which a database may be made; SQLite without one.")
@click.option("--minutes", type=click.IntRange(1, 120), default=30, show_default=True, help="Give up after so many.")
def main(count: int, span: int, keys: int, postgres: str | None, minutes: int) -> None:
    """Fill a ledger and ask every question."""
    deadline = time.monotonic() + 60 * minutes
    with _place(postgres) as url:
        database = Database(Address.parse(url))
        try:
            _fill(database, count, span, keys, deadline)
            _fold(database, deadline)
            slowest = max(_ask(database, span))
        finally:
            database.close()
    raise SystemExit(int(slowest >= 1))


@contextmanager
def _place(postgres: str | None) -> Iterator[str]:
    """A URL of a database that is gone afterwards."""
    if postgres is None:
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/ledger.db"
            click.echo(f"the file has {Path(folder, 'ledger.db').stat().st_size:,} bytes")
        return
    server = create_engine(Address.parse(postgres).url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    name = f"spend_million_{os.getpid()}"
    with server.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    try:
        yield server.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')


def _fill(database: Database, count: int, span: int, keys: int, deadline: float) -> None:
    chance, begun = random.Random(1), time.monotonic()  # noqa: S311 - the same entries every time
    for first in range(1, count + 1, BATCH):
        step = timedelta(days=span) / count
        numbers = range(first, min(first + BATCH, count + 1))
        made = [_entry(chance, number, BEGIN + (number - 1) * step, keys) for number in numbers]
        with database.writing() as connection:
            connection.execute(insert(entries), [row for row, _ in made])
            connection.execute(insert(lines), [line for _, bill in made for line in bill])
        _check(deadline)
    click.echo(f"{count:,} entries of {keys:,} keys on {span} days written in {time.monotonic() - begun:.0f} s")


def _fold(database: Database, deadline: float) -> None:
    keeper, begun, folded = Keeper(database), time.monotonic(), 0
    while done := keeper.fold():
        folded += done
        _check(deadline)
    seconds = time.monotonic() - begun
    click.echo(f"{folded:,} entries folded in {seconds:.0f} s, {folded / seconds:,.0f} a second")
    if database.dialect == "postgresql":
        with database.writing() as connection:
            connection.exec_driver_sql("ANALYZE")  # as the server does by itself within a minute


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise click.ClickException("it took too long; everything is removed.")


def _ask(database: Database, span: int) -> Iterator[float]:
    spend = Spend(database)
    middle = (BEGIN + timedelta(days=span // 2)).date()
    questions = [Question(), *(Question((name,)) for name in GROUPS)]
    questions += [Question((name,), since=middle) for name in GROUPS]
    questions += [Question(("feature",), key="key-7"), Question(("feature",), team="team-7")]
    questions += [Question(("feature",), model=MODELS[0]), Question(("day", "model")), Question(("team", "feature"))]
    for question in questions:
        yield _timed(f"spend {_told(question)}", lambda question=question: spend.of(question))
    for by in ((), ("key",), ("model",), ("day",)):
        question = Question(by, since=date(2026, 8, 1))
        yield _timed(f"rerate {_told(question)}", lambda question=question: _rerate(database, question))


def _rerate(database: Database, question: Question) -> Any:
    return Rerate(database, Tariffs(config.parse(""), "current"), "current").of(question)


def _timed(name: str, ask: Callable[[], Any]) -> float:
    """The median of three."""
    seconds = []
    for _ in range(3):
        begun = time.monotonic()
        found = ask()
        seconds.append(time.monotonic() - begun)
    click.echo(f"{statistics.median(seconds):6.3f} s  {name}, {len(found.rows):,} rows")
    return statistics.median(seconds)


def _told(question: Question) -> str:
    return " ".join(f"{name}={value}" for name, value in question.as_dict().items() if value) or "everything"


def _entry(chance: random.Random, number: int, at: datetime, keys: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    key = int(keys * chance.random() ** 2)  # some are busier than others
    model = MODELS[(key + chance.randrange(2)) % len(MODELS)]
    fast, us, searches = (chance.random() < share for share in SHARES)
    tokens = {"input": chance.randint(10, 120_000), "cache_read": chance.randint(1, 90_000)}
    tokens["output"] = chance.randint(1, 4_000)
    bill = [_line(number, place, kind, tokens[kind], fast, us) for place, kind in enumerate(tokens)]
    bill += [_line(number, 9, "web_search", 2, False, False)] if searches else []
    usage = USAGE if searches else "{}"
    return _row(number, key, model, at, tokens, SERVED[fast, us], usage, sum(line["amount"] for line in bill)), bill


def _line(number: int, place: int, kind: str, quantity: int, fast: bool, us: bool) -> dict[str, Any]:
    price, unit = PRICES.get(kind, (5 * 10**12, 10**6))
    factors, tenths = FACTORS[fast, us]
    return {
        "entry_id": number,
        "position": place,
        "kind": kind,
        "quantity": quantity,
        "price": price,
        "unit": unit,
        "factors": factors,
        "amount": price * quantity * tenths // (unit * 10),
        "label": "message",
        "model": MODELS[0],
    }


def _row(
    number: int,
    key: int,
    model: str,
    at: datetime,
    tokens: dict[str, int],
    served: str,
    usage: str,
    cost: int,
) -> dict[str, Any]:
    texts = ("surface", "served_model", "upstream_request_id", "error", "currency", "book", "digest", "alias")
    return {
        "id": number,
        "call_id": f"req_{number:012x}",
        "attempt": 1,
        "at": at,
        "key_id": f"key-{key}",
        "team": f"team-{key % 20}",
        "model": model,
        "deployment": f"anthropic/{model}",
        "provider": "anthropic",
        "upstream_model": model,
        "stream": True,
        "outcome": "complete",
        **dict.fromkeys(texts, "text"),
        **dict.fromkeys(("tags", "unread", "odd"), "[]"),
        "unpriced": '["factor partner"]' if number % 500 == 0 else "[]",
        "estimated": number % 100 == 0,
        "served": served,
        "passes": json.dumps([{"label": "message", "model": "", "counts": tokens}]),
        "usage": usage,
        **{f"{kind}_tokens": tokens.get(kind, 0) for kind in ("input", "cache_write_5m", "cache_write_1h")},
        **{f"{kind}_tokens": tokens[kind] for kind in ("cache_read", "output")},
        "cost": cost,
        "first_byte_ms": 400.0,
        "total_ms": 4000.0,
        "ours_ms": 1.0,
    }


if __name__ == "__main__":
    main()
