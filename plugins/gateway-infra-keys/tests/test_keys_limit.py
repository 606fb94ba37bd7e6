"""Limits of keys and teams, counted by this process."""

import multiprocessing
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from gateway_infra_keys.limit import RateLimits
from gateway_infra_keys.limit_local import Local
from gateway_infra_keys.limit_window import Want
from gateway_infra_keys.model import Key, Limits, Team

from gateway import Bill, ConfigError, Line, Pass, RateLimited, Secret
from gateway.testing import make_call, make_entry

NOW = datetime(2026, 11, 25, tzinfo=UTC)
START = 1_800_000_000.0  # the beginning of a minute


def a_key(name="k", mode="strict", **limits):
    return Key(
        id=name, alias="", team_id="", tags=(), models=("*",), capabilities=("*",), budget=None, limits=Limits(**limits),
        mode=mode, on_outage="closed", created_at=NOW, expires_at=None, revoked_at=None, hint="wxyz",
    )  # fmt: skip


def a_team(name="blue", **limits):
    return Team(f"id-{name}", name, None, Limits(**limits), NOW)


def an_estimate(prompt, output):
    million = 1_000_000
    return Bill(
        (
            Line("cache_write_1h", prompt, Decimal(10), million, ()),
            Line("output", output, Decimal(25), million, ()),
            Line("web_search", 3, Decimal("0.01"), 1, ()),
        )
    )


def an_entry(tokens, attempt=1):
    half = tokens // 2
    return make_entry(attempt=attempt, passes=(Pass("message", "", {"cache_read": half, "output": tokens - half}),))


class Clock:
    now = START

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture
def limits():
    return RateLimits({"redis_url": None, "workers": 1})


def admit(limits, key, team=None, estimate=None, **body):
    return limits.admit(make_call(body), estimate, key, team)


def passes(limits, key, team=None, estimate=None):
    try:
        admit(limits, key, team, estimate)
    except RateLimited:
        return False
    return True


def told(limits):
    return {one.kind: (one.limit, one.remaining, one.reset) for one in limits}


def test_without_limits_there_is_no_hold(limits):
    assert admit(limits, a_key(), a_team()) is None


@pytest.mark.parametrize(
    ("at", "passing"),
    [
        ([0] * 12, 10),
        ([0] * 10 + [59.9] * 5, 10),  # the same minute
        ([0] * 10 + [60.1] * 5, 11),  # 9.98 of 10 still count, and that is nine whole ones
        ([0] * 10 + [90] * 10, 15),  # half of them
        ([0] * 10 + [119.9] * 12, 20),
        ([0] * 10 + [180] * 12, 20),  # long ago
        ([30] * 5 + [61] * 10, 11),  # 4.9 of 5
    ],
)
def test_requests_pass_as_the_window_slides(limits, clock, at, passing):
    key = a_key(requests=10)
    passed = 0
    for moment in at:
        clock.now = START + moment
        passed += passes(limits, key)
    assert passed == passing


def test_a_refusal_names_the_limit_and_when_it_is_worth_a_new_try(limits, clock):
    key = a_key(requests=2)
    passes(limits, key), passes(limits, key)
    clock.now += 20
    with pytest.raises(RateLimited) as refused:
        admit(limits, key)
    error = refused.value
    assert (error.status, error.should_retry) == (429, None)
    assert error.retry_after == 41  # one of two counts until something of the minute is over
    assert error.message == "This key has reached its limit of requests per minute, 2. Try again in 41 s."
    assert error.details == {"limit": "requests", "of": "key"}
    assert told(error.limits) == {"requests": (2, 0, pytest.approx(70))}
    clock.now += 41
    assert passes(limits, key)


def test_the_retry_after_is_never_zero(limits, clock):
    key = a_key(parallel=1)
    hold = admit(limits, key)
    with pytest.raises(
        RateLimited, match="This key has reached its limit of calls at once, 1. Try again in 1 s."
    ) as refused:
        admit(limits, key)
    assert refused.value.retry_after == 1
    assert list(refused.value.limits) == list(hold.limits) == []


def test_what_is_left_stands_on_the_hold(limits, clock):
    hold = admit(limits, a_key(requests=10, tokens=1000), estimate=an_estimate(100, 200))
    assert told(hold.limits) == {
        "requests": (10, 9, pytest.approx(60)),
        "tokens": (1000, 700, pytest.approx(60 + 60 * 299 / 300)),
    }
    assert dict(hold.headers) == {}


def test_of_key_and_team_the_tighter_one_is_told(limits, clock):
    key = a_key(requests=10, tokens=300)
    hold = admit(limits, key, a_team(requests=5, tokens=1000), an_estimate(100, 100))
    assert {kind: numbers[:2] for kind, numbers in told(hold.limits).items()} == {
        "requests": (5, 4),
        "tokens": (300, 100),
    }


def test_a_call_has_to_fit_its_key_and_its_team(limits, clock):
    team = a_team(requests=3)
    assert [passes(limits, a_key(name, requests=2), team) for name in "aaabbc"] == [
        True,
        True,
        False,
        True,
        False,
        False,
    ]


def test_a_refused_call_counts_nowhere(limits, clock):
    key, team = a_key(requests=3, parallel=3), a_team(requests=1)
    assert [passes(limits, key, team) for _ in range(5)] == [True, False, False, False, False]
    assert [passes(limits, key) for _ in range(3)] == [True, True, False]


def test_the_team_is_named_when_it_is_the_team(limits, clock):
    team = a_team(requests=1)
    passes(limits, a_key(), team)
    with pytest.raises(RateLimited, match="The team blue has reached its limit of requests per minute, 1") as refused:
        admit(limits, a_key(), team)
    assert refused.value.details == {"limit": "requests", "of": "team"}


def test_a_strict_key_takes_all_that_the_call_may_use(limits, clock):
    key = a_key(tokens=1000)
    assert [passes(limits, key, estimate=an_estimate(100, 300)) for _ in range(3)] == [True, True, False]


def test_a_soft_key_takes_the_prompt_alone(limits, clock):
    key = a_key(mode="soft", tokens=1000)
    content = [{"role": "user", "content": "x" * 1600}]
    held = [admit(limits, key, estimate=an_estimate(9000, 9000), messages=content, max_tokens=64_000) for _ in range(2)]
    assert [told(hold.limits)["tokens"][1] for hold in held] == [pytest.approx(590, abs=15), pytest.approx(180, abs=30)]
    with pytest.raises(RateLimited, match="tokens per minute, 1000"):
        admit(limits, key, messages=content)


def test_a_strict_key_without_an_estimate_takes_prompt_and_allowed_output(limits, clock):
    hold = admit(limits, a_key(tokens=1000), max_tokens=700)
    assert 270 < told(hold.limits)["tokens"][1] < 300


def tokens_left(limits, key):
    """As a call of one token is told, before it was taken."""
    try:
        return told(admit(limits, key, estimate=an_estimate(1, 0)).limits)["tokens"][1] + 1
    except RateLimited as refused:
        return told(refused.limits)["tokens"][1]


@pytest.mark.parametrize(("used", "left"), [(0, 1000), (150, 850), (400, 600), (900, 100), (5000, 0)])
def test_what_was_used_takes_the_place_of_what_was_taken(limits, clock, used, left):
    key = a_key(tokens=1000)
    hold = admit(limits, key, estimate=an_estimate(100, 300))
    hold.settle(an_entry(used))
    hold.release()
    assert tokens_left(limits, key) == left


def test_every_attempt_counts_once(limits, clock):
    key = a_key(tokens=1000)
    hold = admit(limits, key, estimate=an_estimate(100, 300))
    for entry in (an_entry(200), an_entry(200), an_entry(500, attempt=2)):
        hold.settle(entry)
    hold.release()
    hold.release()
    assert tokens_left(limits, key) == 300


def test_a_call_that_was_never_sent_gives_its_tokens_back(limits, clock):
    key = a_key(tokens=1000)
    admit(limits, key, estimate=an_estimate(500, 500)).release()
    assert passes(limits, key, estimate=an_estimate(500, 500))


def test_tokens_go_back_into_the_minute_that_they_were_taken_from(limits, clock):
    """Credit in a later minute would let through twice the limit at its end."""
    key = a_key(tokens=1000)
    clock.now = START + 59
    hold = admit(limits, key, estimate=an_estimate(500, 500))
    clock.now = START + 61
    hold.release()
    assert passes(limits, key, estimate=an_estimate(500, 500))
    clock.now = START + 119
    assert not passes(limits, key, estimate=an_estimate(1, 0))


def test_tokens_that_come_back_after_two_minutes_are_nobodys(limits, clock):
    key = a_key(tokens=1000)
    hold = admit(limits, key, estimate=an_estimate(500, 500))
    clock.now = START + 150
    hold.release()
    assert tokens_left(limits, key) == 1000


def test_more_than_was_taken_counts_when_it_is_known(limits, clock):
    key = a_key(tokens=1000, mode="soft")
    hold = admit(limits, key)
    clock.now = START + 200
    hold.settle(an_entry(5000))
    hold.release()
    with pytest.raises(RateLimited) as refused:
        admit(limits, key)
    assert 60 < refused.value.retry_after <= 100


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (
            a_key(tokens=399),
            "This key has a limit of tokens per minute, 399, and this call needs up to 400: it can never pass",
        ),
        (a_key(requests=0), "This key has a limit of requests per minute, 0"),
        (a_key(parallel=0), "This key has a limit of calls at once, 0"),
    ],
)
def test_a_call_that_can_never_pass_is_not_tried_again(limits, key, words):
    with pytest.raises(RateLimited, match=words) as refused:
        admit(limits, key, estimate=an_estimate(100, 300))
    assert (refused.value.status, refused.value.should_retry, refused.value.retry_after) == (429, False, None)


def test_calls_at_once_are_free_again_when_they_end(limits):
    key, team = a_key(parallel=2), a_team(parallel=3)
    first, second = admit(limits, key, team), admit(limits, key, team)
    assert not passes(limits, key, team)
    other = admit(limits, a_key("other", parallel=2), team)
    assert not passes(limits, a_key("other", parallel=2), team)
    first.release()
    first.release()
    assert passes(limits, key, team)
    assert not passes(limits, key, team)
    second.release()
    other.release()


@pytest.mark.parametrize("limit", [{"requests": 10}, {"parallel": 10}, {"tokens": 1099}])
def test_of_two_hundred_calls_at_once_exactly_ten_pass(limit):
    key, team = a_key(**limit), a_team(requests=150)
    for _ in range(5):
        limits, start, passed = RateLimits({}), threading.Barrier(200), []

        def one(limits=limits, start=start, passed=passed):
            start.wait()
            passed.append(passes(limits, key, team, an_estimate(60, 40)))

        threads = [threading.Thread(target=one) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(passed) == 10


@pytest.mark.parametrize(("workers", "passing"), [(1, 10), (3, 4), (4, 3), (100, 1)])
def test_each_of_several_workers_lets_its_share_through(clock, workers, passing):
    limits = RateLimits({"workers": workers})
    assert sum(passes(limits, a_key(requests=10)) for _ in range(12)) == passing


def test_a_call_larger_than_the_share_takes_all_of_it(clock):
    limits, key = RateLimits({"workers": 4}), a_key(tokens=1000)
    hold = admit(limits, key, estimate=an_estimate(300, 600))
    assert not passes(limits, key, estimate=an_estimate(1, 0))
    hold.settle(an_entry(100))
    hold.release()
    assert told(admit(limits, key, estimate=an_estimate(1, 0)).limits)["tokens"][:2] == (250, 149)


def test_a_new_limit_counts_what_was_there_before(limits, clock):
    assert sum(passes(limits, a_key(requests=2)) for _ in range(3)) == 2
    assert sum(passes(limits, a_key(requests=3)) for _ in range(3)) == 1


def _in_a_child(local, answer):
    answer.send([local.take("c", [Want("key/a", "requests", 2), Want("key/a", "parallel", 1)]).fits for _ in range(2)])


def test_a_forked_process_counts_for_itself():
    local = Local()
    want = [Want("key/a", "requests", 2), Want("key/a", "parallel", 1)]
    assert local.take("p", want).fits
    receive, send = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_in_a_child, args=(local, send))
    child.start()
    child.join(20)
    assert receive.recv() == [True, False]
    assert not local.take("p", want).fits


@pytest.mark.parametrize("url", ["http://:sesame@host", "localhost:6379", "redis://:sesame@host:port"])
def test_a_url_that_cannot_be_used_stops_startup_and_is_not_shown(url):
    with pytest.raises(ConfigError, match="redis_url") as error:
        RateLimits({"redis_url": Secret(url)})
    assert "sesame" not in str(error.value)
