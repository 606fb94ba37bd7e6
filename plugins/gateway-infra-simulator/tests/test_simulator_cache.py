"""The prompt cache as usage shows it."""

import pytest
from gateway_infra_simulator import Simulator
from gateway_infra_simulator.cache import Cache
from gateway_infra_simulator.model import find
from gateway_infra_simulator.prompt import parts

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def system(text, control):
    return [{"type": "text", "text": text, "cache_control": control}]


def cached(usage):
    split = usage["cache_creation"]
    return (
        usage["input_tokens"],
        usage["cache_read_input_tokens"],
        split["ephemeral_5m_input_tokens"],
        split["ephemeral_1h_input_tokens"],
    )


@pytest.mark.parametrize(("control", "first"), [(MARK, (10, 0, 100, 0)), (HOUR, (10, 0, 0, 100))])
def test_a_prefix_is_written_first_and_read_next(api, control, first):
    changes = {"system": system("x" * 400, control)}
    assert cached(api.messages(**changes).json["usage"]) == first
    assert cached(api.messages(**changes).json["usage"]) == (10, 100, 0, 0)


def test_another_model_has_another_cache(api):
    changes = {"system": system("x" * 400, MARK)}
    api.messages(**changes)
    assert api.messages(model="claude-sonnet-4-6", **changes).json["usage"]["cache_read_input_tokens"] == 0


def test_a_growing_conversation_reads_what_it_wrote(api):
    first = [{"role": "user", "content": [{"type": "text", "text": "x" * 40, "cache_control": MARK}]}]
    assert cached(api.messages(messages=first).json["usage"]) == (8, 0, 10, 0)
    grown = [
        {"role": "user", "content": [{"type": "text", "text": "x" * 40}]},
        {"role": "assistant", "content": "y" * 40},
        {"role": "user", "content": [{"type": "text", "text": "z" * 40, "cache_control": MARK}]},
    ]
    assert cached(api.messages(messages=grown).json["usage"]) == (8, 10, 20, 0)


def test_both_lifetimes_are_told_apart(api):
    changes = {"system": system("x" * 400, HOUR), "cache_control": MARK}
    assert cached(api.messages(**changes).json["usage"]) == (8, 0, 2, 100)


def test_a_changed_prefix_is_written_again(api):
    api.messages(system=system("x" * 400, MARK))
    assert cached(api.messages(system=system("y" * 400, MARK)).json["usage"]) == (10, 0, 100, 0)


def test_short_prefixes_are_left_out_if_the_minimum_counts(client_of):
    with Simulator(cache_minimum=True) as sim:
        usage = client_of(sim).messages(system=system("x" * 400, MARK)).json["usage"]
        assert cached(usage) == (110, 0, 0, 0)
        usage = client_of(sim).messages(system=system("x" * 4 * 4096, MARK)).json["usage"]
        assert cached(usage) == (10, 0, 4096, 0)


def test_prefixes_are_kept_for_their_time():
    now = [0.0]
    cache = Cache(clock=lambda: now[0])
    prompt = parts({"system": system("x" * 400, MARK), "messages": []})
    model = find("claude-opus-4-6")
    assert cache.account(model, prompt).written_5m == 100
    now[0] = 299.0
    assert cache.account(model, prompt).read == 100
    now[0] = 299.0 + 301.0
    assert cache.account(model, prompt).read == 0


def test_reset_forgets_the_cache(api, sim):
    changes = {"system": system("x" * 400, MARK)}
    api.messages(**changes)
    sim.reset()
    assert api.messages(**changes).json["usage"]["cache_read_input_tokens"] == 0
