"""The tables of keys, teams and what was done to them, and how they are migrated."""

import re
from pkgutil import iter_modules
from typing import Any

from gateway_infra_ledger.migration import Schema
from gateway_infra_ledger.schema import ID, Instant
from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text, UniqueConstraint, text

from gateway_infra_keys.migrations import versions

metadata = MetaData()

SCHEMA = Schema(
    name="keys",
    revisions=tuple(sorted(one.name[1:5] for one in iter_modules(versions.__path__) if re.match(r"r\d{4}_", one.name))),
    lock=0x6B65797300000001,  # the bytes spell keys
    scripts="gateway_infra_keys:migrations",
)
"""This package's tables; a module in ``migrations/versions`` is a revision that this code knows."""


def _terms() -> list[Column[Any]]:
    """What keys and teams have in common; NULL is no budget and no limit."""
    return [
        Column("budget", BigInteger),
        Column("budget_window", Text, nullable=False),
        Column("budget_zone", Text, nullable=False),
        Column("requests", BigInteger),
        Column("tokens", BigInteger),
        Column("parallel", BigInteger),
        Column("created_at", Instant, nullable=False),
        Column("revoked_at", Instant),
    ]


keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("alias", Text, nullable=False),
    Column("team_id", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("models", Text, nullable=False),
    Column("capabilities", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("on_outage", Text, nullable=False),
    Column("expires_at", Instant),
    *_terms(),
    UniqueConstraint("hash", name="keys_hash"),
    Index("keys_team", "team_id"),
    Index(
        "keys_alias",
        "alias",
        unique=True,
        sqlite_where=text("alias <> '' AND revoked_at IS NULL"),
        postgresql_where=text("alias <> '' AND revoked_at IS NULL"),
    ),
)
"""One row per key. ``hash`` is the HMAC of its text, in hex; ``budget`` counts units of 10^-12 dollars."""

teams = Table(
    "teams",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    *_terms(),
    UniqueConstraint("name", name="teams_name"),
)
"""One row per team."""

peppers = Table(
    "key_pepper", metadata, Column("id", Integer, primary_key=True), Column("fingerprint", Text, nullable=False)
)
"""One row: by it, a gateway with another pepper is found out, which would take every key for unknown."""

audit = Table(
    "audit",
    metadata,
    Column("id", ID, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Index("audit_object", "object_id", "id"),
)
"""One row per change, never changed itself: who did what, and the fields before and after as JSON, without secrets."""
