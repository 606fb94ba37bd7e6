"""Two holds as one: both are settled and given back, whatever one of them does."""

import pytest
from gateway_infra_keys.pair import Pair

from gateway import Limit
from gateway.testing import make_entry


class Hold:
    def __init__(self, log, name, *, broken=False):
        self.log, self.name, self.broken = log, name, broken
        self.headers = {name: "1"}
        self.limits = [Limit("requests", 1, 1, 1)]

    def settle(self, entry):
        self.log.append(("settled", self.name))
        if self.broken:
            raise RuntimeError

    def release(self):
        self.log.append(("released", self.name))
        if self.broken:
            raise RuntimeError


@pytest.mark.parametrize("broken", ["a", "b", ""])
def test_each_is_settled_and_released_whatever_the_other_does(broken):
    log = []
    pair = Pair.of(*(Hold(log, name, broken=name == broken) for name in "ab"))
    assert (pair.headers, len(pair.limits)) == ({"a": "1", "b": "1"}, 2)
    pair.settle(make_entry())
    pair.release()
    assert log == [("settled", "a"), ("settled", "b"), ("released", "a"), ("released", "b")]


def test_one_hold_is_itself_and_none_is_none():
    one = Hold([], "a")
    assert Pair.of(None, one) is one
    assert Pair.of(None, None) is None
