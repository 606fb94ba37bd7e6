import logging
import threading
import time
from dataclasses import replace

import pytest
from gateway_infra_ledger.database import Away, Rejected
from gateway_infra_ledger.journal import Journal
from gateway_infra_ledger.line import Line
from gateway_infra_ledger.spool import Spool

from gateway import Unavailable

SOON = 10


class Fake:
    """A store that can be told to fail."""

    def __init__(self):
        self.written = []
        self.trouble = lambda batch: None

    def add(self, batch):
        batch = list(batch)
        error = self.trouble(batch)
        if error:
            raise error
        self.written += batch


@pytest.fixture
def fake():
    return Fake()


@pytest.fixture
def make_spool(fake, tmp_path):
    made = []

    def make(size=1000, limit=100_000_000):
        made.append(Spool(Journal(tmp_path / "journals", "x", limit), fake.add, size))
        return made[-1]

    yield make
    fake.trouble = lambda batch: None
    for one in made:
        one.close(SOON)


def lines(tmp_path):
    files = sorted((tmp_path / "journals").glob("*/*.journal"))
    return [Line.parse(line) for path in files for line in path.read_bytes().splitlines(keepends=True)]


def same(found, given):
    return sorted(str(one.as_dict()) for one in found) == sorted(str(one.as_dict()) for one in given)


def test_an_entry_is_in_the_journal_before_anything_waits_for_the_database(make_spool, fake, tmp_path, entry):
    one, go_on, given = make_spool(), threading.Event(), entry()
    fake.trouble = lambda batch: go_on.wait(SOON) and None
    one.begin(given)
    assert one.put(given)
    assert [line.ended for line in lines(tmp_path)] == [False, True]
    go_on.set()
    assert one.flush(SOON)
    assert same(fake.written, [given])


def test_what_memory_has_no_room_for_comes_back_from_the_journal(make_spool, fake, entry, caplog):
    one = make_spool(size=3)
    fake.trouble = lambda batch: Away("gone")
    given = [entry() for _ in range(50)]
    began = time.monotonic()
    assert all(one.put(each) for each in given)
    assert time.monotonic() - began < 1  # nobody waits for room
    assert not one.flush(0.05)
    assert one.waiting(given[0].call_id) == [given[0]]
    assert same(one.waiting(given[-1].call_id), [given[-1]])
    fake.trouble = lambda batch: None
    assert one.flush(SOON)
    assert same(fake.written, given)
    assert one.waiting(given[-1].call_id) == []
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_an_entry_that_comes_twice_while_memory_is_full_is_no_error(make_spool, fake, entry, caplog):
    one = make_spool(size=2)
    fake.trouble = lambda batch: Away("gone")
    given = [entry() for _ in range(6)]
    for each in [*given, *given]:
        one.put(each)
    fake.trouble = lambda batch: None
    assert one.flush(SOON)
    assert {each.call_id for each in fake.written} == {each.call_id for each in given}
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_segments_go_when_the_database_has_what_is_in_them(make_spool, fake, tmp_path, entry):
    one = make_spool(limit=40_000)
    for _ in range(100):
        given = entry()
        one.begin(given)
        one.put(given)
        assert one.flush(SOON)
        while one._journal.holds((given.call_id, 1)):
            time.sleep(0.001)
    assert len(list((tmp_path / "journals").glob("*/*.journal"))) <= 2


def test_an_end_while_the_database_is_away_leaves_the_rest_in_the_journal(make_spool, fake, tmp_path, entry, caplog):
    one = make_spool(size=2)
    fake.trouble = lambda batch: Away("gone")
    given = [entry() for _ in range(5)]
    for each in given:
        one.put(each)
    one.close(0.1)
    assert same([line.entry() for line in lines(tmp_path)], given)
    assert "5 attempts wait in the journal" in caplog.text
    assert "is not in the ledger" not in caplog.text


def test_an_end_with_everything_written_leaves_nothing(make_spool, tmp_path, entry):
    one = make_spool()
    for _ in range(5):
        one.put(entry())
    one.close(SOON)
    assert list((tmp_path / "journals").iterdir()) == []


def test_an_entry_that_comes_after_the_end_is_in_the_journal(make_spool, tmp_path, entry, caplog):
    one, given = make_spool(), entry()
    one.close(SOON)
    assert one.put(given)
    assert same([line.entry() for line in lines(tmp_path)], [given])
    assert caplog.text == ""


def test_what_the_database_rejects_is_in_the_log_and_not_for_ever_in_the_journal(make_spool, fake, entry, caplog):
    one, bad = make_spool(), entry()
    fake.trouble = lambda batch: Rejected("no such number")
    one.put(bad)
    assert one.flush(SOON)
    one.close(SOON)
    assert "is not in the ledger (Rejected('no such number')): " in caplog.text
    assert bad.call_id in caplog.text
    assert "wait in the journal" not in caplog.text


def test_a_journal_that_cannot_be_written_leaves_memory(make_spool, fake, tmp_path, entry):
    (tmp_path / "journals").write_text("in the way")
    one, given = make_spool(), entry()
    assert not one.put(given)
    assert one.flush(SOON)
    assert fake.written == [given]


def test_without_a_journal_and_without_the_database_the_log_has_the_rest(make_spool, fake, tmp_path, entry, caplog):
    (tmp_path / "journals").write_text("in the way")
    one, given = make_spool(), entry()
    fake.trouble = lambda batch: Away("gone")
    one.put(given)
    one.close(0.1)
    assert "is not in the ledger (the database was away until the end)" in caplog.text
    assert given.call_id in caplog.text


def test_a_refused_call_does_not_wait_for_room_in_memory(make_spool, fake, entry, caplog):
    one, begun = make_spool(size=1, limit=10_000), []
    fake.trouble = lambda batch: Away("gone")
    while len(begun) < 100:
        begun.append(entry())
        try:
            one.begin(begun[-1])
        except Unavailable:
            break
    refused = begun.pop()
    for each in begun:
        assert one.put(each)
    before = time.monotonic()
    assert not one.put(refused)
    assert time.monotonic() - before < 0.5
    assert "is not in the ledger (too many entries wait)" in caplog.text
    fake.trouble = lambda batch: None
    assert one.flush(SOON)
    assert same(fake.written, begun)


def test_an_entry_that_no_line_can_hold_still_reaches_the_database(make_spool, fake, entry, caplog):
    odd = entry(usage={"when": object()})
    one = make_spool()
    assert not one.put(odd)
    assert one.flush(SOON)
    assert fake.written == [odd]
    assert "could not be put into the journal" in caplog.text


def test_whether_the_database_takes_entries_is_known(make_spool, fake, entry):
    one = make_spool()
    fake.trouble = lambda batch: Away("gone")
    one.put(entry())
    deadline = time.monotonic() + SOON
    while not one.stuck:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    fake.trouble = lambda batch: None
    assert one.flush(SOON)
    while one.stuck:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("before", [0, 5])
def test_who_knows_how_an_attempt_ended_is_not_lost_behind_who_does_not(make_spool, fake, entry, size, before):
    """In memory, in the journal, or while the first word is being written."""
    one, go_on, first = make_spool(size=size), threading.Event(), entry()
    fake.trouble = lambda batch: go_on.wait(SOON) and None
    one.put(first)
    for _ in range(before):
        one.put(entry())
    guess = entry(outcome="unknown", estimated=True)
    known = replace(guess, outcome="complete", estimated=False)
    for each in (guess, known, guess):
        one.put(each)
    go_on.set()
    assert one.flush(SOON)
    assert known.as_dict() in [each.as_dict() for each in fake.written]
    deadline = time.monotonic() + SOON
    while one._journal.holds((known.call_id, 1)):
        assert time.monotonic() < deadline


def test_the_last_word_is_written_even_if_it_comes_while_the_first_is(make_spool, fake, entry):
    one, go_on, writing = make_spool(), threading.Event(), threading.Event()
    guess = entry(outcome="unknown", estimated=True)
    known = replace(guess, outcome="complete", estimated=False)
    fake.trouble = lambda batch: writing.set() or (go_on.wait(SOON) and None)
    one.put(guess)
    assert writing.wait(SOON)
    one.put(known)
    go_on.set()
    assert one.flush(SOON)
    assert [each.outcome for each in fake.written] == ["unknown", "complete"]
