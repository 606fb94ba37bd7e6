"""A database of its own for every test, and entries that look like the core's."""

import logging
import os
from contextlib import contextmanager
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
