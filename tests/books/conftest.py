"""Books of storms, each in a database of its own."""

import os
import secrets
from contextlib import contextmanager

import pytest
import sqlalchemy

from tests.books import entries

POSTGRES = "GATEWAY_TEST_POSTGRES"
FULL = os.environ.get("GATEWAY_TEST_FULL") == "1"


@contextmanager
def _sqlite(folder):
    yield f"sqlite:///{folder}/ledger.db"


@contextmanager
def _postgres():
    admin = entries.engine(os.environ[POSTGRES]).execution_options(isolation_level="AUTOCOMMIT")
    name = f"books_test_{secrets.token_hex(6)}"
    with admin.connect() as connection:
        connection.execute(sqlalchemy.text(f'CREATE DATABASE "{name}"'))
    try:
        url = admin.url.set(drivername="postgresql", database=name)
        yield url.render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(sqlalchemy.text(f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def make_url(request, tmp_path_factory):
    """Makes empty databases."""
    if request.param == "sqlite":
        return lambda: _sqlite(tmp_path_factory.mktemp("ledger"))
    if not os.environ.get(POSTGRES):
        pytest.skip(f"{POSTGRES} is not set to the URL of a PostgreSQL server, so what needs one is left out")
    return _postgres
