"""Geo pricing: a place may be asked for on one host, and is priced on all of them."""

from datetime import date
from decimal import Decimal

import pytest
from gateway_feature_geo_pricing import REMEDY, GeoPricingPlugin

from gateway import Grant, InvalidRequest, ModelRow
from gateway.catalog import Catalog, Offer
from gateway.params import Claims, Dialect
from gateway.testing import RATES, check_feature, make_call

DAY = date(2026, 11, 25)


def catalog(provider, model="claude-opus-4-6"):
    row = ModelRow(provider=provider, upstream=("m",), id=model, rates=RATES)
    return Catalog({"geo_pricing": GeoPricingPlugin().register_catalog(), "p": [row]})


def times(provider, place, model="claude-opus-4-6"):
    served = {"inference_geo": place}
    found = catalog(provider, model).factors("inference_geo", Offer(provider, "m"), DAY, served)
    assert all((factor.fact, factor.kinds) == ("inference_geo", frozenset()) for factor in found)
    return [factor.times for factor in found]


def checked(place):
    claims = Claims(Dialect.load(), {"geo_pricing": GeoPricingPlugin().register_params()})
    body = make_call({"inference_geo": place}).body
    return claims.check("messages", body, body).needs


def test_the_feature_keeps_its_promises():
    check_feature(GeoPricingPlugin, bodies=[{"inference_geo": "us"}, {"inference_geo": "global"}])


def test_a_place_needs_the_capability_and_knows_the_remedy():
    (need,) = checked("us")
    assert (need.capability, need.value, need.remedy) == ("inference_geo", "us", REMEDY)
    assert checked("global") == []


@pytest.mark.parametrize("place", ["", 7, []])
def test_a_place_is_a_text_with_something_in_it(place):
    with pytest.raises(InvalidRequest, match="^inference_geo: "):
        checked(place)


def test_anywhere_is_said_only_where_the_word_is_known():
    for grants, place in (({"inference_geo": Grant()}, "global"), ({}, None)):
        call = make_call({"inference_geo": "global"}, grants=grants)
        GeoPricingPlugin().prepare_request(call)
        assert call.get("inference_geo") == place


def test_what_was_served_is_priced_whatever_was_asked():
    adjust = GeoPricingPlugin().adjust_cost
    assert adjust({"inference_geo": "us"}) == "inference_geo"
    assert adjust({}) is None


@pytest.mark.parametrize(
    ("provider", "place", "expected"),
    [
        ("anthropic", "us", ["1.1"]),
        ("anthropic", "mars", []),
        ("azure_ai", "us", ["1.1"]),
        ("azure_ai", "eu", []),
        ("vertex_ai", "us-east5", ["1.1"]),
        ("vertex_ai", "eu", ["1.1"]),
        *(("bedrock", region, ["1.1"]) for region in ("us", "eu", "jp", "au", "apac")),
        ("bedrock", "us-gov", ["1.2"]),
        ("bedrock", "ca", []),
        ("elsewhere", "us", []),
    ],
)
def test_what_a_place_costs_is_a_matter_of_rows(provider, place, expected):
    assert times(provider, place) == [Decimal(one) for one in expected]


def test_older_models_pay_for_regions_only_since_4_5():
    assert times("bedrock", "us", "claude-sonnet-4-5") == [Decimal("1.1")]
    for old in ("claude-opus-4-1", "claude-sonnet-4-0", "claude-3-5-haiku-20241022"):
        assert times("bedrock", "us", old) == times("vertex_ai", "us-east5", old) == [Decimal(1)], "not unpriced"
    assert times("bedrock", "us-gov", "claude-opus-4-1") == []
    assert times("anthropic", "us", "claude-sonnet-4-5") == []


@pytest.mark.parametrize("provider", ["azure_ai", "vertex_ai", "bedrock"])
def test_other_hosts_cannot_be_asked(provider):
    assert catalog(provider).grants(Offer(provider, "m")) == {}
    assert "inference_geo" in catalog("anthropic").grants(Offer("anthropic", "m"))
