"""A database of its own for every test, and entries that look like the core's."""

import logging
import os
import socket
import struct
import threading
from contextlib import contextmanager, suppress
from decimal import Decimal
from itertools import count

import pytest
import sqlalchemy
from gateway_infra_ledger import LedgerPlugin
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.store import Store
from gateway_infra_ledger.writer import Writer

from gateway import Bill, Factor, Line, Pass
from gateway.testing import make_entry

POSTGRES = "GATEWAY_TEST_POSTGRES"

_numbers = count()


def make_bill(*amounts):
    """A bill with a line per amount, in dollars; without any, that of a fast answer."""
    if amounts:
        return Bill(tuple(Line("input", 1, Decimal(amount), 1, ()) for amount in amounts), "announcement", "digest")
    fast = Factor("fast", Decimal(6), fact="speed", source="a page")
    lines = (
        Line("input", 1234, Decimal("5.00"), 1_000_000, (fast,), "message", "claude-a"),
        Line("cache_read", 10_000, Decimal("0.50"), 1_000_000, (fast,), "message", "claude-a"),
        Line("output", 77, Decimal(25), 1_000_000, (fast,), "message", "claude-a"),
        Line("web_search", 3, Decimal("0.01"), 1, ()),
    )
    return Bill(lines, "announcement", "digest")


@pytest.fixture(autouse=True)
def _journals_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWAY_JOURNAL_DIR", str(tmp_path / "gateway-journal"))


@pytest.fixture
def entry():
    """Makes entries; each is a call of its own unless facts say otherwise."""

    def make(**facts):
        known = {
            "call_id": f"req_{next(_numbers):06}",
            "key_id": "key-a",
            "alias": "alice",
            "team": "blue",
            "tags": ("night", "batch"),
            "passes": (Pass("message", "", {"input": 1234, "cache_read": 10_000, "output": 77}),),
            "served": {"speed": "fast"},
            "usage": {"input_tokens": 1234, "output_tokens": 77, "cache_read_input_tokens": 10_000},
            "bill": make_bill(),
        }
        return make_entry(**(known | facts))

    return make


@pytest.fixture
def bill():
    return make_bill


@contextmanager
def _postgres_database():
    admin = sqlalchemy.create_engine(
        Address.parse(os.environ[POSTGRES]).url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool
    )
    name = f"ledger_test_{os.getpid()}_{next(_numbers)}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    try:
        yield admin.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def postgres_url():
    if not os.environ.get(POSTGRES):
        pytest.skip(f"{POSTGRES} is not set to the URL of a PostgreSQL server, so what needs one is left out")
    with _postgres_database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request):
    """An empty database, on both servers."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def database(url):
    one = Database(Address.parse(url), lock_wait=0.1)
    yield one
    one.close()


@pytest.fixture
def store(database):
    return Store(database)


@pytest.fixture
def writer(store):
    one = Writer(store.add, 1000)
    yield one
    one.close()


@pytest.fixture
def make_plugin():
    """Builds plugins as the core does, and closes them."""
    made = []

    def make(**settings):
        made.append(LedgerPlugin(LedgerPlugin.settings().load(settings)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def plugin(make_plugin, url):
    return make_plugin(database_url=url)


@pytest.fixture
def stored(caplog):
    """Nothing may end in the log instead of the ledger while this is used."""
    yield
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


PIECE = 65536


class Proxy:
    """Stands before a PostgreSQL server: it can refuse, freeze, and cut a connection between a COMMIT and its answer.

    Args:
        url: the server's.

    Attributes:
        cuts: how many of the next COMMITs get no answer.
        cut: how many did not.
    """

    def __init__(self, url):
        self._server = sqlalchemy.make_url(url)
        self._open = set()
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self.cuts = self.cut = 0
        self._port = 0
        self.allow()

    @property
    def url(self):
        """The database by way of the proxy."""
        query = {name: value for name, value in self._server.query.items() if name not in ("host", "port")}
        url = self._server.set(host="127.0.0.1", port=self._port, query=query)
        return url.render_as_string(hide_password=False)

    def allow(self):
        """Listen."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def refuse(self):
        """Listen no more, and break what is open."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            left = list(self._open)
        for one in left:
            _break(one)

    def freeze(self):
        """Pass nothing on."""
        self._flowing.clear()

    def thaw(self):
        """Go on."""
        self._flowing.set()

    def close(self):
        self.thaw()
        self.refuse()

    def _accept(self, listener):
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = self._connect()
                with self._lock:
                    self._open |= {client, server}
                doomed = threading.Event()
                for work in (self._ask, self._answer):
                    threading.Thread(target=work, args=(client, server, doomed), daemon=True).start()

    def _connect(self):
        folder = self._server.query.get("host")
        if folder:
            one = socket.socket(socket.AF_UNIX)
            one.connect(f"{folder}/.s.PGSQL.{self._server.port or 5432}")
            return one
        return socket.create_connection((self._server.host, self._server.port or 5432))

    def _ask(self, client, server, doomed):
        with suppress(OSError):
            while data := client.recv(PIECE):
                self._flowing.wait()
                if b"COMMIT\0" in data and self.cuts:
                    self.cuts -= 1
                    doomed.set()
                server.sendall(data)
        self._end(client, server)

    def _answer(self, client, server, doomed):
        with suppress(OSError):
            while data := server.recv(PIECE):
                self._flowing.wait()
                if doomed.is_set():
                    assert b"COMMIT" in data
                    self.cut += 1
                    break
                client.sendall(data)
        self._end(client, server)

    def _end(self, *sockets):
        for one in sockets:
            _break(one)
        with self._lock:
            self._open -= {*sockets}


def _break(one):
    """Close it with a reset, and wake whoever reads from it."""
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@pytest.fixture
def proxy(postgres_url):
    one = Proxy(postgres_url)
    yield one
    one.close()
