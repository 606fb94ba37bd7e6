import json
import logging
import multiprocessing
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from gateway_infra_ledger import writer as module
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Away, Database, Rejected
from gateway_infra_ledger.record import Record
from gateway_infra_ledger.schema import entries, lines
from gateway_infra_ledger.store import Store
from gateway_infra_ledger.writer import BATCH, Writer
from sqlalchemy import func, select

SOON = 10

WRITE = """
import sys
from gateway.testing import make_entry
from gateway_infra_ledger import LedgerPlugin
plugin = LedgerPlugin(LedgerPlugin.settings().load({"database_url": sys.argv[1]}))
made = [make_entry(call_id=f"req_{sys.argv[2]}_{number}") for number in range(300)]
print("ready", flush=True)
sys.stdin.readline()
for entry in made:
    plugin.record_entry(entry)
"""
"""It ends without a word of goodbye: the end of the process has to be enough."""


def counts(url):
    database = Database(Address.parse(url))
    with database.reading() as connection:
        found = tuple(
            connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (entries, lines)
        )
    database.close()
    return found


def lost_entries(caplog):
    """The entries that the log has instead of the ledger."""
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    return [json.loads(message[message.index("{") :]) for message in told]


@pytest.fixture
def fake():
    """A store that can be told to fail."""

    class Fake:
        def __init__(self):
            self.batches = []
            self.trouble = lambda batch: None

        def add(self, batch):
            batch = list(batch)
            error = self.trouble(batch)
            if error:
                raise error
            self.batches.append(batch)

    return Fake()


@pytest.fixture
def make_writer(fake):
    made = []

    def make(size=1000, **facts):
        made.append(Writer(fake.add, size, **facts))
        return made[-1]

    yield make
    fake.trouble = lambda batch: None
    for one in made:
        one.close(SOON)


def test_entries_arrive(writer, url, entry, stored):
    for _ in range(450):
        writer.put(entry())
    assert writer.flush(SOON)
    assert counts(url) == (450, 1800)


def test_nothing_runs_before_the_first_entry(make_writer):
    before = threading.active_count()
    make_writer()
    assert threading.active_count() == before


def test_entries_are_written_in_batches(make_writer, fake, entry):
    one = make_writer()
    for _ in range(2 * BATCH):
        one.put(entry())
    assert one.flush(SOON)
    assert all(len(batch) <= BATCH for batch in fake.batches)
    assert len(fake.batches) < BATCH


def test_an_entry_can_be_found_until_it_is_written(make_writer, fake, entry):
    one, go_on = make_writer(), threading.Event()
    fake.trouble = lambda batch: go_on.wait(SOON) and None
    given = entry()
    one.put(given)
    assert one.waiting(given.call_id) == [given]
    go_on.set()
    assert one.flush(SOON)
    assert one.waiting(given.call_id) == []


def test_while_the_database_is_away_entries_wait_and_none_is_lost(make_writer, fake, entry, stored):
    one = make_writer()
    tries = iter([Away("gone"), Away("still gone"), Away("gone")])
    fake.trouble = lambda batch: next(tries, None)
    given = [entry() for _ in range(5)]
    for each in given:
        one.put(each)
    assert one.flush(SOON)
    assert [each for batch in fake.batches for each in batch] == given


def test_a_lock_held_for_a_second_is_waited_for(sqlite_url, entry, stored):
    database = Database(Address.parse(sqlite_url), lock_wait=0.1)
    one = Writer(Store(database).add, 1000)
    one.put(entry())
    assert one.flush(SOON)
    holder = sqlite3.connect(database.address.path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    threading.Timer(1, holder.execute, ["ROLLBACK"]).start()
    one.put(entry())
    assert time.monotonic() - began < 0.5
    assert one.flush(SOON)
    assert time.monotonic() - began >= 1
    assert counts(sqlite_url) == (2, 8)
    one.close()
    database.close()
    holder.close()


def test_a_full_backlog_waits_a_little_and_then_logs_the_whole_entry(make_writer, fake, entry, caplog):
    one, go_on = make_writer(size=2, patience=0.05), threading.Event()
    fake.trouble = lambda batch: go_on.wait(SOON) and None
    first, second, third = entry(), entry(), entry()
    one.put(first)
    one.put(second)
    one.put(third)
    assert "an entry is not in the ledger (too many entries wait)" in caplog.text
    assert lost_entries(caplog) == [Record.of(third).as_dict()]
    assert len(caplog.messages[0].splitlines()) == 1
    go_on.set()
    assert one.flush(SOON)
    assert [each for batch in fake.batches for each in batch] == [first, second]


def test_a_full_backlog_that_empties_in_time_takes_the_entry(make_writer, fake, entry, stored):
    one, go_on = make_writer(size=1, patience=SOON), threading.Event()
    fake.trouble = lambda batch: go_on.wait(SOON) and None
    one.put(entry())
    threading.Timer(0.05, go_on.set).start()
    one.put(entry())
    assert one.flush(SOON)
    assert sum(map(len, fake.batches)) == 2


def test_one_bad_entry_does_not_stop_the_others(make_writer, fake, entry, caplog):
    one = make_writer()
    good, bad, other = entry(), entry(), entry()
    fake.trouble = lambda batch: Rejected("no such number") if bad in batch else None
    for each in (good, bad, other):
        one.put(each)
    assert one.flush(SOON)
    assert [each for batch in fake.batches for each in batch] == [good, other]
    assert lost_entries(caplog) == [Record.of(bad).as_dict()]
    assert "no such number" in caplog.text


def test_an_entry_that_cannot_even_be_read_is_logged_as_it_is(writer, url, entry, caplog):
    bad = entry(usage=7)
    writer.put(bad)
    writer.put(entry())
    assert writer.flush(SOON)
    assert repr(bad) in caplog.text
    assert counts(url) == (1, 4)


def test_away_in_the_middle_of_single_entries_keeps_the_rest(make_writer, fake, entry, caplog):
    one = make_writer()
    good, bad, other = entry(), entry(), entry()
    away = iter([Away("gone")])

    def trouble(batch):
        if bad in batch:
            return Rejected("bad")
        return next(away, None) if batch == [other] else None

    fake.trouble = trouble
    for each in (good, bad, other):
        one.put(each)
    assert one.flush(SOON)
    assert [each for batch in fake.batches for each in batch] == [good, other]
    assert len(lost_entries(caplog)) == 1


def test_closing_writes_what_is_left(make_writer, fake, entry, stored):
    one = make_writer()
    for _ in range(300):
        one.put(entry())
    one.close(SOON)
    assert sum(map(len, fake.batches)) == 300


def test_closing_while_the_database_is_away_logs_what_is_left(make_writer, fake, entry, caplog):
    one = make_writer()
    fake.trouble = lambda batch: Away("gone")
    given = [entry() for _ in range(3)]
    for each in given:
        one.put(each)
    one.close(0.1)
    assert lost_entries(caplog) == [Record.of(each).as_dict() for each in given]
    assert "away until the end" in caplog.text


def test_an_entry_that_comes_after_the_end_is_logged(make_writer, entry, caplog):
    one = make_writer()
    one.close()
    late = entry()
    one.put(late)
    assert lost_entries(caplog) == [Record.of(late).as_dict()]


def test_a_thread_that_cannot_be_started_is_tried_again(make_writer, fake, entry, monkeypatch):
    one = make_writer()

    def refuse(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            one.put(entry())
    one.put(entry())
    assert one.flush(SOON)
    assert sum(map(len, fake.batches)) == 2


def work(one, made):
    """What a child does; multiprocessing ends it without the interpreter's usual end."""
    for each in made:
        one.put(each)
    one.close()


def test_forks_write_with_connections_and_threads_of_their_own(sqlite_url, entry, stored):
    """The parent has written already, so that there is something to inherit wrongly."""
    database = Database(Address.parse(sqlite_url))
    one = Writer(Store(database).add, 1000)
    one.put(entry())
    assert one.flush(SOON)
    forks = multiprocessing.get_context("fork")
    children = [forks.Process(target=work, args=(one, [entry() for _ in range(200)])) for _ in range(4)]
    waiting = entry()
    one.put(waiting)
    for child in children:
        child.start()
    for child in children:
        child.join(30)
    assert [child.exitcode for child in children] == [0] * 4
    one.close()
    database.close()
    assert counts(sqlite_url) == (802, 3208)


def test_a_fork_in_the_middle_of_everything_is_not_stuck(sqlite_url, entry, stored):
    """Locks that other threads hold at the moment of the fork must not be held for ever in the child."""
    database = Database(Address.parse(sqlite_url))
    one = Writer(Store(database).add, 1000)
    stop = threading.Event()

    def keep_busy():
        while not stop.wait(0.001):
            one.put(entry())

    busy = threading.Thread(target=keep_busy)
    busy.start()
    forks = multiprocessing.get_context("fork")
    for _ in range(4):
        child = forks.Process(target=work, args=(one, [entry(call_id=f"req_{time.monotonic_ns()}")]))
        child.start()
        child.join(30)
        assert child.exitcode == 0
    stop.set()
    busy.join(10)
    one.close()
    database.close()


def write_in_processes(url, *names):
    """A process per name, each with 300 entries; all begin at once."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    commands = [[sys.executable, "-W", "error", "-c", WRITE, url, name] for name in names]
    processes = [subprocess.Popen(command, text=True, **pipes) for command in commands]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * len(names)
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [(*process.communicate(timeout=60), process.returncode) for process in processes]


def test_processes_write_to_one_database_at_the_same_time(url):
    results = write_in_processes(url, "a", "b", "c", "d")
    assert [code for _, _, code in results] == [0] * 4
    assert "is not in the ledger" not in str(results)
    assert counts(url) == (1200, 0)


def test_the_same_entries_from_several_processes_are_written_once(url):
    results = write_in_processes(url, "same", "same", "same")
    assert [code for _, _, code in results] == [0, 0, 0]
    assert "is not in the ledger" not in str(results)
    assert counts(url) == (300, 0)


def test_its_limits_are_those_of_the_manual():
    assert (module.BATCH, module.LINGER, module.PATIENCE) == (200, 0.05, 1.0)
