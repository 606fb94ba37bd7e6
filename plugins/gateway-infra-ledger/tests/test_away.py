"""While the database is away, locked, full or read-only, calls go on, and each attempt is in it once when it is back."""

import multiprocessing
import os
import resource
import shutil
import sqlite3
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from gateway_infra_ledger import LedgerPlugin
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.schema import entries
from sqlalchemy import select

FULL = os.environ.get("GATEWAY_TEST_FULL") == "1"
LOCKED = 30 if FULL else 3
CUTS = 500 if FULL else 10
SOON = 60
"""Seconds within which everything is in the database again."""

GREEN = 5
"""Seconds within which a process that was not ready is."""

NOBODY = 65534

forks = multiprocessing.get_context("fork")


def call(plugin, entry):
    """One attempt, and the seconds that it cost its client."""
    began = time.monotonic()
    plugin.start_attempt(entry)
    plugin.record_entry(entry)
    return time.monotonic() - began


def until(holds, seconds):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def stored(url):
    database = Database(Address.parse(url))
    with database.reading() as connection:
        found = list(connection.execute(select(entries.c.call_id)).scalars())
    database.close()
    return sorted(found)


def ids(given):
    return sorted(one.call_id for one in given)


def whole(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.fixture
def journals(tmp_path):
    return str(tmp_path / "journals")


@pytest.fixture
def distant(make_plugin, proxy, journals):
    """A plugin whose database is behind the proxy, with room for three entries in memory."""
    return make_plugin(database_url=proxy.url, journal_dir=journals, queue_size=3)


@pytest.mark.timeout(120 + 5 * CUTS)
def test_a_connection_cut_between_a_commit_and_its_answer_loses_and_doubles_nothing(
    distant, proxy, postgres_url, entry
):
    given = []
    for number in range(CUTS):
        given += [entry() for _ in range(3)]
        proxy.cuts = 1
        for one in given[-3:]:
            call(distant, one)
        until(lambda number=number: proxy.cut > number, SOON)
    assert distant.flush(SOON)
    assert proxy.cut == CUTS
    assert stored(postgres_url) == ids(given)


def test_calls_go_on_while_the_server_is_away_and_are_written_once_when_it_is_back(distant, proxy, postgres_url, entry):
    given = [entry()]
    call(distant, given[0])
    assert distant.flush(SOON)
    assert distant.report_health() is None
    proxy.refuse()
    for _ in range(60):
        given.append(entry())
        assert call(distant, given[-1]) < 0.5
        time.sleep(0.02)
    until(distant.report_health, GREEN)
    assert "127.0.0.1" not in distant.report_health()
    proxy.allow()
    until(lambda: distant.report_health() is None, GREEN)
    assert distant.flush(SOON)
    assert stored(postgres_url) == ids(given)


def test_it_starts_with_the_server_away_and_is_well_by_itself(make_plugin, proxy, postgres_url, journals, entry):
    proxy.refuse()
    one, given = make_plugin(database_url=proxy.url, journal_dir=journals), entry()
    one.register_views()
    assert list(one.recover_entries()) == []
    assert "away" in one.report_health()
    call(one, given)
    proxy.allow()
    until(lambda: one.report_health() is None, GREEN)
    assert one.flush(SOON)
    assert stored(postgres_url) == ids([given])


def test_a_server_that_does_not_answer_keeps_nobody_waiting(distant, proxy, postgres_url, entry):
    given = [entry()]
    call(distant, given[0])
    assert distant.flush(SOON)
    assert distant.report_health() is None
    proxy.freeze()
    for _ in range(20):
        given.append(entry())
        assert call(distant, given[-1]) < 0.5
    until(distant.report_health, 3 * GREEN)
    proxy.thaw()
    until(lambda: distant.report_health() is None, GREEN)
    assert distant.flush(SOON)
    assert stored(postgres_url) == ids(given)


def test_a_worker_that_ends_while_the_server_is_away_leaves_the_rest_to_the_next(
    make_plugin, proxy, postgres_url, journals, entry
):
    first, given = make_plugin(database_url=proxy.url, journal_dir=journals), [entry() for _ in range(5)]
    proxy.refuse()
    for one in given:
        call(first, one)
    first._spool.close(0.1)
    first._recovery.close()
    proxy.allow()
    second = make_plugin(database_url=proxy.url, journal_dir=journals)
    for one in second.recover_entries():
        second.record_entry(one)
    assert second.flush(SOON)
    assert stored(postgres_url) == ids(given)


def test_a_file_that_another_program_has_locked_is_waited_for(make_plugin, sqlite_url, tmp_path, journals, entry):
    one = make_plugin(database_url=sqlite_url, journal_dir=journals, queue_size=3)
    given = [entry()]
    call(one, given[0])
    assert one.flush(SOON)
    path = tmp_path / "ledger.db"
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(LOCKED, holder.execute, ["ROLLBACK"])
    timer.start()
    while timer.is_alive():
        given.append(entry())
        assert call(one, given[-1]) < 0.5
        time.sleep(0.05)
        ill = one.report_health()
    assert ill
    until(lambda: one.report_health() is None, GREEN)
    assert one.flush(SOON)
    holder.close()
    assert stored(sqlite_url) == ids(given)
    assert whole(path)


def fill(url, journals, made, limit, told):
    """Calls on a disk that is full from the tenth on: no file may grow beyond the limit. It has room again at a word."""
    plugin = LedgerPlugin(
        LedgerPlugin.settings().load({"database_url": url, "journal_dir": journals, "journal_size_mb": 1})
    )
    plugin.register_views()
    for number, entry in enumerate(made):
        if number == 10:
            assert plugin.flush(SOON)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        call(plugin, entry)
    until(plugin.report_health, SOON)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    until(lambda: plugin.report_health() is None, GREEN)
    told.put(plugin.flush(SOON))
    plugin.close()


def test_a_full_disk_is_waited_for(sqlite_url, tmp_path, journals, entry):
    given, told = [entry(error="x" * 2000) for _ in range(60)], forks.SimpleQueue()
    child = forks.Process(target=fill, args=(sqlite_url, journals, given, 260_000, told))
    child.start()
    child.join(SOON)
    assert child.exitcode == 0
    assert told.get()
    assert stored(sqlite_url) == ids(given)
    assert whole(tmp_path / "ledger.db")


def forbidden(folder, made, told):
    """Calls of somebody who may not write the file for a while."""
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    path = Path(folder) / "ledger.db"
    settings = {"database_url": f"sqlite:///{path}", "journal_dir": f"{folder}/journals"}
    plugin = LedgerPlugin(LedgerPlugin.settings().load(settings))
    call(plugin, made[0])
    assert plugin.flush(SOON)
    plugin._database.close()
    path.chmod(0o400)
    for entry in made[1:]:
        assert call(plugin, entry) < 0.5
    until(plugin.report_health, SOON)
    for one in path.parent.glob("ledger.db*"):  # SQLite gives the files beside it the mode that it has
        one.chmod(0o600)
    until(lambda: plugin.report_health() is None, GREEN)
    told.put(plugin.flush(SOON))
    plugin.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody whom a file's mode binds")
def test_a_file_that_may_only_be_read_is_waited_for(entry):
    given, told, folder = [entry() for _ in range(10)], forks.SimpleQueue(), tempfile.mkdtemp()
    os.chown(folder, NOBODY, NOBODY)
    try:
        child = forks.Process(target=forbidden, args=(folder, given, told))
        child.start()
        child.join(SOON)
        assert child.exitcode == 0
        assert told.get()
        assert stored(f"sqlite:///{folder}/ledger.db") == ids(given)
    finally:
        shutil.rmtree(folder)
