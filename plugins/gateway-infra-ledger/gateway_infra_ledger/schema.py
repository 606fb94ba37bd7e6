"""The tables. They only grow: one row per attempt, one per line of its bill, and nothing is ever changed."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator, TypeEngine


class Instant(TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond.

    PostgreSQL has a type for it. In SQLite it is ISO text of one width, so that text order is time order.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column's type in this database."""
        native = dialect.name == "postgresql"
        return dialect.type_descriptor(DateTime(timezone=True) if native else String(27))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Into the database."""
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's way
        """Out of the database."""
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return None if moment is None else moment.astimezone(UTC)


ID = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column that is called INTEGER; it has 64 bits there as well."""

TOKENS = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")
"""Kinds of tokens that have a column of their own, the sum over an entry's passes."""

metadata = MetaData()

entries = Table(
    "ledger_entries",
    metadata,
    Column("id", ID, primary_key=True),
    Column("call_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("alias", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("surface", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("deployment", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("upstream_model", Text, nullable=False),
    Column("served_model", Text, nullable=False),
    Column("upstream_request_id", Text, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("unpriced", Text, nullable=False),
    Column("unread", Text, nullable=False),
    Column("odd", Text, nullable=False),
    Column("served", Text, nullable=False),
    Column("passes", Text, nullable=False),
    Column("usage", Text, nullable=False),
    *(Column(f"{kind}_tokens", BigInteger, nullable=False) for kind in TOKENS),
    Column("cost", BigInteger),
    Column("currency", Text, nullable=False),
    Column("book", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("first_byte_ms", Double),
    Column("total_ms", Double, nullable=False),
    Column("ours_ms", Double, nullable=False),
    UniqueConstraint("call_id", "attempt", name="ledger_entries_attempt"),
    Index("ledger_entries_at", "at"),
    Index("ledger_entries_key", "key_id", "at"),
    Index("ledger_entries_team", "team", "at"),
    Index("ledger_entries_model", "model", "at"),
    Index("ledger_entries_deployment", "deployment", "at"),
)
"""One row per attempt. ``cost`` is the sum of its lines in units of 10^-12 dollars; NULL when it has no bill.

A row whose attempt is negative is a correction: attempt -1 holds the difference between what is known of attempt 1 now
and what was written of it, in tokens, passes, lines and cost. So sums are right without a word about corrections; only
who counts attempts counts those above 0.
"""

lines = Table(
    "ledger_lines",
    metadata,
    Column("entry_id", ID, ForeignKey("ledger_entries.id", name="ledger_lines_entry"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("unit", BigInteger, nullable=False),
    Column("factors", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("label", Text, nullable=False),
    Column("model", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Lines of the bills. ``price`` is for one ``unit``; ``amount`` is rounded to 10^-12 dollars, half to even, once."""
