import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import combinations

import pytest
from gateway_infra_ledger.question import GROUPS, Question
from gateway_infra_ledger.report import Report, Selection
from gateway_infra_ledger.spend import MOST_NAMES, Spend

from gateway import Bill, Factor, InvalidRequest, Line

NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)
FAST, US = Factor("fast_mode", Decimal(6)), Factor("inference_geo", Decimal("1.1"))


@pytest.fixture
def spend(database):
    return Spend(database)


def bill_of(*factors, search=False):
    """A dollar of input with factors, and perhaps a search."""
    lines = [Line("input", 200_000, Decimal(5), 1_000_000, factors, "message", "m")]
    return Bill((*lines, *([Line("web_search", 1, Decimal("0.01"), 1, ())] if search else [])), "current", "digest")


@pytest.fixture
def filled(store, entry):
    """Six entries of two keys on three days."""
    facts = [
        {"at": NOON, "key_id": "a", "alias": "alice", "team": "blue", "model": "m1", "bill": bill_of()},
        {"at": NOON, "key_id": "a", "alias": "alice", "team": "blue", "model": "m2", "bill": bill_of(FAST)},
        {"at": NOON, "key_id": "b", "alias": "bob", "team": "red", "model": "m1", "bill": bill_of(FAST, US)},
        {
            "at": NOON + timedelta(days=1), "key_id": "b", "alias": "bob", "team": "red", "model": "m1",
            "bill": bill_of(search=True), "estimated": True, "deployment": "d2",
        },
        {
            "at": NOON + timedelta(days=2), "key_id": "b", "alias": "bob", "team": "red", "model": "m3",
            "bill": None, "unpriced": ("rates of m3", "geo=xx"),
        },
        {
            "at": NOON + timedelta(days=2), "key_id": "b", "alias": "bob", "team": "red", "model": "m2",
            "bill": bill_of(), "unpriced": ("geo=xx",),
        },
    ]  # fmt: skip
    store.add([entry(**one) for one in facts])


def costs(spending, *names):
    return {tuple(row.group[name] for name in names): row.cost for row in spending.rows}


def test_everything_is_one_row(spend, filled):
    (row,) = spend.of(Question()).rows
    assert row.as_dict() == {
        "entries": 6,
        "cost_usd": "15.610000",
        "estimated": 1,
        "estimated_usd": "1.010000",
        "unpriced": 2,
        "unpriced_names": {"geo=xx": 2, "rates of m3": 1},
    }


@pytest.mark.parametrize(
    ("by", "found"),
    [
        ("key", {"b": "8.61", "a": "7"}),
        ("team", {"red": "8.61", "blue": "7"}),
        ("model", {"m1": "8.61", "m2": "7", "m3": "0"}),
        ("deployment", {"test/one": "14.6", "d2": "1.01"}),
        ("day", {"2026-02-05": "13.6", "2026-02-06": "1.01", "2026-02-07": "1"}),
    ],
)
def test_sums_by_group_stand_the_dearest_first_and_days_in_order(spend, filled, by, found):
    rows = spend.of(Question((by,))).rows
    assert [(row.group[by], row.cost) for row in rows] == [(name, Decimal(cost)) for name, cost in found.items()]


def test_by_feature_the_base_stands_apart_from_what_factors_and_meters_add(spend, filled):
    rows = spend.of(Question(("feature",))).rows
    assert [(row.group["feature"], row.group["kind"], row.cost, row.entries) for row in rows] == [
        ("fast_mode", "factor", Decimal(10), 2),
        ("base", "base", Decimal(5), 6),
        ("inference_geo", "factor", Decimal("0.6"), 1),
        ("web_search", "meter", Decimal("0.01"), 1),
    ]


def test_what_is_estimated_is_told_for_each_feature(spend, filled):
    told = {row.group["feature"]: (row.estimated, row.estimated_units) for row in spend.of(Question(("feature",))).rows}
    assert told == {
        "base": (1, 10**12),
        "fast_mode": (0, 0),
        "inference_geo": (0, 0),
        "web_search": (1, 10**10),
    }


def test_a_key_has_its_alias_beside_it(spend, filled):
    assert [row.group for row in spend.of(Question(("key",))).rows] == [
        {"key": "b", "alias": "bob"},
        {"key": "a", "alias": "alice"},
    ]


def test_groups_combine(spend, filled):
    found = costs(spend.of(Question(("team", "feature"))), "team", "feature")
    assert found == {
        ("red", "fast_mode"): Decimal(5),
        ("blue", "fast_mode"): Decimal(5),
        ("red", "base"): Decimal(3),
        ("blue", "base"): Decimal(2),
        ("red", "inference_geo"): Decimal("0.6"),
        ("red", "web_search"): Decimal("0.01"),
    }


@pytest.mark.parametrize(
    ("question", "cost"),
    [
        (Question(key="a"), "7"),
        (Question(key="alice"), "7"),
        (Question(team="red"), "8.61"),
        (Question(model="m2"), "7"),
        (Question(key="bob", model="m1"), "7.61"),
        (Question(since=date(2026, 2, 6)), "2.01"),
        (Question(until=date(2026, 2, 5)), "13.6"),
        (Question(since=date(2026, 2, 6), until=date(2026, 2, 6)), "1.01"),
        (Question(since=date(2026, 2, 8)), "0"),
        (Question(key="' OR 1=1 --"), "0"),
        (Question(key="%"), "0"),
    ],
)
def test_selections(spend, filled, question, cost):
    assert spend.of(question).total.cost == Decimal(cost)


def test_names_without_a_price_belong_to_their_group(spend, filled):
    rows = {row.group["model"]: row for row in spend.of(Question(("model",))).rows}
    assert rows["m3"].missing == {"rates of m3": 1, "geo=xx": 1}
    assert rows["m2"].missing == {"geo=xx": 1}
    assert rows["m1"].missing == {}


def test_an_entry_without_a_bill_is_never_silent(spend, store, entry):
    store.add([entry(bill=None, unpriced=())])
    (row,) = spend.of(Question()).rows
    assert (row.unpriced, row.missing) == (1, {"no bill": 1})


def test_an_empty_ledger_has_one_sum_of_nothing_and_no_groups(spend):
    (row,) = spend.of(Question()).rows
    assert (row.entries, row.units) == (0, 0)
    for name in GROUPS:
        assert spend.of(Question((name,))).rows == []


def test_days_end_at_midnight_utc(spend, store, entry):
    midnight = datetime(2026, 2, 6, tzinfo=UTC)
    moments = [midnight - timedelta(microseconds=1), midnight, midnight.astimezone()]
    store.add([entry(at=moment, bill=bill_of()) for moment in moments])
    assert costs(spend.of(Question(("day",))), "day") == {("2026-02-05",): Decimal(1), ("2026-02-06",): Decimal(2)}


def test_what_is_written_is_in_the_next_answer(spend, store, entry):
    for count in (1, 2, 3):
        store.add([entry(bill=bill_of())])
        assert spend.of(Question()).total.entries == count


@pytest.mark.parametrize("seed", range(2))
def test_sums_over_any_grouping_equal_the_cost_to_the_last_unit(database, spend, store, entry, seed):
    chance = random.Random(seed)
    reasons = ("fast_mode", "inference_geo", "long_context", "batch")
    for _ in range(120):
        factors = tuple(
            Factor(name, Decimal(chance.randint(1, 10**7)).scaleb(-6)) for name in reasons if chance.random() < 0.5
        )
        price = Decimal(chance.randint(0, 10**9)).scaleb(-8)
        lines = [Line("input", chance.randint(1, 10**6), price, 10**6, factors), Line("web", 1, price, 1, ())]
        facts = {name: f"{name}-{chance.randrange(3)}" for name in ("key_id", "team", "model", "deployment")}
        at = NOON + timedelta(seconds=chance.randrange(3 * 86400))
        store.add([entry(at=at, bill=Bill(tuple(lines)), estimated=chance.random() < 0.3, **facts)])
    (truth,) = Report(database).totals(Selection())
    for size in range(4):
        for by in combinations(GROUPS, size):
            found = spend.of(Question(by))
            assert sum(row.cost for row in found.rows) == truth["cost"] == found.total.cost
            assert sum(row.estimated_units for row in found.rows) == found.total.estimated_units > 0
            if "feature" not in by:
                assert sum(row.entries for row in found.rows) == truth["entries"]
    plain = Report(database).totals(Selection(), "key")
    assert costs(spend.of(Question(("key",))), "key") == {(row["name"],): row["cost"] for row in plain}


def test_a_long_list_of_names_says_how_many_are_left_out(spend, store, entry):
    store.add([entry(bill=None, unpriced=(f"geo={number:03}",)) for number in range(MOST_NAMES + 5)])
    told = spend.of(Question()).total.as_dict()["unpriced_names"]
    assert len(told) == MOST_NAMES + 1
    assert told["and 5 more names"] == 5


def test_a_question_is_read_from_texts():
    told = {"by": "team,day,team", "since": "2026-02-05", "until": "", "model": "m1"}
    assert Question.read(told) == Question(("team", "day"), since=date(2026, 2, 5), model="m1")
    assert Question.read({}) == Question()


@pytest.mark.parametrize(
    ("told", "param"),
    [
        ({"by": "moon"}, "by"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-02-30"}, "until"),
        ({"group": "key"}, "group"),
    ],
)
def test_mistakes_in_a_question_are_named(told, param):
    with pytest.raises(InvalidRequest, match=param) as refused:
        Question.read(told)
    assert refused.value.param == param


def test_json_has_the_question_the_rows_and_the_total(spend, filled):
    told = spend.of(Question(("team",), since=date(2026, 2, 6), key="bob")).as_dict()
    row = {
        "entries": 3,
        "cost_usd": "2.010000",
        "estimated": 1,
        "estimated_usd": "1.010000",
        "unpriced": 2,
        "unpriced_names": {"geo=xx": 2, "rates of m3": 1},
    }
    assert told == {
        "question": {"by": ["team"], "since": "2026-02-06", "key": "bob"},
        "spend": [{"team": "red", **row}],
        "total": row,
    }
