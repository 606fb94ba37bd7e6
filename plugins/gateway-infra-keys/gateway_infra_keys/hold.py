"""Holds in the database: money set aside before a call, and what becomes of it, each step in one transaction.

A row stands from admission until the call is over. What an attempt cost moves from held to spent in the window of the
hold, whenever that happens, and each attempt is counted once, however often its entry comes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway_infra_ledger.database import Database
from gateway_infra_ledger.schema import Instant
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    Row,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from gateway import strictjson
from gateway_infra_keys.account import INSERTS, Account, Balance, change, take
from gateway_infra_keys.schema import metadata

holds = Table(
    "key_holds",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("process", Text, nullable=False),
    Column("accounts", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("rest", BigInteger, nullable=False),
    Column("provisional", Text),
    Column("created_at", Instant, nullable=False),
    Index("key_holds_process", "process"),
)
"""One row per call under way: who serves it, what was held, what of it is not spent yet, and the entry of the attempt
that runs, as it stands if the process dies."""

settlements = Table(
    "key_settlements",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("accounts", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("assumed", Boolean, nullable=False),
    Column("provisional", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
    Index("key_settlements_at", "at"),
)
"""One row per attempt that was counted. ``assumed``: it had no price, so the amount is what was held;
``provisional``: nobody knows how it ended, so an entry that does know replaces it."""

_one: BindParameter[str] = bindparam("one")
_ROW = select(holds).where(holds.c.call_id == _one).with_for_update()
_TAKEN = insert(holds)
_STARTED = (
    update(holds)
    .where(holds.c.call_id == _one)
    .values(process=bindparam("by"), rest=bindparam("left"), provisional=bindparam("told"))
)
_SPENT = update(holds).where(holds.c.call_id == _one).values(rest=bindparam("left"), provisional=None)
_OVER = delete(holds).where(holds.c.call_id == _one)
_COUNTED = {
    name: make(settlements).on_conflict_do_nothing().returning(settlements.c.attempt) for name, make in INSERTS.items()
}


@dataclass(frozen=True, slots=True)
class Share:
    """One owner's part in a hold.

    Attributes:
        account: where it is booked.
        limit: the owner's budget, in units of 10^-12 dollars.
    """

    account: Account
    limit: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What a call asks for, in units of 10^-12 dollars, of every share alike.

    Attributes:
        need: what has to fit into each budget.
        amount: what is then held.
    """

    call_id: str
    process: str
    shares: tuple[Share, ...]
    need: int
    amount: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Payment:
    """What an attempt cost.

    Attributes:
        amount: units of 10^-12 dollars; None when nobody knows, then what was held counts.
        held: what was held, for the case that its row is gone.
        provisional: nobody knows how the attempt ended.
        accounts: what to charge when there is no hold.
        last: the call needs its hold no more.
        process: who says so; a hold of another process keeps its rest.
    """

    call_id: str
    attempt: int
    amount: int | None
    held: int
    provisional: bool
    accounts: tuple[Account, ...]
    last: bool
    process: str
    at: datetime


class Short(Exception):
    """A budget has not enough left.

    Attributes:
        share: whose.
    """

    def __init__(self, share: Share) -> None:
        super().__init__(f"{share.account.kind} {share.account.owner} has not enough left")
        self.share = share


class Holds:
    """Holds and settlements; every method is one transaction.

    All raise ``Away`` when the database cannot be used. Whether the step was taken is unknown; it may be repeated.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, claim: Claim) -> None:
        """Hold the amount of every share, or of none.

        Raises:
            Short: one of them has not enough left.
        """
        with self._database.writing() as connection:
            _take(connection, claim)

    def start(self, claim: Claim, provisional: str) -> None:
        """Note the entry of an attempt that is about to run, and hold anew what earlier attempts have spent.

        Raises:
            Short: that does not fit any more.
        """
        with self._database.writing() as connection:
            row = _row(connection, claim.call_id)
            if row is None:  # whoever took this process for dead has given it back
                _take(connection, claim)
            elif row.rest < claim.amount:
                _hold(connection, claim, claim.amount - row.rest)
            kept = {"one": claim.call_id, "by": claim.process, "left": claim.amount, "told": provisional}
            connection.execute(_STARTED, kept)

    def settle(self, payment: Payment) -> None:
        """Move what an attempt cost from held to spent; the same attempt again changes nothing."""
        with self._database.writing() as connection:
            row = _row(connection, payment.call_id)
            accounts = _accounts(row.accounts) if row else payment.accounts
            spent, charged = _count(connection, payment, row.amount if row else payment.held, accounts)
            over = row is not None and payment.last and row.process == payment.process
            freed = _free(connection, row, spent, over=over) if row else 0
            change(connection, _sums([(charged, spent, 0), (accounts, 0, -freed)]))

    def release(self, call_id: str) -> None:
        """Give back what a call still holds."""
        with self._database.writing() as connection:
            row = _row(connection, call_id)
            if row is not None:
                _give_back(connection, [row])

    def inherit(self, dead: Sequence[str], heir: str) -> list[str]:
        """Take over the holds of dead processes: one process gets each of them. Returns the entries of their attempts.

        Holds of calls without an attempt under way are given back.
        """
        with self._database.writing() as connection:
            query = select(holds).where(holds.c.process.in_(dead)).order_by(holds.c.call_id).with_for_update()
            rows = connection.execute(query).all()
            _give_back(connection, [row for row in rows if row.provisional is None])
            mine = [row.call_id for row in rows if row.provisional is not None]
            connection.execute(update(holds).where(holds.c.call_id.in_(mine)).values(process=heir))
        return [row.provisional for row in rows if row.provisional is not None]

    def forget(self, before: datetime) -> None:
        """Drop what is only kept to recognise an attempt that was counted before."""
        with self._database.writing() as connection:
            connection.execute(delete(settlements).where(settlements.c.at < before))


def _take(connection: Connection, claim: Claim) -> None:
    _hold(connection, claim, claim.amount)
    accounts = strictjson.dumps([[one.account.kind, one.account.owner, one.account.period] for one in claim.shares])
    row = {
        "call_id": claim.call_id,
        "process": claim.process,
        "accounts": accounts.decode(),
        "amount": claim.amount,
        "rest": claim.amount,
        "created_at": claim.at,
    }
    connection.execute(_TAKEN, row)


def _hold(connection: Connection, claim: Claim, amount: int) -> None:
    for share in sorted(claim.shares, key=lambda one: one.account):
        if not take(connection, share.account, share.limit, need=min(claim.need, amount), amount=amount):
            raise Short(share)


def _row(connection: Connection, call_id: str) -> Row[Any] | None:
    """The hold of a call, locked where the database locks rows."""
    return connection.execute(_ROW, {"one": call_id}).first()


def _count(
    connection: Connection, payment: Payment, held: int, accounts: Sequence[Account]
) -> tuple[int, Sequence[Account]]:
    """What is to be added to what is spent, and to whose: nothing for an attempt that was counted before."""
    amount = held if payment.amount is None else payment.amount
    assumed = payment.amount is None
    facts = {"amount": amount, "assumed": assumed, "provisional": payment.provisional, "at": payment.at}
    names = {"call_id": payment.call_id, "attempt": payment.attempt}
    told = strictjson.dumps([[one.kind, one.owner, one.period] for one in accounts]).decode()
    if connection.execute(_COUNTED[connection.dialect.name], {**names, **facts, "accounts": told}).first():
        return amount, accounts
    before = connection.execute(select(settlements).filter_by(**names).with_for_update()).one()
    if payment.provisional or not before.provisional:
        return 0, accounts
    connection.execute(update(settlements).filter_by(**names).values(**facts))
    return amount - before.amount, _accounts(before.accounts)


def _free(connection: Connection, row: Row[Any], spent: int, *, over: bool) -> int:
    """Take what was spent out of a hold, and the rest when the call is over; what is held no more."""
    if over:
        connection.execute(_OVER, {"one": row.call_id})
        return int(row.rest)
    freed = min(int(row.rest), max(spent, 0))
    connection.execute(_SPENT, {"one": row.call_id, "left": row.rest - freed})
    return freed


def _give_back(connection: Connection, rows: Sequence[Row[Any]]) -> None:
    connection.execute(delete(holds).where(holds.c.call_id.in_([row.call_id for row in rows])))
    change(connection, _sums((_accounts(row.accounts), 0, -row.rest) for row in rows))


def _sums(parts: Iterable[tuple[Sequence[Account], int, int]]) -> dict[Account, Balance]:
    """Changes of many holds as one per account."""
    sums: dict[Account, Balance] = {}
    for accounts, spent, held in parts:
        for account in accounts:
            before = sums.get(account, Balance())
            sums[account] = Balance(before.spent + spent, before.held + held)
    return sums


def _accounts(told: str) -> tuple[Account, ...]:
    return tuple(Account(*names) for names in strictjson.loads_lenient(told.encode()))
