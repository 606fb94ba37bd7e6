"""What differs between the era of the announcement and today."""

import pytest
from click.testing import CliRunner
from gateway_infra_simulator import Simulator
from gateway_infra_simulator.command import simulate

FAST = "fast-mode-2026-02-01"
LONG = "context-1m-2025-08-07"
MODELS = ("claude-opus-4-6", "claude-sonnet-4-6")


@pytest.fixture
def today(client_of):
    with Simulator(era="current") as sim:
        yield client_of(sim)


def long(tokens):
    return f"Hello [[sim:size tokens={tokens}]]"


def test_fast_mode_of_opus_46_was_fast_and_is_not_any_more(api, today):
    assert api.messages(beta=FAST, speed="fast").json["usage"]["speed"] == "fast"
    assert today.messages(beta=FAST, speed="fast").json["usage"]["speed"] == "standard"


def test_what_is_served_at_standard_speed_draws_on_no_fast_pool(api, today):
    assert "anthropic-fast-input-tokens-limit" in api.messages(beta=FAST, speed="fast").headers
    assert "anthropic-fast-input-tokens-limit" not in today.messages(beta=FAST, speed="fast").headers


@pytest.mark.parametrize("model", MODELS)
def test_a_long_prompt_took_a_beta(api, model):
    assert api.say(long(200_000), model=model).status == 200
    got = api.say(long(200_001), model=model)
    assert got.status == 400
    assert got.error["message"] == "prompt is too long: 200001 tokens > 200000 maximum"
    long_one = api.say(long(1_000_000), model=model, beta=LONG)
    assert long_one.json["usage"]["input_tokens"] == 1_000_000
    got = api.say(long(1_000_001), model=model, beta=LONG)
    assert got.error["message"] == "prompt is too long: 1000001 tokens > 1000000 maximum"


@pytest.mark.parametrize("model", MODELS)
def test_a_long_prompt_takes_no_beta_today(today, model):
    assert today.say(long(1_000_000), model=model).json["usage"]["input_tokens"] == 1_000_000
    got = today.say(long(1_000_001), model=model)
    assert got.error["message"] == "prompt is too long: 1000001 tokens > 1000000 maximum"


def test_the_beta_does_not_lengthen_models_that_never_had_it(api):
    got = api.say(long(200_001), model="claude-haiku-4-5", beta=LONG)
    assert got.error["message"] == "prompt is too long: 200001 tokens > 200000 maximum"


def test_other_models_are_the_same_in_both(api, today):
    for client in (api, today):
        assert client.say(long(900_000), model="claude-opus-4-7").status == 200
        got = client.messages(model="claude-opus-4-7", beta=FAST, speed="fast")
        assert got.error["message"] == "speed: 'fast' is not supported for model claude-opus-4-7"


def test_the_models_are_listed_in_both(api, today):
    assert api.get("/v1/models/claude-opus-4-6").json == today.get("/v1/models/claude-opus-4-6").json
    assert api.get("/v1/models?limit=100").json == today.get("/v1/models?limit=100").json


def test_an_unknown_era_is_named():
    with pytest.raises(ValueError, match="era 'past' is not one of current, announcement"):
        Simulator(era="past")


def test_the_command_refuses_an_unknown_era():
    result = CliRunner().invoke(simulate, ["--era", "past"])
    assert result.exit_code == 2
    assert "past" in result.output
