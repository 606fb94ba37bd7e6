import re
from pathlib import Path

import pytest
from gateway_infra_ledger.command import SCREENFUL
from gateway_infra_ledger.line import DIED
from gateway_infra_ledger.plugin import Settings
from gateway_infra_ledger.record import LONGEST, MOST
from gateway_infra_ledger.schema import entries, lines

README = (Path(__file__).parents[1] / "README.md").read_text()
WORDS = set(re.findall(r"`([^`\n]+)`", README))


@pytest.mark.parametrize("table", [entries, lines], ids=["entries", "lines"])
def test_every_column_is_described(table):
    assert {column.name for column in table.columns} <= WORDS


def test_every_setting_is_described_with_its_default():
    assert set(Settings().fields) <= WORDS
    for name in ("queue_size", "journal_size_mb"):
        assert f"`{name}` | {Settings().fields[name].load_default}" in README
    assert "`durability` | `process`" in README


def test_every_option_is_described(make_plugin, sqlite_url):
    command, *_ = make_plugin(database_url=sqlite_url).register_commands()
    told = " ".join(WORDS)
    assert [name for parameter in command.params for name in parameter.opts if name not in told and name != "-c"] == []


def test_the_numbers_are_those_of_the_code():
    assert f"stops at {SCREENFUL} by itself" in README
    assert f"longer than {LONGEST} characters and lists of more than {MOST} names" in " ".join(README.split())


def test_the_outcome_of_a_dead_process_is_worded_as_in_the_ledger():
    assert DIED.removesuffix(".").removeprefix("The ") in " ".join(README.split())


def test_the_proofs_exist():
    proofs = set(re.findall(r"`(test_\w+\.py)`", README))
    assert proofs
    assert all((Path(__file__).parent / name).exists() for name in proofs)
