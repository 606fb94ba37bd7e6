"""The schema's revisions: which one a database is at, and the way to ours.

Several processes may start at once. Whoever holds the database's own write lock migrates; the others wait, look again
and find nothing left to do.
"""

import logging
import os
import threading

from sqlalchemy import Column, Connection, MetaData, String, Table, func, inspect, select

from gateway import ConfigError

log = logging.getLogger(__name__)

REVISIONS = ("0001",)
"""Every revision that this code knows, oldest first."""

VERSION_TABLE = "ledger_schema"
"""Alembic's own table has a name of its own too: the database may be shared with others who use Alembic."""

ADVISORY_LOCK = 0x6C65646765720001
"""PostgreSQL's lock for one migration at a time; the bytes spell the word ledger."""

_version = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), nullable=False))


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


def is_current(connection: Connection) -> bool:
    """Whether the database is at our revision.

    Raises:
        NewerDatabase: it is at one that we do not know.
    """
    found = _revision(connection)
    if found is not None and found not in REVISIONS:
        raise NewerDatabase(
            f"The ledger's database is at schema {found}, which is newer than this gateway-infra-ledger knows "
            f"({REVISIONS[-1]}). Install the newer release again; a downgrade is refused, it would lose entries."
        )
    return found == REVISIONS[-1]


def migrate(connection: Connection) -> None:
    """Bring the database to our revision, on a connection whose transaction may write.

    Raises:
        NewerDatabase: it is at a revision that we do not know.
    """
    if connection.dialect.name == "postgresql":  # SQLite's write transaction is the lock by itself
        connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
    if not is_current(connection):
        with _turn.lock:
            _upgrade(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(select(_version.c.version_num)).scalar()


def _upgrade(connection: Connection) -> None:
    chatter = logging.getLogger("alembic")
    if chatter.level == logging.NOTSET:
        chatter.setLevel(logging.WARNING)  # it tells each of its plugins at INFO; what matters is said below
    from alembic import command  # noqa: PLC0415 - a fifth of a second, which only a migration has to spend
    from alembic.config import Config  # noqa: PLC0415 - part of the same fifth

    config = Config()
    config.set_main_option("script_location", f"{__package__}:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    log.info("the ledger's tables are now at schema %s", REVISIONS[-1])
