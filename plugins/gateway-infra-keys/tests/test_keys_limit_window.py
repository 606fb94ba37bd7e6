"""The arithmetic of windows."""

import math

import pytest
from gateway_infra_keys.limit_window import PERIOD, Count, Want


@pytest.mark.parametrize(
    ("previous", "current", "left", "used"),
    [
        (0, 0, 60, 0),
        (10, 0, 60, 10),
        (10, 0, 30, 5),
        (10, 3, 30, 8),
        (10, 0, 29.9, 4),
        (1, 0, 59.9, 0),
        (7, 7, 0.001, 7),
    ],
)
def test_of_the_minute_before_as_much_counts_as_lies_in_the_last_sixty_seconds(previous, current, left, used):
    assert Count(previous, current, left).used == used


@pytest.mark.parametrize(("cost", "fits"), [(1, True), (2, True), (3, False)])
def test_what_fits_is_what_is_left(cost, fits):
    assert Count(10, 3, 30).fits(Want("key/a", "tokens", 10, cost)) is fits


def later(count, seconds):
    """The same window after a while in which nobody came."""
    if seconds < count.left:
        return Count(count.previous, count.current, count.left - seconds)
    return Count(count.current, 0, max(count.left + PERIOD - seconds, 0))


COUNTS = [
    Count(previous, current, left)
    for previous in (0, 1, 7, 10, 1000)
    for current in (0, 1, 9, 10, 15)
    for left in (0.5, 17.3, 59.99)
]


@pytest.mark.parametrize("cost", [1, 4, 10])
@pytest.mark.parametrize("count", COUNTS)
def test_after_the_wait_and_not_before_there_is_room(count, cost):
    want = Want("key/a", "tokens", 10, cost)
    wait = count.wait(want)
    assert later(count, math.floor(wait) + 1).fits(want)
    assert (wait == 0) == count.fits(want)
    assert wait < 2 * PERIOD
    if wait > 0.002:
        assert not later(count, wait - 0.001).fits(want)


@pytest.mark.parametrize("count", COUNTS)
def test_after_the_reset_and_not_before_everything_is_there_again(count):
    reset = count.reset()
    assert later(count, reset + 0.001).used == 0
    if reset > 0.002:
        assert later(count, reset - 0.001).used > 0


def test_nobody_knows_when_a_call_ends():
    assert Count(0, 5, 0).wait(Want("key/a", "parallel", 5)) == 0


def test_more_than_the_limit_is_impossible():
    assert Want("key/a", "requests", 0).impossible
    assert not Want("key/a", "tokens", 10, 10).impossible
