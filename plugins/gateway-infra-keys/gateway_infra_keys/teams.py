"""Teams in the database."""

from datetime import UTC, datetime
from typing import Any

from gateway_infra_ledger.database import Database
from sqlalchemy import insert, or_, select

from gateway_infra_keys import terms
from gateway_infra_keys.change import Listeners, Missing, alive, change, changing, locked, note, page, revoke
from gateway_infra_keys.model import Limits, Team
from gateway_infra_keys.row import columns, team_of
from gateway_infra_keys.schema import teams
from gateway_infra_keys.token import new_id


class Teams:
    """The teams.

    Args:
        database: where they are; opened with this package's schema.
        listeners: called after every change.
    """

    def __init__(self, database: Database, listeners: Listeners = ()) -> None:
        self._database = database
        self._listeners = listeners

    def create(self, *, actor: str, **facts: Any) -> Team:
        """Make a team.

        Args:
            actor: who does it, for the audit.
            facts: ``name``, and perhaps ``budget`` and ``limits``.

        Raises:
            InvalidRequest: a fact does not fit, or the name is taken, be it by a team that is revoked.
            Away: not now.
        """
        given = terms.checked(terms.TEAM, {"name": "", "budget": None, "limits": Limits(), **facts})
        row = {**columns(given), "id": new_id(), "created_at": datetime.now(UTC), "revoked_at": None}
        with changing(self._database, self._listeners) as connection:
            if connection.execute(select(teams.c.id).where(teams.c.name == given["name"])).first():
                raise terms.refused("name", f"there is, or was, a team {given['name']!r}; take another name.")
            connection.execute(insert(teams), [row])
            note(connection, actor, "create", (teams, row["id"]), ({}, given))
        return team_of(row)

    def get(self, name: str) -> Team:
        """A team by its id or its name, be it revoked.

        Raises:
            Missing: there is none.
            Away: the database cannot be asked.
        """
        query = select(teams).where(or_(teams.c.id == name, teams.c.name == name)).order_by(teams.c.id != name)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise Missing(f"There is no team {name!r}.")
        return team_of(row)

    def known(self, team_id: str) -> Team | None:
        """A team by its id alone.

        Raises:
            Away: the database cannot be asked.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(teams).where(teams.c.id == team_id)).mappings().one_or_none()
        return team_of(row) if row else None

    def page(self, *, after: str = "", limit: int = 100, revoked: bool = False) -> list[Team]:
        """Teams, oldest first.

        Args:
            after: the id of the last one of the page before.
            limit: at most so many.
            revoked: revoked ones too.

        Raises:
            Missing: there is no team ``after``.
            Away: the database cannot be asked.
        """
        conditions = [] if revoked else [teams.c.revoked_at.is_(None)]
        with self._database.reading() as connection:
            return [team_of(row) for row in page(connection, teams, after, limit, conditions)]

    def update(self, team_id: str, *, actor: str, **changes: Any) -> Team:
        """Change a team's budget or limits.

        Raises:
            InvalidRequest: a change does not fit, or the team is revoked.
            Missing: there is no such team.
            Away: not now.
        """
        given = terms.checked(terms.TEAM_CHANGES, changes)
        with changing(self._database, self._listeners) as connection:
            return change(connection, team_of(alive(connection, teams, team_id)), given, actor)

    def revoke(self, team_id: str, *, actor: str) -> Team:
        """End a team and with it all of its keys, for good; harmless the second time.

        Raises:
            Missing: there is no such team.
            Away: not now.
        """
        with changing(self._database, self._listeners) as connection:
            return revoke(connection, team_of(locked(connection, teams, team_id)), actor)
