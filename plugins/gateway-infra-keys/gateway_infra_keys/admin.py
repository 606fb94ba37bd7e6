"""The views under ``/admin/``: keys, teams, what they spent and what was done to them; for the operator alone.

A token is in the answer that makes it and in no other. Everything that ends a thing may be asked twice.
"""

import re
from dataclasses import replace

from flask import Blueprint, Response
from gateway_infra_ledger.question import Question
from gateway_infra_ledger.report import Report
from gateway_infra_ledger.spend import Spend
from marshmallow import fields, validate

from gateway_infra_keys.admin_answer import answer, key_dict, listed, team_dict, when
from gateway_infra_keys.admin_form import KeyForm, TeamForm
from gateway_infra_keys.admin_litellm import LiteLLMViews
from gateway_infra_keys.admin_request import PageQuery, Query, actor, body, query, roles, text_field
from gateway_infra_keys.change import Missing
from gateway_infra_keys.model import Key, Team
from gateway_infra_keys.store import Keys
from gateway_infra_keys.teams import Teams

_ID = re.compile(r"[0-9a-z]{12}")
"""What cannot be an id is not looked up. No answer repeats one: it might be a token that went astray."""


class KeysQuery(PageQuery):
    """Which keys: of one team, by its id or name; with this alias now; the revoked ones too."""

    alias = text_field()
    team = text_field()
    revoked = fields.String(load_default="false", validate=validate.OneOf(["true", "false"]))


class TeamsQuery(PageQuery):
    """Which teams: the revoked ones too."""

    revoked = fields.String(load_default="false", validate=validate.OneOf(["true", "false"]))


class AuditQuery(Query):
    """Whose history."""

    id = fields.String(required=True, validate=validate.Regexp(r"[0-9A-Za-z]{1,64}\Z", error="Has to be an id."))
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 1000))


class SpendQuery(Query):
    """A question about spend, as ``Question.read`` takes it."""

    by = text_field()
    since = text_field()
    until = text_field()
    key = text_field()
    team = text_field()
    model = text_field()


class KeyViews:
    """``/admin/keys``."""

    def __init__(self, store: Keys) -> None:
        self._store = store
        self._form, self._query = KeyForm(), KeysQuery()

    def page(self) -> Response:
        """Keys, oldest first."""
        asked = query(self._query)
        if asked["alias"]:
            return listed(map(key_dict, self._named(asked["alias"])), asked["limit"])
        team = self._store.teams.get(asked["team"]).id if asked["team"] else None
        rows = self._store.page(
            after=asked["after"], limit=asked["limit"] + 1, team_id=team, revoked=asked["revoked"] == "true"
        )
        return listed(map(key_dict, rows), asked["limit"])

    def create(self) -> Response:
        """Make one; its token is shown this once."""
        key, token = self._store.create(actor=actor(), **self._form.read(body(), roles()))
        return answer({"token": token.text, **key_dict(key)}, 201)

    def show(self, key_id: str) -> Response:
        """One of them."""
        return answer(key_dict(self._known(key_id)))

    def change(self, key_id: str) -> Response:
        """Change what is said of one."""
        facts = self._form.read(body(), roles(), change=True)
        return answer(key_dict(self._store.update(self._known(key_id).id, actor=actor(), **facts)))

    def revoke(self, key_id: str) -> Response:
        """End one for good."""
        return answer(key_dict(self._store.revoke(self._known(key_id).id, actor=actor())))

    def rotate(self, key_id: str) -> Response:
        """Give one a new token, shown this once."""
        key = self._known(key_id)
        token = self._store.rotate(key.id, actor=actor())
        return answer({"token": token.text, **key_dict(replace(key, hint=token.hint))})

    def _known(self, key_id: str) -> Key:
        found = self._store.known(key_id) if _ID.fullmatch(key_id) else None
        if found is None:
            raise Missing("There is no key with this id.")
        return found

    def _named(self, alias: str) -> list[Key]:
        try:
            found = self._store.get(alias)
        except Missing:
            return []
        return [found] if found.alias == alias else []


class TeamViews:
    """``/admin/teams``."""

    def __init__(self, teams: Teams) -> None:
        self._teams = teams
        self._form, self._query = TeamForm(), TeamsQuery()

    def page(self) -> Response:
        """Teams, oldest first."""
        asked = query(self._query)
        rows = self._teams.page(after=asked["after"], limit=asked["limit"] + 1, revoked=asked["revoked"] == "true")
        return listed(map(team_dict, rows), asked["limit"])

    def create(self) -> Response:
        """Make one."""
        return answer(team_dict(self._teams.create(actor=actor(), **self._form.read(body(), roles()))), 201)

    def show(self, team_id: str) -> Response:
        """One of them."""
        return answer(team_dict(self._known(team_id)))

    def change(self, team_id: str) -> Response:
        """Change one's budget or limits."""
        facts = self._form.read(body(), roles(), change=True)
        return answer(team_dict(self._teams.update(self._known(team_id).id, actor=actor(), **facts)))

    def revoke(self, team_id: str) -> Response:
        """End one, and its keys with it."""
        return answer(team_dict(self._teams.revoke(self._known(team_id).id, actor=actor())))

    def _known(self, team_id: str) -> Team:
        found = self._teams.known(team_id) if _ID.fullmatch(team_id) else None
        if found is None:
            raise Missing("There is no team with this id.")
        return found


class BookViews:
    """``/admin/spend`` and ``/admin/audit``."""

    def __init__(self, store: Keys, spend: Spend) -> None:
        self._store = store
        self._spend = spend
        self._spend_query, self._audit_query = SpendQuery(), AuditQuery()

    def spend(self) -> Response:
        """What was spent, in sums."""
        asked = {name: value for name, value in query(self._spend_query).items() if value}
        return answer(self._spend.of(Question.read(asked)).as_dict())

    def audit(self) -> Response:
        """What was done to a key or a team, newest first."""
        asked = query(self._audit_query)
        rows = self._store.history(asked["id"], asked["limit"])
        names = ("actor", "action", "object", "object_id", "before", "after")
        return answer({"data": [{"at": when(row["at"]), **{name: row[name] for name in names}} for row in rows]})


def blueprint(store: Keys, spend: Spend, report: Report) -> Blueprint:
    """Every view of this package. None says who may use it but ``/key/info``, so all others are the operator's.

    Args:
        store: the keys and teams.
        spend: sums over the ledger.
        report: the ledger's entries.
    """
    views = Blueprint("keys", __name__)
    keys, teams, books = KeyViews(store), TeamViews(store.teams), BookViews(store, spend)
    theirs = LiteLLMViews(store, spend, report)
    for verb, path, view in (
        ("GET", "/admin/keys", keys.page),
        ("POST", "/admin/keys", keys.create),
        ("GET", "/admin/keys/<key_id>", keys.show),
        ("PATCH", "/admin/keys/<key_id>", keys.change),
        ("DELETE", "/admin/keys/<key_id>", keys.revoke),
        ("POST", "/admin/keys/<key_id>/rotate", keys.rotate),
        ("GET", "/admin/teams", teams.page),
        ("POST", "/admin/teams", teams.create),
        ("GET", "/admin/teams/<team_id>", teams.show),
        ("PATCH", "/admin/teams/<team_id>", teams.change),
        ("DELETE", "/admin/teams/<team_id>", teams.revoke),
        ("GET", "/admin/spend", books.spend),
        ("GET", "/admin/audit", books.audit),
        ("POST", "/key/generate", theirs.generate),
        ("GET", "/key/info", theirs.info),
        ("POST", "/key/update", theirs.update),
        ("POST", "/key/delete", theirs.delete),
        ("POST", "/team/new", theirs.new_team),
        ("GET", "/team/info", theirs.team_info),
        ("GET", "/spend/logs", theirs.logs),
    ):
        views.add_url_rule(path, f"{verb} {path}", view, methods=[verb])
    return views
