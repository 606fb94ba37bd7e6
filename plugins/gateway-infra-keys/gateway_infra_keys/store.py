"""The store: keys in the database, found by a hash, by id or by alias."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway_infra_ledger.database import Database
from sqlalchemy import ColumnElement, Connection, insert, or_, select, update

from gateway import ConfigError, Secret, strictjson
from gateway_infra_keys import terms
from gateway_infra_keys.change import Missing, alive, change, changing, locked, note, page, revoke
from gateway_infra_keys.model import Key, Limits
from gateway_infra_keys.row import columns, key_of
from gateway_infra_keys.schema import audit, keys, peppers, teams
from gateway_infra_keys.teams import Teams
from gateway_infra_keys.token import Token

DEFAULTS: Mapping[str, Any] = {
    "alias": "",
    "team_id": "",
    "tags": (),
    "models": ("*",),
    "capabilities": ("*",),
    "budget": None,
    "limits": Limits(),
    "mode": "strict",
    "on_outage": "closed",
    "expires_at": None,
}
"""What a key is when nobody says otherwise."""


class Keys:
    """The keys.

    Args:
        database: where they are; opened with this package's schema.
        pepper: what their hashes are made with.

    Attributes:
        teams: the teams, in the same database.
        listeners: called after every change that was made through this object.
    """

    def __init__(self, database: Database, pepper: Secret) -> None:
        self._database = database
        self._pepper = pepper
        self.listeners: list[Callable[[], None]] = []
        self.teams = Teams(database, self.listeners)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._database.dialect

    def check(self) -> None:
        """Compare the pepper with the one that the keys were made with.

        Raises:
            ConfigError: it is another one, so no key would be known.
            Away: the database cannot be asked.
        """
        with self._database.reading() as connection:
            self._compare(connection)

    def create(self, *, actor: str, **facts: Any) -> tuple[Key, Token]:
        """Make a key; its token is in no other place than the answer.

        Args:
            actor: who does it, for the audit.
            facts: what ``terms.KEY`` names; ``DEFAULTS`` has the rest.

        Raises:
            InvalidRequest: a fact does not fit, names a team that is not there or an alias that is taken.
            Away: not now.
        """
        given = {**DEFAULTS, **terms.checked(terms.KEY, facts)}
        token = Token.new()
        row = {
            **columns(given),
            "id": token.id,
            "hash": self.hash(token),
            "hint": token.hint,
            "created_at": datetime.now(UTC),
            "revoked_at": None,
        }
        with changing(self._database, self.listeners) as connection:
            self._agree(connection)
            _check(connection, given)
            connection.execute(insert(keys), [row])
            note(connection, actor, "create", (keys, token.id), ({}, given))
        return key_of(row), token

    def hash(self, token: Token) -> str:
        """What the database knows of a token."""
        return token.hash(self._pepper)

    def find(self, token: Token) -> Key | None:
        """The key of a token, be it expired or revoked; None when there is none.

        Raises:
            Away: the database cannot be asked.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(keys).where(keys.c.hash == self.hash(token))).mappings().one_or_none()
        return key_of(row) if row else None

    def get(self, name: str) -> Key:
        """A key by its id, or by the alias of one that is not revoked.

        Raises:
            Missing: there is none.
            Away: the database cannot be asked.
        """
        named = (keys.c.alias == name) & (keys.c.alias != "") & keys.c.revoked_at.is_(None)
        query = select(keys).where(or_(keys.c.id == name, named)).order_by(keys.c.id != name)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise Missing(f"There is no key {name!r}.")
        return key_of(row)

    def known(self, key_id: str) -> Key | None:
        """A key by its id alone; aliases are free to choose, so nothing that spends money goes by one.

        Raises:
            Away: the database cannot be asked.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(keys).where(keys.c.id == key_id)).mappings().one_or_none()
        return key_of(row) if row else None

    def page(
        self, *, after: str = "", limit: int = 100, team_id: str | None = None, revoked: bool = False
    ) -> list[Key]:
        """Keys, oldest first.

        Args:
            after: the id of the last one of the page before.
            limit: at most so many.
            team_id: only those of this team; empty for those without one.
            revoked: revoked ones too.

        Raises:
            Missing: there is no key ``after``.
            Away: the database cannot be asked.
        """
        conditions: list[ColumnElement[bool]] = [] if revoked else [keys.c.revoked_at.is_(None)]
        if team_id is not None:
            conditions.append(keys.c.team_id == team_id)
        with self._database.reading() as connection:
            return [key_of(row) for row in page(connection, keys, after, limit, conditions)]

    def update(self, key_id: str, *, actor: str, **changes: Any) -> Key:
        """Change what is said of a key; the names are those of ``create``.

        Raises:
            InvalidRequest: a change does not fit, or the key is revoked.
            Missing: there is no such key.
            Away: not now.
        """
        given = terms.checked(terms.KEY, changes)
        with changing(self._database, self.listeners) as connection:
            before = key_of(alive(connection, keys, key_id))
            _check(connection, given, key_id)
            return change(connection, before, given, actor)

    def rotate(self, key_id: str, *, actor: str) -> Token:
        """Give a key a new token; the old one is none any more.

        Raises:
            InvalidRequest: the key is revoked.
            Missing: there is no such key.
            Away: not now.
        """
        token = Token.new(key_id)
        with changing(self._database, self.listeners) as connection:
            before = alive(connection, keys, key_id)
            self._agree(connection)
            values = {"hash": self.hash(token), "hint": token.hint}
            connection.execute(update(keys).where(keys.c.id == key_id).values(values))
            hints = {"hint": before["hint"]}, {"hint": token.hint}
            note(connection, actor, "rotate", (keys, key_id), hints)
        return token

    def revoke(self, key_id: str, *, actor: str) -> Key:
        """End a key for good; harmless the second time.

        Raises:
            Missing: there is no such key.
            Away: not now.
        """
        with changing(self._database, self.listeners) as connection:
            return revoke(connection, key_of(locked(connection, keys, key_id)), actor)

    def history(self, object_id: str, limit: int = 100) -> list[dict[str, Any]]:
        """What was done to a key or a team, newest first: ``at``, ``actor``, ``action``, ``before``, ``after``.

        Raises:
            Away: the database cannot be asked.
        """
        query = select(audit).where(audit.c.object_id == object_id).order_by(audit.c.id.desc()).limit(limit)
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [{**row, **{name: strictjson.loads(row[name].encode()) for name in ("before", "after")}} for row in rows]

    def _agree(self, connection: Connection) -> None:
        """Leave a print of the pepper with the first key."""
        if not self._compare(connection):
            connection.execute(insert(peppers), [{"id": 1, "fingerprint": self._fingerprint()}])

    def _compare(self, connection: Connection) -> bool:
        """Whether the database knows our pepper; one that knows another is of no use."""
        known = connection.execute(select(peppers.c.fingerprint)).scalar()
        if known not in (None, self._fingerprint()):
            raise ConfigError(
                "keys: the keys in the database were made with another pepper, so none of them would be known; "
                "give this gateway the pepper that was there first."
            )
        return known is not None

    def _fingerprint(self) -> str:
        return hmac.new(self._pepper.reveal().encode(), b"fingerprint", hashlib.sha256).hexdigest()


def _check(connection: Connection, given: Mapping[str, Any], but: str = "") -> None:
    """Raise InvalidRequest for a team that is not there, and for an alias that another key has."""
    if given.get("team_id"):
        there = select(teams.c.id).where(teams.c.id == given["team_id"], teams.c.revoked_at.is_(None))
        if not connection.execute(there).first():
            raise terms.refused("team_id", f"there is no team with the id {given['team_id']!r}.")
    if given.get("alias"):
        others = select(keys.c.id).where(keys.c.alias == given["alias"], keys.c.revoked_at.is_(None), keys.c.id != but)
        if connection.execute(others).first():
            raise terms.refused("alias", f"there is a key {given['alias']!r} already; revoke it or take another name.")
