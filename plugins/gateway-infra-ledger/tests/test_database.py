import sqlite3
import stat
import sys
import threading
from pathlib import Path

import pytest
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Away, Database, Rejected
from gateway_infra_ledger.schema import entries
from sqlalchemy import insert, select, text

from gateway import ConfigError

NOWHERE = "postgresql://me:pass-word@127.0.0.1:1/ledger"


def test_nothing_is_made_before_it_is_used(sqlite_url, tmp_path):
    database = Database(Address.parse(sqlite_url))
    database.check()
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_the_owners_and_in_wal_mode(sqlite_url):
    database = Database(Address.parse(sqlite_url))
    with database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
    assert stat.S_IMODE(database.address.path.stat().st_mode) == 0o600
    database.close()


def test_readers_do_not_wait_for_a_writer(sqlite_url):
    database = Database(Address.parse(sqlite_url), lock_wait=0.1)
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE held (a)")
        with database.reading() as other:
            assert other.execute(select(entries.c.id)).all() == []
    database.close()


def test_a_lock_held_by_another_is_away_and_over_when_it_is_released(sqlite_url):
    database = Database(Address.parse(sqlite_url), lock_wait=0.05)
    with database.reading():
        pass
    holder = sqlite3.connect(database.address.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Away) as refused, database.writing():
        pass
    assert refused.value.reason == "database is locked"
    assert (refused.value.status, refused.value.retry_after) == (503, 1)
    holder.execute("ROLLBACK")
    with database.writing():
        pass
    holder.close()
    database.close()


def test_a_transaction_that_fails_leaves_nothing(database):
    def half_way():
        with database.writing() as connection:
            connection.execute(text("INSERT INTO ledger_entries_half VALUES (1)"))
            connection.execute(insert(entries), [{"call_id": None, "attempt": 1}])

    with database.writing() as connection:
        connection.execute(text("CREATE TABLE ledger_entries_half (a INTEGER)"))
    with pytest.raises(Rejected):
        half_way()
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM ledger_entries_half")).scalar() == 0


def test_a_directory_that_is_missing_stops_startup(tmp_path):
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        Database(Address.parse(f"sqlite:///{tmp_path}/nowhere/ledger.db")).check()


def test_a_place_that_cannot_be_written_stops_startup(sqlite_url, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(ConfigError, match=r"ledger\.db cannot be written by this user"):
        Database(Address.parse(sqlite_url)).check()


def test_a_file_of_another_kind_stops_startup(sqlite_url):
    address = Address.parse(sqlite_url)
    address.path.write_text("a letter to the bank, " * 100)
    with pytest.raises(ConfigError, match="file is not a database"):
        Database(address).check()


def test_a_server_that_is_away_is_a_warning_at_startup(caplog):
    Database(Address.parse(NOWHERE)).check()
    assert "is away: " in caplog.text
    assert "pass-word" not in caplog.text


def test_a_server_that_is_away_cannot_be_read(caplog):
    with pytest.raises(Away) as refused, Database(Address.parse(NOWHERE)).reading():
        pass
    assert refused.value.message == "The gateway's database cannot be reached at the moment."
    assert "connection" in refused.value.reason


def test_a_missing_driver_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"pip install 'gateway-infra-ledger\[postgresql\]'"):
        Database(Address.parse(NOWHERE)).check()


def test_what_the_url_says_of_the_connection_holds(postgres_url):
    joint = "&" if "?" in postgres_url else "?"
    database = Database(Address.parse(f"{postgres_url}{joint}application_name=mine"))
    with database.reading() as connection:
        assert connection.exec_driver_sql("SHOW application_name").scalar() == "mine"
    database.close()


def test_a_value_too_large_for_an_index_is_rejected_not_away(postgres_url):
    import random

    random.seed(7)
    incompressible = "".join(chr(random.randrange(0x4E00, 0x9FFF)) for _ in range(5000))
    database = Database(Address.parse(postgres_url))
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE narrow (name text PRIMARY KEY)")
    with pytest.raises(Rejected, match="index row"), database.writing() as connection:
        connection.execute(text("INSERT INTO narrow VALUES (:name)"), {"name": incompressible})
    database.close()


def test_a_value_that_never_reached_the_database_is_rejected(database):
    with pytest.raises(Rejected), database.writing() as connection:
        connection.execute(insert(entries), [{"call_id": "req_1", "attempt": 1, "at": "noon"}])


def test_who_waits_for_the_first_opening_does_not_wait_long(sqlite_url, monkeypatch):
    database = Database(Address.parse(sqlite_url), lock_wait=0.05)
    opening, go_on = threading.Event(), threading.Event()
    first = Database._first

    def slowly(self):
        opening.set()
        assert go_on.wait(10)
        return first(self)

    monkeypatch.setattr(Database, "_first", slowly)
    opener = threading.Thread(target=lambda: database.reading().__enter__().close())
    opener.start()
    assert opening.wait(10)
    with pytest.raises(Away, match="reached"), database.reading():
        pass
    go_on.set()
    opener.join(10)
    database.close()


def test_a_file_that_went_away_is_made_again(sqlite_url):
    database = Database(Address.parse(sqlite_url))
    with database.reading():
        pass
    database.close()
    Path(database.address.path).unlink()
    with database.writing() as connection:
        assert connection.execute(select(entries.c.id)).all() == []
    database.close()
