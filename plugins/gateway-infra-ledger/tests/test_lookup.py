import threading
import time
from dataclasses import replace

import pytest
from gateway_infra_ledger.database import Away
from gateway_infra_ledger.lookup import Lookup
from gateway_infra_ledger.record import Record


class Waiting:
    """A writer that has not written yet."""

    def __init__(self, *entries):
        self.entries = list(entries)

    def waiting(self, call_id):
        return [entry for entry in self.entries if entry.call_id == call_id]


class Broken:
    def call(self, call_id, key_id=None):
        raise Away("gone")


def test_an_entry_in_this_process_is_found_at_once(store, entry):
    one = entry()
    began = time.monotonic()
    (found,) = Lookup(Waiting(one), store).call(one.call_id, None)
    assert found == Record.of(one)
    assert time.monotonic() - began < 0.5


def test_an_entry_that_another_process_writes_meanwhile_is_waited_for(store, entry):
    one = entry()
    store.ask()
    threading.Timer(0.1, store.add, [[one]]).start()
    (found,) = Lookup(Waiting(), store).call(one.call_id, None, patience=10)
    assert found.as_dict() == Record.of(one).as_dict()


def test_a_call_that_never_was_is_waited_for_no_longer_than_said(store):
    began = time.monotonic()
    assert Lookup(Waiting(), store).call("req_never", None, patience=0.1) == []
    assert 0.1 <= time.monotonic() - began < 5


def test_attempts_here_and_there_are_one_call(store, entry):
    first = entry()
    second = replace(first, attempt=2)
    store.add([first])
    found = Lookup(Waiting(second), store).call(first.call_id, None)
    assert [record.entry["attempt"] for record in found] == [1, 2]


def test_an_attempt_in_both_places_is_told_once(store, entry):
    one = entry()
    store.add([one])
    assert len(Lookup(Waiting(one), store).call(one.call_id, None)) == 1


def test_what_waits_is_another_keys_too(store, entry):
    one = entry(key_id="key-a")
    assert Lookup(Waiting(one), store).call(one.call_id, "key-b", patience=0) == []
    assert Lookup(Waiting(one), store).call(one.call_id, "key-a", patience=0)


def test_while_the_database_is_away_what_waits_can_be_told(entry):
    one = entry()
    assert Lookup(Waiting(one), Broken()).call(one.call_id, None)
    with pytest.raises(Away):
        Lookup(Waiting(), Broken()).call(one.call_id, None)
