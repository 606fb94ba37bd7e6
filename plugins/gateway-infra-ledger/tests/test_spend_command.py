import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from click.testing import CliRunner
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.spending import spend_command

from gateway import Bill, Factor, Line

NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)


@pytest.fixture
def run(database):
    """Runs the command as the core's command line would."""

    def invoke(*arguments, code=0):
        result = CliRunner().invoke(spend_command(database), arguments)
        assert result.exit_code == code, result.output
        return result

    return invoke


@pytest.fixture
def filled(store, entry):
    def bill(*factors):
        return Bill((Line("input", 200_000, Decimal(5), 1_000_000, factors),), "current", "digest")

    half = Factor("batch", Decimal("0.5"))
    store.add([
        entry(at=NOON, key_id="k1", alias="alice", team="=blue", bill=bill(Factor("fast_mode", Decimal(6)))),
        entry(at=NOON, key_id="k2", alias="@bob", team="red", bill=bill(half), estimated=True),
        entry(at=NOON + timedelta(days=1), key_id="k2", alias="@bob", team="red", bill=None, unpriced=("=x\x1b[2J",)),
    ])  # fmt: skip


def lines(result):
    return [line.split() for line in result.stdout.splitlines() if line.strip() and "──" not in line]


def test_the_table_has_its_sum_below_and_names_what_has_no_price(run, filled):
    head, first, second, foot, note = lines(run("--by", "team"))
    assert head == ["team", "entries", "US", "dollars", "estimated", "of", "it", "estimated", "unpriced"]
    assert first == ["=blue", "1", "6.000000", "0", "0.000000", "0"]
    assert second == ["red", "2", "0.500000", "1", "0.500000", "1"]
    assert foot == ["all", "3", "6.500000", "1", "0.500000", "1"]
    assert " ".join(note) == "Without a price: =x\ufffd[2J (1)."


def test_without_a_group_it_is_one_sum(run, filled):
    assert lines(run())[1] == ["3", "6.500000", "1", "0.500000", "1"]


def test_features_of_a_discount_are_negative_numbers_and_no_formulas(run, filled):
    rows = list(csv.DictReader(io.StringIO(run("--by", "feature", "--format", "csv").stdout)))
    assert [(row["feature"], row["kind"], row["cost_usd"]) for row in rows] == [
        ("fast_mode", "factor", "5.000000"),
        ("base", "base", "2.000000"),
        ("batch", "factor", "-0.500000"),
    ]


def test_csv_cells_are_never_formulas(run, filled):
    text = run("--by", "team", "--by", "key", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["team"], row["key"], row["alias"]) for row in rows] == [
        ("'=blue", "k1", "alice"),
        ("red", "k2", "'@bob"),
    ]
    assert rows[1]["unpriced_names"] == "'=x\ufffd[2J (1)"
    for cell in (cell for row in csv.reader(io.StringIO(text)) for cell in row):
        assert not cell.startswith(("=", "+", "@", "\t", "\r"))


def test_csv_and_json_have_the_same_columns(run, filled):
    rows = list(csv.DictReader(io.StringIO(run("--by", "key", "--format", "csv").stdout)))
    told = json.loads(run("--by", "key", "--format", "json").stdout)["spend"]
    assert [list(row) for row in rows] == [list(row) for row in told]
    assert [row["cost_usd"] for row in rows] == [row["cost_usd"] for row in told]


def test_json_is_the_answer_itself(run, filled):
    told = json.loads(run("--by", "day", "--since", "2026-02-06", "--format", "json").stdout)
    assert told["question"] == {"by": ["day"], "since": "2026-02-06"}
    assert [row["day"] for row in told["spend"]] == ["2026-02-06"]
    assert told["total"]["unpriced"] == 1


@pytest.mark.parametrize(
    ("arguments", "cost"),
    [
        (["--key", "alice"], "6.000000"),
        (["--team", "red"], "0.500000"),
        (["--model", "nothing"], "0.000000"),
        (["--until", "2026-02-05"], "6.500000"),
        (["--since", "2026-02-06"], "0.000000"),
    ],
)
def test_selections(run, filled, arguments, cost):
    assert json.loads(run(*arguments, "--format", "json").stdout)["total"]["cost_usd"] == cost


def test_looking_makes_no_ledger(sqlite_url, tmp_path):
    command = spend_command(Database(Address.parse(sqlite_url)))
    result = CliRunner().invoke(command, ["--format", "json"])
    assert json.loads(result.stdout)["total"]["entries"] == 0
    assert result.stderr == f"There is no ledger at {tmp_path}/ledger.db yet; the first call makes it.\n"
    assert CliRunner().invoke(command, ["--by", "key", "--format", "csv"]).stdout.startswith("key,alias,entries,")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", [["--since", "yesterday"], ["--by", "moon"], ["--format", "xml"]])
def test_mistakes_are_named(run, option):
    assert option[0] in run(*option, code=2).output


def test_a_database_that_is_away_is_one_line():
    database = Database(Address.parse("postgresql://me:pass-word@127.0.0.1:1/ledger"))
    result = CliRunner().invoke(spend_command(database), [])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: connection")
    assert "pass-word" not in result.output


def test_the_configuration_is_the_core_s_business(run):
    run("--config", "config.yaml")
