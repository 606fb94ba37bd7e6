"""A schema's revisions: which one a database is at, and the way to ours.

Several processes may start at once. Whoever holds the database's own write lock migrates; the others wait, look again
and find nothing left to do. Several schemas may live in one database; each has a version table of its own.
"""

import logging
import os
import threading
from dataclasses import dataclass

from sqlalchemy import Column, Connection, MetaData, String, Table, func, inspect, select

from gateway import ConfigError

log = logging.getLogger(__name__)

REVISIONS = ("0001", "0003")
"""Every revision of the ledger that this code knows, oldest first."""


class NewerDatabase(ConfigError):
    """The database was migrated by a newer release; going back would lose what that release wrote."""


class _Turn:
    """One migration at a time in a process, because Alembic keeps its context in module globals."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        """Forget a holder that stayed behind in the parent."""
        self.lock = threading.Lock()


_turn = _Turn()


@dataclass(frozen=True, slots=True)
class Schema:
    """Tables that are migrated together.

    Attributes:
        name: for people; the package is ``gateway-infra-<name>``.
        revisions: every revision that this code knows, oldest first.
        lock: PostgreSQL's advisory lock for one migration at a time.
        scripts: where Alembic finds its environment and the revisions, as ``package:folder``.
    """

    name: str
    revisions: tuple[str, ...]
    lock: int
    scripts: str

    @property
    def version_table(self) -> str:
        """Where Alembic notes the revision; not its usual table, which others in this database may be using."""
        return f"{self.name}_schema"

    def is_current(self, connection: Connection) -> bool:
        """Whether the database is at our revision.

        Raises:
            NewerDatabase: it is at one that we do not know.
        """
        found = self._revision(connection)
        if found is not None and found not in self.revisions:
            raise NewerDatabase(
                f"The database's {self.name} tables are at schema {found}, which is newer than this "
                f"gateway-infra-{self.name} knows ({self.revisions[-1]}). Install the newer release again; "
                "a downgrade is refused, it would lose what that release wrote."
            )
        return found == self.revisions[-1]

    def migrate(self, connection: Connection) -> None:
        """Bring the database to our revision, on a connection whose transaction may write.

        Raises:
            NewerDatabase: it is at a revision that we do not know.
        """
        if connection.dialect.name == "postgresql":  # SQLite's write transaction is the lock by itself
            connection.execute(select(func.pg_advisory_xact_lock(self.lock)))
        if not self.is_current(connection):
            with _turn.lock:
                self._upgrade(connection)

    def _revision(self, connection: Connection) -> str | None:
        if not inspect(connection).has_table(self.version_table):
            return None
        version = Table(self.version_table, MetaData(), Column("version_num", String(32), nullable=False))
        return connection.execute(select(version.c.version_num)).scalar()

    def _upgrade(self, connection: Connection) -> None:
        chatter = logging.getLogger("alembic")
        if chatter.level == logging.NOTSET:
            chatter.setLevel(logging.WARNING)  # it tells each of its plugins at INFO; what matters is said below
        from alembic import command  # noqa: PLC0415 - a fifth of a second, which only a migration has to spend
        from alembic.config import Config  # noqa: PLC0415 - part of the same fifth

        config = Config()
        config.set_main_option("script_location", self.scripts)
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        log.info("the database's %s tables are now at schema %s", self.name, self.revisions[-1])


LEDGER = Schema("ledger", REVISIONS, 0x6C65646765720001, f"{__package__}:migrations")
"""The ledger's own tables; the lock's bytes spell its name."""
