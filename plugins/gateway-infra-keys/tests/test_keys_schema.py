import subprocess
import sys

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from gateway_infra_keys.schema import SCHEMA, audit, keys, metadata, peppers, teams
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.migration import NewerDatabase
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import DBAPIError

OURS = {table.name for table in (keys, teams, audit, peppers)}

START = """
import sys
from gateway import Secret
from gateway_infra_keys.schema import SCHEMA
from gateway_infra_keys.store import Keys
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.store import Store
ledger = Database(Address.parse(sys.argv[1]))
database = Database(Address.parse(sys.argv[1]), schema=SCHEMA)
print("ready", flush=True)
sys.stdin.readline()
with ledger.reading():
    pass
Keys(database, Secret("0123456789abcdef")).page()
ledger.close()
database.close()
"""


def scripts():
    config = Config()
    config.set_main_option("script_location", SCHEMA.scripts)
    config.set_main_option("path_separator", "os")
    return config


def test_the_revisions_are_those_of_the_scripts_in_one_line():
    found = list(ScriptDirectory.from_config(scripts()).walk_revisions())
    assert tuple(script.revision for script in reversed(found)) == SCHEMA.revisions


def test_the_migrations_make_the_tables_that_the_code_describes(database):
    def ours(item, name, kind, reflected, other):
        return (name if kind == "table" else item.table.name) in OURS

    options = {"version_table": SCHEMA.version_table, "compare_type": True, "include_object": ours}
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_the_ledger_and_the_keys_share_a_database(open_database, url):
    ledger, ours = Database(Address.parse(url)), open_database(url)
    for database in (ledger, ours):
        with database.reading() as connection:
            connection.execute(text("SELECT 1"))
    with ours.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM keys_schema, ledger_schema")).scalar() == 1
    ledger.close()


def test_four_processes_that_start_at_once_migrate_once(url):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    line = [sys.executable, "-W", "error", "-c", START, url]
    processes = [subprocess.Popen(line, text=True, **pipes) for _ in range(4)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 4
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate()[1] for process in processes] == [""] * 4
    assert [process.returncode for process in processes] == [0] * 4


def test_a_newer_database_is_refused_clearly(database):
    with database.writing() as connection:
        connection.execute(text("UPDATE keys_schema SET version_num = '9999'"))
    database.close()
    with (
        pytest.raises(NewerDatabase, match=r"keys tables are at schema 9999.*a downgrade is refused"),
        database.reading(),
    ):
        pass


def test_a_downgrade_is_refused(database):
    config = scripts()
    with database.writing() as connection:
        config.attributes["connection"] = connection
        with pytest.raises(NotImplementedError, match="not downgraded"):
            command.downgrade(config, "base")


@pytest.mark.parametrize("verb", [update, delete])
def test_the_audit_stays_as_it_was_written(store, database, verb):
    store.create(actor="me")
    statement = verb(audit)
    if verb is update:
        statement = statement.values(actor="somebody else")
    with database.reading() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(statement)
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(audit)).scalar() == 1
