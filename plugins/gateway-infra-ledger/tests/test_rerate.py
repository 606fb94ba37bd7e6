import csv
import io
import json
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from click.testing import CliRunner
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.question import Question
from gateway_infra_ledger.record import Record
from gateway_infra_ledger.report import Report, Selection
from gateway_infra_ledger.rerate import Rerate
from gateway_infra_ledger.rerating import rerate_command
from gateway_infra_ledger.tariff import Tariffs

from gateway import FactorRow, MeterRow, ModelRow, Usage, config, hookimpl
from gateway.app import assemble
from gateway.call import Deployment
from gateway.testing import RATES, TestHostPlugin, found, make_call

TURN = date(2026, 2, 6)
NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)
DEARER = {kind: price * 2 for kind, price in RATES.items()}
HUGE = {kind: price * 3 for kind, price in RATES.items()}


def model(name, book, rates=RATES, **facts):
    return ModelRow(provider="test", upstream=(name,), id=name, rates=rates, book=book, **facts)


class Host(TestHostPlugin):
    @hookimpl
    def register_catalog(self):
        return [
            model("m1", "announcement"),
            model("m1", "current", until=TURN),
            model("m1", "current", DEARER, since=TURN),
            model("m2", "announcement", surcharge_above=200_000),
            model("m2", "current", tiers=((200_000, HUGE),)),
            model("m3", "announcement"),
            model("m4", "", tiers=((150_000, HUGE),)),
            MeterRow(
                provider="test",
                path="server_tool_use.web_search_requests",
                kind="search",
                price=Decimal("0.01"),
                models=("m1", "m2"),
            ),
        ]


class Speed:
    @hookimpl
    def register_catalog(self):
        return [
            FactorRow(reason="fast", times=Decimal(6), fact="speed", book="announcement"),
            FactorRow(reason="fast", times=Decimal("2.5"), fact="speed", book="current"),
            FactorRow(reason="long", times=Decimal(2), fact="prompt", kinds=("input", "cache_read")),
        ]

    @hookimpl
    def adjust_cost(self, served):
        return [name for name, fact in (("fast", "speed"), ("long", "prompt")) if fact in served]


PLUGINS = [found(Host, "test", "provider"), found(Speed, "speed", "feature")]
OWN = """
model_list:
  - {model_name: cheap, litellm_params: {model: test/m1, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}}
  - {model_name: "wild-*", litellm_params: {model: "test/*"}, model_info: {base_model: m1}}
"""


@pytest.fixture
def rerate(database):
    def ask(question=None, book="current", yaml=""):
        tariffs = Tariffs(config.parse(yaml, "test.yaml", {}), book, PLUGINS)
        return Rerate(database, tariffs, book).of(question or Question())

    return ask


class Books:
    """Prices entries one by one, as the core does."""

    def __init__(self, entry):
        self._entry = entry
        self._parts = {
            book: assemble(config.parse(f"pricing: {{book: {book}}}", "test.yaml", {}), found=PLUGINS, sends=False)
            for book in ("announcement", "current")
        }

    def price(self, book, usage, at, upstream="m1", **facts):
        """An entry under a book."""
        deployment = facts.pop("at_host", None) or Deployment(f"test/{upstream}", upstream, "test", upstream, {})
        call = make_call(at=at, deployment=deployment)
        counted = Usage(raw=usage)
        bill, unpriced = self._parts[book].settlement.estimate(call, counted, {})
        return self._entry(
            **{
                "at": at,
                "model": upstream,
                "deployment": deployment.id,
                "provider": "test",
                "upstream_model": deployment.upstream,
                "passes": tuple(counted.passes()),
                "served": {"speed": usage["speed"]} if "speed" in usage else {},
                "usage": usage,
                "bill": bill,
                "unpriced": unpriced,
                **facts,
            }
        )


@pytest.fixture
def books(entry):
    return Books(entry)


def random_usage(chance):
    usage = {
        "input_tokens": chance.choice([0, 7, 99_999, 150_000, 200_001, 512_345]),
        "cache_creation_input_tokens": chance.choice([0, 50_000]),
        "cache_creation": {"ephemeral_1h_input_tokens": 20_000, "ephemeral_5m_input_tokens": 30_000},
        "cache_read_input_tokens": chance.choice([0, 1, 100_000]),
        "output_tokens": chance.randint(0, 4000),
    }
    if chance.random() < 0.3:
        usage["speed"] = "fast"
    if chance.random() < 0.3:
        usage["server_tool_use"] = {"web_search_requests": 3}
    return usage


def cost(made):
    return sum((Record.of(one).entry["cost"] or 0) for one in made)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("by", [(), ("key",), ("model", "day"), ("deployment", "team")])
def test_rerating_equals_pricing_every_entry_under_the_book(store, books, rerate, seed, by):
    chance = random.Random(seed)
    asked = [
        (
            random_usage(chance),
            NOON + timedelta(hours=chance.randrange(48)),
            {
                "upstream": chance.choice(["m1", "m2"]),
                "key_id": chance.choice("ab"),
                "team": chance.choice(["blue", "red"]),
            },
        )
        for _ in range(60)
    ]
    store.add([books.price("announcement", usage, at, **facts) for usage, at, facts in asked])
    now = [books.price("current", usage, at, **facts) for usage, at, facts in asked]
    for book, truth in (("announcement", None), ("current", now)):
        answer = rerate(Question(by), book)
        total = answer.total
        expected = total.then.units if truth is None else cost(truth)
        assert total.amount == Decimal(expected).scaleb(-12)
        assert total.difference == total.amount - total.then.cost
        assert not total.missing
    for row in answer.rows:
        mine = [one for one in now if group_of(one, by) == {name: row.then.group[name] for name in by}]
        assert row.amount == Decimal(cost(mine)).scaleb(-12)


def group_of(one, by):
    facts = {"key": one.key_id, "team": one.team, "model": one.model, "deployment": one.deployment}
    return {name: one.at.date().isoformat() if name == "day" else facts[name] for name in by}


def test_a_price_changes_on_its_day(store, books, rerate):
    usage = {"input_tokens": 1_000_000}
    midnight = datetime(2026, 2, 6, tzinfo=UTC)
    for at in (midnight - timedelta(microseconds=1), midnight):
        store.add([books.price("announcement", usage, at)])
    rows = rerate(Question(("day",))).rows
    assert [(row.then.cost, row.amount, row.difference) for row in rows] == [(5, 5, 0), (5, 10, 5)]


def test_what_the_book_does_not_know_is_named_and_not_in_its_sums(store, books, rerate):
    store.add([books.price("announcement", {"input_tokens": 1_000_000}, NOON, upstream) for upstream in ("m1", "m3")])
    (row,) = rerate().rows
    assert (row.then.cost, row.amount, row.missing) == (10, 5, {"rates of m3": 1})


def test_what_had_no_price_gets_one(store, books, rerate):
    usage = {"input_tokens": 1_000_000, "server_tool_use": {"web_search_requests": 2}, "geo": "xx"}
    store.add([books.price("current", usage, NOON, "m1", bill=None, unpriced=("rates of m1",))])
    (row,) = rerate().rows
    assert (row.then.cost, row.then.unpriced) == (0, 1)
    assert (row.amount, row.missing) == (Decimal("5.02"), {})


def test_pieces_without_a_price_are_named(store, books, rerate):
    usage = {"input_tokens": 1_000_000, "server_tool_use": {"web_search_requests": 2}}
    store.add([books.price("announcement", usage, NOON, "m3")])
    (row,) = rerate(book="announcement").rows
    assert (row.amount, row.missing) == (5, {"search": 1})


def test_numbers_that_made_no_sense_stay_without_a_price(store, books, rerate):
    store.add([books.price("announcement", {"input_tokens": 7}, NOON, unpriced=("usage: output_tokens", "geo=xx"))])
    assert rerate().total.missing == {"usage: output_tokens": 1}


def test_prompts_on_both_sides_of_a_size_within_a_step_are_named_and_not_guessed(store, books, rerate):
    store.add([books.price("announcement", {"input_tokens": size}, NOON, "m4") for size in (120_000, 180_000, 7)])
    (row,) = rerate().rows
    assert row.amount == Decimal("0.000035")
    assert row.missing == {"prompts of 100,001 to 200,000 tokens differ": 2}


def test_prices_of_the_operator_stay(store, books, rerate):
    host = Deployment("test/m1", "cheap", "test", "m1", {})
    usage = {"input_tokens": 1_000_000, "output_tokens": 1_000_000}
    store.add([books.price("announcement", usage, NOON, at_host=host, model="cheap")])
    assert rerate(yaml=OWN).total.amount == 3
    assert rerate().total.amount == 30


def test_a_wildcard_s_deployment_is_priced_as_the_operator_says(store, books, rerate):
    host = Deployment("test/zzz", "wild-zzz", "test", "zzz", {}, base_model="m1")
    store.add([books.price("announcement", {"input_tokens": 1_000_000}, NOON, at_host=host, model="wild-zzz")])
    assert rerate(yaml=OWN).total.amount == 5
    assert rerate().total.missing == {"rates of zzz": 1}


def test_an_empty_ledger_is_rerated_to_nothing(rerate):
    (row,) = rerate().rows
    assert (row.then.entries, row.amount) == (0, 0)
    assert rerate(Question(("key",))).rows == []


def test_selections(store, books, rerate):
    for key, at in (("a", NOON), ("b", NOON), ("b", NOON + timedelta(days=1))):
        store.add([books.price("announcement", {"input_tokens": 1_000_000}, at, key_id=key, alias="")])
    assert rerate(Question(key="a")).total.amount == 5
    assert rerate(Question(since=TURN)).total.amount == 10
    assert rerate(Question(until=NOON.date())).total.amount == 10
    assert rerate(Question(since=date(2027, 1, 1))).total.amount == 0


def test_nothing_is_rewritten(database, store, books, rerate):
    store.add([books.price("announcement", {"input_tokens": 7, "speed": "fast"}, NOON)])
    before = list(Report(database).entries(Selection())), Report(database).totals(Selection())
    rerate()
    assert (list(Report(database).entries(Selection())), Report(database).totals(Selection())) == before


# ------------------------------------------------------------------------------------------------ the command


@pytest.fixture
def run(database):
    def invoke(*arguments, code=0):
        result = CliRunner().invoke(rerate_command(database), arguments)
        assert result.exit_code == code, result.output
        return result

    return invoke


@pytest.fixture
def unknown(store, entry, bill):
    """An entry of a provider that is not installed, and one with a formula for a team."""
    store.add([entry(at=NOON, team="=blue", provider="nowhere", bill=bill("2"))])


def test_the_table_names_what_has_no_price(run, unknown):
    told = run("--book", "current", "--by", "team").stdout
    (row,) = [line.split() for line in told.splitlines() if "=blue" in line]
    assert row == ["=blue", "1", "2.000000", "0.000000", "-2.000000", "1"]
    assert "Without a price in book current, so not in its sums: rates of claude-test-1 (1); speed=fast (1)." in told


def test_json(run, unknown):
    told = json.loads(run("--book", "current", "--by", "day", "--format", "json").stdout)
    row = {
        "entries": 1,
        "cost_usd": "2.000000",
        "rerated_usd": "0.000000",
        "difference_usd": "-2.000000",
        "unpriced": 1,
        "unpriced_names": {"rates of claude-test-1": 1, "speed=fast": 1},
    }
    assert told == {
        "book": "current",
        "question": {"by": ["day"]},
        "rerated": [{"day": "2026-02-05", **row}],
        "total": row,
    }


def test_csv_has_negative_numbers_and_no_formulas(run, unknown):
    (row,) = csv.DictReader(io.StringIO(run("--book", "current", "--by", "team", "--format", "csv").stdout))
    assert (row["team"], row["difference_usd"]) == ("'=blue", "-2.000000")
    assert row["unpriced_names"] == "rates of claude-test-1 (1); speed=fast (1)"


def test_looking_makes_no_ledger(sqlite_url, tmp_path):
    command = rerate_command(Database(Address.parse(sqlite_url)))
    result = CliRunner().invoke(command, ["--book", "current", "--format", "json"])
    assert json.loads(result.stdout)["total"]["entries"] == 0
    assert "There is no ledger" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", [["--book", "moon"], ["--book", "current", "--by", "feature"], []])
def test_mistakes_are_named(run, option):
    assert ("--by" if "--by" in option else "--book") in run(*option, code=2).output
