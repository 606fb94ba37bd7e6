"""Canaries: tokens whose text must be nowhere but in the hands of whom it was given to."""

import logging

import click
import pytest
from click.testing import CliRunner
from gateway_infra_keys.command import commands
from gateway_infra_keys.identity import Identity
from gateway_infra_keys.patience import Patience
from gateway_infra_keys.schema import keys, metadata
from gateway_infra_keys.store import Keys
from gateway_infra_keys.token import PREFIX, Token

MANY = 100


@pytest.fixture
def everything(caplog):
    """Every line that anybody logs while this is used, SQL and all."""
    caplog.set_level(logging.DEBUG)
    loggers = [logging.getLogger(name) for name in ("sqlalchemy.engine", "sqlalchemy.pool", "alembic", "psycopg")]
    for one in loggers:
        one.setLevel(logging.DEBUG)
    yield caplog
    for one in loggers:
        one.setLevel(logging.NOTSET)


def live(store):
    """Makes keys, uses them, rotates and revokes them; all tokens that there ever were."""
    identity = Identity(store)
    identity._patience = Patience(2, quiet=60)  # this machine may be busy with other tests
    tokens = []
    for number in range(MANY):
        key, first = store.create(actor="me", alias=f"canary-{number}")
        assert identity.principal(first.text, {}).key_id == key.id
        second = store.rotate(key.id, actor="me")
        assert identity.principal(second.text, {}).key_id == key.id
        assert identity.principal(first.text, {}) is None
        assert identity.principal(Token.new(key.id).text, {}) is None
        if number % 2:
            store.revoke(key.id, actor="me")
        tokens += [first, second]
    return tokens


def secrets(tokens):
    """The parts that make a token one: its secret, in the forms in which it might have been written."""
    parts = [token.text.removeprefix(PREFIX)[13:56] for token in tokens]
    return [form for part in parts for form in (part.encode(), part.encode("utf-16-le"), part.encode().hex().encode())]


def test_no_file_beside_the_gateway_holds_a_token(sqlite_url, open_database, pepper, tmp_path, everything):
    database = open_database(sqlite_url)
    tokens = live(Keys(database, pepper))
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {"gateway.db", "gateway.db-wal"} <= files.keys()
    files["log"] = everything.text.encode()
    assert len(files["log"]) > 10_000
    found = [(name, secret) for name, data in files.items() for secret in secrets(tokens) if secret in data]
    assert found == []
    assert pepper.reveal().encode() not in b"".join(files.values())
    hashes = [token.hash(pepper).encode() for token in tokens[1::2]]
    assert all(one in files["gateway.db"] + files["gateway.db-wal"] for one in hashes)


def test_no_row_on_postgresql_holds_a_token(postgres_url, open_database, pepper, everything):
    database = open_database(postgres_url)
    tokens = live(Keys(database, pepper))
    with database.reading() as connection:
        rows = [str(row) for table in metadata.sorted_tables for row in connection.execute(table.select())]
    data = "\n".join(rows).encode() + everything.text.encode()
    assert len(rows) > 4 * MANY - 100
    assert [secret for secret in secrets(tokens) if secret in data] == []
    assert pepper.reveal().encode() not in data


def test_what_the_database_knows_lets_nobody_in(store, database):
    tokens = live(store)
    identity = Identity(store)
    identity._patience = Patience(2, quiet=60)
    with database.reading() as connection:
        rows = [dict(row) for row in connection.execute(keys.select()).mappings()]
    tries = [str(value) for row in rows for value in row.values()]
    tries += [f"{PREFIX}{row['id']}-{row['hash'][:43]}-{row['hint']:0>6}" for row in rows]
    assert len(rows) == MANY
    assert [one for one in tries if identity.principal(one, {})] == []
    assert len(tokens) == 2 * MANY


def test_an_error_shows_no_token(store):
    _, token = store.create(actor="me", alias="alice")
    group = click.Group("gateway", commands(lambda: store))
    for line in (["show", token.text[:40]], ["create", "--alias", "alice"], ["update", "alice", "--budget", "x"]):
        result = CliRunner().invoke(group, ["keys", *line])
        assert result.exit_code
        assert token.text not in result.output
