import random
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from gateway_infra_ledger.record import Record
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


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
