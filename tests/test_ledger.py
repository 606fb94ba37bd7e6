"""From what was used to what it costs: worked bills, whose fact counts, and what happens when pricing fails."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import strictjson
from gateway.call import Principal
from gateway.catalog import BOOKS, Catalog, FactorRow, MeterRow, ModelRow, parse
from gateway.ledger import Report, Settlement, Timings
from gateway.pricing import Factor
from gateway.sse import Event
from gateway.testing import make_call, make_deployment
from gateway.usage import KINDS, Usage

SHIPPED = Path(__file__).parents[1] / "plugins" / "gateway-provider-anthropic" / "gateway_provider_anthropic"
ROWS = parse((SHIPPED / "catalog.toml").read_text(), "catalog.toml")
CATALOGS = {book: Catalog({"anthropic": ROWS}, book) for book in BOOKS}
TODAY = datetime(2026, 11, 22, 12, tzinfo=UTC)
NEUTRAL = frozenset({"", "global", "not_available", "standard"})
RATES = dict(zip(KINDS, map(Decimal, ("1", "2", "3", "4", "5")), strict=True))


def settlement(catalog=None, adjust=lambda call, usage, served: (), recorders=None):
    return Settlement(
        catalog or CATALOGS["announcement"],
        adjust,
        recorders or {},
        neutral=NEUTRAL,
        asked_facts=("speed", "inference_geo"),
    )


def anthropic(model, **facts):
    return make_deployment(provider="anthropic", upstream=model, **facts)


def call_to(deployment, at=TODAY, body=None, **facts):
    return make_call(body, deployment=deployment, at=at, **facts)


def report(call, **facts):
    return Report(**({"call": call, "number": 1, "outcome": "complete", "timings": Timings(1.0, 2.0, 0.5)} | facts))


def used(usage, stop_reason="end_turn"):
    seen = Usage()
    value = {"type": "message", "model": "as-served", "stop_reason": stop_reason, "usage": usage}
    seen.see(Event("message", strictjson.dumps(value)))
    return seen


def bill(model, usage, *, book="announcement", day=TODAY, stop_reason="end_turn"):
    at = day if isinstance(day, datetime) else datetime.fromisoformat(day).replace(tzinfo=UTC)
    return settlement(CATALOGS[book]).settle(report(call_to(anthropic(model), at)), used(usage, stop_reason))


def lines(entry):
    return [(line.kind, line.quantity, str(line.price), line.label) for line in entry.bill.lines]


def tokens(fresh=0, output=0, **more):
    return {"input_tokens": fresh, "output_tokens": output} | more


def one_pass(kind, fresh, output, **more):
    return {"type": kind} | tokens(fresh, output, **more)


def written(total, hour):
    split = {"ephemeral_5m_input_tokens": total - hour, "ephemeral_1h_input_tokens": hour}
    return {"cache_creation_input_tokens": total, "cache_creation": split}


SUMMARY = one_pass("compaction", 151_000, 3100)

# Every amount is quantity x price per million, worked out by hand.
BILLS = {
    # 1000 x 5 + 500 x 25
    "plain": ("claude-opus-4-6", tokens(1000, 500), "0.0175"),
    "plain under a dated name": ("claude-opus-4-6-20260205", tokens(1000, 500), "0.0175"),
    # 200 x 5 + 10000 x 6.25 + 100 x 25
    "five-minute write": ("claude-opus-4-6", tokens(200, 100, **written(10_000, 0)), "0.066"),
    "write without a split": ("claude-opus-4-6", tokens(200, 100, cache_creation_input_tokens=10_000), "0.066"),
    # 200 x 5 + 10000 x 10 + 100 x 25
    "one-hour write": ("claude-opus-4-6", tokens(200, 100, **written(10_000, 10_000)), "0.1035"),
    # 4000 x 6.25 + 6000 x 10 + 40 x 25
    "both writes": ("claude-opus-4-6", tokens(0, 40, **written(10_000, 6000)), "0.086"),
    # 50 x 5 + 100000 x 0.50 + 200 x 25
    "read at a tenth": ("claude-opus-4-6", tokens(50, 200, cache_read_input_tokens=100_000), "0.05525"),
    # 50 x 4 + 100000 x 0.20 + 200 x 20
    "read at a twentieth": ("claude-opus-5-5", tokens(50, 200, cache_read_input_tokens=100_000), "0.0242"),
    # 50 x 10 + 100000 x 0.25 + 200 x 50
    "read at a fortieth": ("claude-fable-5-1", tokens(50, 200, cache_read_input_tokens=100_000), "0.0355"),
    # 1 x 4 + 2 x 5 + 3 x 8 + 4 x 0.20 + 5 x 20
    "every kind at once": (
        "claude-opus-5-5", tokens(1, 5, **written(5, 3), cache_read_input_tokens=4), "0.0001388",
    ),
    # 151000 x 5 + 3100 x 25, then 4200 x 5 + 900 x 25
    "summary, then answer": (
        "claude-opus-4-6", tokens(4200, 900, iterations=[SUMMARY, one_pass("message", 4200, 900)]), "0.876",
    ),
    "paused after the summary": ("claude-opus-4-6", tokens(0, 0, iterations=[SUMMARY]), "0.8325"),
    # 1000 x 5 + 40000 x 10 + 500 x 25, then 300 x 5 + 50 x 25
    "summary with a split of its own": (
        "claude-opus-4-6",
        tokens(300, 50, iterations=[
            one_pass("compaction", 1000, 500, **written(40_000, 40_000)), one_pass("message", 300, 50)]),
        "0.42025",
    ),
    "one listed pass": ("claude-opus-4-6", tokens(1000, 500, iterations=[one_pass("message", 1000, 500)]), "0.0175"),
    # 5000 x 5 + 300 x 25
    "a loop of two passes": (
        "claude-opus-4-6",
        tokens(5000, 300, iterations=[one_pass("message", 2000, 100), one_pass("message", 3000, 200)]),
        "0.0325",
    ),
    # 1000 x 3 + 200 x 15, then 5000 x 5 + 300 x 25 of the adviser
    "advice of a dearer model": (
        "claude-sonnet-4-6",
        tokens(1000, 200, iterations=[
            one_pass("advisor_message", 5000, 300, model="claude-opus-4-6"), one_pass("message", 1000, 200)]),
        "0.0385",
    ),
    # 500 x 5 + 40 x 25 of the model that stepped in
    "another model after a silent decline": (
        "claude-opus-5-5",
        tokens(500, 40, iterations=[
            one_pass("message", 500, 0), one_pass("fallback_message", 500, 40, model="claude-opus-4-6")]),
        "0.0035",
    ),
    # 500 x 4 + 10 x 20, then 500 x 5 + 40 x 25
    "another model after some output": (
        "claude-opus-5-5",
        tokens(500, 40, iterations=[
            one_pass("message", 500, 10), one_pass("fallback_message", 500, 40, model="claude-opus-4-6")]),
        "0.0057",
    ),
    # 20000 x 3 + 1000 x 15 + 3 searches
    "web search": (
        "claude-sonnet-4-6", tokens(20_000, 1000, server_tool_use={"web_search_requests": 3}), "0.105",
    ),
    # 2000 x 3 + 10 x 15: failed searches are not counted, fetches cost their tokens
    "failed search and fetches": (
        "claude-sonnet-4-6",
        tokens(2000, 10, server_tool_use={"web_search_requests": 0, "web_fetch_requests": 5}),
        "0.00615",
    ),
    # 100000 x 0.10 + 1000 x 0.50
    "at the step": ("claude-haiku-5-5", tokens(100_000, 1000), "0.0105"),
    # 100001 x 0.50 + 1000 x 2.50
    "one token above the step": ("claude-haiku-5-5", tokens(100_001, 1000), "0.0525005"),
    # 1 x 0.50 + 100000 x 0.05 + 1000 x 2.50
    "cache lifts above the step": (
        "claude-haiku-5-5", tokens(1, 1000, cache_read_input_tokens=100_000), "0.0075005",
    ),
    # 50000 x 0.50 + 50001 x 1 + 10 x 2.50
    "one-hour write above the step": ("claude-haiku-5-5", tokens(50_000, 10, **written(50_001, 50_001)), "0.075026"),
    # output does not count: 100000 x 0.10 + 100000 x 0.50
    "output stays below the step": ("claude-haiku-5-5", tokens(100_000, 100_000), "0.06"),
    # twice 60000 x 0.10 + 100 x 0.50, though the sum is above
    "each pass below the step": (
        "claude-haiku-5-5",
        tokens(120_000, 200, iterations=[one_pass("message", 60_000, 100), one_pass("message", 60_000, 100)]),
        "0.0121",
    ),
    # 100001 x 0.50 + 10 x 2.50, then 5000 x 0.10 + 10 x 0.50
    "one pass above the step": (
        "claude-haiku-5-5",
        tokens(105_001, 20, iterations=[one_pass("message", 100_001, 10), one_pass("message", 5000, 10)]),
        "0.0505305",
    ),
    "nothing said": ("claude-opus-4-6", {}, "0"),
    "nulls": ("claude-opus-4-6", tokens(None, 100, cache_creation=None, iterations=None), "0.0025"),
}  # fmt: skip


def test_a_surcharge_that_no_factor_prices_is_named():
    long = tokens(200_001, 1000)
    entry = bill("claude-opus-4-6", long)
    assert entry.unpriced == ("the surcharge above 200000 prompt tokens",)
    assert bill("claude-opus-4-6", tokens(200_000, 1000)).unpriced == ()
    assert bill("claude-opus-4-6", long, book="current").unpriced == ()
    priced = Factor("long", Decimal(2), fact="prompt")
    there = settled(anthropic("claude-opus-4-6"), long, adjust=lambda call, usage, served: [priced])
    assert there.unpriced == ()


def test_features_are_told_which_passes_are_long():
    seen = []
    adjust = lambda call, usage, served: seen.append((usage.label, dict(served))) or []  # noqa: E731
    listed = [one_pass("compaction", 200_001, 1), one_pass("message", 200_000, 1)]
    usage = tokens(200_000, 1, iterations=listed, speed="fast")
    entry = settled(anthropic("claude-opus-4-6"), usage, adjust=adjust)
    assert seen == [("compaction", {"speed": "fast", "prompt": "long"}), ("message", {"speed": "fast"})]
    assert entry.served == {"speed": "fast"}
    assert entry.unpriced == ("the surcharge above 200000 prompt tokens", "speed=fast")


@pytest.mark.parametrize("name", BILLS)
@pytest.mark.parametrize("book", BOOKS)
def test_bills_worked_out_by_hand(name, book):
    model, usage, total = BILLS[name]
    entry = bill(model, usage, book=book)
    assert entry.cost == Decimal(total)
    assert entry.cost == sum(line.amount for line in entry.bill.lines)
    assert (entry.unpriced, entry.odd) == ((), ())


STOPPED = {
    "declined before any output": ("refusal", tokens(500, 0), "0"),
    "refused after 8 tokens": ("refusal", tokens(500, 8), "0.0027"),  # 500 x 5 + 8 x 25
    "cache filled, nothing sampled": ("max_tokens", tokens(10, 0, **written(50_000, 50_000)), "0.50005"),
    "summary paid, answer declined": (
        "refusal",
        tokens(9, 0, iterations=[SUMMARY, one_pass("message", 9, 0)]),
        "0.8325",
    ),
    "paused for the summary": ("compaction", tokens(0, 0, iterations=[SUMMARY]), "0.8325"),
}


@pytest.mark.parametrize("name", STOPPED)
def test_bills_of_answers_that_stopped_early(name):
    stop_reason, usage, total = STOPPED[name]
    assert bill("claude-opus-4-6", usage, stop_reason=stop_reason).cost == Decimal(total)


@pytest.mark.parametrize("value", [-1000, 1e30, "1000", True, 10**13, [1000]])
def test_a_number_that_is_none_costs_nothing_and_is_noted(value):
    entry = bill("claude-opus-4-6", tokens(value, 100))
    assert entry.cost == Decimal("0.0025")
    assert entry.odd[0].startswith("input_tokens=")
    assert len(entry.odd) == 1


DATED = {
    # 100000 reads at 0.20 or 0.10, 100 x 10
    "current, the day before": ("current", "2026-10-06T23:59:59", "claude-sonnet-5-5", 100_000, 0, "0.021"),
    "current, from the day on": ("current", "2026-10-07T00:00:00", "claude-sonnet-5-5", 100_000, 0, "0.011"),
    "announcement, the day before": ("announcement", "2026-10-06T12:00:00", "claude-sonnet-5-5", 100_000, 0, "0.011"),
    # 250000 x 6 + 100 x 22.50 while the large window lasted, 250000 x 3 + 100 x 15 afterwards
    "current, large window": ("current", "2026-04-29T12:00:00", "claude-sonnet-4-5", 0, 250_000, "1.50225"),
    "current, window gone": ("current", "2026-04-30T12:00:00", "claude-sonnet-4-5", 0, 250_000, "0.7515"),
    "announcement, no tier": ("announcement", "2026-04-29T12:00:00", "claude-sonnet-4-5", 0, 250_000, "0.7515"),
    "current, exactly 200,000": ("current", "2026-04-29T12:00:00", "claude-sonnet-4-5", 0, 200_000, "0.6015"),
}


@pytest.mark.parametrize("name", DATED)
def test_bills_follow_the_book_and_the_day(name):
    book, day, model, read, fresh, total = DATED[name]
    entry = bill(model, tokens(fresh, 100, cache_read_input_tokens=read), book=book, day=day)
    assert entry.cost == Decimal(total)
    assert entry.bill.book == book


def test_a_bill_says_what_each_line_is_for():
    entry = bill("claude-opus-4-6", BILLS["summary, then answer"][1] | {"server_tool_use": {"web_search_requests": 1}})
    assert lines(entry) == [
        ("input", 151_000, "5", "compaction"),
        ("output", 3100, "25", "compaction"),
        ("input", 4200, "5", "message"),
        ("output", 900, "25", "message"),
        ("web_search", 1, "0.01", ""),
    ]
    assert {line.model for line in entry.bill.lines[:4]} == {"claude-opus-4-6"}


def test_lines_of_another_model_name_it():
    entry = bill("claude-sonnet-4-6", BILLS["advice of a dearer model"][1])
    assert [line.model for line in entry.bill.lines] == ["claude-opus-4-6"] * 2 + ["claude-sonnet-4-6"] * 2


kinds = st.fixed_dictionaries(dict.fromkeys(
    ["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"], st.integers(0, 10**7)
))  # fmt: skip


@given(kinds, st.lists(kinds, max_size=3), st.sampled_from(["claude-haiku-5-5", "claude-opus-4-6"]))
def test_the_lines_of_any_bill_sum_to_its_total(top, passes, model):
    entry = bill(model, top | {"iterations": [{"type": "message"} | one for one in passes]})
    assert entry.cost == sum(line.amount for line in entry.bill.lines)
    billed = sum(line.quantity for line in entry.bill.lines)
    assert billed == sum(sum(one.values()) for one in passes or [top])


def settled(deployment, usage, *, stated=None, body=None, adjust=lambda call, usage, served: (), rows=()):
    catalog = Catalog({"base": [*ROWS, *rows]})
    return settlement(catalog, adjust).settle(
        report(call_to(deployment, body=body), stated=lambda: stated or {}),
        used(usage) if isinstance(usage, dict) else usage,
    )


@pytest.mark.parametrize(
    ("asked", "stated", "said", "served"),
    [
        ({}, {}, {"speed": "fast"}, {"speed": "fast"}),
        ({"speed": "fast"}, {}, {"speed": "standard"}, {}),
        ({"speed": "fast"}, {}, {"speed": None}, {}),
        ({"speed": "fast"}, {}, {}, {"speed": "fast"}),
        ({"speed": 7}, {}, {}, {}),
        ({"inference_geo": "us"}, {"inference_geo": "eu"}, {}, {"inference_geo": "eu"}),
        ({}, {"inference_geo": "us"}, {"inference_geo": "global"}, {"inference_geo": "us"}),
        ({}, {"inference_geo": "us"}, {"inference_geo": None}, {"inference_geo": "us"}),
        ({}, {"inference_geo": "us"}, {"inference_geo": "eu"}, {"inference_geo": "eu"}),
        ({"speed": "fast"}, {}, {"speed": ["fast"]}, {"speed": "fast"}),
        ({}, {}, {"inference_geo": "not_available", "service_tier": "standard"}, {}),
        ({}, {}, {"inference_geo": ""}, {}),
        ({}, {}, {"service_tier": "batch"}, {"service_tier": "batch"}),
        ({"service_tier": "auto"}, {}, {}, {}),
    ],
)
def test_what_was_served_counts_before_what_was_asked(asked, stated, said, served):
    entry = settled(anthropic("claude-opus-4-6"), tokens(1000, 0) | said, stated=stated, body=asked)
    assert entry.served == served
    assert entry.unpriced == tuple(f"{name}={value}" for name, value in served.items())
    assert entry.cost == Decimal("0.005")


def test_a_priced_fact_is_not_listed_as_unpriced():
    rows = [FactorRow(reason="fast", times=Decimal(6), fact="speed", source="x")]
    entry = settled(
        anthropic("claude-opus-4-6"),
        tokens(1000, 100, speed="fast", inference_geo="us"),
        adjust=lambda call, usage, served: ["fast"] if served.get("speed") == "fast" else [],
        rows=rows,
    )
    assert entry.cost == Decimal("0.045")  # 6 x (1000 x 5 + 100 x 25) a million
    assert entry.unpriced == ("inference_geo=us",)


def test_factors_come_by_number_or_by_reason_and_multiply():
    entry = settled(
        anthropic("claude-opus-4-6"),
        tokens(1_000_000, 1_000_000),
        adjust=lambda call, usage, served: [Factor("us", Decimal("1.1")), "long"],
        rows=[
            FactorRow(reason="long", times=Decimal(2), kinds=("input",)),
            FactorRow(reason="long", times=Decimal("1.5"), kinds=("output",)),
        ],
    )
    assert [line.amount for line in entry.bill.lines] == [Decimal(11), Decimal("41.25")]


def test_factors_do_not_touch_what_is_paid_by_the_piece():
    entry = settled(
        anthropic("claude-opus-4-6"),
        tokens(0, 0, server_tool_use={"web_search_requests": 2}),
        adjust=lambda call, usage, served: [Factor("us", Decimal("1.1"))],
    )
    assert entry.cost == Decimal("0.02")


def test_a_reason_without_a_number_is_named():
    entry = settled(anthropic("claude-opus-4-6"), tokens(1000), adjust=lambda call, usage, served: ["typo"])
    assert entry.unpriced == ("factor typo",)
    assert entry.cost == Decimal("0.005")


def test_factors_are_asked_for_each_pass_with_its_own_model():
    seen = []

    def adjust(call, usage, served):
        seen.append((usage.label, usage.prompt))
        return ["step"] if usage.prompt > 200_000 else []

    rows = [FactorRow(reason="step", times=Decimal(2), upstream=("claude-opus-4-6",))]
    listed = [one_pass("compaction", 250_000, 0), one_pass("message", 100_000, 0)]
    entry = settled(anthropic("claude-opus-4-6"), tokens(100_000, iterations=listed), adjust=adjust, rows=rows)
    assert seen == [("compaction", 250_000), ("message", 100_000)]
    assert [line.amount for line in entry.bill.lines] == [Decimal("2.5"), Decimal("0.5")]


def test_the_operators_prices_replace_the_whole_row():
    deployment = anthropic("claude-haiku-5-5", rates=RATES)
    entry = settled(deployment, tokens(1_000_000, 1_000_000, **written(2_000_000, 1_000_000)))
    assert [str(line.amount) for line in entry.bill.lines] == ["1", "2", "3", "5"]


def test_the_operators_prices_hold_for_passes_that_name_the_model():
    listed = [one_pass("message", 1_000_000, 0, model="claude-opus-4-6"),
              one_pass("advisor_message", 1_000_000, 0, model="claude-opus-4-6")]  # fmt: skip
    entry = settled(anthropic("my-opus", rates=RATES), tokens(iterations=listed))
    assert [line.amount for line in entry.bill.lines] == [Decimal(1), Decimal(5)]


def test_a_deployment_is_priced_as_its_base_model():
    listed = [one_pass("message", 1_000_000, 0, model="my-alias"), one_pass("compaction", 1_000_000, 0)]
    deployment = anthropic("my-alias", base_model="claude-sonnet-4-6")
    assert settled(deployment, tokens(iterations=listed)).cost == 6
    assert settled(deployment, tokens(1_000_000)).cost == 3


def test_a_model_without_rates_is_served_without_a_bill():
    entry = settled(anthropic("claude-new-9"), tokens(1000, 10, server_tool_use={"web_search_requests": 1}))
    assert entry.unpriced == ("rates of claude-new-9",)
    assert (entry.bill, entry.cost) == (None, None)
    assert entry.passes[0].counts == {"input": 1000, "output": 10}


def test_an_attempt_that_used_nothing_needs_no_price():
    entry = settled(anthropic("claude-new-9"), {}, body={"speed": "fast"})
    assert (entry.cost, entry.unpriced) == (0, ())


def test_one_pass_without_rates_leaves_no_half_bill():
    listed = [one_pass("message", 1000, 0), one_pass("advisor_message", 1000, 0, model="gone-1")]
    entry = settled(anthropic("claude-opus-4-6"), tokens(iterations=listed))
    assert entry.unpriced == ("rates of gone-1",)
    assert entry.bill is None


def test_nobody_can_estimate_a_model_without_rates():
    there = make_call().toward(anthropic("claude-new-9"))
    assert settlement().estimate(there, Usage(raw=tokens(1, 1)), {}) == (None, ("rates of claude-new-9",))


def test_a_broken_feature_leaves_the_entry_unpriced_with_its_usage(caplog):
    def adjust(call, usage, served):
        raise RuntimeError("no factor today")

    entry = settled(anthropic("claude-opus-4-6"), tokens(1000, 10), adjust=adjust)
    assert entry.bill is None
    assert entry.cost is None
    assert entry.unpriced == ("everything: pricing failed",)
    assert entry.usage == tokens(1000, 10)
    assert [one.counts for one in entry.passes] == [{"input": 1000, "output": 10}]
    assert "no factor today" in caplog.text


def test_a_broken_recorder_silences_nobody(caplog):
    seen = []

    def broken(entry):
        raise OSError("disk full")

    settling = settlement(recorders={"broken": broken, "books": seen.append})
    entry = settling.settle(report(call_to(anthropic("claude-opus-4-6"))), used(tokens(1, 1)))
    assert seen == [entry]
    assert "broken could not record" in caplog.text


def test_an_entry_tells_the_whole_story():
    call = call_to(
        anthropic("claude-opus-4-6", id="a/1"),
        id="req_1",
        principal=Principal("k-1", "Ada", "physics", ("blue",)),
        surface="chat",
        model="my-model",
        stream=True,
        unread=("novel",),
    )
    entry = settlement().settle(
        report(call, number=2, outcome="cut", upstream_request_id="req_up", error="it broke"), used(tokens(1000, 500))
    )
    assert (entry.call_id, entry.attempt, entry.at, entry.outcome, entry.error) == (
        "req_1",
        2,
        TODAY,
        "cut",
        "it broke",
    )
    assert (entry.key_id, entry.alias, entry.team, entry.tags) == ("k-1", "Ada", "physics", ("blue",))
    assert (entry.surface, entry.model, entry.deployment, entry.provider) == ("chat", "my-model", "a/1", "anthropic")
    assert (entry.upstream_model, entry.served_model) == ("claude-opus-4-6", "as-served")
    assert (entry.upstream_request_id, entry.stream, entry.unread) == ("req_up", True, ("novel",))
    assert entry.timings.ours == 0.5


def test_an_entry_is_json_with_decimal_texts():
    rows = [FactorRow(reason="fast", times=Decimal(6), fact="speed", source="a page")]
    entry = settled(
        anthropic("claude-opus-4-6"),
        tokens(1000, 500, speed="fast", odd_ratio=0.25, odd_count=10**18),
        adjust=lambda call, usage, served: ["fast"],
        rows=rows,
    )
    value = entry.as_dict()
    assert json.loads(json.dumps(value)) == orjson.loads(orjson.dumps(value))
    assert value["cost_usd"] == "0.105000"
    assert value["bill"] == {"book": "announcement", "digest": entry.bill.digest, "currency": "USD"}
    assert value["lines"][0] == {
        "kind": "input",
        "quantity": 1000,
        "price_usd": "5",
        "unit": 1_000_000,
        "factors": [{"reason": "fast", "times": "6", "source": "a page"}],
        "amount_usd": "0.030000",
        "pass": "message",
        "model": "claude-opus-4-6",
    }
    assert value["passes"] == [{"label": "message", "model": "", "counts": {"input": 1000, "output": 500}}]
    assert value["timings"] == {"first_byte": 1.0, "total": 2.0, "ours": 0.5}
    assert value["usage"]["odd_ratio"] == 0.25
    assert value["at"] == "2026-11-22T12:00:00+00:00"


def test_an_entry_without_a_bill_is_json_too():
    entry = replace(bill("claude-opus-4-6", tokens(1, 1)), bill=None)
    assert (entry.as_dict()["cost_usd"], entry.as_dict()["lines"], entry.as_dict()["bill"]) == (None, [], None)


def test_an_estimate_is_the_bill_of_so_much_usage():
    there = make_call({"speed": "fast"}).toward(anthropic("claude-opus-4-6"))
    most = Usage(raw=tokens(100_000, 1000))
    adjust = lambda call, usage, served: [Factor("fast", Decimal(2 * len(served)))]  # noqa: E731
    for stated, total in (({}, "1.05"), ({"place": "here"}, "2.1")):
        bill, unpriced = settlement(adjust=adjust).estimate(there, most, stated)
        assert bill.total == Decimal(total)
        assert unpriced == ("speed=fast", *(f"{name}={value}" for name, value in stated.items()))


def test_meters_of_other_models_do_not_count():
    rows = [MeterRow(provider="anthropic", upstream=("other",), path="sandbox.hours", kind="sandbox", price=Decimal(1))]
    entry = settled(anthropic("claude-opus-4-6"), tokens(0, 0, sandbox={"hours": 5}), rows=rows)
    assert entry.cost == 0


def test_a_row_may_price_what_no_catalog_shipped():
    rows = [ModelRow(provider="anthropic", upstream=("mine-*",), id="mine", rates=RATES)]
    assert settled(anthropic("mine-1"), tokens(1_000_000), rows=rows).cost == 1
