from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_infra_ledger.report import GROUPS, Report, Selection

from gateway import Pass

NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)


@pytest.fixture
def report(database):
    return Report(database)


@pytest.fixture
def filled(store, entry, bill):
    """Five entries on three days."""
    facts = [
        {
            "at": NOON,
            "key_id": "key-a",
            "alias": "alice",
            "team": "blue",
            "model": "m1",
            "deployment": "d1",
            "bill": bill("1"),
        },
        {
            "at": NOON,
            "key_id": "key-b",
            "alias": "bob",
            "team": "blue",
            "model": "m1",
            "deployment": "d2",
            "bill": bill("2"),
        },
        {
            "at": NOON + timedelta(hours=11, minutes=59),
            "key_id": "key-a",
            "model": "m2",
            "deployment": "d1",
            "bill": bill("4"),
            "estimated": True,
        },
        {
            "at": NOON + timedelta(hours=12),
            "key_id": "key-a",
            "model": "m2",
            "deployment": "d1",
            "bill": bill("8"),
            "team": "red",
        },
        {
            "at": NOON + timedelta(days=2),
            "key_id": "key-b",
            "alias": "bob",
            "model": "m2",
            "deployment": "d2",
            "bill": None,
            "unpriced": ("rates of m2",),
            "team": "red",
        },
    ]
    store.add([entry(call_id=f"req_{number}", **one) for number, one in enumerate(facts)])


def ids(rows):
    return [row["call_id"].removeprefix("req_") for row in rows]


def test_entries_come_newest_first(report, filled):
    assert ids(report.entries(Selection())) == ["4", "3", "2", "1", "0"]
    assert ids(report.entries(Selection(), 2)) == ["4", "3"]


def test_an_entry_has_its_cost_in_dollars(report, filled):
    newest, second, *_ = report.entries(Selection())
    assert newest["cost"] is None
    assert second["cost"] == Decimal(8)
    assert second["at"] == datetime(2026, 2, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (Selection(since=datetime(2026, 2, 6, tzinfo=UTC)), ["4", "3"]),
        (Selection(until=datetime(2026, 2, 6, tzinfo=UTC)), ["2", "1", "0"]),
        (Selection(since=NOON, until=NOON), []),
        (Selection(key="key-b"), ["4", "1"]),
        (Selection(key="bob"), ["4", "1"]),
        (Selection(model="m1"), ["1", "0"]),
        (Selection(key="alice", model="m2"), ["3", "2"]),
        (Selection(key="' OR 1=1 --"), []),
        (Selection(key="%"), []),
    ],
)
def test_selections(report, filled, selection, found):
    assert ids(report.entries(selection)) == found


@pytest.mark.parametrize(
    "moment", [datetime(2026, 2, 6, 5, tzinfo=UTC).astimezone(), datetime(2026, 2, 6, 5, tzinfo=UTC)]
)
def test_a_moment_is_compared_in_utc(report, filled, moment):
    assert ids(report.entries(Selection(since=moment))) == ["4"]


def test_the_total(report, filled):
    (total,) = report.totals(Selection())
    assert total == {
        "entries": 5,
        "input_tokens": 5 * 1234,
        "cache_write_5m_tokens": 0,
        "cache_write_1h_tokens": 0,
        "cache_read_tokens": 50_000,
        "output_tokens": 5 * 77,
        "estimated": 1,
        "unpriced": 1,
        "cost": Decimal(15),
    }


def test_the_total_of_nothing(report):
    (total,) = report.totals(Selection())
    assert set(total.values()) == {0}
    assert report.totals(Selection(), "key") == []


@pytest.mark.parametrize(
    ("by", "sums"),
    [
        ("key", {"key-a": 13, "key-b": 2}),
        ("model", {"m2": 12, "m1": 3}),
        ("deployment", {"d1": 13, "d2": 2}),
        ("team", {"red": 8, "blue": 7}),
        ("day", {"2026-02-05": 7, "2026-02-06": 8, "2026-02-07": 0}),
    ],
)
def test_totals_by_group(report, filled, by, sums):
    found = report.totals(Selection(), by)
    assert [(row["name"], row["cost"]) for row in found] == list(sums.items())
    assert sum(row["entries"] for row in found) == 5
    assert by in GROUPS


def test_totals_of_a_selection(report, filled):
    assert [row["name"] for row in report.totals(Selection(key="alice"), "model")] == ["m2", "m1"]


def test_sums_go_beyond_64_bits_and_stay_exact(report, store, entry, bill):
    store.add([entry(bill=bill("9223372.036854775807")) for _ in range(3)])
    (total,) = report.totals(Selection())
    assert total["cost"] == Decimal("9223372.036854775807") * 3


def test_long_lists_are_read_to_their_end(report, store, entry):
    store.add([entry(bill=None, passes=(Pass("message", "", {"output": 1}),)) for _ in range(2500)])
    assert len(list(report.entries(Selection()))) == 2500
    assert report.totals(Selection())[0]["output_tokens"] == 2500


def test_a_correction_is_no_attempt_and_leaves_no_estimate(report, store, entry, bill):
    guess = entry(outcome="unknown", estimated=True, bill=bill("5"))
    other = entry(estimated=True, bill=bill("7"))
    store.add([guess, other])
    store.add([replace(guess, outcome="complete", estimated=False, bill=bill("2"))])
    (total,) = report.totals(Selection())
    assert (total["entries"], total["estimated"], total["cost"]) == (2, 1, Decimal(9))
    assert total["input_tokens"] == 2 * 1234
