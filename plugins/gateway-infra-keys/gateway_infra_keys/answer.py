"""Answers in the database: who is about to answer a request, and the answer once it is given.

A row stands from the claim on. It is open while its process lives and has not answered; then it is kept until it is
too old. An open row of a process that is known to be dead (see ``lease``) counts as none, and so does an old one.
"""

import hashlib
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway_infra_ledger.database import Database
from gateway_infra_ledger.schema import Instant
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    LargeBinary,
    Row,
    Table,
    Text,
    and_,
    delete,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from gateway import Call, Saved, strictjson
from gateway_infra_keys.lease import processes
from gateway_infra_keys.schema import metadata

BATCH = 200
"""Old answers that are dropped in one transaction, so that nobody waits long for the lock."""

FAST = 1
"""zlib's level: an answer of a megabyte takes some milliseconds, and is a third of its size."""

KEPT_HEADERS = frozenset({"content-type", "request-id", "x-request-id"})
OURS = "gateway-"
"""Headers that are kept with an answer: what it is and what it was called. What is left of limits is long past."""

answers = Table(
    "key_answers",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("status", Integer),
    Column("headers", Text),
    Column("body", LargeBinary),
    Index("key_answers_key", "key_id", "created_at"),
    Index("key_answers_age", "created_at"),
    Index("key_answers_process", "process"),
)
"""One row per virtual key and idempotency key. ``name`` is a hash of the latter; ``process`` and ``call_id`` say who
answers; ``status`` is NULL while the row is open; ``body`` is compressed."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request under an idempotency key.

    Attributes:
        key_id: the virtual key that it came with.
        name: SHA-256 of the idempotency key, in hex; its text is a client's own and is written nowhere.
        fingerprint: SHA-256 of what is asked for, in hex.
        call_id: the call that asks.
    """

    key_id: str
    name: str
    fingerprint: str
    call_id: str

    @classmethod
    def of(cls, call: Call, key: str) -> "Request":
        """The request of a call. Its body counts as it was parsed: spaces do not matter, order and spelling do."""
        asked = b"\n".join((call.surface.encode(), call.model.encode(), strictjson.dumps(call.asked)))
        return cls(call.principal.key_id, _digest(key.encode()), _digest(asked), call.id)


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands under a request's name.

    Attributes:
        fingerprint: of the request that came first.
        saved: its answer; None while somebody is about to give it.
    """

    fingerprint: str
    saved: Saved | None = None


class Shelf:
    """The answers. Every method is one transaction, or reads first; all raise ``Away`` when that is not possible now.

    Args:
        database: opened with this package's schema.
        process: this process, as its lease names it.
        most: answers that are kept for a virtual key; the oldest make room.
    """

    def __init__(self, database: Database, process: str, most: int) -> None:
        self._database = database
        self._process = process
        self._most = most

    def claim(self, request: Request, now: datetime, since: datetime) -> Standing | None:
        """What stands under the request's name; None when it is now this call's to answer.

        Args:
            request: who asks for what.
            now: the time, UTC.
            since: older answers count no more.
        """
        found = self._find(request, since)
        if found is None and not self._take(request, now, since):  # somebody was faster, and may be gone again
            found = self._find(request, since) or Standing(request.fingerprint)
        return found

    def keep(self, request: Request, answer: Saved) -> bool:
        """Save the answer; False when the request is this call's no more, because its process was taken for dead."""
        headers = {name: value for name, value in answer.headers.items() if _is_kept(name)}
        values = {
            "process": "",
            "status": answer.status,
            "headers": strictjson.dumps(headers).decode(),
            "body": zlib.compress(answer.body, FAST),
        }
        with self._database.writing() as connection:
            kept = bool(connection.execute(update(answers).where(*_own(request)).values(values)).rowcount)
            if kept:
                self._make_room(connection, request)
        return kept

    def release(self, request: Request) -> None:
        """Let somebody else answer."""
        with self._database.writing() as connection:
            connection.execute(delete(answers).where(*_own(request)))

    def open(self) -> list[Request]:
        """What this process is about to answer, as far as the database knows."""
        names = (answers.c.key_id, answers.c.name, answers.c.fingerprint, answers.c.call_id)
        query = select(*names).where(answers.c.process == self._process, answers.c.status.is_(None))
        with self._database.reading() as connection:
            return [Request(*row) for row in connection.execute(query)]

    def forget(self, before: datetime) -> None:
        """Drop answers that are too old, and what the dead left open."""
        names = tuple_(answers.c.key_id, answers.c.name)
        old = select(answers.c.key_id, answers.c.name).where(answers.c.created_at < before, ~_stands(before))
        dropped = BATCH
        while dropped == BATCH:
            with self._database.writing() as connection:
                dropped = connection.execute(delete(answers).where(names.in_(old.limit(BATCH)))).rowcount

    def _find(self, request: Request, since: datetime) -> Standing | None:
        with self._database.reading() as connection:
            row = connection.execute(select(answers).where(*_named(request), _stands(since))).first()
        return Standing(row.fingerprint, _saved(row)) if row else None

    def _take(self, request: Request, now: datetime, since: datetime) -> bool:
        """Open a row, unless one stands."""
        row = {name: getattr(request, name) for name in request.__slots__}
        with self._database.writing() as connection:
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            alive = insert(processes).values(id=self._process, beat=0)
            connection.execute(alive.on_conflict_do_nothing())  # whoever was taken for dead lives again
            connection.execute(delete(answers).where(*_named(request), ~_stands(since)))
            new = insert(answers).values(**row, process=self._process, created_at=now)
            done = connection.execute(new.on_conflict_do_nothing().returning(answers.c.name)).first()
        return done is not None

    def _make_room(self, connection: Connection, newest: Request) -> None:
        own = answers.c.key_id == newest.key_id
        newest_first = select(answers.c.created_at).where(own).order_by(answers.c.created_at.desc())
        last = connection.execute(newest_first.offset(self._most).limit(1)).scalar()
        if last is not None:
            others = and_(own, answers.c.name != newest.name, answers.c.status.is_not(None))
            connection.execute(delete(answers).where(others, answers.c.created_at <= last))


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _named(request: Request) -> tuple[ColumnElement[bool], ...]:
    return answers.c.key_id == request.key_id, answers.c.name == request.name


def _own(request: Request) -> tuple[ColumnElement[bool], ...]:
    """The row that this very call has opened."""
    return *_named(request), answers.c.call_id == request.call_id, answers.c.status.is_(None)


def _stands(since: datetime) -> ColumnElement[bool]:
    """Kept and not too old, or open and of a process that is not known to be dead."""
    return or_(
        and_(answers.c.status.is_not(None), answers.c.created_at >= since),
        and_(answers.c.status.is_(None), answers.c.process.in_(select(processes.c.id))),
    )


def _is_kept(header: str) -> bool:
    return header in KEPT_HEADERS or header.startswith(OURS)


def _saved(row: Row[Any]) -> Saved | None:
    if row.status is None:
        return None
    return Saved(row.status, strictjson.loads(row.headers.encode()), zlib.decompress(row.body))
