"""Fast mode: a pool of its own, which can be empty."""

import pytest
from gateway_infra_simulator import Answer
from gateway_infra_simulator.quota import FAST_LIMITS, LIMITS

FAST = {"beta": "fast-mode-2026-02-01", "speed": "fast"}


def left(got, pool, kind):
    return int(got.headers[f"anthropic-{pool}-{kind}-remaining"])


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_a_fast_answer_draws_on_its_own_tokens(api, stream):
    got = api.messages(stream=stream, **FAST)
    usage = got.message["usage"]
    for kind in ("input", "output"):
        assert left(got, "fast", f"{kind}-tokens") == FAST_LIMITS[f"{kind}-tokens"] - usage[f"{kind}_tokens"]
        assert left(got, "ratelimit", f"{kind}-tokens") == LIMITS[f"{kind}-tokens"]
        assert got.headers[f"anthropic-fast-{kind}-tokens-reset"].endswith("Z")
    assert left(got, "ratelimit", "requests") == LIMITS["requests"] - 1


@pytest.mark.parametrize("changes", [{}, {"beta": FAST["beta"], "speed": "standard"}])
def test_an_ordinary_answer_has_no_fast_headers(api, changes):
    assert not [name for name in api.messages(**changes).headers if name.startswith("anthropic-fast-")]


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_the_fast_pool_can_be_empty_while_the_other_is_not(api, sim, stream):
    sim.always(Answer.fast_limit(retry_after=7))
    got = api.messages(stream=stream, **FAST)
    assert (got.status, got.error["type"], got.headers["retry-after"]) == (429, "rate_limit_error", "7")
    assert (left(got, "fast", "input-tokens"), left(got, "fast", "output-tokens")) == (0, 0)
    assert api.messages(stream=stream).message["content"][0]["text"].startswith("[simulated] You said")
    sim.always(None)
    assert api.messages(**FAST).status == 200


def test_a_prompt_can_empty_it(api):
    words = "[[sim:fast_limit retry_after=3]]"
    got = api.say(words, **FAST)
    assert (got.status, got.headers["retry-after"]) == (429, "3")
    assert api.say(words).status == 200


def test_a_queued_answer_waits_for_a_request_of_its_speed(api, sim):
    sim.queue(Answer.fast_limit(), Answer.text("plain"))
    assert api.messages().json["content"][0]["text"] == "plain"
    assert api.messages(**FAST).status == 429
    assert api.messages(**FAST).status == 200


def test_any_answer_can_be_for_one_speed(api, sim):
    sim.always(Answer.text("slow").for_speed("standard"))
    assert api.messages().json["content"][0]["text"] == "slow"
    assert api.messages(**FAST).json["content"][0]["text"] != "slow"


def test_a_limit_of_all_requests_says_nothing_of_the_pool(api, sim):
    sim.queue(Answer.error(429, retry_after=1))
    assert "anthropic-fast-input-tokens-remaining" not in api.messages(**FAST).headers
