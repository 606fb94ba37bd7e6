"""``gateway spend``: what was spent, and on what, on the screen or for other programs."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import click

from gateway import GatewayError, dollars
from gateway_infra_ledger.database import Away, Database
from gateway_infra_ledger.question import GROUPS, Question
from gateway_infra_ledger.sheet import Column, print_csv, print_table
from gateway_infra_ledger.spend import Row, Spend, Spending

NOTHING = "-"
"""What stands where there is nothing."""

SUMMED = ("entries", "cost_usd", "estimated", "estimated_usd", "unpriced", "unpriced_names")

_SUMS = [
    Column("entries", right=True, whole=True),
    Column("US dollars", right=True, whole=True),
    Column("estimated", right=True, whole=True),
    Column("of it estimated", right=True, whole=True),
    Column("unpriced", right=True, whole=True),
]


@dataclass(frozen=True, slots=True)
class Figure:
    """An amount in a sheet. It is no text, so its minus is not taken for the beginning of a formula."""

    amount: Decimal

    def __str__(self) -> str:
        return dollars(self.amount)


def asking(groups: Sequence[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of a question, handed to a command as ``question`` and ``form``."""
    day = click.DateTime(["%Y-%m-%d"])

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        def run(by: Sequence[str], since: datetime | None, until: datetime | None, **told: Any) -> Any:
            names = {name: told.pop(name) for name in ("key", "team", "model")}
            first, last = since and since.date(), until and until.date()
            return command(question=Question(tuple(dict.fromkeys(by)), first, last, **names), **told)

        run.__doc__ = command.__doc__
        for option in reversed([
            click.option("--by", type=click.Choice(groups), multiple=True, help="Sums for each; may be repeated."),
            click.option("--since", type=day, metavar="DAY", help="First day, UTC, such as 2026-02-05."),
            click.option("--until", type=day, metavar="DAY", help="Last day, UTC."),
            click.option("--key", default="", help="Only this key: its id or alias."),
            click.option("--team", default="", help="Only this team."),
            click.option("--model", default="", help="Only this model, as clients ask for it."),
            click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table",
                         show_default=True),
        ]):  # fmt: skip
            run = option(run)
        return run

    return decorate


def spend_command(database: Database) -> click.Command:
    """The command, for one database."""

    @click.command("spend", short_help="Sum up what was spent, and on what.")
    @click.option("--config", "-c", expose_value=False, help="Configuration whose ledger is read.", metavar="FILE")
    @asking(GROUPS)
    def spend(question: Question, form: str) -> None:
        """Sum up what was spent: by key, team, model, deployment, feature or day, or several of them.

        By feature, the base price stands apart from what fast answers, places or long prompts cost on top of it.
        """
        with told():
            found = Spend(database).of(question) if exists(database) else None
            _print(found or Spending(question, [] if question.by else [Row({})], Row({})), form)

    return spend


@contextmanager
def told() -> Iterator[None]:
    """A mistake, or a database that cannot be asked, as one line."""
    try:
        yield
    except GatewayError as error:
        raise click.ClickException(error.reason if isinstance(error, Away) else error.message) from None


def exists(database: Database) -> bool:
    """Whether there is a ledger: to look at one is no reason to make it."""
    path = database.address.path
    if path is None or path.exists():
        return True
    click.echo(f"There is no ledger at {path} yet; the first call makes it.", err=True)
    return False


def _print(spending: Spending, form: str) -> None:
    """In the form that was asked for."""
    names = heads(spending.question)
    if form == "json":
        print_object(spending.as_dict())
    elif form == "csv":
        print_csv([*names, *SUMMED], [_cells(row) for row in spending.rows])
    else:
        columns = [*map(Column, names), *_SUMS]
        foot = ["all", *[""] * (len(names) - 1), *_figures(spending.total)] if names else []
        print_table(columns, [[*labels(row.group), *_figures(row)] for row in spending.rows], foot)
        note("Without a price", spending.total.as_dict()["unpriced_names"])


def heads(question: Question) -> list[str]:
    """Names of the columns that tell a group."""
    beside = {"key": ["key", "alias"], "feature": ["feature", "kind"]}
    told = [name for name in question.by if name != "feature"] + [name for name in question.by if name == "feature"]
    return [head for name in told for head in beside.get(name, [name])]


def labels(group: Mapping[str, str]) -> list[str]:
    """A group for eyes."""
    return [name or NOTHING for name in group.values()]


def names_of(missing: Mapping[str, int]) -> list[str]:
    """Names with how often each was missing."""
    return [f"{name} ({count:,})" for name, count in missing.items()]


def note(title: str, missing: Mapping[str, int]) -> None:
    """What a table must not hide, below it."""
    if missing:
        text = "; ".join(names_of(missing))
        click.echo(f"{title}: {''.join(char if char.isprintable() else chr(0xFFFD) for char in text)}.")


def print_object(value: Mapping[str, Any]) -> None:
    """JSON for programs, in plain ASCII."""
    click.echo(json.dumps(value, indent=1))


def _cells(row: Row) -> dict[str, Any]:
    told = row.as_dict()
    amounts = {name: Figure(Decimal(told[name])) for name in ("cost_usd", "estimated_usd")}
    return {**told, **amounts, "unpriced_names": names_of(told["unpriced_names"])}


def _figures(row: Row) -> list[str]:
    told = row.as_dict()
    return [f"{row.entries:,}", told["cost_usd"], f"{row.estimated:,}", told["estimated_usd"], f"{row.unpriced:,}"]
