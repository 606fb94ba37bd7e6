"""What keys and teams have spent, what calls under way hold, which attempts were counted, and who lives."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "key_accounts",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("kind", "owner", "period")),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("held", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table("key_processes", sa.Column("id", sa.Text, primary_key=True), _number("beat"))
    _holds()
    _settlements()


def downgrade() -> None:
    """Never: budgets would begin anew."""
    raise NotImplementedError("keys are not downgraded")


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _holds() -> None:
    op.create_table(
        "key_holds",
        sa.Column("call_id", sa.Text, primary_key=True),
        sa.Column("process", sa.Text, nullable=False),
        sa.Column("accounts", sa.Text, nullable=False),
        _number("amount"),
        _number("rest"),
        sa.Column("provisional", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_index("key_holds_process", "key_holds", ["process"])


def _settlements() -> None:
    op.create_table(
        "key_settlements",
        sa.Column("call_id", sa.Text, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("accounts", sa.Text, nullable=False),
        _number("amount"),
        sa.Column("assumed", sa.Boolean, nullable=False),
        sa.Column("provisional", sa.Boolean, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
    )
    op.create_index("key_settlements_at", "key_settlements", ["at"])
