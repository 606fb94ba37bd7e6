import threading
import time

import pytest
from gateway_infra_ledger import probe as module
from gateway_infra_ledger.database import Away
from gateway_infra_ledger.probe import AWAY, Probe

SOON = 10


class Asked:
    """A database."""

    def __init__(self):
        self.times = 0
        self.error = None
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self):
        self.times += 1
        assert self.go_on.wait(SOON)
        if self.error:
            raise self.error


@pytest.fixture
def asked():
    one = Asked()
    yield one
    one.go_on.set()


def until(holds):
    deadline = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_database_that_answers_is_well_from_the_first_question_on(asked):
    assert Probe(asked).trouble() is None


@pytest.mark.parametrize("error", [Away("no route to 10.0.0.7"), ValueError("odd")])
def test_one_that_does_not_is_not_and_the_reason_is_for_the_log_alone(asked, error, caplog):
    asked.error = error
    assert Probe(asked).trouble() == AWAY
    assert getattr(error, "reason", "odd") in caplog.text
    assert "10.0.0.7" not in AWAY


def test_it_is_asked_no_more_often_than_needed(asked):
    one = Probe(asked)
    for _ in range(100):
        one.trouble()
    assert asked.times == 1


def test_it_is_well_again_soon_after_it_is_back(asked, monkeypatch):
    monkeypatch.setattr(module, "FRESH", 0.02)
    asked.error = Away("gone")
    one = Probe(asked)
    assert one.trouble() == AWAY
    asked.error = None
    until(lambda: one.trouble() is None)


def test_one_that_hangs_keeps_nobody_waiting_but_the_first(asked, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    asked.go_on.clear()
    one = Probe(asked)
    assert one.trouble() == AWAY
    began = time.monotonic()
    for _ in range(50):
        assert one.trouble() == AWAY
    assert time.monotonic() - began < 1
    assert asked.times == 1
    asked.go_on.set()
    until(lambda: one.trouble() is None)


def test_an_old_answer_says_nothing(asked, monkeypatch):
    monkeypatch.setattr(module, "FRESH", 0.0)
    monkeypatch.setattr(module, "STALE", 0.05)
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    one = Probe(asked)
    assert one.trouble() is None
    asked.go_on.clear()
    until(lambda: one.trouble() == AWAY)


def test_the_numbers_keep_the_promise_of_five_seconds():
    assert module.FRESH + module.PATIENCE < 5
