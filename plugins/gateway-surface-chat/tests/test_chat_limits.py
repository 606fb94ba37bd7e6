"""What is left of limits, in OpenAI's own headers."""

import pytest
from gateway_surface_chat.surface import Chat

from gateway import Limit


def test_each_kind_has_three_headers():
    assert Chat().limit_headers([Limit("requests", 60, 59, 1), Limit("tokens", 150_000, 149_984, 360)]) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6m0s",
    }


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0ms"), (0.0204, "20ms"), (1, "1s"), (1.5, "1.5s"), (59.9996, "1m0s"), (61, "1m1s"), (3600, "1h0m0s"), (3725, "1h2m5s"), (-1, "0ms")],
)  # fmt: skip
def test_a_reset_is_a_duration(seconds, told):
    (limit,) = [Limit("requests", 1, 0, seconds)]
    assert Chat().limit_headers([limit])["x-ratelimit-reset-requests"] == told
