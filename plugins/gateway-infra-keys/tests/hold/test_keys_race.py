import json
import os
import threading
import time
from contextlib import suppress
from decimal import Decimal

import pytest
from gateway_infra_keys.account import Balance
from gateway_infra_keys.hold import holds
from gateway_infra_ledger.amount import to_units
from sqlalchemy import select

COST = to_units(Decimal("0.07"))


def rush(shop, bidder, keys, count=200):
    """How many of so many calls at once were admitted while none of them was settled yet."""
    settled = threading.Event()
    refused = threading.Semaphore(0)
    run = bidder.bid(shop.admission, keys, settled)

    def one(number):
        if run(number):
            return True
        refused.release()
        return False

    def open_when_all_others_are_refused():
        for _ in range(count - 10):
            if not refused.acquire(timeout=20):
                break
        settled.set()

    opener = threading.Thread(target=open_when_all_others_are_refused)
    opener.start()
    admitted = sum(bidder.together(count, one))
    opener.join()
    return admitted


@pytest.mark.parametrize("round_", range(5))
def test_of_two_hundred_calls_at_once_a_budget_for_ten_admits_ten(shop, bidder, round_):
    assert rush(shop, bidder, ["ten"]) == 10
    assert shop.account("key", "ten") == Balance(10 * COST, 0)
    assert not shop.held_calls()


def test_two_keys_of_one_team_share_its_budget_for_ten(shop, bidder):
    assert rush(shop, bidder, ["rich", "other"]) == 10
    accounts = shop.all_accounts()
    assert {account.owner: balance.held for account, balance in accounts.items()} == {"rich": 0, "other": 0, "team": 0}
    assert shop.account("team", "team").spent == 10 * COST
    assert shop.account("key", "rich").spent + shop.account("key", "other").spent == 10 * COST


def test_two_processes_admit_ten_between_them_in_each_of_five_rounds(shop, start_bidder):
    bidders = [start_bidder("race", "100") for _ in range(2)]
    for bidder in bidders:
        assert bidder.stdout.readline() == "ready\n"
    for number in range(5):
        for bidder in bidders:
            print(f"rich{number} other{number}", file=bidder.stdin, flush=True)
        assert sum(int(bidder.stdout.readline()) for bidder in bidders) == 10
        assert shop.account("team", f"team{number}") == Balance(10 * COST, 0)
    assert not shop.held_calls()


def killed(start_bidder, count=1):
    """The calls of a process that was killed in the middle of them."""
    process = start_bidder("crash", str(count), "ten")
    calls = json.loads(process.stdout.readline())
    process.kill()
    process.wait()
    return calls


def recovered(shops, seconds=10, wanted=1):
    """What all of them recover, looking as often as a lease of this length wants."""
    found, deadline = [], time.monotonic() + seconds
    while len(found) < wanted and time.monotonic() < deadline:
        for shop in shops:
            found += shop.admission.recover()
        threading.Event().wait(0.05)
    return found


def test_a_call_whose_process_was_killed_is_recovered_once_by_all_that_live(open_shop, start_bidder):
    shops = [open_shop(lease=0.5) for _ in range(3)]
    shops[0].admission.recover()
    (call_id,) = killed(start_bidder)
    began = time.monotonic()
    entries = recovered(shops)
    assert time.monotonic() - began < 5
    assert [(entry.call_id, entry.attempt, entry.outcome, entry.estimated) for entry in entries] == [
        (call_id, 1, "unknown", True)
    ]
    assert shops[0].account("key", "ten") == Balance(0, COST)
    for shop in shops:  # each hears of it once from the core that found it; a second time does no harm
        shop.admission.settled(entries[0])
    assert shops[0].account("key", "ten") == Balance(COST, 0)
    assert not shops[0].held_calls()
    assert not recovered(shops, seconds=1)


def test_looking_at_once_gives_an_entry_to_one_of_them(open_shop, start_bidder, bidder):
    shops = [open_shop(lease=0.2) for _ in range(4)]
    calls = killed(start_bidder, 3)
    found, deadline = [], time.monotonic() + 10
    while len(found) < 3 and time.monotonic() < deadline:
        for entries in bidder.together(4, lambda number: shops[number].admission.recover()):
            found += entries
        threading.Event().wait(0.02)
    assert sorted(entry.call_id for entry in found) == sorted(calls)


def test_the_living_are_not_robbed(open_shop, bidder):
    busy, idle = open_shop(lease=0.4), open_shop(lease=0.4)
    call = bidder.call("ten")
    ticket = busy.admission.admit(call, bidder.bill())
    busy.admission.attempt_started(bidder.provisional(call))
    assert not recovered([busy, idle], seconds=1.5)
    ticket.settle(bidder.entry(call))
    ticket.release()
    assert busy.account("key", "ten") == Balance(COST, 0)


def test_a_watch_that_slept_kills_nobody(open_shop, bidder):
    busy, idle = open_shop(lease=0.4), open_shop(lease=0.4)
    call = bidder.call("ten")
    busy.admission.admit(call, bidder.bill())
    busy.admission.attempt_started(bidder.provisional(call))
    assert not idle.admission.recover()
    threading.Event().wait(1)  # such as a database that was away for everybody
    assert not idle.admission.recover()
    busy.admission.recover()
    assert not idle.admission.recover()


def test_a_hold_without_an_attempt_is_given_back_when_its_process_is_dead(open_shop, bidder):
    gone, here = open_shop(), open_shop(lease=0.2)
    gone.admission.admit(bidder.call("ten"), bidder.bill())
    assert not recovered([here], seconds=1)
    assert here.account("key", "ten") == Balance()
    assert not here.held_calls()


def test_an_heir_that_dies_before_the_books_know_leaves_the_entry_to_the_next(open_shop, start_bidder):
    (call_id,) = killed(start_bidder)
    first = recovered([open_shop(lease=0.2)])
    second = recovered([open_shop(lease=0.2)])
    assert [entry.call_id for entry in first + second] == [call_id, call_id]


def test_a_process_that_was_taken_for_dead_has_the_last_word(open_shop, bidder):
    frozen, here = open_shop(), open_shop(lease=0.2)
    call = bidder.call("ten")
    ticket = frozen.admission.admit(call, bidder.bill())
    frozen.admission.attempt_started(bidder.provisional(call))
    (entry,) = recovered([here])
    here.admission.settled(entry)
    assert here.account("key", "ten") == Balance(COST, 0)
    ticket.settle(bidder.entry(call, bill=bidder.bill(("output", "0.03"))))
    ticket.release()
    assert here.account("key", "ten") == Balance(to_units(Decimal("0.03")), 0)


def test_without_a_price_what_was_held_counts_also_when_the_hold_is_gone(open_shop, bidder):
    frozen, here = open_shop(), open_shop(lease=0.2)
    call = bidder.call("ten")
    ticket = frozen.admission.admit(call, bidder.bill())
    assert not recovered([here], seconds=1)
    assert not here.held_calls()
    ticket.settle(bidder.entry(call, bill=None, unpriced=("rates of x",)))
    ticket.release()
    assert here.account("key", "ten") == Balance(COST, 0)


def test_a_process_that_was_taken_for_dead_holds_anew_before_it_starts(open_shop, bidder):
    frozen, here = open_shop(), open_shop(lease=0.2)
    call = bidder.call("ten")
    frozen.admission.admit(call, bidder.bill())
    assert not recovered([here], seconds=1)
    assert here.account("key", "ten") == Balance()
    frozen.admission.attempt_started(bidder.provisional(call))
    assert here.account("key", "ten") == Balance(0, COST)


def test_a_worker_forked_from_a_used_parent_has_threads_and_a_name_of_its_own(shop, bidder):
    call = bidder.call("rich")
    ticket = shop.admission.admit(call, bidder.bill())
    child = os.fork()
    if not child:
        code = 1
        with suppress(BaseException):  # whatever happens, the child must not go on as a second test run
            shop.admission.admit(bidder.call("rich"), bidder.bill())
            code = 0
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    ticket.settle(bidder.entry(call))
    ticket.release()
    assert shop.account("key", "rich") == Balance(COST, COST)
    with shop.database.reading() as connection:
        (process,) = connection.execute(select(holds.c.process)).scalars()
    assert process != shop.admission._lease.id
