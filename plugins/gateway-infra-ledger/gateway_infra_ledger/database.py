"""The database: opened at first use in each process, migrated before anybody gets it, and its errors in two words.

``Away`` is trouble with the database: what failed may work later. ``Rejected`` is trouble with the data: it never will.
"""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, SQLAlchemyError, StatementError

from gateway import ConfigError, Unavailable
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.fork import at_fork
from gateway_infra_ledger.migration import LEDGER, Schema

log = logging.getLogger(__name__)

LOCK_WAIT = 1.0
"""Seconds that SQLite waits for another process's transaction; the writer comes back after that."""

FIRST_WAIT = 15.0
"""Seconds for a new file to become what it should be, while other processes want the same."""

CONNECT_WAIT = 3
"""Seconds that PostgreSQL gets to answer."""

ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
"""A PostgreSQL host that went away without a word counts as away after some 20 s; by itself libpq waits for hours."""

POOL_WAIT = 2.0
"""Seconds that a reader waits while all others hold connections."""

FORK_WAIT = 5.0
"""Seconds that a fork waits for connections that are in use."""

_WRITES = "gateway_ledger_writes"


class Away(Unavailable):
    """The database cannot be used for now.

    Attributes:
        reason: the driver's words, for the log and the operator; never for a client.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("The gateway's database cannot be reached at the moment.", retry_after=1)
        self.reason = reason


class Rejected(Exception):
    """The database will never take this data."""


class Database:
    """One database, as a process sees it.

    Args:
        address: where it is.
        lock_wait: seconds to wait for a lock before it counts as away.
        schema: the tables that have to be there; another package's are in the same database, opened by itself.
        durable: what SQLite has committed survives a power cut too; PostgreSQL has a setting of its own.
    """

    _gate: threading.Condition
    _users: int
    _engine: Engine | None
    _forking: bool

    def __init__(
        self, address: Address, *, lock_wait: float = LOCK_WAIT, schema: Schema = LEDGER, durable: bool = False
    ) -> None:
        self.address = address
        self._durable = durable
        self._schema = schema
        self._lock_wait = lock_wait
        self._renew()
        at_fork(before=self._before_fork, parent=self._after_fork, child=self._renew)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.address.url.get_backend_name()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with.

        Raises:
            Away: not now.
        """
        with _translated(), self._in_use() as engine, engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in a transaction that may write, committed at the end.

        Raises:
            Away: not now; whether it was committed is unknown.
            Rejected: not ever.
        """
        try:
            with _translated(), self._in_use() as engine, _transaction(engine) as connection:
                yield connection
        except Away:
            self.close()  # whatever was wrong with the connections, the next try starts afresh
            raise

    def check(self) -> None:
        """Look, without writing, whether the database will do. One that is only away is a warning.

        Raises:
            ConfigError: it will never do.
        """
        if self.address.path is not None:
            _check_file(self._schema.name, self.address.path)
            if not self.address.path.exists():
                return
        engine = self._make(poolclass=NullPool)
        try:
            with _translated(), engine.connect() as connection:
                self._schema.is_current(connection)
        except Away as error:
            if self.address.path is not None and "locked" not in error.reason:
                raise ConfigError(f"{self._schema.name}: {self.address}: {error.reason}") from None
            log.warning("the database at %s is away: %s", self.address, error.reason)

    def close(self) -> None:
        """Close what is open; the next use opens it again."""
        with self._gate:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    @contextmanager
    def _in_use(self) -> Iterator[Engine]:
        if not self._gate.acquire(timeout=self._lock_wait):
            raise Away("it is still being opened")
        try:
            self._engine = self._engine or self._first()
            engine = self._engine
            self._users += 1
        finally:
            self._gate.release()
        try:
            yield engine
        finally:
            with self._gate:
                self._users -= 1
                self._gate.notify_all()

    def _first(self) -> Engine:
        if self.address.path is not None:
            _make_file(self.address.path, self._lock_wait)
        engine = self._make(pool_timeout=POOL_WAIT)
        try:
            with engine.connect() as connection:
                current = self._schema.is_current(connection)
            if not current:
                self._migrate()
        except BaseException:
            engine.dispose()
            raise
        return engine

    def _migrate(self) -> None:
        """Make the tables, with more patience than usual: every process that starts wants the lock for this, once."""
        patient = self._make(max(self._lock_wait, FIRST_WAIT), poolclass=NullPool)
        with _transaction(patient) as connection:
            self._schema.migrate(connection)

    def _make(self, lock_wait: float | None = None, **options: Any) -> Engine:
        if self.dialect == "sqlite":
            wait = self._lock_wait if lock_wait is None else lock_wait
            return _sqlite(self.address, wait, "FULL" if self._durable else "NORMAL", options)
        return _postgresql(self._schema.name, self.address, options)

    def _before_fork(self) -> None:
        """Close everything.

        SQLite keeps book of a process's locks in memory. A child would find its parent's in there and wait for them
        for ever or, worse, believe that it holds them.
        """
        self._forking = self._gate.acquire(timeout=FORK_WAIT)
        if self._forking:
            self._gate.wait_for(lambda: not self._users, FORK_WAIT)
            self.close()

    def _after_fork(self) -> None:
        """Let the others go on."""
        if self._forking:
            self._gate.release()

    def _renew(self) -> None:
        """Start afresh in a new process."""
        self._gate = threading.Condition()
        self._users = 0
        self._engine = None


@contextmanager
def _transaction(engine: Engine) -> Iterator[Connection]:
    with engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
        yield connection


@contextmanager
def _translated() -> Iterator[None]:
    """The one place where a driver's errors become ours."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        if _is_about_data(error):
            raise Rejected(reason) from error
        raise Away(reason) from error


def _is_about_data(error: BaseException) -> bool:
    if not isinstance(error, DBAPIError):
        return isinstance(error, StatementError)  # it did not get as far as the database
    state = str(getattr(error.orig, "sqlstate", ""))
    too_large = state.startswith("54")  # PostgreSQL's "program limit exceeded": such as a value that no index takes
    return too_large or isinstance(error, DataError | IntegrityError | NotSupportedError)


def _sqlite(address: Address, lock_wait: float, synchronous: str, options: dict[str, Any]) -> Engine:
    engine = create_engine(address.url, connect_args={"timeout": lock_wait}, hide_parameters=True, **options)
    event.listen(engine, "connect", partial(_connected, synchronous))
    event.listen(engine, "begin", _begun)
    return engine


def _postgresql(owner: str, address: Address, options: dict[str, Any]) -> Engine:
    given = {"connect_timeout": CONNECT_WAIT, "application_name": f"gateway-{owner}", **ALIVE}
    arguments = {name: value for name, value in given.items() if name not in address.url.query}
    try:
        return create_engine(address.url, connect_args=arguments, pool_pre_ping=True, hide_parameters=True, **options)
    except ImportError:
        raise ConfigError(
            f"{owner}: PostgreSQL needs its driver: pip install 'gateway-infra-ledger[postgresql]'."
        ) from None


def _connected(synchronous: str, connection: sqlite3.Connection, _record: Any) -> None:
    """Take the transactions out of the driver's hands: it begins none before DDL, so migrations would not be atomic."""
    connection.isolation_level = None
    connection.execute(f"PRAGMA synchronous={synchronous}")


def _begun(connection: Connection) -> None:
    """Writers queue up for the lock at once; one that reads first and writes later could not be served any more."""
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _check_file(name: str, path: Path) -> None:
    if not path.parent.is_dir():
        raise ConfigError(f"{name}: database_url: the directory {path.parent} does not exist.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f"{name}: database_url: {path} cannot be written by this user.")


def _make_file(path: Path, lock_wait: float) -> None:
    """The file, for its owner only, in the mode in which readers and one writer do not wait for each other.

    It is never opened but by SQLite: to close a file gives up all locks that the process has on it.
    """
    new = not path.exists()
    with _translated(), closing(sqlite3.connect(path, timeout=lock_wait)) as connection:
        if new:
            path.chmod(0o600)
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            _switch_to_wal(connection, time.monotonic() + FIRST_WAIT)


def _switch_to_wal(connection: sqlite3.Connection, deadline: float) -> None:
    """Two processes that do this at once cannot wait for each other: SQLite refuses one without its usual patience."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
