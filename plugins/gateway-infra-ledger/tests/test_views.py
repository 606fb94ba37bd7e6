import threading
from dataclasses import replace
from decimal import Decimal

import pytest
from gateway_infra_ledger import LedgerPlugin, lookup
from gateway_infra_ledger.database import Away, Database

from gateway import Permissions, Principal, hookimpl, strictjson
from gateway import config as configuration
from gateway.app import create_app
from gateway.testing import found

MASTER = {"authorization": "Bearer sk-master-of-the-tests"}
CONFIG = """
general_settings: {{master_key: sk-master-of-the-tests}}
ledger: {{database_url: "{url}"}}
"""


class TwoKeys:
    """Two people with a key each."""

    @hookimpl
    def authenticate_request(self, credential):
        return Principal(credential, permissions=Permissions()) if credential in ("key-a", "key-b") else None


@pytest.fixture
def app(url):
    plugins = [found(LedgerPlugin, "ledger", "infra"), found(TwoKeys, "two_keys", "infra")]
    return create_app(configuration.parse(CONFIG.format(url=url)), found=plugins)


@pytest.fixture
def ledger(app):
    (one,) = [loaded.plugin for loaded in app.extensions["gateway"].plugins.loaded if loaded.name == "ledger"]
    yield one
    one.close()


@pytest.fixture
def get(app, ledger):
    client = app.test_client()
    return lambda call_id, headers=MASTER: client.get(f"/calls/{call_id}", headers=headers)


@pytest.fixture
def impatient(monkeypatch):
    """Nobody has to wait a second to learn that there is nothing."""
    monkeypatch.setattr(lookup.Lookup.call, "__defaults__", (0.05,))


def test_the_bill_of_a_call_with_two_attempts(get, ledger, entry, bill):
    first = entry(outcome="failed", bill=bill("0.000001"), error="the host was silent")
    second = replace(first, attempt=2, outcome="complete", bill=bill(), error="")
    ledger.record_entry(first)
    ledger.record_entry(second)
    assert ledger.flush(10)
    answer = get(first.call_id)
    assert (answer.status_code, answer.mimetype, answer.headers["cache-control"]) == (
        200,
        "application/json",
        "no-store",
    )
    told = answer.get_json()
    assert list(told) == ["call_id", "cost_usd", "estimated", "unpriced", "lines", "attempts"]
    assert told["call_id"] == first.call_id
    assert told["cost_usd"] == "0.108571"
    assert sum(Decimal(line["amount_usd"]) for line in told["lines"]) == Decimal(told["cost_usd"])
    assert [line["attempt"] for line in told["lines"]] == [1, 2, 2, 2, 2]
    assert told["lines"][1] == {
        "attempt": 2,
        "kind": "input",
        "quantity": 1234,
        "price_usd": "5",
        "unit": 1_000_000,
        "factors": [{"reason": "fast", "times": "6", "source": "a page"}],
        "amount_usd": "0.037020",
        "pass": "message",
        "model": "claude-a",
    }
    assert [attempt["outcome"] for attempt in told["attempts"]] == ["failed", "complete"]
    assert told["attempts"][0]["error"] == "the host was silent"


def test_an_attempt_is_told_in_the_words_of_the_core(get, ledger, entry):
    one = entry()
    ledger.record_entry(one)
    (attempt,) = get(one.call_id).get_json()["attempts"]
    assert list(attempt) == list(one.as_dict())


def test_it_is_found_before_it_is_written_and_looks_the_same_afterwards(get, ledger, entry):
    one = entry()
    ledger.record_entry(one)
    before = get(one.call_id).data
    assert ledger.flush(10)
    assert get(one.call_id).data == before


def test_a_call_that_is_still_on_its_way_is_waited_for(get, ledger, entry):
    one = entry()
    threading.Timer(0.1, ledger.record_entry, [one]).start()
    assert get(one.call_id).status_code == 200


def test_the_key_that_made_the_call_may_see_it_and_another_may_not(get, ledger, entry, impatient):
    one = entry(key_id="key-a")
    ledger.record_entry(one)
    assert ledger.flush(10)
    assert get(one.call_id, {"x-api-key": "key-a"}).status_code == 200
    theirs = get(one.call_id, {"x-api-key": "key-b"})
    nobodys = get("req_never", {"x-api-key": "key-b"})
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.data == nobodys.data


def test_without_a_key_there_is_no_answer(get, ledger, entry):
    assert get("req_never", {}).status_code == 401


@pytest.mark.parametrize("call_id", ["req_never", "%00", "req%00", "%ED%A0%80", "a" * 3000, "'%20OR%201=1"])
def test_a_call_that_never_was(get, impatient, call_id):
    answer = get(call_id)
    assert answer.status_code == 404
    assert answer.headers["gateway-error"] == "unknown_call"
    assert answer.get_json()["error"]["type"] == "not_found_error"


def test_while_the_database_is_away_the_answer_says_so_and_nothing_more(get, ledger, monkeypatch):
    def refuse(self):
        raise Away("password authentication failed for user 'me'")

    monkeypatch.setattr(Database, "reading", refuse)
    answer = get("req_never")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "me" not in answer.get_json()["error"]["message"].split()


def test_a_hosts_own_numbers_keep_their_spelling(get, ledger, entry):
    one = entry(usage=strictjson.loads_lenient(b'{"share":1.50,"input_tokens":1234}'))
    ledger.record_entry(one)
    assert b'"share":1.50' in get(one.call_id).data
