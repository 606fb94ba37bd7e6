"""Answers that were given under an idempotency key, and who is about to give one."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "key_answers",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("key_id", "name")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("fingerprint", "process", "call_id")),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.Text),
        sa.Column("body", sa.LargeBinary),
    )
    op.create_index("key_answers_key", "key_answers", ["key_id", "created_at"])
    op.create_index("key_answers_age", "key_answers", ["created_at"])
    op.create_index("key_answers_process", "key_answers", ["process"])


def downgrade() -> None:
    """Never: requests that were answered would be made again."""
    raise NotImplementedError("keys are not downgraded")
