import threading
import time

from gateway_infra_ledger.backlog import Backlog


def test_entries_stay_until_they_are_removed(entry):
    backlog = Backlog(10, 2)
    one, two, three = entry(), entry(), entry()
    for each in (one, two, three):
        assert backlog.put(each, 0)
    assert backlog.take(0) == [one, two]
    assert backlog.take(0) == [one, two]
    backlog.remove([one, two])
    assert backlog.take(0) == [three]
    assert len(backlog) == 1


def test_the_same_attempt_waits_once(entry):
    backlog = Backlog(10, 2)
    one = entry()
    backlog.put(one, 0)
    backlog.put(one, 0)
    assert backlog.of(one.call_id) == [one]
    assert len(backlog) == 1


def test_it_is_full_until_something_goes(entry):
    backlog = Backlog(1, 1)
    one, two = entry(), entry()
    assert backlog.put(one, 0)
    began = time.monotonic()
    assert not backlog.put(two, 0.05)
    assert time.monotonic() - began >= 0.05
    threading.Timer(0.02, backlog.remove, [[one]]).start()
    assert backlog.put(two, 10)


def test_a_full_batch_is_taken_before_its_time(entry):
    backlog = Backlog(10, 3)
    taken = []
    taker = threading.Thread(target=lambda: taken.extend(backlog.take(60)))
    taker.start()
    for _ in range(3):
        backlog.put(entry(), 0)
    taker.join(10)
    assert len(taken) == 3


def test_a_lonely_entry_is_taken_after_its_time(entry):
    backlog = Backlog(10, 3)
    backlog.put(entry(), 0)
    began = time.monotonic()
    assert len(backlog.take(0.05)) == 1
    assert time.monotonic() - began >= 0.05


def test_closing_wakes_everybody_and_takes_nothing_more(entry):
    backlog = Backlog(1, 3)
    results = []
    backlog.put(entry(), 0)
    putter = threading.Thread(target=lambda: results.append(backlog.put(entry(), 60)))
    taker = threading.Thread(target=lambda: results.append(len(backlog.take(60))))
    putter.start()
    taker.start()
    backlog.close()
    putter.join(10)
    taker.join(10)
    assert sorted(results) == [False, 1]
    assert not backlog.put(entry(), 0)
    assert len(backlog.drain()) == 1
    assert backlog.take(60) == []


def test_waiting_for_the_end(entry):
    backlog = Backlog(10, 3)
    one = entry()
    backlog.put(one, 0)
    assert not backlog.wait_empty(0.01)
    threading.Timer(0.02, backlog.remove, [[one]]).start()
    assert backlog.wait_empty(10)
