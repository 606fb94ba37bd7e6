"""Options of the commands: how people write amounts, limits, lists and moments, and what they come to."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any, ParamSpec, TypeVar, get_args

import click
from gateway_infra_ledger.database import Away

from gateway import GatewayError
from gateway_infra_keys.command_text import MODES, OUTAGES
from gateway_infra_keys.model import Budget, Key, Limits, Mode, OnOutage, Team, Window

NONE = "none"
"""How people take a budget, a limit or an expiry away."""

Command = TypeVar("Command", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")

config_option = click.option(
    "--config", "-c", expose_value=False, metavar="FILE", help="The configuration, which names the database."
)
format_option = click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
revoked_option = click.option("--revoked", is_flag=True, help="Revoked ones too.")


def _amount(_: click.Context, __: click.Parameter, value: str | None) -> Decimal | str | None:
    """US dollars; whether they fit is the store's business."""
    if value is None or value == NONE:
        return value
    try:
        return Decimal(value.removeprefix("$"))
    except InvalidOperation:
        raise click.BadParameter(f"{value!r} is no amount of US dollars; write one such as 50 or 0.25.") from None


def _limit(_: click.Context, __: click.Parameter, value: str | None) -> int | str | None:
    """A whole number."""
    if value is None or value == NONE:
        return value
    if not value.isascii() or not value.isdigit():
        raise click.BadParameter(f"{value!r} is no whole number.")
    return int(value)


def _names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Words with commas between them; an empty text is none at all."""
    return tuple(one.strip() for one in value.split(",")) if value else None if value is None else ()


def _moment(_: click.Context, __: click.Parameter, value: str | None) -> datetime | str | None:
    """A day, which is its first moment in UTC, or a moment with its time zone."""
    if value is None or value == NONE:
        return value
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no day such as 2027-01-01 and no moment such as 2027-01-01T09:00Z."
        ) from None
    if found.tzinfo is None and len(value) > len("2027-01-01"):
        raise click.BadParameter(f"{value!r} does not say in which time zone; end it with Z or an offset.")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def told(command: Callable[P, R]) -> Callable[P, R]:
    """What goes wrong as one line, not as a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except GatewayError as error:
            raise click.ClickException(error.reason if isinstance(error, Away) else error.message) from None

    return run


def common_options(command: Command) -> Command:
    """What every command takes."""
    return config_option(format_option(command))


def allowance_options(command: Command) -> Command:
    """What keys and teams have in common: a budget and limits; ``none`` takes one away."""
    for option in (
        click.option("--parallel", callback=_limit, metavar="N", help="Calls at once, or none."),
        click.option("--tpm", callback=_limit, metavar="N", help="Tokens per minute, or none."),
        click.option("--rpm", callback=_limit, metavar="N", help="Calls per minute, or none."),
        click.option("--time-zone", "zone", metavar="ZONE", help="Whose midnight begins a window. Default: UTC."),
        click.option("--window", type=click.Choice(get_args(Window)), help="How long it lasts. Default: total."),
        click.option("--budget", "amount", callback=_amount, metavar="USD", help="US dollars, or none."),
    ):
        command = option(command)
    return command


def key_options(command: Command) -> Command:
    """What is said of a key."""
    for option in (
        click.option("--on-outage", type=click.Choice(get_args(OnOutage)), help=" ".join(OUTAGES.values())),
        click.option("--mode", type=click.Choice(get_args(Mode)), help=" ".join(MODES.values())),
        click.option("--expires", "expires_at", callback=_moment, metavar="DAY", help="A day (0:00 UTC), or none."),
        click.option("--capabilities", callback=_names, metavar="A,B", help="Allowed ones, as globs. Default: *"),
        click.option("--models", callback=_names, metavar="A,B", help="Allowed names, as globs. Default: *"),
        click.option("--tags", callback=_names, metavar="A,B", help="Words for the ledger."),
        click.option("--team", metavar="NAME", help="Its team; '' for none."),
        click.option("--alias", metavar="NAME", help="Its name for people."),
    ):
        command = option(command)
    return allowance_options(command)


def facts_of(given: Mapping[str, Any], before: Key | Team | None = None) -> dict[str, Any]:
    """Options that were given, in the words of the store.

    Args:
        given: the options' values; None for one that was left out.
        before: what is to be changed, if it is a change.

    Raises:
        click.UsageError: a window or a time zone without a budget.
    """
    allowance = {name: given[name] for name in ("amount", "window", "zone", "rpm", "tpm", "parallel")}
    facts = {name: value for name, value in given.items() if name not in allowance and value is not None}
    if facts.get("expires_at") == NONE:
        facts["expires_at"] = None
    if any(allowance[name] is not None for name in ("amount", "window", "zone")):
        facts["budget"] = _budget(allowance, before.budget if before else None)
    limits = {"requests": allowance["rpm"], "tokens": allowance["tpm"], "parallel": allowance["parallel"]}
    if changed := {name: value for name, value in limits.items() if value is not None}:
        plain = {name: None if value == NONE else value for name, value in changed.items()}
        facts["limits"] = replace(before.limits if before else Limits(), **plain)
    return facts


def _budget(given: Mapping[str, Any], before: Budget | None) -> Budget | None:
    """The budget, where what was left out stays as it was."""
    if given["amount"] == NONE:
        return None
    if given["amount"] is None and before is None:
        raise click.UsageError("--window and --time-zone are about a budget: give --budget too.")
    changes = {"amount": given["amount"], "window": given["window"], "time_zone": given["zone"]}
    known = {name: value for name, value in changes.items() if value is not None}
    return replace(before or Budget(Decimal(0)), **known)
