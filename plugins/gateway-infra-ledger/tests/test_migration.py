import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from gateway_infra_ledger import tally  # noqa: F401 - its tables are part of what the code describes
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.migration import LEDGER, NewerDatabase
from gateway_infra_ledger.schema import entries, lines, metadata
from gateway_infra_ledger.store import Store
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import DBAPIError

START = """
import sys
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database
database = Database(Address.parse(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
with database.reading() as connection:
    pass
database.close()
"""


def count(database, table):
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_the_revisions_are_those_of_the_scripts():
    config = Config()
    config.set_main_option("script_location", "gateway_infra_ledger:migrations")
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert tuple(script.revision for script in reversed(list(scripts.walk_revisions()))) == LEDGER.revisions


def test_the_migrations_make_the_tables_that_the_code_describes(database):
    with database.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": LEDGER.version_table, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []


def test_a_second_migration_has_nothing_to_do(database):
    with database.writing() as connection:
        assert LEDGER.is_current(connection)
        LEDGER.migrate(connection)


def test_two_schemas_are_migrated_apart_in_one_database(database):
    other = replace(LEDGER, name="other", lock=1)
    with database.writing() as connection:
        assert LEDGER.is_current(connection)
        assert not other.is_current(connection)
        connection.execute(text("CREATE TABLE other_schema (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO other_schema VALUES ('9999')"))
        assert LEDGER.is_current(connection)
        with pytest.raises(NewerDatabase, match=r"The database's other tables .* this gateway-infra-other knows"):
            other.is_current(connection)


def test_another_process_finds_the_tables_made(database, url, entry):
    Store(database).add([entry()])
    other = Database(Address.parse(url))
    assert count(other, entries) == 1
    other.close()


def test_threads_that_start_at_once_migrate_once(url):
    databases = [Database(Address.parse(url)) for _ in range(8)]
    counts = []
    threads = [threading.Thread(target=lambda one=one: counts.append(count(one, entries))) for one in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [0] * 8
    for one in databases:
        one.close()


def test_processes_that_start_at_once_migrate_once(url):
    command = [sys.executable, "-W", "error", "-c", START, url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(6)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 6
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate()[1] for process in processes]
    assert errors == [""] * 6
    assert [process.returncode for process in processes] == [0] * 6


def test_a_newer_database_is_refused_clearly(database):
    with database.writing() as connection:
        connection.execute(text("UPDATE ledger_schema SET version_num = '9999'"))
    database.close()
    with (
        pytest.raises(NewerDatabase, match=rf"schema 9999.*newer.*{LEDGER.revisions[-1]}.*a downgrade is refused"),
        database.reading(),
    ):
        pass
    with pytest.raises(NewerDatabase):
        database.check()


def test_a_downgrade_is_refused(database):
    from alembic import command

    config = Config()
    config.set_main_option("script_location", "gateway_infra_ledger:migrations")
    config.set_main_option("path_separator", "os")
    with database.writing() as connection:
        config.attributes["connection"] = connection
        with pytest.raises(NotImplementedError, match="not downgraded"):
            command.downgrade(config, "base")


@pytest.mark.parametrize("table", [entries, lines], ids=["entries", "lines"])
@pytest.mark.parametrize("verb", [update, delete])
def test_written_rows_stay_as_they_were_written(database, entry, table, verb):
    Store(database).add([entry()])
    statement = verb(table)
    if verb is update:
        statement = statement.values(model="another")
    with database.reading() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(statement)
    assert count(database, entries) == 1
    assert count(database, lines) == 4


def test_truncate_is_refused_too(postgres_url, entry):
    database = Database(Address.parse(postgres_url))
    Store(database).add([entry()])
    with database.reading() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.exec_driver_sql("TRUNCATE ledger_lines")
    database.close()
