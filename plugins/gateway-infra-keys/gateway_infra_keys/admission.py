"""Admission: whether a call fits the budgets of its key and its team, and the hold that makes it certain.

A hold is committed before the first byte goes to a host, in one transaction for key and team. Both modes hold the most
that the call may cost. They differ in what has to fit beside what is spent and held:

* ``strict``: all of it. No budget is exceeded, as far as the estimate is the most that a call can cost.
* ``soft``: a typical amount, the prompt as estimated and an answer of usual length. Since the most is held all the
  same, the next call waits until this one is settled, and so a budget is exceeded by at most one call, however many
  come at once.

What nobody can price is refused in both.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from secrets import token_hex
from typing import Any, Protocol

from gateway_infra_ledger.amount import to_units
from gateway_infra_ledger.database import Away, Database
from gateway_infra_ledger.fork import at_fork

from gateway import Bill, Call, Entry, InvalidRequest, Line, Unavailable
from gateway_infra_keys.account import Account, Balance, Kind, balances
from gateway_infra_keys.arrears import Arrears
from gateway_infra_keys.hold import Claim, Holds
from gateway_infra_keys.lease import LEASE, Lease
from gateway_infra_keys.model import Budget, Key, Team
from gateway_infra_keys.patience import FILE_WAIT, WAIT, Patience
from gateway_infra_keys.ticket import Purse, Ticket, payment
from gateway_infra_keys.window import period

log = logging.getLogger(__name__)

TYPICAL_OUTPUT = 1000
"""Output tokens of an answer of usual length."""

QUEUE = 10_000
"""Steps that may wait for the database."""

REMEMBERED = timedelta(days=7)
"""For how long it is known which attempts were counted; an entry that comes later would be counted again."""

ENOUGH = 500
"""Overdue steps between two signs of life."""

TIDY = 3600.0
"""Seconds between two times of forgetting them."""

CLERKS = {"sqlite": (1, FILE_WAIT), "postgresql": (8, WAIT)}
"""Threads that work with the database, and seconds of its silence; SQLite lets one write at a time."""


class Unpriced(InvalidRequest):
    """Nobody can say what the call may cost, so no budget can be kept with it."""

    code = "unpriced"


class Known(Protocol):
    """Who the keys and teams are; see ``identity.Identity``."""

    def key(self, key_id: str) -> Key | None:
        """A key by its id."""

    def team(self, team_id: str) -> Team | None:
        """A team by its id."""


class Admission:
    """Takes holds, settles them, and settles those of processes that died.

    Args:
        database: opened with this package's schema.
        identity: who the keys and teams are.
        settings: ``typical_output_tokens``, the length of a usual answer for ``soft`` keys.
        lease: seconds without a sign of life after which a process is dead.
        clock: the time, UTC; it decides about windows only.
    """

    _patience: Patience
    _arrears: Arrears
    _lease: Lease
    _live: dict[str, Ticket]
    _inherited: dict[str, str]
    _used: bool
    _tidied: float

    def __init__(
        self,
        database: Database,
        identity: Known,
        settings: Mapping[str, Any],
        *,
        lease: float = LEASE,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._identity = identity
        self._typical = int(settings.get("typical_output_tokens", TYPICAL_OUTPUT))
        self._lease_seconds = lease
        self._now = clock
        self._holds = Holds(database)
        self._renew()
        at_fork(child=self._renew)

    def admit(self, call: Call, estimate: Bill | None) -> Ticket | None:
        """Hold what the call may cost; None, without asking the database, where neither key nor team has a budget.

        Raises:
            BudgetExceeded: it does not fit.
            Unpriced: nobody knows what it may cost.
            Unavailable: the database is away, and the key's policy is ``closed``.
        """
        key = self._identity.key(call.principal.key_id)
        purses = self._purses(key, self._now())
        if key is None or not purses:
            return None
        ticket = Ticket(
            self._claim(call.id, key, purses, estimate),
            purses,
            self._holds,
            self._patience,
            self._arrears,
            fails_open=key.on_outage == "open",
            now=self._now,
            over=partial(self._live.pop, call.id, None),
        )
        self._used = True
        ticket.take()
        self._live[call.id] = ticket
        return ticket

    def attempt_started(self, entry: Entry) -> None:
        """Keep the entry that stands if this process dies during the attempt.

        Raises:
            BudgetExceeded: earlier attempts of the call have left too little for another one.
            Unavailable: the database is away, and the key's policy is ``closed``.
        """
        ticket = self._live.get(entry.call_id)
        if ticket is not None:
            ticket.start(entry)

    def settled(self, entry: Entry) -> None:
        """Count an entry whose call nobody serves any more, such as one that was recovered; each counts once.

        Entries of calls under way are counted by their tickets.
        """
        if entry.call_id in self._live or not self._concerns(entry):
            return
        step = partial(self._settle, entry)
        try:
            self._patience.run(step)
        except Unavailable:
            self._arrears.add(f"attempt {entry.attempt} of {entry.call_id}", step)

    def recover(self) -> list[Entry]:
        """Give a sign of life, do what is overdue, and inherit from processes that died.

        The entries are those of attempts that nobody will settle any more: for every recorder, and for ``settled``.
        Cheap when there is nothing: two small queries.
        """
        try:
            if self._used:
                self._lease.beat()  # first: whoever gives no sign of life for long is taken for dead
            self._arrears.pay(ENOUGH)
            self._tidy()
            dead = self._lease.dead()
            return [*self._inherit(dead)] if dead else []
        except Away as error:
            log.debug("no recovery while the database is away: %s", error.reason)
            return []

    def standing(self, key: Key) -> dict[Kind, Balance]:
        """What the key, and its team, have spent and hold in the windows that are open; only those with a budget.

        Raises:
            Away: the database cannot be asked.
        """
        names = [purse.account for purse in self._purses(key, self._now())]
        with self._database.reading() as connection:
            return {account.kind: balance for account, balance in balances(connection, names).items()}

    def close(self) -> None:
        """Do what is overdue, if the database is there."""
        self._arrears.pay()

    @property
    def overdue(self) -> int:
        """Steps that wait for the database."""
        return len(self._arrears)

    def _purses(self, key: Key | None, instant: datetime) -> tuple[Purse, ...]:
        """The budgets that hold for a key at an instant."""
        if key is None:
            return ()
        team = self._identity.team(key.team_id) if key.team_id else None
        found = [_purse("key", key.id, key.budget, instant)]
        found += [_purse("team", team.id, team.budget, instant)] if team else []
        return tuple(purse for purse in found if purse)

    def _claim(self, call_id: str, key: Key, purses: tuple[Purse, ...], estimate: Bill | None) -> Claim:
        if estimate is None:
            raise Unpriced(
                "Nobody can say what this call may cost, so it cannot be held against a budget; use a model that has a "
                "price, or ask the gateway's operator to give this one a price.",
                param="model",
            )
        now = self._now()
        try:
            most = _units(estimate.lines)
        except OverflowError:  # dearer than any budget can be
            raise purses[0].exceeded("more than any budget", now) from None
        need = most if key.mode == "strict" else _units(map(self._usual, estimate.lines))
        return Claim(call_id, self._lease.id, tuple(purse.share for purse in purses), need, most, now)

    def _usual(self, line: Line) -> Line:
        return replace(line, quantity=min(line.quantity, self._typical)) if line.kind == "output" else line

    def _concerns(self, entry: Entry) -> bool:
        """Whether an entry is about a budget; while nobody knows, it may be."""
        try:
            return entry.call_id in self._inherited or bool(self._accounts(entry))
        except Unavailable:
            return True

    def _accounts(self, entry: Entry) -> list[Account]:
        """What an entry without a hold is charged to: the windows in which its attempt began."""
        return [purse.account for purse in self._purses(self._identity.key(entry.key_id), entry.at)]

    def _settle(self, entry: Entry) -> None:
        heir = self._inherited.get(entry.call_id, "")
        due = payment(entry, self._accounts(entry), held=0, process=heir, now=self._now(), last=True)
        self._holds.settle(due)
        self._inherited.pop(entry.call_id, None)

    def _inherit(self, dead: list[str]) -> Iterator[Entry]:
        """What the dead left. The heir has a name of its own, so if we die or hear nothing, others inherit from it."""
        heir = token_hex(8)
        for told in self._holds.inherit(dead, heir):
            try:
                entry = Entry.from_dict(json.loads(told))
            except (
                KeyError,
                TypeError,
                ValueError,
            ):  # of another release, which inherits it again
                log.exception("a hold stays, its entry cannot be read: %s", told)
                continue
            self._inherited[entry.call_id] = heir
            yield entry
        self._lease.bury(dead)

    def _tidy(self) -> None:
        now = time.monotonic()
        if self._used and now - self._tidied > TIDY:
            self._tidied = now
            self._holds.forget(self._now() - REMEMBERED)

    def _renew(self) -> None:
        """Start afresh in a new process; the calls of the parent are the parent's."""
        self._patience = Patience(*CLERKS[self._database.dialect])
        self._arrears = Arrears(self._patience, QUEUE)
        self._lease = Lease(self._database, self._lease_seconds)
        self._live = {}
        self._inherited = {}
        self._used = False
        self._tidied = time.monotonic()


def _purse(kind: Kind, owner: str, budget: Budget | None, instant: datetime) -> Purse | None:
    if budget is None:
        return None
    window = period(budget, instant)
    return Purse(Account(kind, owner, window.id), budget, window)


def _units(lines: Any) -> int:
    """Rounded line by line, as bills are."""
    return sum(to_units(line.amount) for line in lines)
