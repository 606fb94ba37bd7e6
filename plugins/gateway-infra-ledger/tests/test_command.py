import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from gateway import Pass

NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)


@pytest.fixture
def run(plugin):
    """Runs the command as the core's command line would."""
    command, *_ = plugin.register_commands()

    def invoke(*arguments, code=0):
        result = CliRunner().invoke(command, arguments)
        assert result.exit_code == code, result.output
        return result

    return invoke


@pytest.fixture
def filled(plugin, entry):
    passes = (
        Pass(
            "message",
            "",
            {"input": 1234, "cache_write_5m": 10, "cache_write_1h": 5, "cache_read": 10_000, "output": 77},
        ),
    )
    first = entry(call_id="req_one", at=NOON, model="m1", passes=passes)
    second = entry(
        call_id="req_two", at=NOON + timedelta(days=1), model="=m2", alias="", team="", passes=passes, estimated=True
    )
    failed = replace(second, attempt=2, outcome="failed", bill=None, unpriced=("rates of m2", "geo=xx"))
    for each in (first, second, failed):
        plugin.record_entry(each)
    assert plugin.flush(10)


def words(line):
    return [word for word in line.split("  ") if word.strip()]


def test_the_table(run, filled):
    head, _, newest, *_, oldest = [line for line in run().stdout.splitlines() if line.strip()]
    assert [word.strip() for word in words(head)] == [
        "time (UTC)", "call", "key", "model", "deployment", "in", "cache write", "cache read", "out", "outcome", "US dollars", "flags",
    ]  # fmt: skip
    assert [word.strip() for word in words(newest)] == [
        "2026-02-06 12:00:00", "req_two (2)", "key-a", "=m2", "test/one", "1,234", "15", "10,000", "77", "failed", "-", "est., unpriced",
    ]  # fmt: skip
    assert [word.strip() for word in words(oldest)] == [
        "2026-02-05 12:00:00", "req_one", "alice", "m1", "test/one", "1,234", "15", "10,000", "77", "complete", "0.108570",
    ]  # fmt: skip


def test_json(run, filled):
    listed = json.loads(run("--format", "json").stdout)["entries"]
    assert [entry["call_id"] for entry in listed] == ["req_two", "req_two", "req_one"]
    assert listed[0]["unpriced"] == ["rates of m2", "geo=xx"]
    assert listed[0]["cost_usd"] is None
    assert listed[2] == {
        "at": "2026-02-05T12:00:00+00:00",
        "call_id": "req_one",
        "attempt": 1,
        "key_id": "key-a",
        "alias": "alice",
        "team": "blue",
        "model": "m1",
        "deployment": "test/one",
        "input_tokens": 1234,
        "cache_write_5m_tokens": 10,
        "cache_write_1h_tokens": 5,
        "cache_read_tokens": 10_000,
        "output_tokens": 77,
        "outcome": "complete",
        "cost_usd": "0.108570",
        "estimated": False,
        "unpriced": [],
    }


def test_csv_has_the_same_columns_and_no_formulas(run, filled):
    rows = list(csv.DictReader(io.StringIO(run("--format", "csv").stdout)))
    listed = json.loads(run("--format", "json").stdout)["entries"]
    assert [list(row) for row in rows] == [list(entry) for entry in listed]
    assert (rows[0]["model"], rows[0]["unpriced"], rows[0]["cost_usd"]) == ("'=m2", "rates of m2; geo=xx", "")
    assert rows[2]["cost_usd"] == "0.108570"


def test_days_are_whole_and_the_last_one_counts(run, filled):
    def found(*arguments):
        return [entry["call_id"] for entry in json.loads(run(*arguments, "--format", "json").stdout)["entries"]]

    assert found("--since", "2026-02-06") == ["req_two", "req_two"]
    assert found("--until", "2026-02-05") == ["req_one"]
    assert found("--since", "2026-02-05", "--until", "2026-02-06") == ["req_two", "req_two", "req_one"]
    assert found("--key", "alice", "--model", "m1") == ["req_one"]
    assert found("--limit", "1") == ["req_two"]


def test_the_total_in_every_format(run, filled):
    (sums,) = [line for line in run("--total").stdout.splitlines() if "0.217140" in line]
    assert sums.split() == ["3", "3,702", "45", "30,000", "231", "0.217140", "2", "1"]
    total = {
        "entries": 3,
        "input_tokens": 3702,
        "cache_write_5m_tokens": 30,
        "cache_write_1h_tokens": 15,
        "cache_read_tokens": 30_000,
        "output_tokens": 231,
        "cost_usd": "0.217140",
        "estimated": 2,
        "unpriced": 1,
    }
    assert json.loads(run("--total", "--format", "json").stdout) == {"totals": [total]}
    (row,) = csv.DictReader(io.StringIO(run("--total", "--format", "csv").stdout))
    assert row == {name: str(value) for name, value in total.items()}


def test_totals_by_group_in_every_format(run, filled):
    told = json.loads(run("--by", "day", "--format", "json").stdout)["totals"]
    assert [(row["day"], row["entries"], row["cost_usd"]) for row in told] == [
        ("2026-02-05", 1, "0.108570"),
        ("2026-02-06", 2, "0.108570"),
    ]
    rows = list(csv.DictReader(io.StringIO(run("--by", "model", "--format", "csv").stdout)))
    assert [row["model"] for row in rows] == ["'=m2", "m1"]
    table = run("--by", "team").stdout
    assert "blue" in table
    assert "all" in table.splitlines()[-2]
    assert "0.217140" in table.splitlines()[-2]


def test_a_long_table_says_that_it_is_not_whole(run, plugin, entry):
    for _ in range(51):
        plugin.record_entry(entry())
    assert plugin.flush(10)
    assert run().stdout.endswith("These are the newest 50; --limit shows more.\n")
    assert "newest" not in run("--limit", "51").stdout
    assert len(json.loads(run("--format", "json").stdout)["entries"]) == 51


def test_looking_makes_no_ledger(make_plugin, sqlite_url, tmp_path):
    command, *_ = make_plugin(database_url=sqlite_url).register_commands()
    result = CliRunner().invoke(command, ["--format", "json"])
    assert json.loads(result.stdout) == {"entries": []}
    assert result.stderr == f"There is no ledger at {tmp_path}/ledger.db yet; the first call makes it.\n"
    assert CliRunner().invoke(command, ["--by", "key", "--format", "csv"]).stdout.startswith("key,entries,")
    assert list(tmp_path.iterdir()) == []


def test_a_limit_on_sums_is_a_mistake(run):
    assert "--limit is for lists" in run("--total", "--limit", "5", code=2).output


@pytest.mark.parametrize("option", [["--since", "yesterday"], ["--by", "moon"], ["--limit", "0"], ["--format", "xml"]])
def test_other_mistakes_are_named(run, option):
    assert option[0] in run(*option, code=2).output


def test_a_database_that_is_away_is_one_line(make_plugin):
    command, *_ = make_plugin(database_url="postgresql://me:pass-word@127.0.0.1:1/ledger").register_commands()
    result = CliRunner().invoke(command, [])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: connection")
    assert "pass-word" not in result.output


def test_the_configuration_is_the_core_s_business(run):
    run("--config", "config.yaml")
    run("-c", "config.yaml")
