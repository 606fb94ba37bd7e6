import random
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from gateway_infra_ledger.record import Record, call_dict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import Bill, Line

EXACT = st.decimals(min_value="0", max_value="1000000", places=12)


def test_what_goes_in_comes_out(store, entry):
    one = entry(at=datetime(2026, 2, 5, 23, 59, 59, 999999, UTC), estimated=True, stream=True, unpriced=("geo=xx",))
    store.add([one])
    (found,) = store.call(one.call_id)
    assert found.as_dict() == Record.of(one).as_dict()


def test_an_entry_without_a_bill_or_a_first_byte(store, entry):
    one = entry(bill=None, outcome="failed", error="no answer", timings=replace(entry().timings, first_byte=None))
    store.add([one])
    (found,) = store.call(one.call_id)
    assert found.as_dict() == Record.of(one).as_dict()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amounts=st.lists(st.lists(EXACT, min_size=1, max_size=4), min_size=1, max_size=8))
def test_amounts_come_back_to_the_last_digit(store, entry, amounts):
    batch = [entry(bill=Bill(tuple(Line("input", 1, one, 1, ()) for one in some))) for some in amounts]
    store.add(batch)
    for one, some in zip(batch, amounts, strict=True):
        told = store.call(one.call_id)[0].as_dict()
        assert [Decimal(line["amount_usd"]) for line in told["lines"]] == some
        assert [Decimal(line["price_usd"]) for line in told["lines"]] == some
        assert Decimal(told["cost_usd"]) == sum(some)


def test_attempts_come_in_their_order(store, entry):
    first = entry()
    batch = [replace(first, attempt=number) for number in range(1, 6)]
    random.Random(5).shuffle(batch)
    for one in batch:
        store.add([one])
    assert [record.entry["attempt"] for record in store.call(first.call_id)] == [1, 2, 3, 4, 5]


def test_a_replay_is_harmless_in_any_order_and_mix(store, entry):
    batch = [entry() for _ in range(20)]
    order = random.Random(7)
    store.add(batch[:10])
    for _ in range(3):
        order.shuffle(batch)
        store.add(batch)
    for one in batch:
        (found,) = store.call(one.call_id)
        assert found.as_dict() == Record.of(one).as_dict()


def test_the_first_word_on_an_attempt_stands(store, entry, bill):
    one = entry(bill=bill("1"))
    store.add([one])
    store.add([replace(one, bill=bill("2", "3"), outcome="unknown")])
    told = store.call(one.call_id)[0].as_dict()
    assert (told["cost_usd"], told["outcome"], len(told["lines"])) == ("1.000000", "complete", 1)


def test_one_batch_may_name_an_attempt_twice(store, entry):
    one = entry()
    store.add([one, one])
    assert len(store.call(one.call_id)) == 1


def test_an_empty_batch(store):
    store.add([])


def test_a_key_sees_its_own_calls_only(store, entry):
    one = entry(key_id="key-a")
    store.add([one])
    assert store.call(one.call_id, "key-a")
    assert store.call(one.call_id, "key-b") == []
    assert store.call("req_unknown") == []


@pytest.mark.parametrize("call_id", ["req\0", "\ud800", "x" * 5000])
def test_an_id_that_cannot_be_is_not_asked_for(store, call_id):
    assert store.call(call_id) == []


def test_hostile_texts_are_kept_as_well_as_they_can_be(store, entry):
    one = entry(
        model="a\0b" + "c" * 10_000, error="\ud800", unread=("\0",), served_model="'; DROP TABLE ledger_entries; --"
    )
    store.add([one])
    assert store.call(one.call_id)[0].as_dict() == Record.of(one).as_dict()


def corrected(store, entry, bill):
    """An attempt of a process that was taken for dead, and then told how the attempt had ended."""
    guess = entry(outcome="unknown", estimated=True, bill=bill("3", "4"), error="The process ended.")
    known = replace(guess, outcome="complete", estimated=False, error="", bill=bill("1"), passes=entry().passes[:1])
    known = replace(known, passes=(replace(known.passes[0], counts={"input": 1000, "output": 90}),))
    store.add([guess])
    return guess, known


def test_who_knows_how_an_attempt_ended_corrects_who_does_not(store, entry, bill):
    guess, known = corrected(store, entry, bill)
    assert store.missing([guess]) == []
    assert store.missing([known]) == [known]
    store.add([known])
    first, second = store.call(guess.call_id)
    assert first.as_dict() == Record.of(guess).as_dict()
    told = second.as_dict()
    assert (told["attempt"], told["outcome"], told["estimated"]) == (-1, "complete", False)
    assert [line["amount_usd"] for line in told["lines"]] == ["-3.000000", "-4.000000", "1.000000"]
    assert told["cost_usd"] == "-6.000000"


def test_sums_over_a_correction_and_what_it_corrects_are_those_of_the_last_word(store, entry, bill):
    guess, known = corrected(store, entry, bill)
    store.add([known])
    rows = [record.entry for record in store.call(guess.call_id)]
    assert sum(row["cost"] for row in rows) == Record.of(known).entry["cost"]
    for name in ("input_tokens", "cache_read_tokens", "output_tokens"):
        assert sum(row[name] for row in rows) == Record.of(known).entry[name]
    told = call_dict(guess.call_id, store.call(guess.call_id))
    assert (told["cost_usd"], told["estimated"]) == ("1.000000", False)


def test_a_correction_is_written_once_in_any_order_and_mix(store, entry, bill):
    guess, known = corrected(store, entry, bill)
    for batch in ([known], [guess, known], [known, guess], [known]):
        store.add(batch)
        assert store.missing([known]) == []
    assert [record.entry["attempt"] for record in store.call(guess.call_id)] == [1, -1]


def test_who_knows_nothing_corrects_nobody(store, entry, bill):
    known = entry(bill=bill("1"))
    store.add([known])
    guess = replace(known, outcome="unknown", estimated=True, bill=bill("9"))
    assert store.missing([guess]) == []
    store.add([guess])
    assert len(store.call(known.call_id)) == 1


@pytest.mark.parametrize(("guessed", "knew", "sum_"), [(None, "2", 2), ("2", None, 0), (None, None, None)])
def test_a_correction_of_or_by_an_entry_without_a_bill(store, entry, bill, guessed, knew, sum_):
    guess = entry(outcome="unknown", estimated=True, bill=guessed and bill(guessed))
    known = replace(guess, outcome="complete", estimated=False, bill=knew and bill(knew), unpriced=("rates",))
    store.add([guess])
    store.add([known])
    costs = [record.entry["cost"] for record in store.call(guess.call_id)]
    found = [cost for cost in costs if cost is not None]
    assert (sum(found) if found else None) == (None if sum_ is None else sum_ * 10**12)


def test_only_what_the_database_does_not_have_is_missing(store, entry):
    there, other = entry(), entry()
    store.add([there])
    second = replace(there, attempt=2)
    assert store.missing([there, other, second]) == [other, second]
    assert store.missing([]) == []
