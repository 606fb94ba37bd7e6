import threading
import time

import pytest
from gateway_infra_keys.patience import Patience
from gateway_infra_ledger.database import Away


@pytest.fixture
def gate():
    """Work waits here, such as for a database that is frozen."""
    event = threading.Event()
    yield event
    event.set()


def fail():
    raise Away("gone")


def test_work_is_done_and_its_result_or_error_comes_back():
    patience = Patience(1)
    assert patience.run(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        patience.run(lambda: 1 / 0)
    assert patience.run(lambda: 4) == 4


def test_nobody_waits_long_for_silence_and_the_next_are_told_at_once(gate):
    patience = Patience(1, quiet=0.2, pause=60)
    with pytest.raises(Away) as silent:
        patience.run(gate.wait)
    assert silent.value.reason == "it did not answer within 0.2 s"
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(Away) as told:
            patience.run(gate.wait)
        assert told.value.reason == "it was away a moment ago"
    assert time.monotonic() - began < 0.2


def test_a_database_that_answers_others_slowly_is_not_away():
    """The fifth in the queue waits for four others, each within the time of silence."""
    patience = Patience(1, quiet=1.5)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(patience.run(lambda: threading.Event().wait(0.5))))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 5


def test_what_waited_behind_a_failure_fails_with_it_and_is_never_tried(gate):
    patience, tried, errors = Patience(1), [], []

    def wait_and_fail():
        gate.wait()
        fail()

    def ask(work):
        try:
            patience.run(work)
        except Away as error:
            errors.append(error.reason)

    threads = [threading.Thread(target=ask, args=(wait_and_fail,))]
    threads[0].start()
    while not patience._started or patience._jobs.qsize():
        threading.Event().wait(0.001)
    threads += [threading.Thread(target=ask, args=(lambda: tried.append(1),)) for _ in range(5)]
    for thread in threads[1:]:
        thread.start()
    while patience._jobs.qsize() < 5:
        threading.Event().wait(0.001)
    gate.set()
    for thread in threads:
        thread.join()
    assert (len(errors), tried) == (6, [])


def test_after_a_pause_one_try_finds_the_database_back():
    patience = Patience(1, pause=0)
    with pytest.raises(Away):
        patience.run(fail)
    assert patience.run(lambda: 1) == 1


def test_work_that_nobody_waits_for_any_more_is_not_begun_and_late_work_is_told(gate):
    patience, told, begun = Patience(1, quiet=0.1, pause=0), threading.Event(), []
    with pytest.raises(Away):
        patience.run(gate.wait, late=told.set)
    with pytest.raises(Away):
        patience.run(lambda: begun.append(1))
    assert not told.is_set()
    gate.set()
    assert told.wait(10)
    assert patience.run(lambda: 1) == 1
    assert not begun
