import random
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_infra_keys import admission
from gateway_infra_keys.account import Account, Balance, accounts, balances
from gateway_infra_keys.admission import Admission, Unpriced
from gateway_infra_keys.hold import holds, settlements
from gateway_infra_ledger.amount import to_units
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import BudgetExceeded, Unavailable

COST = to_units(Decimal("0.07"))


class FakeClock:
    def __init__(self, text):
        self.now = datetime.fromisoformat(text).astimezone(UTC)

    def __call__(self):
        return self.now


def admitted(shop, bidder, key="ten", estimate=None):
    call = bidder.call(key)
    return call, shop.admission.admit(call, estimate or bidder.bill())


def test_a_call_moves_its_price_from_held_to_spent(shop, bidder):
    call, ticket = admitted(shop, bidder)
    assert shop.account("key", "ten") == Balance(0, COST)
    shop.admission.attempt_started(bidder.provisional(call))
    ticket.settle(bidder.entry(call, bill=bidder.bill(("output", "0.03"))))
    ticket.release()
    assert shop.account("key", "ten") == Balance(to_units(Decimal("0.03")), 0)
    assert not shop.held_calls()


def test_key_and_team_are_held_together_or_not_at_all(shop, bidder):
    shop.people.add("poor", "0.10", team="team")
    admitted(shop, bidder, "poor")
    with pytest.raises(BudgetExceeded, match="this key "):
        admitted(shop, bidder, "poor")
    assert shop.account("team", "team") == Balance(0, COST)
    for _ in range(9):
        admitted(shop, bidder, "rich")
    with pytest.raises(BudgetExceeded, match="this key's team"):
        admitted(shop, bidder, "other")
    assert shop.account("key", "other") == Balance()
    assert shop.account("team", "team") == Balance(0, 10 * COST)


def test_a_refusal_says_whose_budget_it_is_and_when_it_begins_anew(open_shop, bidder):
    shop = open_shop(clock=FakeClock("2026-11-25T23:00:00.5Z"))
    shop.people.add("daily", "0.01", window="daily", zone="UTC")
    with pytest.raises(BudgetExceeded) as refused:
        admitted(shop, bidder, "daily")
    error = refused.value
    assert (error.status, error.kind, error.should_retry) == (429, "billing_error", False)
    assert error.retry_after == 3600
    assert error.details == {"budget_of": "key", "window": "daily", "resets_at": "2026-11-26T00:00:00Z"}
    assert "for the day" in error.message
    assert "$0.070000" in error.message


def test_a_refusal_for_a_total_names_no_time(shop, bidder):
    shop.people.add("total", "0.01")
    with pytest.raises(BudgetExceeded, match="does not begin anew") as refused:
        admitted(shop, bidder, "total")
    assert refused.value.retry_after is None


def test_a_refusal_tells_nothing_of_what_others_spent(shop, bidder):
    shop.people.add_team("rich team", "123.45")
    shop.people.add("member", 1000, team="rich team")
    admitted(shop, bidder, "member", bidder.bill(("output", "99.99")))
    with pytest.raises(BudgetExceeded) as refused:
        admitted(shop, bidder, "member", bidder.bill(("output", "50")))
    assert not [number for number in ("123.45", "99.99", "23.46", "1000") if number in refused.value.message]


def test_without_any_budget_the_database_is_not_asked(tmp_path, shop, bidder, monkeypatch):
    shop.people.add("free")

    def never(*_):
        raise AssertionError("asked")

    monkeypatch.setattr(shop.database, "writing", never)
    monkeypatch.setattr(shop.database, "reading", never)
    call, ticket = admitted(shop, bidder, "free")
    assert ticket is None
    shop.admission.attempt_started(bidder.provisional(call))
    shop.admission.settled(bidder.entry(call))
    assert shop.admission.admit(bidder.call("somebody else"), None) is None


@pytest.mark.parametrize("mode", ["strict", "soft"])
def test_what_nobody_can_price_is_refused_by_name(shop, bidder, mode):
    shop.people.add("key", 1000, mode=mode)
    with pytest.raises(Unpriced, match="cannot be held against a budget") as refused:
        shop.admission.admit(bidder.call("key"), None)
    assert (refused.value.status, refused.value.param) == (400, "model")


def test_a_price_beyond_every_budget_is_refused(shop, bidder):
    with pytest.raises(BudgetExceeded, match="more than any budget"):
        admitted(shop, bidder, estimate=bidder.bill(("output", 10**8)))


def test_soft_asks_only_for_an_answer_of_usual_length(shop, bidder):
    estimate = bidder.bill(("input", "0.05"), ("output", "320"))  # 32,000 tokens; a usual answer is 10 dollars
    shop.people.add("strict", "10.05")
    shop.people.add("soft", "10.05", mode="soft")
    shop.people.add("small", "10.04", mode="soft")
    with pytest.raises(BudgetExceeded):
        admitted(shop, bidder, "strict", estimate)
    with pytest.raises(BudgetExceeded):
        admitted(shop, bidder, "small", estimate)
    admitted(shop, bidder, "soft", estimate)
    with pytest.raises(BudgetExceeded):
        admitted(shop, bidder, "soft", bidder.bill(("input", "0.01")))


def test_soft_with_estimates_a_third_too_low_is_over_by_at_most_one_call(shop, bidder):
    """A usual answer takes 70 % of what these calls cost, and all of them come at once."""
    shop.people.add("soft", 70, mode="soft")
    usual = bidder.bill(("output", 10))
    most = bidder.bill(("output", "14.29"))
    assert usual.total / most.total < Decimal("0.71")

    def run(_):
        try:
            call, ticket = admitted(shop, bidder, "soft", most)
        except BudgetExceeded:
            return None
        return call, ticket

    running = [one for one in bidder.together(60, run) if one]
    for call, ticket in running:
        ticket.settle(bidder.entry(call, bill=most))
        ticket.release()
    spent = shop.account("key", "soft")
    assert spent.held == 0
    assert to_units(Decimal(60)) < spent.spent <= to_units(70 + most.total)


def test_attempts_share_a_hold_and_each_needs_all_of_it(shop, bidder):
    shop.people.add("key", "0.15")
    call, ticket = admitted(shop, bidder, "key")
    first = bidder.entry(call, 1, outcome="failed", bill=bidder.bill(("input", "0.05")))
    shop.admission.attempt_started(bidder.provisional(call, 1))
    ticket.settle(first)
    assert shop.account("key", "key") == Balance(to_units(Decimal("0.05")), to_units(Decimal("0.02")))
    shop.admission.attempt_started(bidder.provisional(call, 2))
    assert shop.account("key", "key") == Balance(to_units(Decimal("0.05")), COST)
    ticket.settle(bidder.entry(call, 2, outcome="failed", bill=bidder.bill(("input", "0.05"))))
    with pytest.raises(BudgetExceeded):
        shop.admission.attempt_started(bidder.provisional(call, 3))
    ticket.release()
    assert shop.account("key", "key") == Balance(to_units(Decimal("0.10")), 0)


def test_without_a_price_what_was_held_is_spent(shop, bidder, caplog):
    call, ticket = admitted(shop, bidder)
    ticket.settle(bidder.entry(call, bill=None, unpriced=("rates of x",)))
    ticket.release()
    assert shop.account("key", "ten") == Balance(COST, 0)
    assert "has no price" in caplog.text


def test_a_price_in_part_counts_as_what_is_known(shop, bidder):
    call, ticket = admitted(shop, bidder)
    ticket.settle(bidder.entry(call, bill=bidder.bill(("input", "0.05")), unpriced=("factor x",), estimated=True))
    ticket.release()
    assert shop.account("key", "ten") == Balance(to_units(Decimal("0.05")), 0)


def test_a_call_dearer_than_its_estimate_is_spent_in_full(shop, bidder):
    call, ticket = admitted(shop, bidder)
    ticket.settle(bidder.entry(call, bill=bidder.bill(("output", "0.69")), outcome="cut"))
    ticket.release()
    assert shop.account("key", "ten") == Balance(to_units(Decimal("0.69")), 0)


def test_a_call_that_never_started_gives_everything_back(shop, bidder):
    _, ticket = admitted(shop, bidder)
    ticket.release()
    ticket.release()
    assert shop.account("key", "ten") == Balance()


def test_settling_again_in_any_order_changes_nothing(shop, bidder):
    calls = [admitted(shop, bidder, "rich") for _ in range(10)]
    entries = [bidder.entry(call, attempt, outcome="cut") for call, _ in calls for attempt in (1, 2)]
    tickets = {call.id: ticket for call, ticket in calls}
    random.Random(5).shuffle(entries)
    for _ in range(3):
        random.Random(6).shuffle(entries)
        for entry in entries:
            tickets[entry.call_id].settle(entry)
    for ticket in tickets.values():
        ticket.release()
    for entry in entries:
        shop.admission.settled(entry)
    assert shop.account("key", "rich") == shop.account("team", "team") == Balance(20 * COST, 0)


def test_the_last_word_on_an_attempt_replaces_a_guess_and_no_guess_replaces_it(shop, bidder):
    call = bidder.call("ten")
    guess = bidder.provisional(call, bill=bidder.bill(("input", "0.50")))
    shop.admission.settled(guess)
    shop.admission.settled(bidder.provisional(call, bill=bidder.bill(("input", "0.40"))))
    assert shop.account("key", "ten").spent == to_units(Decimal("0.50"))
    for entry in (bidder.entry(call), guess, bidder.entry(call, bill=bidder.bill(("input", "0.60")))):
        shop.admission.settled(entry)
        assert shop.account("key", "ten") == Balance(COST, 0)


def test_an_entry_of_a_call_under_way_is_counted_by_its_hold_alone(shop, bidder):
    call, ticket = admitted(shop, bidder)
    shop.admission.settled(bidder.entry(call))
    assert shop.account("key", "ten") == Balance(0, COST)
    ticket.settle(bidder.entry(call))
    ticket.release()
    assert shop.account("key", "ten") == Balance(COST, 0)


def test_settlements_over_the_edge_of_a_window_stay_in_the_window_of_their_hold(open_shop, bidder):
    clock = FakeClock("2026-11-25T23:59:59Z")
    shop = open_shop(clock=clock)
    shop.people.add("daily", 1000, window="daily")
    held = [admitted(shop, bidder, "daily") for _ in range(100)]
    clock.now += timedelta(seconds=2)
    held += [admitted(shop, bidder, "daily") for _ in range(100)]

    def settle(number):
        call, ticket = held[number]
        clock.now += timedelta(seconds=number % 3 - 1)  # back and forth over midnight
        ticket.settle(bidder.entry(call, bill=bidder.bill(("output", Decimal(number + 1) / 100))))
        ticket.release()

    bidder.together(200, settle)
    before, after = (shop.account("key", "daily", f"daily:2026-11-{day}") for day in (25, 26))
    assert before == Balance(to_units(Decimal(5050) / 100), 0)
    assert after == Balance(to_units(Decimal(20100 - 5050) / 100), 0)


def test_a_new_window_has_the_whole_budget(open_shop, bidder):
    clock = FakeClock("2026-11-25T23:59:59Z")
    shop = open_shop(clock=clock)
    shop.people.add("daily", "0.07", window="daily")
    admitted(shop, bidder, "daily")
    with pytest.raises(BudgetExceeded):
        admitted(shop, bidder, "daily")
    clock.now += timedelta(seconds=1)
    admitted(shop, bidder, "daily")
    clock.now -= timedelta(hours=1)
    with pytest.raises(BudgetExceeded):  # a clock that jumps back finds what was spent
        admitted(shop, bidder, "daily")


def test_what_stands_on_an_account_can_be_told(shop, bidder):
    admitted(shop, bidder, "rich")
    assert shop.admission.standing(shop.people.keys["rich"]) == {"key": Balance(0, COST), "team": Balance(0, COST)}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["admit", "start", "settle", "settle again", "cut", "release"]),
        st.integers(0, 4),
        st.integers(0, 9),
    ),
    max_size=40,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_spent_and_held_and_free_always_make_up_the_budget(sqlite_url, bidder, steps):
    """Against a model in plain numbers: what is held is what calls under way have not spent."""
    people = bidder.People()
    people.add("key", "0.50", id="key")
    database = bidder.opened(sqlite_url)
    shop = _Emptied(database, people, bidder)
    try:
        for step, number, cents in steps:
            shop.take(step, number, cents)
        for number in range(5):
            shop.take("release", number, 0)
        assert shop.real().held == 0
        assert shop.real().spent == shop.spent
    finally:
        database.close()


class _Emptied:
    """A database without rows, and what should be in it."""

    def __init__(self, database, people, bidder):
        self.database, self.bidder = database, bidder
        with database.writing() as connection:
            for table in (accounts, holds, settlements):
                connection.execute(table.delete())
        self.admission = Admission(database, people, {})
        self.calls, self.spent = {}, 0
        self.budget = to_units(Decimal("0.50"))

    def real(self):
        account = Account("key", "key", "total")
        with self.database.reading() as connection:
            return balances(connection, [account])[account]

    def take(self, step, number, cents):
        if step == "admit":
            self.admit(number, cents)
        elif number in self.calls:
            getattr(self, step.replace(" ", "_"))(number, to_units(Decimal(cents) / 100), cents)
        held = sum(known["rest"] for known in self.calls.values())
        assert self.real() == Balance(self.spent, held)

    def admit(self, number, cents):
        if number in self.calls:
            return
        call, amount = self.bidder.call("key"), to_units(Decimal(cents) / 100)
        fits = self.real().spent + self.real().held + amount <= self.budget
        try:
            ticket = self.admission.admit(call, self.bidder.bill(("input", Decimal(cents) / 100)))
        except BudgetExceeded:
            assert not fits
            return
        assert fits
        self.calls[number] = {"call": call, "ticket": ticket, "rest": amount, "amount": amount, "entries": []}

    def start(self, number, _amount, _cents):
        known = self.calls[number]
        missing = known["amount"] - known["rest"]
        fits = self.real().spent + self.real().held + missing <= self.budget or not missing
        try:
            self.admission.attempt_started(self.bidder.provisional(known["call"], len(known["entries"]) + 1))
        except BudgetExceeded:
            assert not fits
        else:
            assert fits
            known["rest"] = known["amount"]

    def cut(self, number, amount, cents):
        known = self.calls[number]
        facts = {"bill": self.bidder.bill(("input", Decimal(cents) / 100)), "outcome": "cut"}
        known["entries"].append(self.bidder.entry(known["call"], len(known["entries"]) + 1, **facts))
        known["ticket"].settle(known["entries"][-1])
        self.spent += amount
        known["rest"] -= min(known["rest"], amount)

    def settle(self, number, amount, cents):
        known = self.calls.pop(number)
        facts = {"bill": self.bidder.bill(("input", Decimal(cents) / 100))}
        known["ticket"].settle(self.bidder.entry(known["call"], len(known["entries"]) + 1, **facts))
        known["ticket"].release()
        self.spent += amount

    def settle_again(self, number, _amount, _cents):
        known = self.calls[number]
        for entry in known["entries"]:
            known["ticket"].settle(entry)

    def release(self, number, _amount, _cents):
        self.calls.pop(number)["ticket"].release()

    def __repr__(self):
        return "a database without rows"


# ------------------------------------------------------------------------------------------------------ outages


class Broken:
    """Takes a SQLite database away from everybody for a while."""

    def __init__(self, url):
        self.connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)

    def __enter__(self):
        self.connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_):
        self.connection.execute("ROLLBACK")
        self.connection.close()


@pytest.fixture
def locked_shop(sqlite_url, people, bidder):
    """A shop whose tables exist, on a database that can be locked."""
    database = bidder.opened(sqlite_url, lock_wait=0.3)
    shop = Admission(database, people, {})
    shop.recover()
    people.add("closed", "0.70")
    people.add("open", "0.70", on_outage="open")
    yield shop
    database.close()


def balance(shop, people, key):
    return shop.standing(people.keys[key])["key"]


def paid(shop):
    """Everything that was overdue is done."""
    deadline = time.monotonic() + 20
    while shop.overdue and time.monotonic() < deadline:
        shop.recover()
        threading.Event().wait(0.01)
    assert not shop.overdue


def test_closed_keys_are_refused_within_a_second_while_the_database_is_away(locked_shop, people, bidder, sqlite_url):
    with Broken(sqlite_url):
        waited = []
        for _ in range(20):
            began = time.monotonic()
            with pytest.raises(Unavailable) as refused:
                locked_shop.admit(bidder.call("closed"), bidder.bill())
            waited.append(time.monotonic() - began)
            assert (refused.value.status, refused.value.retry_after) == (503, 2)
    assert max(waited) < 1
    assert sorted(waited)[10] < 0.2, "the breaker does not answer at once"
    paid(locked_shop)
    assert balance(locked_shop, people, "closed") == Balance()


def test_a_hold_that_came_too_late_for_its_call_is_given_back(people, bidder, sqlite_url, monkeypatch):
    """Such as with a database that was frozen: nothing fails, nothing comes back, and then it is all done."""
    monkeypatch.setitem(admission.CLERKS, "sqlite", (1, 0.1))
    database = bidder.opened(sqlite_url, lock_wait=20)
    slow = Admission(database, people, {})
    slow.recover()
    people.add("closed", "0.70")
    with Broken(sqlite_url):
        with pytest.raises(Unavailable):
            slow.admit(bidder.call("closed"), bidder.bill())
        assert slow.overdue == 1
    deadline = time.monotonic() + 20
    while slow.overdue < 2 and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert slow.overdue == 2
    assert balance(slow, people, "closed") == Balance(0, COST)
    paid(slow)
    assert balance(slow, people, "closed") == Balance()
    database.close()


def test_open_keys_go_on_while_the_database_is_away_and_are_counted_once_it_is_back(
    locked_shop, people, bidder, sqlite_url
):
    with Broken(sqlite_url):
        for _ in range(5):
            call = bidder.call("open")
            ticket = locked_shop.admit(call, bidder.bill())
            locked_shop.attempt_started(bidder.provisional(call))
            locked_shop.settled(bidder.entry(call))
            ticket.settle(bidder.entry(call))
            ticket.release()
    paid(locked_shop)
    assert balance(locked_shop, people, "open") == Balance(5 * COST, 0)


def test_a_call_that_is_served_while_the_database_goes_is_settled_when_it_is_back(
    locked_shop, people, bidder, sqlite_url
):
    call = bidder.call("closed")
    ticket = locked_shop.admit(call, bidder.bill())
    locked_shop.attempt_started(bidder.provisional(call))
    with Broken(sqlite_url):
        ticket.settle(bidder.entry(call, outcome="cut"))
        ticket.release()
    paid(locked_shop)
    assert balance(locked_shop, people, "closed") == Balance(COST, 0)


def test_nothing_is_given_back_before_what_was_spent_is_counted(locked_shop, people, bidder, sqlite_url, monkeypatch):
    monkeypatch.setattr(locked_shop._patience, "_pause", 0)  # the database is asked again at once
    call = bidder.call("closed")
    ticket = locked_shop.admit(call, bidder.bill())
    with Broken(sqlite_url):
        ticket.settle(bidder.entry(call, outcome="cut"))
    ticket.release()
    assert (locked_shop.overdue, balance(locked_shop, people, "closed")) == (2, Balance(0, COST))
    paid(locked_shop)
    assert balance(locked_shop, people, "closed") == Balance(COST, 0)


@pytest.mark.parametrize("back", ["before the call ends", "after the call ended"])
def test_a_late_hold_of_an_open_key_does_not_outlive_its_call(people, bidder, sqlite_url, monkeypatch, back):
    monkeypatch.setitem(admission.CLERKS, "sqlite", (1, 0.1))
    database = bidder.opened(sqlite_url, lock_wait=20)
    slow = Admission(database, people, {})
    slow.recover()
    people.add("open", "0.70", on_outage="open")
    call = bidder.call("open")
    with Broken(sqlite_url):
        ticket = slow.admit(call, bidder.bill())
        if back == "after the call ended":
            ticket.settle(bidder.entry(call))
            ticket.release()
    if back == "before the call ends":
        held(slow, people, "open")
        ticket.settle(bidder.entry(call))
        ticket.release()
    paid(slow)
    assert balance(slow, people, "open") == Balance(COST, 0)
    database.close()


def held(shop, people, key):
    """SQLite still waited for the lock, and has it now."""
    deadline = time.monotonic() + 20
    while not balance(shop, people, key).held and time.monotonic() < deadline:
        threading.Event().wait(0.01)


def test_an_attempt_of_a_closed_key_does_not_start_unnoted(locked_shop, bidder, sqlite_url):
    call = bidder.call("closed")
    ticket = locked_shop.admit(call, bidder.bill())
    with Broken(sqlite_url), pytest.raises(Unavailable):
        locked_shop.attempt_started(bidder.provisional(call))
    ticket.release()
