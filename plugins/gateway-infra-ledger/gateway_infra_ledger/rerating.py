"""``gateway rerate``: what was spent beside what a price book would have made of it."""

from typing import Any

import click

from gateway import config as configuration
from gateway.catalog import BOOKS
from gateway.config import CONFIG_VARIABLE
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.question import FEATURE, GROUPS, Question
from gateway_infra_ledger.rerate import Rerate, Rerated, Rerating
from gateway_infra_ledger.sheet import Column, print_csv, print_table
from gateway_infra_ledger.spend import Row
from gateway_infra_ledger.spending import Figure, asking, exists, heads, labels, names_of, note, print_object, told
from gateway_infra_ledger.tariff import Tariffs

SUMMED = ("entries", "cost_usd", "rerated_usd", "difference_usd", "unpriced", "unpriced_names")

_SUMS = [
    Column("entries", right=True, whole=True),
    Column("billed, US dollars", right=True, whole=True),
    Column("under the book", right=True, whole=True),
    Column("difference", right=True, whole=True),
    Column("unpriced passes", right=True, whole=True),
]


def rerate_command(database: Database) -> click.Command:
    """The command, for one database."""

    @click.command("rerate", short_help="Show what the same calls would have cost under a price book.")
    @click.option("--config", "-c", "path", envvar=CONFIG_VARIABLE, metavar="FILE", help="Whose ledger, and prices.")
    @click.option("--book", type=click.Choice(BOOKS), required=True, help="The price book.")
    @asking([name for name in GROUPS if name != FEATURE])
    def rerate(path: str | None, book: str, question: Question, form: str) -> None:
        """Show what the same calls would have cost under a price book. Nothing is rewritten.

        What was billed stands beside it; what the book cannot price is named, and is not in its sums.
        """
        with told():
            config = configuration.load(path) if path else configuration.parse("")
            tariffs = Tariffs(config, book)
            found = Rerate(database, tariffs, book).of(question) if exists(database) else None
            _print(found or Rerating(book, question, [] if question.by else [Rerated(Row({}))]), form)

    return rerate


def _print(rerating: Rerating, form: str) -> None:
    names = heads(rerating.question)
    if form == "json":
        print_object(rerating.as_dict())
    elif form == "csv":
        print_csv([*names, *SUMMED], [_cells(row) for row in rerating.rows])
    else:
        total = rerating.total
        rows = [[*labels(row.then.group), *_figures(row)] for row in rerating.rows]
        foot = ["all", *[""] * (len(names) - 1), *_figures(total)] if names else []
        print_table([*map(Column, names), *_SUMS], rows, foot)
        note(f"Without a price in book {rerating.book}, so not in its sums", total.as_dict()["unpriced_names"])


def _cells(row: Rerated) -> dict[str, Any]:
    amounts = {"cost_usd": row.then.cost, "rerated_usd": row.amount, "difference_usd": row.difference}
    figures = {name: Figure(amount) for name, amount in amounts.items()}
    shown = row.as_dict()
    return {**shown, **figures, "unpriced_names": names_of(shown["unpriced_names"])}


def _figures(row: Rerated) -> list[str]:
    shown = row.as_dict()
    sums = [shown[name] for name in ("cost_usd", "rerated_usd", "difference_usd")]
    return [f"{row.then.entries:,}", *sums, f"{shown['unpriced']:,}"]
