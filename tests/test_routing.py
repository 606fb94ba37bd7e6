"""From a name and its needs to the deployments that can serve it."""

import random
from collections import Counter

import pytest

from gateway.call import Need, Permissions, Principal
from gateway.capability import Capabilities
from gateway.catalog import Catalog, GrantRow
from gateway.errors import Forbidden, UnknownModel, UnsupportedCapability
from gateway.routing import Routing
from gateway.testing import make_call, make_deployment

CATALOG = Catalog(
    {
        "feature": [
            GrantRow(capability="summary", provider="alpha"),
            GrantRow(capability="summary", provider="beta", upstream=("good-*",)),
            GrantRow(capability="speed", provider="beta"),
        ]
    }
)
SUMMARY, SPEED, NOWHERE = Need("summary", "edits"), Need("speed", "speed"), Need("magic", "wand")
ANYBODY = Principal("k")


def at(provider, name="m", upstream="good-1", **facts):
    known = {"id": f"{provider}/{upstream}", "model_name": name, "provider": provider, "upstream": upstream}
    return make_deployment(**(known | facts))


def routing(*deployments, seed=1):
    return Routing(deployments, Capabilities(CATALOG), random.Random(seed))


def names(found):
    return sorted(one.id for one in found)


def call_for(model="m", needs=(), permissions=None):
    return make_call(model=model, needs=needs, principal=Principal("k", permissions=permissions or Permissions()))


def test_a_name_has_all_its_deployments():
    found = routing(at("alpha"), at("beta"), at("beta", "other")).candidates(call_for())
    assert names(found) == ["alpha/good-1", "beta/good-1"]


def test_an_unknown_name_is_404_with_a_hint():
    with pytest.raises(
        UnknownModel, match="'claude-opus' is not served here. Did you mean 'claude-opus-4-6'?"
    ) as unknown:
        routing(at("alpha", "claude-opus-4-6"), at("alpha", "zebra")).candidates(call_for("claude-opus"))
    assert (unknown.value.status, unknown.value.param) == (404, "model")


def test_an_unknown_name_without_a_neighbour_lists_what_is_served():
    with pytest.raises(UnknownModel, match=r"Served are: one, two\.$"):
        routing(at("alpha", "one"), at("alpha", "two")).candidates(call_for("xyzzy"))


def test_a_hint_never_names_what_the_key_may_not_use():
    permissions = Permissions(models=("mine",))
    with pytest.raises(UnknownModel) as unknown:
        routing(at("alpha", "secret-model"), at("alpha", "mine")).candidates(
            call_for("secret-mode", permissions=permissions)
        )
    assert "secret-model" not in unknown.value.message
    with pytest.raises(UnknownModel, match=r"not served here\.$"):
        routing(at("alpha", "secret-model")).candidates(call_for("secret-mode", permissions=permissions))


def test_a_model_that_the_key_may_not_use_is_403():
    with pytest.raises(Forbidden, match="may not use 'm'") as forbidden:
        routing(at("alpha")).candidates(call_for(permissions=Permissions(models=("other",))))
    assert forbidden.value.param == "model"


def test_a_capability_that_the_key_may_not_use_is_403():
    with pytest.raises(Forbidden, match="edits: this key may not use summary"):
        routing(at("alpha")).candidates(call_for(needs=(SUMMARY,), permissions=Permissions(capabilities=("speed",))))


def test_needs_choose_the_deployments():
    both = routing(at("alpha"), at("beta"), at("beta", upstream="bad-1"))
    assert names(both.candidates(call_for(needs=(SUMMARY,)))) == ["alpha/good-1", "beta/good-1"]
    assert names(both.candidates(call_for(needs=(SPEED,)))) == ["beta/bad-1", "beta/good-1"]
    assert names(both.candidates(call_for(needs=(SUMMARY, SPEED)))) == ["beta/good-1"]


def test_a_need_that_nobody_meets_names_where_it_exists():
    with pytest.raises(UnsupportedCapability) as unsupported:
        routing(at("alpha"), at("alpha", upstream="good-2")).candidates(call_for(needs=(SPEED,)))
    error = unsupported.value
    assert error.message == "speed: speed is not available for m on alpha; available on: beta."
    assert error.status == 400
    assert error.details == {
        "capability": "speed",
        "param": "speed",
        "model": "m",
        "provider": ["alpha"],
        "available_on": ["beta"],
    }


def test_a_need_that_no_host_meets_says_so():
    with pytest.raises(UnsupportedCapability, match="no installed host has it"):
        routing(at("alpha")).candidates(call_for(needs=(NOWHERE,)))


def test_two_needs_that_no_one_deployment_meets_are_refused():
    with pytest.raises(UnsupportedCapability, match="speed is not available for m on alpha"):
        routing(at("alpha"), at("beta", upstream="bad-1")).candidates(call_for(needs=(SUMMARY, SPEED)))


@pytest.mark.parametrize(
    ("pattern", "upstream", "asked", "served"),
    [
        ("*", "*", "claude-x", "claude-x"),
        ("anthropic/*", "*", "anthropic/claude-x", "claude-x"),
        ("claude-*", "us.claude-*-v1", "claude-opus", "us.claude-opus-v1"),
        ("*-fast", "*", "opus-fast", "opus"),
        ("anything-*", "fixed", "anything-at-all", "fixed"),
    ],
)
def test_a_wildcard_carries_the_rest_of_the_name(pattern, upstream, asked, served):
    (one,) = routing(at("alpha", pattern, upstream, id=f"alpha/{upstream}", named=False)).candidates(call_for(asked))
    assert (one.upstream, one.id, one.named) == (served, f"alpha/{served}", False)


@pytest.mark.parametrize("asked", ["claude-", "claude", "my-claude-x"])
def test_a_wildcard_needs_something_to_stand_for(asked):
    with pytest.raises(UnknownModel):
        routing(at("alpha", "claude-*", "*")).candidates(call_for(asked))


def test_overlapping_ends_of_a_wildcard_do_not_match():
    with pytest.raises(UnknownModel):
        routing(at("alpha", "ab*ba", "*")).candidates(call_for("aba"))


def test_an_exact_name_comes_before_a_wildcard():
    found = routing(at("alpha", "*", "*"), at("beta", "m")).candidates(call_for("m"))
    assert names(found) == ["beta/good-1"]


def test_a_longer_pattern_comes_before_a_shorter_one():
    several = routing(
        at("alpha", "*", "*", id="rest"),
        at("beta", "claude-*", "*", id="claude"),
        at("beta", "claude-opus-*", "*", id="one"),
        at("alpha", "claude-opus-*", "*", id="two"),
    )
    assert names(several.candidates(call_for("claude-opus-5"))) == ["one", "two"]
    assert names(several.candidates(call_for("claude-haiku-5"))) == ["claude"]
    assert names(several.candidates(call_for("gpt"))) == ["rest"]


def test_names_and_wildcards_can_be_listed():
    known = routing(at("alpha", "a"), at("beta", "a"), at("alpha", "b-*"))
    assert {name: len(found) for name, found in known.names.items()} == {"a": 2}
    assert [one.model_name for one in known.wildcards] == ["b-*"]
    assert len(known.deployments("a", ANYBODY)) == 2


def test_weights_share_the_traffic():
    several = routing(at("alpha", weight=8.0, id="eight"), at("beta", weight=2.0, id="two"), seed=7)
    first = Counter(several.candidates(call_for())[0].id for _ in range(2000))
    assert 0.76 < first["eight"] / 2000 < 0.84


def test_every_candidate_appears_once_in_each_order():
    several = routing(*(at("alpha", id=str(number), weight=10.0**-number) for number in range(5)))
    for _ in range(50):
        assert names(several.candidates(call_for())) == list("01234")


def test_without_a_seed_chance_decides():
    assert Routing([at("alpha"), at("beta")], Capabilities(CATALOG)).candidates(call_for())
