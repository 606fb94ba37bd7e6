"""Accounts: what an owner has spent and holds in one window of its budget, in units of 10^-12 dollars."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import BigInteger, Column, Connection, Table, Text, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from gateway_infra_keys.schema import metadata

Kind = Literal["key", "team"]

accounts = Table(
    "key_accounts",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("owner", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("spent", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""One row per owner and window. ``held`` is the sum of what calls under way still hold; only holds change it."""

INSERTS: Mapping[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""The databases' own INSERT, which knows ON CONFLICT; both write it alike."""


def _taking(insert: Callable[[Table], Any]) -> Any:
    row = insert(accounts)
    return row.on_conflict_do_update(
        index_elements=[*accounts.primary_key],
        set_={"held": accounts.c.held + row.excluded.held},
        where=accounts.c.spent + accounts.c.held <= bindparam("room"),
    ).returning(accounts.c.held)


def _adding(insert: Callable[[Table], Any]) -> Any:
    row = insert(accounts)
    sums = {"spent": accounts.c.spent + row.excluded.spent, "held": accounts.c.held + row.excluded.held}
    return row.on_conflict_do_update(index_elements=[*accounts.primary_key], set_=sums)


_TAKE = {name: _taking(insert) for name, insert in INSERTS.items()}
_ADD = {name: _adding(insert) for name, insert in INSERTS.items()}
# Statements are built once: to build them costs more than to execute them.


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """Whose money, and of which window; in their order rows are locked, so that no two calls wait for each other.

    Attributes:
        kind, owner: a key or a team, and its id.
        period: the window's id.
    """

    kind: Kind
    owner: str
    period: str


@dataclass(frozen=True, slots=True)
class Balance:
    """Units of 10^-12 dollars of one account."""

    spent: int = 0
    held: int = 0


def take(connection: Connection, account: Account, limit: int, *, need: int, amount: int) -> bool:
    """Hold ``amount`` if ``need`` still fits under the limit beside what is spent and held; whether it did.

    One conditional statement, so whoever comes second sees what the first one took.
    """
    if need > limit:
        return False
    asked = {**_name(account), "spent": 0, "held": amount, "room": limit - need}
    return connection.execute(_TAKE[connection.dialect.name], asked).first() is not None


def change(connection: Connection, changes: Mapping[Account, Balance]) -> None:
    """Add to what accounts have spent and hold; negative numbers take away."""
    for account in sorted(changes):
        by = changes[account]
        connection.execute(_ADD[connection.dialect.name], {**_name(account), "spent": by.spent, "held": by.held})


def balances(connection: Connection, wanted: Iterable[Account]) -> dict[Account, Balance]:
    """What these accounts have spent and hold; nothing where there is no row yet."""
    found = {}
    for account in wanted:
        query = select(accounts.c.spent, accounts.c.held).filter_by(**_name(account))
        row = connection.execute(query).first()
        found[account] = Balance(row.spent, row.held) if row else Balance()
    return found


def _name(account: Account) -> dict[str, str]:
    return {"kind": account.kind, "owner": account.owner, "period": account.period}
