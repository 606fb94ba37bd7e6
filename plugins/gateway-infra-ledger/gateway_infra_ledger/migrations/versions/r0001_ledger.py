"""The first tables, and the guard that keeps their rows as they were written."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
TABLES = ("ledger_entries", "ledger_lines")


def upgrade() -> None:
    """Make the tables."""
    _entries()
    _lines()
    for statement in _guards():
        op.execute(statement)


def downgrade() -> None:
    """Never: it would throw bills away."""
    raise NotImplementedError("a ledger is not downgraded")


def _entries() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("id", ID, primary_key=True),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("key_id", "alias", "team", "tags", "surface", "model")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("deployment", "provider", "upstream_model")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("served_model", "upstream_request_id")),
        sa.Column("stream", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("unpriced", "unread", "odd")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("served", "passes", "usage")),
        *(sa.Column(f"{kind}_tokens", sa.BigInteger, nullable=False) for kind in ("input", "cache_write_5m")),
        *(sa.Column(f"{kind}_tokens", sa.BigInteger, nullable=False) for kind in ("cache_write_1h", "cache_read")),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.BigInteger),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("currency", "book", "digest")),
        sa.Column("first_byte_ms", sa.Double),
        sa.Column("total_ms", sa.Double, nullable=False),
        sa.Column("ours_ms", sa.Double, nullable=False),
        sa.UniqueConstraint("call_id", "attempt", name="ledger_entries_attempt"),
    )
    op.create_index("ledger_entries_at", "ledger_entries", ["at"])
    for name, column in (("key", "key_id"), ("team", "team"), ("model", "model"), ("deployment", "deployment")):
        op.create_index(f"ledger_entries_{name}", "ledger_entries", [column, "at"])


def _lines() -> None:
    op.create_table(
        "ledger_lines",
        sa.Column("entry_id", ID, sa.ForeignKey("ledger_entries.id", name="ledger_lines_entry"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("quantity", "price", "unit")),
        sa.Column("factors", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )


def _guards() -> list[str]:
    """Triggers that refuse every change of a written row."""
    if op.get_bind().dialect.name == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
            for table in TABLES
            for verb in ("UPDATE", "DELETE")
        ]
    refuse = (
        "CREATE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$"
    )
    return [
        refuse,
        *(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only()"
            for table in TABLES
        ),
    ]
