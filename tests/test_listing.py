"""The model list: what a key may ask for, where it is served, what it can do there and what it costs."""

from datetime import date
from decimal import Decimal

import pytest

from gateway import Forbidden, InvalidRequest, Permissions, Principal, UnknownModel
from gateway.capability import Capabilities
from gateway.catalog import Catalog, GrantRow, ModelRow
from gateway.listing import Listing
from gateway.routing import Routing
from gateway.testing import make_deployment
from gateway.usage import KINDS

CHEAP, DEAR = (dict.fromkeys(KINDS, Decimal(price)) for price in ("0.50", "2.00"))
CATALOG = Catalog(
    {
        "provider": [
            ModelRow(
                provider="test", upstream=("small-1", "eu.small-1"), id="small-1", name="Small", created=date(2026, 2, 5),
                window=200, max_output=64, rates=CHEAP, tiers=((100, DEAR),), source="a page",
            ),
            ModelRow(provider="test", upstream=("*large-2", "vendor.large-2"), id="Large 2", window=1000, rates=DEAR),
            ModelRow(provider="other", upstream=("small-1",), id="small-1", window=100, max_output=128, rates=CHEAP),
        ],
        "feature": [
            GrantRow(capability="level", provider="test", models=("small-1",), values=("low", "high")),
            GrantRow(capability="summary", provider="test"),
        ],
    }
)  # fmt: skip
EVERYBODY = Principal("k")


def listing(*deployments):
    capabilities = Capabilities(CATALOG)
    return Listing(Routing(deployments, capabilities), CATALOG, capabilities)


def one(name="small", who=EVERYBODY, **facts):
    return listing(make_deployment(**{"model_name": "small", "upstream": "small-1", **facts})).one(name, who)


def test_a_model_says_where_it_is_and_how_large():
    told = one()
    assert (told["display_name"], told["created_at"], told["owned_by"]) == ("Small", "2026-02-05T00:00:00Z", "test")
    assert (told["max_input_tokens"], told["max_tokens"]) == (200, 64)
    (place,) = told["deployments"]
    assert (place["id"], place["provider"], place["upstream_model"]) == ("test/one", "test", "small-1")


def test_it_says_what_it_can_do_and_which_values_that_has():
    assert one()["deployments"][0]["capabilities"] == {"level": ["low", "high"], "summary": True}
    assert one(lacks=frozenset({"level"}))["deployments"][0]["capabilities"] == {"summary": True}


def test_what_the_key_may_not_use_is_not_offered():
    who = Principal("k", permissions=Permissions(capabilities=("sum*",)))
    assert one(who=who)["deployments"][0]["capabilities"] == {"summary": True}


def test_it_says_what_it_costs_and_above_which_prompt_something_else():
    prices = one()["deployments"][0]["prices"]
    assert prices["per_million_tokens"] == dict.fromkeys(KINDS, "0.5")
    assert prices["above"] == [{"prompt_tokens": 100, "per_million_tokens": dict.fromkeys(KINDS, "2")}]
    assert (prices["currency"], prices["source"]) == ("USD", "a page")


def test_the_operators_own_prices_win():
    prices = one(rates=DEAR)["deployments"][0]["prices"]
    assert (prices["per_million_tokens"], prices["above"]) == (dict.fromkeys(KINDS, "2"), [])
    assert prices["source"] == "the operator's configuration"


def test_what_nobody_knows_is_null_and_not_zero():
    told = one(upstream="new")
    assert (told["max_input_tokens"], told["max_tokens"], told["created"]) == (None, None, 0)
    assert told["deployments"][0]["prices"] is None


def test_of_several_places_the_smallest_window_is_safe_to_count_on():
    told = listing(
        make_deployment(model_name="small", upstream="small-1"),
        make_deployment(model_name="small", upstream="small-1", provider="other", id="other/one", public_name="public"),
    ).one("small", EVERYBODY)
    assert (told["max_input_tokens"], told["max_tokens"]) == (100, 64)
    assert [place["upstream_model"] for place in told["deployments"]] == ["small-1", "public"]


def names(page):
    return [model["id"] for model in page["data"]]


def test_a_wildcard_shows_what_it_leads_to_by_names_that_the_host_knows():
    wild = make_deployment(model_name="test/*", upstream="*")
    assert names(listing(wild).page(EVERYBODY, {})) == ["test/small-1", "test/vendor.large-2"]
    narrow = make_deployment(model_name="v-*", upstream="vendor.*")
    assert names(listing(narrow).page(EVERYBODY, {})) == ["v-large-2"]


def test_a_page_shows_only_what_the_key_may_ask_for():
    both = listing(make_deployment(model_name="a"), make_deployment(model_name="b"))
    who = Principal("k", permissions=Permissions(models=("b",)))
    assert names(both.page(who, {})) == ["b"]
    with pytest.raises(Forbidden):
        both.one("a", who)
    with pytest.raises(UnknownModel):
        both.one("c", EVERYBODY)


@pytest.mark.parametrize(
    ("query", "shown", "more"),
    [
        ({}, "abcd", False),
        ({"limit": "2"}, "ab", True),
        ({"limit": "4"}, "abcd", False),
        ({"after_id": "b"}, "cd", False),
        ({"before_id": "c"}, "ab", False),
        ({"after_id": "a", "limit": "2"}, "bc", True),
    ],
)
def test_pages(query, shown, more):
    page = listing(*(make_deployment(model_name=name) for name in "abcd")).page(EVERYBODY, query)
    assert (names(page), page["has_more"]) == ([*shown], more)
    assert (page["first_id"], page["last_id"]) == (shown[0], shown[-1])


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "٣", "1.5"])
def test_a_limit_is_a_number_in_its_range(limit):
    with pytest.raises(InvalidRequest, match="limit: has to be a number from 1 to 1000"):
        listing(make_deployment()).page(EVERYBODY, {"limit": limit})


@pytest.mark.parametrize("end", ["after_id", "before_id"])
def test_a_page_does_not_begin_anew_where_its_end_has_gone(end):
    with pytest.raises(InvalidRequest, match=f"{end}: there is no model 'gone'"):
        listing(make_deployment()).page(EVERYBODY, {end: "gone"})


def test_an_empty_page_has_no_ends():
    page = listing().page(EVERYBODY, {})
    assert (page["data"], page["first_id"], page["last_id"]) == ([], None, None)
