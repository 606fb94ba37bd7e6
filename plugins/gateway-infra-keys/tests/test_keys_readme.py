import re
from pathlib import Path

import pytest
from gateway_infra_keys import identity, pepper, token
from gateway_infra_keys.command_key import COMMANDS as KEYS
from gateway_infra_keys.command_team import COMMANDS as TEAMS
from gateway_infra_keys.schema import audit, keys, peppers, teams

HERE = Path(__file__).parent
README = (HERE.parent / "README.md").read_text()
WORDS = set(re.findall(r"`([^`\n]+)`", README))


@pytest.mark.parametrize("table", [keys, teams, audit, peppers], ids=lambda table: table.name)
def test_every_column_is_described(table):
    assert {table.name, *(column.name for column in table.columns)} <= WORDS


@pytest.mark.parametrize("command", [*KEYS, *TEAMS], ids=lambda command: command.name)
def test_every_option_is_described(command):
    told = " ".join(WORDS)
    options = [name for parameter in command.params for name in parameter.opts if name.startswith("--")]
    assert [name for name in options if name not in told] == []


def test_the_numbers_are_those_of_the_code():
    text = " ".join(README.split())
    assert f"remembers for {identity.FRESH:g} seconds" in text
    assert identity.STALE == 3600
    assert "for an hour" in text
    assert f"at least {pepper.SHORTEST} characters" in text
    assert f"{8 * token.SECRET_BYTES} bits" in text


def test_the_proofs_exist():
    proofs = set(re.findall(r"`(test_\w+\.py)`", README))
    assert proofs
    assert [name for name in proofs if not list(HERE.rglob(name))] == []
