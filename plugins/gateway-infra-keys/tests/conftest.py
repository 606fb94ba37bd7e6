"""A database of its own for every test, on both servers, and a store of keys in it."""

import os
from contextlib import contextmanager
from itertools import count

import pytest
import sqlalchemy
from gateway_infra_keys.schema import SCHEMA
from gateway_infra_keys.store import Keys
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database

from gateway import Secret

POSTGRES = "GATEWAY_TEST_POSTGRES"
PEPPER = Secret("0123456789abcdef0123456789abcdef")

_numbers = count()


@contextmanager
def _postgres_database():
    admin = sqlalchemy.create_engine(
        Address.parse(os.environ[POSTGRES]).url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool
    )
    name = f"keys_test_{os.getpid()}_{next(_numbers)}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    try:
        yield admin.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path}/gateway.db"


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
def open_database():
    """Opens databases, as several processes would, and closes them."""
    opened = []

    def make(url, **options):
        opened.append(Database(Address.parse(url), schema=SCHEMA, **options))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def database(open_database, url):
    return open_database(url)


@pytest.fixture
def pepper():
    return PEPPER


@pytest.fixture
def store(database, pepper):
    return Keys(database, pepper)
