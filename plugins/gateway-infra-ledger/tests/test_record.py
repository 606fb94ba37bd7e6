import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from gateway_infra_ledger.amount import from_units, to_units
from gateway_infra_ledger.record import LONGEST, MOST, Record, call_dict, text
from hypothesis import given
from hypothesis import strategies as st

from gateway import Bill, Factor, Line, Pass, strictjson
from gateway.testing import make_entry

PRICES = st.decimals(min_value=0, max_value=100, places=6)
FACTORS = st.lists(
    st.builds(Factor, st.sampled_from(["fast", "geo", "long"]), st.decimals(min_value="0.01", max_value=10, places=2)),
    max_size=3,
).map(tuple)
TOKENS = st.builds(Line, st.sampled_from(["input", "output"]), st.integers(0, 10**7), PRICES, st.just(10**6), FACTORS)
PIECES = st.builds(Line, st.just("web_search"), st.integers(0, 100), PRICES, st.just(1), st.just(()))
BILLS = st.builds(Bill, st.lists(TOKENS | PIECES, max_size=6).map(tuple))
"""Bills that fit: their largest is six million dollars."""


def told(entry):
    """The core's own words for an entry, as they arrive over HTTP; prices without their trailing zeros."""
    value = json.loads(strictjson.dumps(entry.as_dict()))
    for line in value["lines"]:
        line["price_usd"] = f"{Decimal(line['price_usd']).normalize():f}"
    return value


def test_a_record_says_what_the_entry_says_in_the_same_order(entry):
    one = entry()
    assert json.dumps(Record.of(one).as_dict()) == json.dumps(told(one))


def test_an_entry_without_a_bill_has_no_cost(entry):
    one = entry(bill=None, unpriced=("everything: pricing failed",))
    assert Record.of(one).as_dict() == told(one)
    assert Record.of(one).as_dict()["cost_usd"] is None


def test_a_bill_without_lines_costs_nothing_which_is_not_no_bill(entry):
    assert Record.of(entry(bill=Bill(()))).as_dict()["cost_usd"] == "0.000000"


@given(BILLS)
def test_lines_add_up_to_the_total_to_the_last_digit(bill):
    told = Record.of(make_entry(bill=bill)).as_dict()
    assert sum((Decimal(line["amount_usd"]) for line in told["lines"]), Decimal(0)) == Decimal(told["cost_usd"])


@given(BILLS)
def test_each_line_is_within_half_a_unit_of_its_exact_amount(bill):
    for line, stored in zip(bill.lines, Record.of(make_entry(bill=bill)).lines, strict=True):
        assert abs(from_units(stored["amount"]) - line.amount) <= Decimal("0.5e-12")


@given(BILLS)
def test_a_line_can_be_recomputed_from_what_is_stored(bill):
    for line in Record.of(make_entry(bill=bill)).as_dict()["lines"]:
        amount = Decimal(line["quantity"]) * Decimal(line["price_usd"]) / line["unit"]
        for factor in line["factors"]:
            amount *= Decimal(factor["times"])
        assert to_units(amount) == to_units(Decimal(line["amount_usd"]))


def test_tokens_of_all_passes_are_summed(entry):
    passes = (
        Pass("message", "", {"input": 1, "output": 2}),
        Pass("advisor", "claude-b", {"input": 10, "cache_write_1h": 5}),
    )
    row = Record.of(entry(passes=passes)).entry
    assert (row["input_tokens"], row["output_tokens"], row["cache_write_1h_tokens"]) == (11, 2, 5)
    assert (row["cache_write_5m_tokens"], row["cache_read_tokens"]) == (0, 0)


@pytest.mark.parametrize("amounts", [["9223373"], ["9223372", "1"], ["NaN"]])
def test_a_bill_that_does_not_fit_is_stored_as_none_and_said_aloud(entry, bill, amounts, caplog):
    one = entry(call_id="req_big", bill=bill(*amounts), unpriced=("geo=xx",))
    told = Record.of(one).as_dict()
    assert (told["cost_usd"], told["lines"]) == (None, [])
    assert told["unpriced"][0].startswith("amount: ")
    assert told["unpriced"][1] == "geo=xx"
    assert "req_big, attempt 1 is stored without its bill" in caplog.text
    assert caplog.records[0].levelno == logging.ERROR


def test_a_quantity_that_does_not_fit_neither(entry):
    huge = Bill((Line("input", 2**63, Decimal(0), 1, ()),))
    assert Record.of(entry(bill=huge)).as_dict()["cost_usd"] is None


def test_a_moment_elsewhere_is_the_same_moment_in_utc(entry):
    noon = datetime(2026, 2, 5, 12, tzinfo=timezone(timedelta(hours=5)))
    assert Record.of(entry(at=noon)).entry["at"] == datetime(2026, 2, 5, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("plain", "plain"), ("a\0b", "a\ufffdb"), ("half \ud800", "half ?"), ("x" * 2000, "x" * (LONGEST - 1) + "…")],
)
def test_texts_are_what_both_databases_take(given, kept):
    assert text(given) == kept


def test_lists_that_clients_can_make_long_end_with_a_count(entry):
    names = tuple(f"field_{number}" for number in range(10_000))
    unread = Record.of(entry(unread=names)).as_dict()["unread"]
    assert len(unread) == MOST
    assert unread[-1] == f"and {10_000 - MOST + 1} more"


def test_a_hosts_strange_usage_is_no_reason_to_lose_the_bill(entry):
    strange = {"big": 2**80, "half": "\ud800", "small": 7, "list": [1.5], "nan": float("nan")}
    told = Record.of(entry(usage=strange)).as_dict()
    assert told["usage"] == {"big": str(2**80), "half": "?", "small": 7, "list": ["1.5"], "nan": "NaN"}
    assert told["cost_usd"] is not None


def test_a_value_of_a_strange_kind_is_refused_by_name(entry):
    with pytest.raises(TypeError, match="attempt: object cannot be stored"):
        Record.of(entry(attempt=object()))


def test_a_float_keeps_its_own_spelling(entry):
    usage = strictjson.loads_lenient(b'{"share":1.50}')
    assert strictjson.dumps(Record.of(entry(usage=usage)).as_dict()["usage"]) == b'{"share":1.50}'


def test_a_call_sums_its_attempts_and_says_which_line_is_whose(entry, bill):
    first = entry(call_id="req_1", outcome="failed", bill=bill("0.000001"), estimated=True)
    second = replace(first, attempt=2, bill=bill("0.25", "0.5"), estimated=False, unpriced=("geo=xx",))
    told = call_dict("req_1", [Record.of(first), Record.of(second)])
    assert (told["call_id"], told["cost_usd"], told["estimated"]) == ("req_1", "0.750001", True)
    assert told["unpriced"] == ["geo=xx"]
    assert [(line["attempt"], line["amount_usd"]) for line in told["lines"]] == [
        (1, "0.000001"),
        (2, "0.250000"),
        (2, "0.500000"),
    ]
    assert [attempt["attempt"] for attempt in told["attempts"]] == [1, 2]


def test_a_call_without_any_bill_has_no_cost(entry):
    assert call_dict("req_1", [Record.of(entry(bill=None))])["cost_usd"] is None
