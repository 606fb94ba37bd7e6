"""Effort: the level passes where the model knows it, and follows OpenAI's word where the client gives none."""

import pytest
from gateway_feature_effort import EffortPlugin, Settings

from gateway import Grant, InvalidRequest
from gateway.catalog import Catalog, ModelRow, Offer
from gateway.params import Claims, Dialect
from gateway.testing import RATES, check_feature, make_call

KNOWN = {"effort": Grant((), ("low", "medium", "high", "max"))}


def plugin(**settings):
    return EffortPlugin(Settings().load(settings))


def prepared(effort, grants=KNOWN, *, surface="chat", settings=None, **body):
    call = make_call(body, grants=grants, surface=surface)
    call.asked = {**call.asked, "reasoning_effort": effort}
    plugin(**(settings or {})).prepare_request(call)
    return call


def test_the_feature_keeps_its_promises():
    check_feature(EffortPlugin, bodies=[{"output_config": {"effort": "low"}}], settings={})


@pytest.mark.parametrize(
    ("asked", "level"),
    [("minimal", "low"), ("low", "low"), ("medium", "medium"), ("high", "high"), ("max", "max"), ({"effort": "high"}, "high")],
)  # fmt: skip
def test_the_level_follows_reasoning_effort(asked, level):
    call = prepared(asked, output_config={"format": {"type": "json_schema"}})
    assert call.get("output_config") == {"format": {"type": "json_schema"}, "effort": level}
    assert [(need.capability, need.param, need.value) for need in call.needs] == [("effort", "reasoning_effort", level)]


def test_a_level_that_the_model_lacks_is_needed_all_the_same():
    assert [need.value for need in prepared("xhigh").needs] == ["xhigh"]


@pytest.mark.parametrize("asked", [None, "none", 7, [], {}, {"effort": None}])
def test_without_a_level_nothing_is_written(asked):
    call = prepared(asked)
    assert (call.get("output_config"), call.needs) == (None, ())


def test_the_clients_own_level_wins():
    call = prepared("max", output_config={"effort": "low"})
    assert (call.get("output_config.effort"), call.needs) == ("low", ())


def test_a_model_without_levels_gets_none():
    assert prepared("high", {}).get("output_config") is None


def test_the_word_belongs_to_chat():
    assert prepared("high", surface="messages").get("output_config") is None


def test_following_can_be_switched_off():
    assert prepared("high", settings={"follow_reasoning_effort": False}).get("output_config") is None


def test_a_level_is_a_text():
    claims = Claims(Dialect.load(), {"effort": plugin().register_params()})
    body = make_call({"output_config": {"effort": 7}}).body
    with pytest.raises(InvalidRequest, match=r"^output_config\.effort: has to be a string\.$"):
        claims.check("messages", body, body)


@pytest.mark.parametrize(
    ("model", "levels", "betas"),
    [
        ("claude-opus-4-5", "low medium high", ("effort-2025-11-24",)),
        ("claude-opus-4-6", "low medium high max", ()),
        ("claude-sonnet-4-6", "low medium high max", ()),
        ("claude-opus-4-7", "low medium high xhigh max", ()),
        ("claude-haiku-5-5", "low medium high xhigh max", ()),
    ],
)
def test_levels_are_a_matter_of_rows(model, levels, betas):
    row = ModelRow(provider="p", upstream=("m",), id=model, rates=RATES)
    catalog = Catalog({"effort": plugin().register_catalog(), "p": [row]})
    assert catalog.grants(Offer("p", "m")) == {"effort": Grant(betas, tuple(levels.split()))}


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-1"])
def test_some_models_know_no_levels(model):
    row = ModelRow(provider="p", upstream=("m",), id=model, rates=RATES)
    catalog = Catalog({"effort": plugin().register_catalog(), "p": [row]})
    assert catalog.grants(Offer("p", "m")) == {}


def test_any_level_passes_to_a_model_newer_than_the_catalog():
    catalog = Catalog({"effort": plugin().register_catalog()})
    assert catalog.grants(Offer("p", "claude-new-9")) == {"effort": Grant()}
