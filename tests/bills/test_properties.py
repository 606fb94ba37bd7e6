"""What holds of every bill, whatever a host says and whatever is installed, in whatever order."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import combinations
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.catalog import BOOKS
from gateway.hookspecs import hookimpl
from gateway.pricing import Factor
from gateway.testing import found
from tests.bills.conftest import COUNTS, PLUGINS, RUNNING, Answer, Till, pieces

FACTS = {"fast_mode": "speed", "geo_pricing": "inference_geo"}
"""Features that price a served fact."""

PRICING = ("long_context", *FACTS)
LONG = "the surcharge above 200000 prompt tokens"


class Loyalty:
    """A third party's feature, with a number that no calculation should round."""

    @hookimpl
    def adjust_cost(self):
        return Factor("loyalty", Decimal(1) / Decimal(3))


EVERYTHING = {one.name: one for one in [*PLUGINS, found(Loyalty, "loyalty", "feature")]}
PROVIDERS = tuple(name for name, one in EVERYTHING.items() if one.kind == "provider")
FEATURES = tuple(name for name, one in EVERYTHING.items() if one.kind == "feature")


@cache
def till(names, book):
    return Till([EVERYTHING[name] for name in names], book)


# -- What a host may say ---------------------------------------------------------------------------------------------

counts = st.one_of(st.integers(0, 400_000), st.sampled_from([0, 1, 100_000, 100_001, 200_000, 200_001]))
speeds = st.sampled_from(["fast", "standard", "turbo", None])
places = st.sampled_from(["us", "global", "not_available", "mars", None])
DEPLOYMENTS = [
    *({"host": f"anthropic/claude-{name}"} for name in ("opus-4-6", "opus-4-7", "opus-5-5", "haiku-5-5", "sonnet-4-5", "opus-9")),
    {"host": "azure_ai/claude-opus-4-6", "settings": {"data_zone": "us"}},
    {"host": "azure_ai/ours", "settings": {"base_model": "claude-opus-5-5-fast"}},
    {"host": "vertex_ai/claude-fable-5-2"},
    {"host": "vertex_ai/claude-opus-4-6", "settings": {"vertex_location": "us-east5"}},
    {"host": "bedrock/us.anthropic.claude-opus-4-6-v1"},
    {"host": "bedrock/invoke/global.anthropic.claude-haiku-5-5"},
]  # fmt: skip
deployments = st.sampled_from(DEPLOYMENTS)
DAYS = ("2026-02-05", "2026-02-07", "2026-02-21", "2026-03-13", "2026-05-20", "2026-06-29", "2026-11-22")
days = st.sampled_from([datetime.fromisoformat(day).replace(tzinfo=UTC) for day in DAYS])
books = st.sampled_from(BOOKS)


@st.composite
def tokens(draw):
    """The counts of a pass, and at times the lifetimes of what it wrote to the cache."""
    said = {name: draw(counts) for name in COUNTS}
    hour = draw(st.integers(0, said["cache_creation_input_tokens"]))
    minutes = said["cache_creation_input_tokens"] - hour
    split = {"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour}
    return said | {"cache_creation": draw(st.sampled_from([split, None]))}


passes = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "compaction", "advisor_message", "fallback_message"])},
    optional={"model": st.sampled_from(["claude-opus-4-6", "claude-haiku-5-5", "claude-sonnet-4-6", None])},
)
iterations = st.lists(st.builds(lambda one, said: one | said, passes, tokens()), max_size=3)
sane = st.builds(
    lambda said, more: said | more,
    tokens(),
    st.fixed_dictionaries(
        {},
        optional={
            "speed": speeds,
            "inference_geo": places,
            "service_tier": st.sampled_from(["standard", "priority", None]),
            "server_tool_use": st.fixed_dictionaries({"web_search_requests": st.integers(0, 9)}),
            "iterations": iterations,
        },
    ),
)

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=5) | counts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "model", *COUNTS]), inner),
    max_leaves=8,
)  # fmt: skip
WORDS = (*RUNNING, "cache_creation", "speed", "inference_geo", "service_tier", "novelty")
no_counts = st.dictionaries(st.sampled_from(COUNTS), st.integers(-1000, -1) | st.integers(10**12) | junk)
insane = st.builds(
    lambda said, *changes: said | {name: value for change in changes for name, value in change.items()},
    sane | st.just({}),
    st.dictionaries(st.sampled_from(WORDS), junk),
    no_counts,
)


def answers(usages):
    return st.builds(
        lambda where, **said: Answer(**where, **said),
        deployments,
        usage=usages,
        at=days,
        asked=st.fixed_dictionaries({}, optional={"speed": speeds, "inference_geo": places}),
        stopped=st.sampled_from(["end_turn", "refusal", "compaction", "max_tokens"]),
    )


anything = answers(sane | insane)


def told(entry):
    """Everything that a bill says."""
    return entry.bill and (entry.bill.lines, entry.bill.total), entry.unpriced, entry.odd, entry.estimated


# -- What holds ------------------------------------------------------------------------------------------------------


def shuffles():
    """Some sets of features, each with the providers in three orders; the first set is all of them."""
    dice = random.Random(46)
    for size in (len(FEATURES), *(dice.randrange(2, len(FEATURES)) for _ in range(5))):
        names = [*PROVIDERS, *dice.sample(FEATURES, size)]
        yield [tuple(dice.sample(names, len(names))) for _ in range(3)]


SHUFFLES = list(shuffles())


@settings(max_examples=200)
@given(anything, st.sampled_from(SHUFFLES), books)
def test_permuting_plugins_never_changes_a_bill(answer, orders, book):
    first, *others = (told(till(order, book).settle(answer)) for order in orders)
    assert others == [first] * len(others)


everything = cache(lambda book: till((*PROVIDERS, *FEATURES), book))


def exact(line):
    return (
        Fraction(line.quantity) * Fraction(line.price) / line.unit * prod(Fraction(one.times) for one in line.factors)
    )


@settings(max_examples=200)
@given(anything, books)
def test_the_lines_of_any_bill_sum_to_its_total(answer, book):
    entry = everything(book).settle(answer)
    assert entry.outcome == "complete"
    assert "everything: pricing failed" not in entry.unpriced
    if entry.bill is not None:
        assert Fraction(entry.bill.total) == sum(map(exact, entry.bill.lines))
        assert all(line.quantity > 0 <= line.amount for line in entry.bill.lines)


@st.composite
def streams(draw):
    """An answer, and the same one in pieces, cut as the API may cut it: running totals grow up to the last ones."""
    answer = draw(answers(sane))
    usage = dict(answer.usage)
    late = {name: usage.pop(name) for name in ("iterations", "server_tool_use") if name in usage}
    grown = ["output_tokens"] if usage["cache_creation"] else list(COUNTS)
    first = {**usage, **{name: draw(st.integers(0, usage[name])) for name in grown}}
    if "iterations" in late and draw(st.booleans()):
        first["iterations"] = late["iterations"][:1]
    grew = {name: draw(st.integers(first[name], usage[name])) for name in draw(st.sets(st.sampled_from(grown)))}
    repeated = {name: usage[name] if name in grown else draw(st.sampled_from([usage[name], None])) for name in COUNTS}
    return answer, pieces(answer, first, grew, {**repeated, **late})


@given(streams(), books)
def test_json_and_stream_of_one_answer_cost_the_same(told_twice, book):
    answer, events = told_twice
    assert told(everything(book).settle(answer)) == told(everything(book).settle(answer, events))


SETS = [names for size in range(len(PRICING)) for names in combinations(PRICING, size)]


@pytest.mark.parametrize("names", SETS, ids=" ".join)
@settings(max_examples=40)
@given(answers(sane), books)
def test_one_more_feature_never_makes_a_bill_cheaper(names, answer, book):
    without = till((*PROVIDERS, *names), book).settle(answer)
    for name in {*PRICING} - {*names}:
        richer = till((*PROVIDERS, *names, name), book).settle(answer)
        assert (richer.bill is None) == (without.bill is None)
        assert without.bill is None or richer.bill.total >= without.bill.total


@pytest.mark.parametrize("names", SETS, ids=" ".join)
@settings(max_examples=40)
@given(answers(sane), books)
def test_what_a_missing_feature_would_price_is_named(names, answer, book):
    entry = till((*PROVIDERS, *names), book).settle(answer)
    if not any(one.counts for one in entry.passes):
        return
    for name, fact in FACTS.items():
        if name not in names and fact in entry.served:
            assert f"{fact}={entry.served[fact]}" in entry.unpriced
    if "long_context" not in names:
        there = till((*PROVIDERS, *names, "long_context"), book).settle(answer)
        lines = there.bill.lines if there.bill else ()
        charged = any(factor.reason == "long_context" for line in lines for factor in line.factors)
        assert (LONG in entry.unpriced) >= charged
