"""The hold of one call, as the core knows it: taken, started, settled and released, whatever the database does."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from gateway_infra_ledger.amount import from_units, to_units
from gateway_infra_ledger.database import Away

from gateway import BudgetExceeded, Entry, Limit, Unavailable, dollars, strictjson
from gateway_infra_keys.account import Account
from gateway_infra_keys.arrears import Arrears, Step
from gateway_infra_keys.hold import Claim, Holds, Payment, Share, Short
from gateway_infra_keys.model import Budget
from gateway_infra_keys.patience import Patience
from gateway_infra_keys.window import Period

log = logging.getLogger(__name__)

RETRY = 2
"""Seconds after which a client may find the database back."""

_SPANS = {"daily": " for the day", "weekly": " for the week", "monthly": " for the month", "total": ""}


@dataclass(frozen=True, slots=True)
class Purse:
    """A budget that a call has to fit.

    Attributes:
        account: the key or the team, in the window that is open.
    """

    account: Account
    budget: Budget
    period: Period

    @property
    def share(self) -> Share:
        """Its part in a hold."""
        return Share(self.account, to_units(self.budget.amount))

    def exceeded(self, most: str, now: datetime) -> BudgetExceeded:
        """A refusal that says whose budget it is and when it begins anew, and nothing of what others spend."""
        whose = "this key" if self.account.kind == "key" else "this key's team"
        end = self.period.end
        resets = end.isoformat().replace("+00:00", "Z") if end else None
        anew = f"it begins anew at {resets}" if resets else "it does not begin anew"
        return BudgetExceeded(
            f"The budget of {whose}{_SPANS[self.budget.window]} has not enough left for a call that may cost {most}; "
            f"{anew}. A smaller max_tokens may fit.",
            retry_after=max(math.ceil((end - now).total_seconds()), 1) if end else None,
            details={"budget_of": self.account.kind, "window": self.budget.window, "resets_at": resets},
        )


def units_of(entry: Entry) -> int | None:
    """What an entry costs, rounded line by line as the ledger does; None when nobody knows.

    An entry that is priced in part counts as what is known of it.
    """
    if entry.bill is None:
        return None
    try:
        return sum(to_units(line.amount) for line in entry.bill.lines)
    except OverflowError:
        return None


def payment(
    entry: Entry, accounts: Sequence[Account], *, held: int, process: str, now: datetime, last: bool
) -> Payment:
    """What an entry means for the accounts."""
    amount = units_of(entry)
    if amount is None:
        log.warning("%s: attempt %d has no price; what was held counts", entry.call_id, entry.attempt)
    return Payment(
        call_id=entry.call_id,
        attempt=entry.attempt,
        amount=amount,
        held=held,
        provisional=entry.outcome == "unknown",
        accounts=tuple(accounts),
        last=last,
        process=process,
        at=now,
    )


class Ticket:
    """The core's ``Hold``.

    While the database is away, a key whose policy is ``open`` goes on; what is due then waits, in its order.

    Args:
        claim: what is asked for.
        purses: the budgets that it has to fit.
        fails_open: whether the call goes on while the database is away.
        now: the time, UTC.
        over: called at the end of the call.

    Attributes:
        headers, limits: none; a budget is no rate.
    """

    headers: Mapping[str, str] = {}
    limits: Sequence[Limit] = ()

    def __init__(
        self,
        claim: Claim,
        purses: Sequence[Purse],
        holds: Holds,
        patience: Patience,
        arrears: Arrears,
        *,
        fails_open: bool,
        now: Callable[[], datetime],
        over: Callable[[], object],
    ) -> None:
        self._claim = claim
        self._purses = {purse.account: purse for purse in purses}
        self._holds = holds
        self._patience = patience
        self._arrears = arrears
        self._fails_open = fails_open
        self._now = now
        self._end = over
        self._behind = False
        self._unsure = False
        self._done = False
        self._ended = False
        self._release: Step = partial(holds.release, claim.call_id)

    def take(self) -> None:
        """Hold.

        Raises:
            BudgetExceeded: a budget has not enough left.
            Unavailable: the database is away, and the call may not go on without it.
        """
        self._ask(partial(self._holds.take, self._claim))

    def start(self, entry: Entry) -> None:
        """Note an attempt; it needs the whole hold again, also after others that cost something.

        Raises:
            BudgetExceeded: a budget has not enough left for another attempt.
            Unavailable: the database is away, and the call may not go on without it.
        """
        if not self._behind:
            self._ask(partial(self._holds.start, self._claim, strictjson.dumps(entry.as_dict()).decode()))

    def settle(self, entry: Entry) -> None:
        """Count what an attempt cost. After a whole answer there is no other attempt, so the rest goes back too."""
        self._done = entry.outcome == "complete"
        due = payment(
            entry,
            [*self._purses],
            held=self._claim.amount,
            process=self._claim.process,
            now=self._now(),
            last=self._done,
        )
        self._take_step(f"attempt {due.attempt} of {due.call_id}, {due.amount}", partial(self._holds.settle, due))

    def release(self) -> None:
        """Give back what is still held."""
        self._end()
        self._ended = True
        if not self._done or self._behind or self._unsure:
            self._take_step(f"the rest of {self._claim.call_id}", self._release)

    def _ask(self, step: Step) -> None:
        """Take a step before the call."""
        try:
            self._patience.run(step, late=self._came_late)
        except Short as short:
            purse = self._purses[short.share.account]
            raise purse.exceeded(f"${dollars(from_units(self._claim.amount))}", self._now()) from None
        except Away as error:
            self._unsure = True
            if not self._fails_open:
                self._give_back()  # perhaps it was committed all the same
                raise Unavailable(
                    "The budget of this key cannot be looked at for now: the gateway's database is away.",
                    retry_after=RETRY,
                ) from error

    def _came_late(self) -> None:
        """A step was taken after all; its hold serves the call as long as there is one."""
        if self._ended or not self._fails_open:
            self._give_back()

    def _give_back(self) -> None:
        self._arrears.add(f"the hold of {self._claim.call_id}", self._release)

    def _take_step(self, what: str, step: Step) -> None:
        if not self._behind:
            try:
                self._patience.run(step)
            except Away:
                self._behind = True
            else:
                return
        self._arrears.add(what, step)
