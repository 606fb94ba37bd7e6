import json
import os
import re

import click
import pytest
from click.testing import CliRunner
from gateway_infra_keys import command_key
from gateway_infra_keys.command import commands
from gateway_infra_keys.command_text import MODES, OUTAGES
from gateway_infra_keys.store import Keys
from gateway_infra_keys.token import Token
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database

from gateway import ConfigError

ALICE = [
    *("--alias", "alice", "--team", "blue", "--budget", "50", "--window", "monthly", "--time-zone", "Europe/Berlin"),
    *("--models", "claude-*", "--capabilities", "effort, compaction", "--expires", "2099-01-01", "--rpm", "60"),
    *("--tpm", "100000", "--parallel", "4", "--mode", "soft", "--on-outage", "open", "--tags", "a,b"),
]


@pytest.fixture
def url(sqlite_url):
    """What differs between the servers is tested with the store."""
    return sqlite_url


@pytest.fixture
def run(store):
    """Runs a line as the core's command line would."""
    group = click.Group("gateway", commands(lambda: store))

    def invoke(*arguments, code=0):
        result = CliRunner().invoke(group, arguments)
        assert result.exit_code == code, result.output
        return result

    return invoke


@pytest.fixture
def told(run):
    """The same, read back from JSON."""
    return lambda *arguments: json.loads(run(*arguments, "--format", "json").stdout)


def test_a_key_is_made_with_everything_that_was_said(run, told, store):
    team = told("teams", "create", "blue")
    made = told("keys", "create", *ALICE)
    token, key = Token.parse(made.pop("token")), store.get("alice")
    assert store.find(token) == key
    assert made == {
        "id": key.id,
        "hint": token.hint,
        "state": "active",
        "alias": "alice",
        "team_id": team["id"],
        "tags": ["a", "b"],
        "models": ["claude-*"],
        "capabilities": ["effort", "compaction"],
        "budget": {"amount": made["budget"]["amount"], "window": "monthly", "time_zone": "Europe/Berlin"},
        "limits": {"requests": 60, "tokens": 100000, "parallel": 4},
        "mode": "soft",
        "on_outage": "open",
        "created_at": made["created_at"],
        "expires_at": "2099-01-01T00:00:00Z",
        "revoked_at": None,
    }
    assert re.fullmatch(r"50\.?0*", made["budget"]["amount"])
    assert told("keys", "list") == {"keys": [made]}
    assert told("keys", "show", "alice") == told("keys", "show", key.id) == made


def test_the_token_is_shown_once_and_never_again(run):
    shown = run("keys", "create", "--alias", "alice").stdout
    (first,) = re.findall(r"sk-gw-\S+", shown)
    assert "shown this once" in shown
    (second,) = re.findall(r"sk-gw-\S+", run("keys", "rotate", "alice").stdout)
    assert Token.parse(first).id == Token.parse(second).id
    lines = (
        ["keys", "show", "alice"],
        ["keys", "list"],
        ["keys", "update", "alice", "--tags", "x"],
        ["keys", "revoke", "alice"],
    )
    for line in lines:
        for form in ("table", "json"):
            if line[1] != "revoke" or form == "table":
                assert "sk-gw-" not in run(*line, "--format", form).output


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", OUTAGES)
def test_the_key_says_what_its_mode_means(run, mode, policy):
    shown = run("keys", "create", "--mode", mode, "--on-outage", policy).stdout
    assert MODES[mode] in " ".join(shown.split())
    assert OUTAGES[policy] in " ".join(shown.split())


def test_a_key_of_which_nothing_is_said(run):
    shown = run("keys", "create").stdout
    assert re.search(r"mode +strict: ", shown)
    assert re.search(r"on outage +closed: ", shown)
    assert re.search(r"budget +-", shown)


def test_an_update_changes_what_is_named_and_nothing_else(run, told):
    told("teams", "create", "blue")
    made = told("keys", "create", *ALICE)
    made.pop("token")
    assert told("keys", "update", "alice", "--budget", "60.5", "--rpm", "none", "--tags", "")["budget"][
        "amount"
    ].startswith("60.5")
    changed = told("keys", "update", "alice", "--window", "weekly")
    assert changed["budget"] | {"amount": 0} == {"amount": 0, "window": "weekly", "time_zone": "Europe/Berlin"}
    assert changed["limits"] == {"requests": None, "tokens": 100000, "parallel": 4}
    same = {name for name in made if made[name] == changed[name]}
    assert made.keys() - same == {"budget", "limits", "tags"}
    bare = told("keys", "update", "alice", "--budget", "none", "--expires", "none", "--team", "", "--alias", "al")
    assert (bare["budget"], bare["expires_at"], bare["team_id"], bare["alias"]) == (None, None, None, "al")


def test_a_revoked_key_is_listed_when_it_is_asked_for(told):
    told("keys", "create", "--alias", "alice")
    key = told("keys", "revoke", "alice")
    assert key["state"] == "revoked"
    assert told("keys", "list") == {"keys": []}
    assert told("keys", "list", "--revoked") == {"keys": [key]}


def test_tables_are_for_eyes(run):
    run("teams", "create", "blue", "--budget", "500", "--parallel", "10")
    run("keys", "create", *ALICE)
    (row,) = [line for line in run("keys", "list").stdout.splitlines() if "alice" in line]
    words = [word.strip() for word in row.split("  ") if word.strip()]
    assert words[1:] == [
        "alice", "blue", "claude-*", "effort, compaction", "$50 a month (Europe/Berlin)",
        "60 calls/min, 100,000 tokens/min, 4 at once", "soft", "2099-01-01 00:00", "active",
    ]  # fmt: skip
    (row,) = [line for line in run("teams", "list").stdout.splitlines() if "blue" in line]
    assert [word.strip() for word in row.split("  ") if word.strip()][1:] == [
        "blue",
        "$500 in total",
        "10 at once",
        "active",
    ]


def test_show_tells_who_did_what(run):
    run("keys", "create", "--alias", "alice", "--budget", "1")
    run("keys", "update", "alice", "--budget", "2")
    shown = run("keys", "show", "alice").stdout
    assert re.search(r"cli:\S+ +update +budget: amount 1 window total time_zone UTC +budget: amount 2", shown)


def test_a_list_is_whole_however_long(told, store, monkeypatch):
    monkeypatch.setattr(command_key, "PAGE", 2)
    made = [store.create(actor="me")[0].id for _ in range(5)]
    assert [key["id"] for key in told("keys", "list")["keys"]] == made


def test_a_list_of_a_team(told):
    told("teams", "create", "blue")
    told("keys", "create", "--alias", "in", "--team", "blue")
    told("keys", "create", "--alias", "out")
    assert [key["alias"] for key in told("keys", "list", "--team", "blue")["keys"]] == ["in"]
    assert [key["alias"] for key in told("keys", "list", "--team", "")["keys"]] == ["out"]


def test_teams_have_the_same_verbs(told, run):
    made = told("teams", "create", "blue", "--budget", "500", "--window", "daily", "--tpm", "1000")
    assert (made["name"], made["budget"]["window"], made["limits"]["tokens"]) == ("blue", "daily", 1000)
    changed = told("teams", "update", "blue", "--budget", "none", "--parallel", "3")
    assert (changed["budget"], changed["limits"]) == (None, {"requests": None, "tokens": 1000, "parallel": 3})
    assert told("teams", "show", "blue") == told("teams", "show", made["id"]) == changed
    assert "cli:" in run("teams", "show", "blue").stdout
    assert told("teams", "list") == {"teams": [changed]}
    assert told("teams", "revoke", "blue")["state"] == "revoked"
    assert told("teams", "list") == {"teams": []}
    assert len(told("teams", "list", "--revoked")["teams"]) == 1


MISTAKES = [
    (["create", "--budget", "-1"], 1, "budget.amount: has to be an amount of US dollars, not negative"),
    (["create", "--budget", "x"], 2, "'x' is no amount of US dollars"),
    (["create", "--budget", "NaN"], 1, "budget.amount"),
    (["create", "--window", "daily"], 2, "give --budget too"),
    (["create", "--budget", "1", "--window", "hourly"], 2, "'hourly' is not one of"),
    (["create", "--budget", "1", "--time-zone", "Mars/Base"], 1, "'Mars/Base' is no time zone"),
    (["create", "--rpm", "0"], 1, "limits.requests: has to be a whole number from 1 on"),
    (["create", "--rpm", "many"], 2, "'many' is no whole number"),
    (["create", "--models", ""], 1, "models: must not be empty"),
    (["create", "--models", "a,,b"], 1, "models: must not be empty"),
    (["create", "--capabilities", ""], 1, "capabilities: must not be empty"),
    (["create", "--expires", "2020-01-01"], 1, "expires_at: is in the past"),
    (["create", "--expires", "tomorrow"], 2, "'tomorrow' is no day such as"),
    (["create", "--expires", "2099-01-01T09:00"], 2, "does not say in which time zone"),
    (["create", "--team", "nowhere"], 1, "There is no team 'nowhere'"),
    (["create", "--mode", "lax"], 2, "'lax' is not one of"),
    (["show", "nobody"], 1, "There is no key 'nobody'"),
    (["update", "alice"], 2, "Nothing to change was named"),
    (["update", "alice", "--time-zone", "UTC"], 2, "give --budget too"),
    (["create", "--alias", "alice"], 1, "there is a key 'alice' already"),
]


@pytest.mark.parametrize(("line", "code", "said"), MISTAKES)
def test_a_mistake_is_one_clear_line(run, line, code, said):
    run("keys", "create", "--alias", "alice")
    shown = run("keys", *line, code=code).output
    assert said in shown
    assert "Traceback" not in shown


def test_help_needs_no_database():
    result = CliRunner().invoke(click.Group("gateway", commands(lambda: None)), ["keys", "--help"])
    assert (result.exit_code, "rotate" in result.output) == (0, True)


def test_a_capability_that_nobody_knows_is_a_warning(run, told, monkeypatch):
    monkeypatch.setattr(command_key, "_known", lambda: {"effort", "fast_mode"})
    shown = run("keys", "create", "--capabilities", "fast*,effort,speed")
    assert shown.stderr == "warning: capabilities: nobody here knows speed; there are: effort, fast_mode.\n"
    assert run("keys", "create", "--capabilities", "fast_mode").stderr == ""


def test_the_catalogs_own_capabilities_are_known(run):
    assert run("keys", "create", "--capabilities", "effort,fast_mode").stderr == ""
    assert "compaction" in run("keys", "create", "--capabilities", "nonsense").stderr


def test_without_a_catalog_nobody_warns(run, monkeypatch):
    def broken():
        raise ConfigError("A package is broken.")

    monkeypatch.setattr(command_key, "_known", broken)
    assert run("keys", "create", "--capabilities", "anything").stderr == ""


def test_a_database_that_is_away_is_one_line(pepper):
    away = Keys(Database(Address.parse("postgresql://me:pass-word@127.0.0.1:1/db")), pepper)
    result = CliRunner().invoke(click.Group("gateway", commands(lambda: away)), ["keys", "list"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: connection")
    assert "pass-word" not in result.output


def test_the_configuration_is_the_core_s_business(run):
    run("keys", "list", "--config", "config.yaml")
    run("teams", "list", "-c", "config.yaml")


def test_a_user_without_a_name_is_a_number(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: {}["nobody"])
    assert command_key.actor() == f"cli:{os.getuid()}"
