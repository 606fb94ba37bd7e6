"""Changes: one transaction each, on a row that nobody else changes meanwhile, and noted in the audit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from gateway_infra_ledger.database import Database, Rejected
from sqlalchemy import ColumnElement, Connection, RowMapping, Table, and_, insert, or_, select, update

from gateway import Conflict, Refusal, strictjson
from gateway_infra_keys import terms
from gateway_infra_keys.model import Key, Team
from gateway_infra_keys.row import columns, told
from gateway_infra_keys.schema import audit, keys, teams

One = TypeVar("One", Key, Team)

Listeners = Sequence[Callable[[], None]]
"""Called after every change, so that nobody goes on with what was."""


class Missing(Refusal):
    """There is no such key or team."""

    status = 404
    code = "missing"


@contextmanager
def changing(database: Database, listeners: Listeners) -> Iterator[Connection]:
    """A transaction that may write; afterwards the listeners are told.

    Raises:
        Conflict: what was looked up was changed by somebody else before it could be written.
        Away: not now.
    """
    try:
        with database.writing() as connection:
            yield connection
    except Rejected:
        raise Conflict("Somebody else made a change at the same moment; try again.") from None
    finally:
        for listener in listeners:
            listener()


def page(
    connection: Connection, table: Table, after: str, limit: int, conditions: Sequence[ColumnElement[bool]]
) -> Sequence[RowMapping]:
    """Rows, oldest first, behind the one with the id ``after``.

    Raises:
        Missing: there is no such row.
    """
    query = select(table).where(*conditions).order_by(table.c.created_at, table.c.id).limit(limit)
    if after:
        last = connection.execute(select(table.c.created_at).where(table.c.id == after)).scalar()
        if last is None:
            raise Missing(f"There is nothing with the id {after!r} to go on after.")
        same = and_(table.c.created_at == last, table.c.id > after)
        query = query.where(or_(table.c.created_at > last, same))
    return connection.execute(query).mappings().all()


def locked(connection: Connection, table: Table, object_id: str) -> RowMapping:
    """A row that nobody else changes until the transaction ends.

    Raises:
        Missing: there is none.
    """
    row = connection.execute(select(table).where(table.c.id == object_id).with_for_update()).mappings().one_or_none()
    if row is None:
        raise Missing(f"There is no {_word(table)} with the id {object_id!r}.")
    return row


def alive(connection: Connection, table: Table, object_id: str) -> RowMapping:
    """The same, of one that is not revoked.

    Raises:
        Missing: there is none.
        InvalidRequest: it is revoked.
    """
    row = locked(connection, table, object_id)
    if row["revoked_at"]:
        raise terms.refused("revoked_at", f"this {_word(table)} is revoked, and that is for good; make another one.")
    return row


def change(connection: Connection, before: One, given: Mapping[str, Any], actor: str, action: str = "update") -> One:
    """Write what differs, into the row and into the audit; what it is afterwards."""
    changed = {name: value for name, value in given.items() if getattr(before, name) != value}
    if not changed:
        return before
    table = keys if isinstance(before, Key) else teams
    connection.execute(update(table).where(table.c.id == before.id).values(columns(changed)))
    was = {name: getattr(before, name) for name in changed}
    note(connection, actor, action, (table, before.id), (was, changed))
    return replace(before, **changed)


def revoke(connection: Connection, before: One, actor: str) -> One:
    """End it, unless it has ended."""
    if before.revoked_at:
        return before
    return change(connection, before, {"revoked_at": datetime.now(UTC)}, actor, "revoke")


def note(
    connection: Connection,
    actor: str,
    action: str,
    about: tuple[Table, str],
    facts: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> None:
    """Write into the audit who did what to whom, with the facts before and after."""
    table, object_id = about
    before, after = (strictjson.dumps({name: told(value) for name, value in one.items()}).decode() for one in facts)
    row = {"at": datetime.now(UTC), "actor": actor, "action": action, "object": _word(table), "object_id": object_id}
    connection.execute(insert(audit), [{**row, "before": before, "after": after}])


def _word(table: Table) -> str:
    return "key" if table is keys else "team"
