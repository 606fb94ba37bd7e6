"""A database for every test of budgets, on both servers, and an admission in front of it."""

import os
import runpy
import subprocess
import sys
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy
from gateway_infra_keys.account import Account, Balance, balances
from gateway_infra_keys.admission import Admission
from gateway_infra_keys.hold import holds
from gateway_infra_ledger.address import Address

POSTGRES = "GATEWAY_TEST_POSTGRES"
BIDDER = Path(__file__).with_name("bidder.py")

_numbers = count()


@pytest.fixture(scope="session")
def bidder():
    """The bidder's parts."""
    return SimpleNamespace(**runpy.run_path(str(BIDDER)))


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path}/keys.db"


@contextmanager
def _database_of_its_own(server):
    admin = sqlalchemy.create_engine(
        Address.parse(server).url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool
    )
    name = f"keys_hold_test_{os.getpid()}_{next(_numbers)}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    try:
        yield admin.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def postgres_url():
    if not os.environ.get(POSTGRES):
        pytest.skip(f"{POSTGRES} is not set to the URL of a PostgreSQL server, so what needs one is left out")
    with _database_of_its_own(os.environ[POSTGRES]) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request):
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def people(bidder):
    return bidder.people()


class Shop:
    """An admission, and a look at its accounts."""

    def __init__(self, database, people, **options):
        self.database, self.people = database, people
        self.admission = Admission(database, people, {}, **options)

    def account(self, kind, owner, period="total"):
        wanted = Account(kind, owner, period)
        with self.database.reading() as connection:
            return balances(connection, [wanted])[wanted]

    def all_accounts(self):
        query = sqlalchemy.text("SELECT kind, owner, period, spent, held FROM key_accounts")
        with self.database.reading() as connection:
            return {Account(*row[:3]): Balance(*row[3:]) for row in connection.execute(query)}

    def held_calls(self):
        with self.database.reading() as connection:
            return [*connection.execute(sqlalchemy.select(holds.c.call_id)).scalars()]


@pytest.fixture
def open_shop(url, people, bidder):
    """Opens shops on one database; each is like a process of its own."""
    databases = []

    def make(**options):
        databases.append(bidder.opened(url))
        made = Shop(databases[-1], people, **options)
        made.admission.recover()  # as the core does at the start of a process; from here on the tables are there
        return made

    yield make
    for database in databases:
        database.close()


@pytest.fixture
def shop(open_shop):
    return open_shop()


@pytest.fixture
def start_bidder(url):
    """Starts bidders as processes on the same database, and ends those that still run."""
    started = []

    def start(*words):
        command = [sys.executable, str(BIDDER), url, *words]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
