import logging

import pytest
from gateway_infra_ledger import outage
from gateway_infra_ledger.outage import LONGEST_PAUSE, REMINDER, Outage


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(outage.time, "monotonic", lambda: now[0])
    return now


def test_pauses_double_up_to_a_bound_and_start_again(clock):
    one = Outage()
    pauses = [one.failed("gone", 1) for _ in range(10)]
    assert pauses[:4] == [0.05, 0.1, 0.2, 0.4]
    assert pauses[-1] == LONGEST_PAUSE
    one.over()
    assert one.failed("gone", 1) == 0.05


def test_it_is_said_once_and_then_once_a_minute(clock, caplog):
    one = Outage()
    for _ in range(130):
        one.failed("gone", 7)
        clock[0] += 1
    assert len(caplog.records) == 130 // REMINDER + 1
    assert caplog.messages[0] == "the ledger's database is away, 7 entries wait: gone"


def test_a_single_failure_is_not_worth_a_word(clock, caplog):
    caplog.set_level(logging.INFO)
    one = Outage()
    one.failed("locked", 1)
    one.over()
    assert one.failed("locked", 1) == 0.05
    assert caplog.messages == []


def test_its_end_is_said_with_how_long_it_took(clock, caplog):
    caplog.set_level(logging.INFO)
    one = Outage()
    one.over()
    one.failed("gone", 1)
    one.failed("gone", 1)
    clock[0] += 12.34
    one.over()
    assert caplog.messages[1:] == ["the ledger's database is back after 12.3 s"]
