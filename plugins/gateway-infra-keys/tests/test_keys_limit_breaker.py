"""The breaker, without anything far away."""

import threading

import pytest
from gateway_infra_keys.breaker import Breaker, Broken


class Thing:
    """Fails while it is told to."""

    def __init__(self):
        self.fails, self.probed, self.healed = True, 0, threading.Event()

    def use(self):
        if self.fails:
            raise OSError("no way to :secret@host")
        return "done"

    def probe(self):
        self.probed += 1
        self.use()


@pytest.fixture
def thing():
    return Thing()


@pytest.fixture
def breaker(thing):
    breaker = Breaker("the thing", thing.probe, ["secret"], pause=0.01)
    yield breaker
    breaker.close()


def wait_until(true):
    for _ in range(1000):
        if true():
            return
        threading.Event().wait(0.005)
    pytest.fail("it did not happen in time")


def test_what_works_goes_through(breaker, thing):
    thing.fails = False
    assert breaker.run(thing.use) == "done"
    assert not breaker.is_open


def test_one_failure_opens_it_and_nobody_tries_any_more(breaker, thing):
    with pytest.raises(Broken):
        breaker.run(thing.use)
    with pytest.raises(Broken):
        breaker.run(lambda: pytest.fail("somebody tried"))
    assert breaker.is_open


def test_a_probe_that_succeeds_closes_it(breaker, thing):
    with pytest.raises(Broken):
        breaker.run(thing.use)
    wait_until(lambda: thing.probed >= 3)
    assert breaker.is_open
    thing.fails = False
    wait_until(lambda: not breaker.is_open)
    assert breaker.run(thing.use) == "done"


def test_every_change_is_logged_once_and_no_secret(breaker, thing, caplog):
    for _ in range(5):
        with pytest.raises(Broken):
            breaker.run(thing.use)
    thing.fails = False
    wait_until(lambda: not breaker.is_open)
    assert [record.getMessage() for record in caplog.records] == [
        "the thing is away, and every process counts for itself: OSError: no way to :***@host",
        "the thing is back",
    ]


def test_after_the_end_nobody_probes(thing):
    breaker = Breaker("the thing", thing.probe, pause=0.01)
    breaker.close()
    with pytest.raises(Broken):
        breaker.run(thing.use)
    wait_until(lambda: not [one for one in threading.enumerate() if one.name == "gateway-breaker"])
    assert thing.probed == 0
