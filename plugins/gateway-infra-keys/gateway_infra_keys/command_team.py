"""``gateway teams``: create, list, show, update, revoke."""

from collections.abc import Iterator, Sequence
from typing import Any

import click
from gateway_infra_ledger.sheet import print_json, print_table

from gateway import strictjson
from gateway_infra_keys import command_text as text
from gateway_infra_keys.admin_answer import team_dict
from gateway_infra_keys.command_key import PAGE, OpenKeys, actor
from gateway_infra_keys.command_option import allowance_options, common_options, facts_of, revoked_option, told
from gateway_infra_keys.model import Team
from gateway_infra_keys.teams import Teams


@click.command("create")
@click.argument("name")
@allowance_options
@common_options
@click.pass_obj
@told
def _create(opened: OpenKeys, /, name: str, form: str, **given: Any) -> None:
    """Make a team. Its name is for good, because the ledger knows it by that."""
    _print(opened().teams.create(actor=actor(), name=name, **facts_of(given)), form)


@click.command("list")
@revoked_option
@common_options
@click.pass_obj
@told
def _list(opened: OpenKeys, revoked: bool, form: str) -> None:
    """List teams, oldest first."""
    found = _all(opened().teams, revoked)
    if form == "json":
        print_json("teams", map(team_dict, found))
    else:
        print_table(text.TEAMS, map(text.team_row, found))


@click.command("show")
@click.argument("team")
@common_options
@click.pass_obj
@told
def _show(opened: OpenKeys, team: str, form: str) -> None:
    """Show a team, by its id or name, and what was done to it."""
    keys = opened()
    found = keys.teams.get(team)
    _print(found, form)
    if form == "table":
        print_table(text.CHANGES, text.change_rows(keys.history(found.id, 20)))


@click.command("update")
@click.argument("team")
@allowance_options
@common_options
@click.pass_obj
@told
def _update(opened: OpenKeys, /, team: str, form: str, **given: Any) -> None:
    """Change a team's budget or limits; what is not named stays as it is."""
    teams = opened().teams
    before = teams.get(team)
    changes = facts_of(given, before)
    if not changes:
        raise click.UsageError("Nothing to change was named.")
    _print(teams.update(before.id, actor=actor(), **changes), form)


@click.command("revoke")
@click.argument("team")
@common_options
@click.pass_obj
@told
def _revoke(opened: OpenKeys, team: str, form: str) -> None:
    """End a team and all of its keys for good, within five seconds."""
    teams = opened().teams
    _print(teams.revoke(teams.get(team).id, actor=actor()), form)


COMMANDS: Sequence[click.Command] = (_create, _list, _show, _update, _revoke)


def _all(teams: Teams, revoked: bool) -> Iterator[Team]:
    """Every team, read page by page."""
    after = ""
    while found := teams.page(after=after, limit=PAGE, revoked=revoked):
        yield from found
        after = found[-1].id


def _print(team: Team, form: str) -> None:
    if form == "json":
        click.echo(strictjson.dumps(team_dict(team)).decode())
    else:
        print_table(text.head("team", team.id), text.team_facts(team))
