"""A process that bids for budgets: run by the tests beside others, or in pieces inside of them.

``python bidder.py URL race CALLS``: for each line of keys on its standard input it bids so often at once, and prints how
many were admitted. ``python bidder.py URL crash CALLS KEY``: holds for so many calls, starts an attempt of each, prints
them and waits to be killed.
"""

import json
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal

from gateway_infra_keys.admission import Admission
from gateway_infra_keys.model import Budget, Key, Limits, Team
from gateway_infra_keys.schema import SCHEMA
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database

from gateway import Bill, BudgetExceeded, Line, Principal
from gateway.testing import make_call, make_entry

CALL_COST = Decimal("0.07")
"""What one call costs; a team or key with ten times that has a budget for ten."""


class People:
    """Keys and teams in memory, made as they are asked for by an id that says everything."""

    def __init__(self):
        self.keys, self.teams = {}, {}

    def add(self, name, amount=None, *, window="total", zone="UTC", team="", **facts):
        budget = None if amount is None else Budget(Decimal(amount), window, zone)
        known = {"tags": (), "models": ("*",), "capabilities": ("*",), "mode": "strict", "on_outage": "closed"}
        at = {"created_at": datetime(2026, 1, 1, tzinfo=UTC), "expires_at": None, "revoked_at": None}
        given = {"id": name, "alias": "", "team_id": team, "budget": budget, "limits": Limits(), "hint": "abcd"}
        self.keys[name] = Key(**(known | at | given | facts))

    def add_team(self, name, amount, *, window="total"):
        at = datetime(2026, 1, 1, tzinfo=UTC)
        self.teams[name] = Team(name, name, Budget(Decimal(amount), window), Limits(), at)

    def key(self, key_id):
        return self.keys.get(key_id)

    def team(self, team_id):
        return self.teams.get(team_id)


def people():
    """Those that every process knows: a key with a budget for ten calls, and six teams of two that share one."""
    known = People()
    known.add("ten", 10 * CALL_COST)
    for number in ("", *range(5)):
        known.add_team(f"team{number}", 10 * CALL_COST)
        known.add(f"rich{number}", 1000, team=f"team{number}")
        known.add(f"other{number}", 1000, team=f"team{number}")
    return known


def bill(*lines):
    """A bill with a line for each kind and its dollars, a token each for a cent; without any, that of one call."""
    lines = lines or (("input", Decimal("0.05")), ("output", Decimal("0.02")))
    return Bill(
        tuple(Line(kind, int(Decimal(cost) * 100), Decimal("0.01"), 1, ()) for kind, cost in lines), "book", "d"
    )


def call(key):
    return make_call(principal=Principal(key))


def entry(of, attempt=1, **facts):
    """An entry of a call."""
    known = {"call_id": of.id, "key_id": of.principal.key_id, "attempt": attempt, "bill": bill()}
    return make_entry(**(known | facts))


def provisional(of, attempt=1, **facts):
    return entry(of, attempt, **{"outcome": "unknown", "estimated": True, **facts})


def opened(url, **options):
    return Database(Address.parse(url), schema=SCHEMA, **options)


def together(count, work):
    """What each of so many threads returned, all of them released at once."""
    barrier, results = threading.Barrier(count), [None] * count

    def run(number):
        barrier.wait()
        results[number] = work(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def bid(admission, keys, settled=None, estimate=None):
    """One call, kept under way until ``settled`` is set; whether it was admitted."""

    def run(number):
        one = call(keys[number % len(keys)])
        try:
            ticket = admission.admit(one, estimate or bill())
        except BudgetExceeded:
            return False
        admission.attempt_started(provisional(one))
        if settled:
            settled.wait(30)
        final = entry(one)
        admission.settled(final)
        ticket.settle(final)
        ticket.release()
        return True

    return run


def main(url, what, count, *keys):
    admission = Admission(opened(url), people(), {})
    admission.recover()  # the tables are there before the race begins
    if what == "crash":
        calls = [call(*keys) for _ in range(int(count))]
        for one in calls:
            admission.admit(one, bill())
            admission.attempt_started(provisional(one))
        print(json.dumps([one.id for one in calls]), flush=True)
    else:
        print("ready", flush=True)
    for line in sys.stdin:
        print(sum(together(int(count), bid(admission, line.split()))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
