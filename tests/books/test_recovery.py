"""A worker that dies between writing an entry and counting it: what the ledger knows is what has to count."""

import time
from decimal import Decimal

import pytest
from gateway_infra_keys import KeysPlugin
from gateway_infra_keys.model import Budget
from gateway_infra_ledger import LedgerPlugin

from gateway import Bill, Line, Principal
from gateway.testing import make_call, make_entry

MOST, COST = Decimal("0.022840"), Decimal("0.000125")


def bill(dollars):
    return Bill((Line("input", 1, dollars, 1, ()),), "announcement", "digest")


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Makes plugins of one database, as several processes would."""
    monkeypatch.setenv("GATEWAY_PEPPER", "0123456789abcdef0123456789abcdef")
    made = []

    def make(plugin):
        made.append(plugin(plugin.settings().load({"database_url": f"sqlite:///{tmp_path}/ledger.db"})))
        return made[-1]

    yield make
    for one in made:
        one.close()


def recovered(plugin, seconds=10):
    """What the dead left, once they count as dead."""
    plugin._admission._lease._lease = 0.2
    deadline = time.monotonic() + seconds
    while not (found := plugin.recover_entries()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def test_an_attempt_that_the_ledger_knows_counts_as_the_ledger_knows_it(make):
    dead, heir, ledger = make(KeysPlugin), make(KeysPlugin), make(LedgerPlugin)
    key, _ = dead._keys.create(actor="test", budget=Budget(Decimal(1), "total"))
    call = make_call(principal=Principal(key.id))
    facts = {"call_id": call.id, "key_id": key.id}
    assert dead.admit_call(call, bill(MOST)) is not None
    dead.start_attempt(make_entry(**facts, outcome="unknown", estimated=True, bill=bill(MOST)))
    ledger.record_entry(make_entry(**facts, outcome="cut", estimated=True, bill=bill(COST)))
    assert ledger.flush(5)
    for entry in recovered(heir):
        ledger.record_entry(entry)
        heir.record_entry(entry)
    (balance,) = heir._admission.standing(key).values()
    assert (balance.spent, balance.held) == (COST * 10**12, 0)
