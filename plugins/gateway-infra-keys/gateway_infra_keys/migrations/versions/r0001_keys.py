"""The first tables: keys, teams, and the record of every change to them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _keys()
    _teams()
    op.create_table("key_pepper", sa.Column("id", sa.Integer, primary_key=True), *_texts("fingerprint"))
    _audit()
    for statement in _guards():
        op.execute(statement)


def downgrade() -> None:
    """Never: the gateway would not know its clients any more."""
    raise NotImplementedError("keys are not downgraded")


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _terms() -> list[sa.Column[Any]]:
    return [
        sa.Column("budget", sa.BigInteger),
        *_texts("budget_window", "budget_zone"),
        *(sa.Column(name, sa.BigInteger) for name in ("requests", "tokens", "parallel")),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT),
    ]


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.Text, primary_key=True),
        *_texts("hash", "hint", "alias", "team_id", "tags", "models", "capabilities", "mode", "on_outage"),
        sa.Column("expires_at", INSTANT),
        *_terms(),
        sa.UniqueConstraint("hash", name="keys_hash"),
    )
    op.create_index("keys_team", "keys", ["team_id"])
    named = sa.text("alias <> '' AND revoked_at IS NULL")
    op.create_index("keys_alias", "keys", ["alias"], unique=True, sqlite_where=named, postgresql_where=named)


def _teams() -> None:
    op.create_table(
        "teams",
        sa.Column("id", sa.Text, primary_key=True),
        *_texts("name"),
        *_terms(),
        sa.UniqueConstraint("name", name="teams_name"),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", ID, primary_key=True),
        sa.Column("at", INSTANT, nullable=False),
        *_texts("actor", "action", "object", "object_id", "before", "after"),
    )
    op.create_index("audit_object", "audit", ["object_id", "id"])


def _guards() -> list[str]:
    """Triggers that refuse every change of an audit row."""
    if op.get_bind().dialect.name == "sqlite":
        return [
            f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    refuse = (
        "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$"
    )
    guard = (
        "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
    )
    return [refuse, guard]
