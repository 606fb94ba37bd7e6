"""``gateway keys``: create, list, show, update, rotate, revoke."""

import getpass
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import click
from gateway_infra_ledger.sheet import print_json, print_table

from gateway import ConfigError, strictjson
from gateway.catalog import BOOKS, Catalog
from gateway.plugins import Plugins, discover
from gateway_infra_keys import command_text as text
from gateway_infra_keys.admin_answer import key_dict
from gateway_infra_keys.command_option import common_options, facts_of, key_options, revoked_option, told
from gateway_infra_keys.model import Key
from gateway_infra_keys.store import Keys
from gateway_infra_keys.token import Token

OpenKeys = Callable[[], Keys]
"""Gives the store."""

PAGE = 500
"""Keys that are read at once for a list."""


@click.command("create")
@key_options
@common_options
@click.pass_obj
@told
def _create(opened: OpenKeys, /, form: str, **given: Any) -> None:
    """Make a key. Its token is printed this once, and is nowhere else."""
    keys = opened()
    _warn(given["capabilities"])
    key, token = keys.create(actor=actor(), **_facts(keys, given))
    _print(keys, key, form, token)


@click.command("list")
@click.option("--team", metavar="NAME", help="Only keys of this team; '' for those without one.")
@revoked_option
@common_options
@click.pass_obj
@told
def _list(opened: OpenKeys, team: str | None, revoked: bool, form: str) -> None:
    """List keys, oldest first."""
    keys = opened()
    found = _all(keys, None if team is None else _team_id(keys, team), revoked)
    if form == "json":
        print_json("keys", map(key_dict, found))
    else:
        names = _TeamNames(keys)
        print_table(text.KEYS, [text.key_row(key, names[key.team_id]) for key in found])


@click.command("show")
@click.argument("key")
@common_options
@click.pass_obj
@told
def _show(opened: OpenKeys, key: str, form: str) -> None:
    """Show a key, by its id or alias, and what was done to it."""
    keys = opened()
    found = keys.get(key)
    _print(keys, found, form)
    if form == "table":
        print_table(text.CHANGES, text.change_rows(keys.history(found.id, 20)))


@click.command("update")
@click.argument("key")
@key_options
@common_options
@click.pass_obj
@told
def _update(opened: OpenKeys, /, key: str, form: str, **given: Any) -> None:
    """Change a key, by its id or alias; what is not named stays as it is."""
    keys = opened()
    _warn(given["capabilities"])
    before = keys.get(key)
    changes = _facts(keys, given, before)
    if not changes:
        raise click.UsageError("Nothing to change was named.")
    _print(keys, keys.update(before.id, actor=actor(), **changes), form)


@click.command("rotate")
@click.argument("key")
@common_options
@click.pass_obj
@told
def _rotate(opened: OpenKeys, key: str, form: str) -> None:
    """Give a key a new token, printed this once; the old one ends within five seconds."""
    keys = opened()
    token = keys.rotate(keys.get(key).id, actor=actor())
    _print(keys, keys.get(token.id), form, token)


@click.command("revoke")
@click.argument("key")
@common_options
@click.pass_obj
@told
def _revoke(opened: OpenKeys, key: str, form: str) -> None:
    """End a key for good, within five seconds."""
    keys = opened()
    _print(keys, keys.revoke(keys.get(key).id, actor=actor()), form)


COMMANDS: Sequence[click.Command] = (_create, _list, _show, _update, _rotate, _revoke)


def actor() -> str:
    """Who works on this command line, for the audit."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return f"cli:{os.getuid()}"


def unknown(capabilities: Collection[str], names: Collection[str]) -> list[str]:
    """Patterns that fit no capability of the catalog."""
    return [one for one in capabilities if not any(fnmatchcase(name, one) for name in names)]


class _TeamNames(dict[str, str]):
    """Names of teams by id, each looked up once."""

    def __init__(self, keys: Keys) -> None:
        super().__init__({"": ""})
        self._keys = keys

    def __missing__(self, team_id: str) -> str:
        team = self._keys.teams.known(team_id)
        self[team_id] = team.name if team else team_id
        return self[team_id]


def _facts(keys: Keys, given: dict[str, Any], before: Key | None = None) -> dict[str, Any]:
    facts = facts_of(given, before)
    if (team := facts.pop("team", None)) is not None:
        facts["team_id"] = _team_id(keys, team)
    return facts


def _team_id(keys: Keys, name: str) -> str:
    return keys.teams.get(name).id if name else ""


def _all(keys: Keys, team_id: str | None, revoked: bool) -> Iterator[Key]:
    """Every key, read page by page."""
    after = ""
    while found := keys.page(after=after, limit=PAGE, team_id=team_id, revoked=revoked):
        yield from found
        after = found[-1].id


def _print(keys: Keys, key: Key, form: str, token: Token | None = None) -> None:
    if form == "json":
        shown = {"token": token.text} if token else {}
        click.echo(strictjson.dumps({**shown, **key_dict(key)}).decode())
        return
    print_table(text.head("key", key.id), text.key_facts(key, _TeamNames(keys)[key.team_id]))
    if token:
        click.echo(f"Its token, shown this once:\n\n  {token.text}\n")


def _warn(capabilities: Collection[str] | None) -> None:
    """Say which names no installed package knows; they are kept, because the package may come later."""
    try:
        names = _known() if capabilities else ()
    except ConfigError:  # what is wrong with a plugin is not this command's business
        return
    if names and (odd := unknown(capabilities or (), names)):
        known = ", ".join(sorted(names))
        click.echo(f"warning: capabilities: nobody here knows {', '.join(odd)}; there are: {known}.", err=True)


def _known() -> Collection[str]:
    """Capabilities of the packages that are installed."""
    plugins = Plugins(discover(kinds=("provider", "feature")), {})
    return Catalog(plugins.gather("register_catalog"), BOOKS[0]).capability_names
