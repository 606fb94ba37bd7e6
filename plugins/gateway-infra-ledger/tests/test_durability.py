"""A process that is killed at any moment loses no attempt, and none is in the ledger twice."""

import multiprocessing
import os
import random
import signal
import threading
import time
from dataclasses import replace
from decimal import Decimal

import pytest
from gateway_infra_ledger import LedgerPlugin
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.schema import entries
from sqlalchemy import select

from gateway import Bill, Line
from gateway.testing import make_entry

ROUNDS = 200 if os.environ.get("GATEWAY_TEST_FULL") == "1" else 10
THREADS = 4
GUESS, TRUTH = Decimal(5), Decimal(2)
SOON = 30

forks = multiprocessing.get_context("fork")


def make(url, folder):
    return LedgerPlugin(LedgerPlugin.settings().load({"database_url": url, "journal_dir": str(folder)}))


def bill(amount):
    return Bill((Line("input", 1, amount, 1, ()),), "announcement", "digest")


def work(url, folder, name, told):
    """Make attempts, and tell of each step once it is done; for ever."""
    plugin = make(url, folder)

    def call(thread):
        for number in range(10**9):
            call_id = f"req_{name}_{thread}_{number}"
            entry = make_entry(call_id=call_id, outcome="unknown", estimated=True, bill=bill(GUESS))
            plugin.start_attempt(entry)
            os.write(told, f"begun {call_id}\n".encode())
            plugin.record_entry(replace(entry, outcome="complete", estimated=False, bill=bill(TRUTH)))
            os.write(told, f"ended {call_id}\n".encode())

    for thread in range(THREADS):
        threading.Thread(target=call, args=[thread], daemon=True).start()
    signal.pause()


def recover(url, folder):
    """What the core does in every process, without its pauses."""
    plugin = make(url, folder)
    while True:
        look(plugin)


def look(plugin):
    for entry in list(plugin.recover_entries()):
        plugin.record_entry(entry)
    time.sleep(0.001)


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.join(SOON)


def start_work(url, folder, name):
    read, write = os.pipe()
    worker = forks.Process(target=work, args=(url, folder, name, write))
    worker.start()
    os.close(write)
    return worker, read


def killed_work(url, folder, name, seconds):
    """The steps that a worker told of before it was killed."""
    worker, read = start_work(url, folder, name)
    with os.fdopen(read) as told:
        first = told.readline()
        time.sleep(seconds)
        kill(worker)
        steps = [line.split() for line in (first + told.read()).splitlines()]
    return {call for step, call in steps if step == "begun"}, {call for step, call in steps if step == "ended"}


def settle(url, folder):
    """The last one to look is not killed."""
    plugin = make(url, folder)
    deadline = time.monotonic() + SOON
    while any(folder.glob("*/*.journal")) and time.monotonic() < deadline:
        look(plugin)
        assert plugin.flush(SOON)
        if len([*folder.iterdir()]) == 1 and not plugin._recovery._held:
            break  # what is left is its own
    plugin.close()
    return [*folder.iterdir()]


def stored(url):
    database = Database(Address.parse(url))
    with database.reading() as connection:
        rows = connection.execute(select(entries.c.call_id, entries.c.attempt, entries.c.outcome, entries.c.cost)).all()
    database.close()
    return rows


def check(url, begun, ended):
    rows = stored(url)
    found = {row.call_id: row for row in rows}
    assert len(found) == len(rows), "an attempt is there twice"
    assert begun <= found.keys(), "an attempt is lost"
    assert {found[call].outcome for call in ended} <= {"complete"}
    for row in rows:
        guess = row.outcome == "unknown"
        assert row.cost == (GUESS if guess else TRUTH) * 10**12
    return len(rows)


@pytest.mark.timeout(60 + 10 * ROUNDS)
def test_kills_of_workers_and_of_those_who_recover_lose_nothing_and_double_nothing(url, tmp_path):
    """Each round kills a worker at a random moment, and then several that race for what it left."""
    chance = random.Random(5)
    folder, begun, ended = tmp_path / "journals", set(), set()
    for number in range(ROUNDS):
        told = killed_work(url, folder, number, chance.uniform(0, 0.2))
        begun |= told[0]
        ended |= told[1]
        racing = [forks.Process(target=recover, args=(url, folder)) for _ in range(3)]
        for process in racing:
            process.start()
        for process in racing:
            time.sleep(chance.uniform(0, 0.05))
            kill(process)
    assert settle(url, folder) == []
    assert check(url, begun, ended) >= len(begun) > ROUNDS


def test_a_worker_that_is_frozen_is_not_taken_for_dead(sqlite_url, tmp_path):
    folder = tmp_path / "journals"
    worker, read = start_work(sqlite_url, folder, "frozen")
    with os.fdopen(read) as told:
        told.readline()
        os.kill(worker.pid, signal.SIGSTOP)
        plugin = make(sqlite_url, folder)
        assert list(plugin.recover_entries()) == []
        os.kill(worker.pid, signal.SIGCONT)
        assert told.readline()
        kill(worker)
    plugin.close()


def test_the_journal_of_a_dead_worker_waits_for_the_database(tmp_path, postgres_url):
    """The one that recovers starts while the database is away; nothing is lost, and nothing needs a restart."""
    folder = tmp_path / "journals"
    begun, ended = killed_work(postgres_url, folder, "away", 0.05)
    plugin = make(postgres_url, folder)
    address, plugin._database.address = plugin._database.address, Address.parse("postgresql://me@127.0.0.1:1/none")
    assert list(plugin.recover_entries()) == []
    plugin._database.address = address
    plugin.close()
    assert settle(postgres_url, folder) == []
    check(postgres_url, begun, ended)
