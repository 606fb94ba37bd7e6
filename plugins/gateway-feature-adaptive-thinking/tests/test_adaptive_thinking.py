"""Adaptive thinking: the native word passes; OpenAI's word becomes what the model at hand understands."""

import pytest
from gateway_feature_adaptive_thinking import LEVELS, AdaptiveThinkingPlugin, Settings
from marshmallow import ValidationError

from gateway import Grant, InvalidRequest
from gateway.catalog import Catalog, ModelRow, Offer
from gateway.params import Claims, Dialect
from gateway.testing import RATES, check_feature, make_call

NEW = {"adaptive_thinking": Grant()}
OLD = {"budgeted_thinking": Grant()}


def plugin(**settings):
    return AdaptiveThinkingPlugin(Settings().load(settings))


def prepared(effort, grants=NEW, *, surface="chat", settings=None, **body):
    call = make_call(body, grants=grants, surface=surface)
    call.asked = {**call.asked, "reasoning_effort": effort}
    plugin(**(settings or {})).prepare_request(call)
    return call


def ignored(call):
    return [one.name for one in call.left_out if one.manner == "ignored-params"]


def test_the_feature_keeps_its_promises():
    bodies = [{"thinking": {"type": "adaptive"}}, {"thinking": {"type": "adaptive", "display": "omitted"}}]
    check_feature(AdaptiveThinkingPlugin, bodies=bodies, settings={"budgets": {"low": 2048}})


@pytest.mark.parametrize("effort", ["minimal", "low", "medium", "high", "xhigh", "max", {"effort": "low"}])
def test_every_level_asks_a_new_model_to_think_as_it_likes(effort):
    call = prepared(effort)
    assert call.get("thinking") == {"type": "adaptive"}
    assert [(need.capability, need.param) for need in call.needs] == [("adaptive_thinking", "reasoning_effort")]


@pytest.mark.parametrize(
    ("effort", "budget"),
    [("minimal", 1024), ("low", 1024), ("medium", 2048), ("high", 4096), ("xhigh", 8192), ("max", 16384)],
)
def test_an_older_model_gets_a_budget(effort, budget):
    call = prepared(effort, OLD, max_tokens=64_000)
    assert call.get("thinking") == {"type": "enabled", "budget_tokens": budget}
    assert call.needs == ()


def test_a_budget_leaves_room_for_an_answer():
    assert prepared("high", OLD, max_tokens=2000).get("thinking.budget_tokens") == 1999
    too_small = prepared("high", OLD, max_tokens=1024)
    assert (too_small.get("thinking"), ignored(too_small)) == (None, ["thinking"])


def test_budgets_are_settings():
    assert (
        prepared("low", OLD, max_tokens=9000, settings={"budgets": {"low": 3000}}).get("thinking.budget_tokens") == 3000
    )
    for wrong in ({"lowest": 2000}, {"low": 1023}, {"low": "many"}):
        with pytest.raises(ValidationError):
            Settings().load({"budgets": wrong})


@pytest.mark.parametrize(
    ("grants", "thinking", "names"),
    [
        (NEW, None, []),
        (OLD, None, []),
        ({**NEW, "disabled_thinking": Grant()}, {"type": "disabled"}, []),
        ({**NEW, "constant_thinking": Grant()}, None, ["reasoning_effort"]),
    ],
    ids=["off by default", "older", "on by default", "always on"],
)
def test_none_is_no_thinking_where_that_is_possible(grants, thinking, names):
    call = prepared("none", grants)
    assert (call.get("thinking"), ignored(call), call.needs) == (thinking, names, ())


@pytest.mark.parametrize(
    "thinking", [{"type": "enabled", "budget_tokens": 2000}, {"type": "adaptive"}, {"type": "disabled"}]
)
def test_the_native_word_wins(thinking):
    call = prepared("high", thinking=thinking)
    assert (call.get("thinking"), call.needs) == (thinking, ())


def test_a_model_that_cannot_think_is_passed_over():
    call = prepared("low", {})
    assert [(need.capability, need.claim) for need in call.needs] == [("adaptive_thinking", "chat:reasoning_effort")]


@pytest.mark.parametrize("surface", ["messages", "responses"])
def test_the_word_belongs_to_chat(surface):
    assert prepared("high", surface=surface).get("thinking") is None


def checked(asked, **body):
    claims = Claims(Dialect.load(), {"adaptive_thinking": plugin().register_params()})
    body = make_call(body).body
    return claims.check("chat", asked, body)


@pytest.mark.parametrize("effort", ["highest", "", {"effort": "x"}, {"effort": 7}, {"effort": []}])
def test_a_level_that_does_not_exist_is_refused_with_those_that_do(effort):
    with pytest.raises(InvalidRequest) as refused:
        checked({"reasoning_effort": effort})
    assert refused.value.message == f"reasoning_effort: has to be one of {', '.join(LEVELS)}."
    assert refused.value.param == "reasoning_effort"


@pytest.mark.parametrize("effort", [None, *LEVELS, {}, {"effort": None}, {"effort": "low", "summary": "auto"}])
def test_every_level_and_none_at_all_is_fine(effort):
    assert checked({"reasoning_effort": effort}).needs == []


def test_the_native_word_needs_the_capability_and_a_budget_does_not():
    assert [need.capability for need in checked({}, thinking={"type": "adaptive", "novel": 1}).needs] == [
        "adaptive_thinking"
    ]
    assert checked({}, thinking={"type": "enabled", "budget_tokens": 2000}).needs == []
    with pytest.raises(InvalidRequest, match="display"):
        checked({}, thinking={"type": "adaptive", "display": 7})


@pytest.mark.parametrize(
    ("model", "can"),
    [
        ("claude-opus-4-6", {"adaptive_thinking"}),
        ("claude-opus-4-5", {"budgeted_thinking"}),
        ("claude-haiku-4-5", {"budgeted_thinking"}),
        ("claude-opus-5", {"adaptive_thinking", "disabled_thinking"}),
        ("claude-fable-5-2", {"adaptive_thinking", "constant_thinking"}),
        ("claude-3-5-haiku-20241022", set()),
    ],
)
def test_how_a_model_thinks_is_a_matter_of_rows(model, can):
    row = ModelRow(provider="p", upstream=("m",), id=model, rates=RATES)
    catalog = Catalog({"adaptive_thinking": plugin().register_catalog(), "p": [row]})
    assert set(catalog.grants(Offer("p", "m"))) == can


def test_a_model_newer_than_the_catalog_is_assumed_to_think_as_it_likes():
    catalog = Catalog({"adaptive_thinking": plugin().register_catalog()})
    assert set(catalog.grants(Offer("p", "claude-new-9"))) == {"adaptive_thinking"}
