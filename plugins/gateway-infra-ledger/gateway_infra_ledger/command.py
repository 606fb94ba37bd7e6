"""``gateway ledger``: what was spent, on the screen or for other programs."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import click

from gateway import GatewayError, dollars, strictjson
from gateway_infra_ledger.database import Away, Database
from gateway_infra_ledger.report import GROUPS, Report, Selection
from gateway_infra_ledger.schema import TOKENS
from gateway_infra_ledger.sheet import Column, print_csv, print_json, print_table

SCREENFUL = 50
"""Entries that a table shows when nobody says how many; the other formats leave nothing out."""

LISTED = (
    *("at", "call_id", "attempt", "key_id", "alias", "team", "model", "deployment"),
    *(f"{kind}_tokens" for kind in TOKENS),
    *("outcome", "cost_usd", "estimated", "unpriced"),
)
NOTHING = "-"
"""What stands where there is nothing."""

SUMMED = ("entries", *(f"{kind}_tokens" for kind in TOKENS), "cost_usd", "estimated", "unpriced")

_LIST = [
    Column("time (UTC)", whole=True),
    Column("call", whole=True),
    Column("key"),
    Column("model"),
    Column("deployment"),
    Column("in", right=True, whole=True),
    Column("cache write", right=True, whole=True),
    Column("cache read", right=True, whole=True),
    Column("out", right=True, whole=True),
    Column("outcome"),
    Column("US dollars", right=True, whole=True),
    Column("flags"),
]
_SUMS = [
    Column("entries", right=True, whole=True),
    Column("in", right=True, whole=True),
    Column("cache write", right=True, whole=True),
    Column("cache read", right=True, whole=True),
    Column("out", right=True, whole=True),
    Column("US dollars", right=True, whole=True),
    Column("estimated", right=True),
    Column("unpriced", right=True),
]


def ledger_command(database: Database) -> click.Command:
    """The command, for one database."""
    day = click.DateTime(["%Y-%m-%d"])

    @click.command("ledger", short_help="List and total what was spent.")
    @click.option("--config", "-c", expose_value=False, help="Configuration whose ledger is read.", metavar="FILE")
    @click.option("--since", type=day, metavar="DAY", help="First day, UTC, such as 2026-02-05.")
    @click.option("--until", type=day, metavar="DAY", help="Last day, UTC.")
    @click.option("--key", default="", help="Only this key: its id or alias.")
    @click.option("--model", default="", help="Only this model, as clients ask for it.")
    @click.option("--limit", type=click.IntRange(min=1), help="At most so many entries; a table alone stops at 50.")
    @click.option("--total", is_flag=True, help="Sums instead of entries.")
    @click.option("--by", type=click.Choice(GROUPS), help="Sums for each key, model, deployment, day or team.")
    @click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
    def ledger(
        since: datetime | None,
        until: datetime | None,
        key: str,
        model: str,
        limit: int | None,
        total: bool,
        by: str | None,
        form: str,
    ) -> None:
        """List the ledger's entries, newest first, or total them with --total or --by."""
        if limit and (total or by):
            raise click.UsageError("--limit is for lists; sums leave nothing out.")
        selection = Selection(_start(since), _end(until), key, model)
        report = _report(database)
        try:
            if total or by:
                _print_sums(report.totals(selection, by) if report else [], by, form)
            else:
                most = limit or (SCREENFUL + 1 if form == "table" else None)
                _print_list(report.entries(selection, most) if report else iter(()), form, limit or SCREENFUL)
        except GatewayError as error:
            raise click.ClickException(error.reason if isinstance(error, Away) else error.message) from None

    return ledger


def _report(database: Database) -> Report | None:
    """To look at a ledger is no reason to make one."""
    path = database.address.path
    if path is None or path.exists():
        return Report(database)
    click.echo(f"There is no ledger at {path} yet; the first call makes it.", err=True)
    return None


def _start(day: datetime | None) -> datetime | None:
    return day and day.replace(tzinfo=UTC)


def _end(day: datetime | None) -> datetime | None:
    return day and day.replace(tzinfo=UTC) + timedelta(days=1)


def _print_list(rows: Iterator[dict[str, Any]], form: str, most: int) -> None:
    if form == "csv":
        print_csv(LISTED, map(_listed, rows))
    elif form == "json":
        print_json("entries", map(_listed, rows))
    else:
        print_table(_LIST, [_list_row(row) for row in islice(rows, most)])
        if next(rows, None):
            click.echo(f"These are the newest {most}; --limit shows more.")


def _print_sums(totals: Sequence[Mapping[str, Any]], by: str | None, form: str) -> None:
    names = (*([by] if by else []), *SUMMED)
    rows = [_summed(total, names) for total in totals]
    if form == "csv":
        print_csv(names, rows)
    elif form == "json":
        print_json("totals", rows)
    elif by:
        print_table(
            [Column(by), *_SUMS], [[row[by] or NOTHING, *_sum_row(row)] for row in rows], ["all", *_foot(totals)]
        )
    else:
        print_table(_SUMS, map(_sum_row, rows))


def _listed(row: Mapping[str, Any]) -> dict[str, Any]:
    """An entry for programs."""
    told = {
        **row,
        "at": row["at"].isoformat(),
        "cost_usd": None if row["cost"] is None else dollars(row["cost"]),
        "unpriced": strictjson.loads_lenient(row["unpriced"].encode()),
    }
    return {name: told[name] for name in LISTED}


def _summed(total: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Sums for programs."""
    told = {**total, "cost_usd": dollars(total["cost"]), names[0]: total.get("name", total["entries"])}
    return {name: told[name] for name in names}


def _list_row(row: Mapping[str, Any]) -> list[str]:
    """An entry for eyes."""
    flags = [name for name, shown in (("est.", row["estimated"]), ("unpriced", row["unpriced"] != "[]")) if shown]
    return [
        row["at"].strftime("%Y-%m-%d %H:%M:%S"),
        row["call_id"] if row["attempt"] == 1 else f"{row['call_id']} ({row['attempt']})",
        row["alias"] or row["key_id"],
        row["model"],
        row["deployment"],
        *_tokens(row),
        row["outcome"],
        NOTHING if row["cost"] is None else dollars(row["cost"]),
        ", ".join(flags),
    ]


def _sum_row(row: Mapping[str, Any]) -> list[str]:
    """Sums for eyes."""
    return [f"{row['entries']:,}", *_tokens(row), row["cost_usd"], f"{row['estimated']:,}", f"{row['unpriced']:,}"]


def _tokens(row: Mapping[str, Any]) -> list[str]:
    written = row["cache_write_5m_tokens"] + row["cache_write_1h_tokens"]
    return [f"{count:,}" for count in (row["input_tokens"], written, row["cache_read_tokens"], row["output_tokens"])]


def _foot(totals: Sequence[Mapping[str, Any]]) -> list[str]:
    sums = {name: sum(total[name] for total in totals) for name in SUMMED if name != "cost_usd"}
    return _sum_row({**sums, "cost_usd": dollars(sum((total["cost"] for total in totals), Decimal(0)))})
