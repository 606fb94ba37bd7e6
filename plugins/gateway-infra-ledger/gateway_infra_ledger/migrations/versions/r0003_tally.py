"""Sums of the entries by day, and the note that the database makes of every entry that is not in them yet."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MONEY = ("high", "low", "estimated_high", "estimated_low")
TOKENS = ("input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "cache_read_tokens", "output_tokens")


def upgrade() -> None:
    """Make the tables; what was written before them waits like what comes now."""
    _scopes()
    _sums("ledger_days", [], ("entries", "passes", "estimated", "unpriced", *MONEY, *TOKENS))
    keys = [sa.Column("kind", sa.String(8), primary_key=True), sa.Column("name", sa.Text, primary_key=True)]
    _sums("ledger_parts", keys, ("entries", "estimated", "quantity", *MONEY))
    op.create_table("ledger_unfolded", sa.Column("entry_id", ID, primary_key=True, autoincrement=False))
    for statement in _notes():
        op.execute(statement)
    op.execute("INSERT INTO ledger_unfolded (entry_id) SELECT id FROM ledger_entries")


def downgrade() -> None:
    """Never: an older release would not know what the notes are for."""
    raise NotImplementedError("a ledger is not downgraded")


def _scopes() -> None:
    texts = ("key_id", "alias", "team", "model", "deployment", "provider", "upstream_model", "served", "label")
    op.create_table(
        "ledger_scopes",
        sa.Column("id", ID, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in (*texts, "pass_model")),
        sa.Column("step", sa.Integer, nullable=False),
        sa.UniqueConstraint("digest", name="ledger_scopes_digest"),
    )


def _sums(table: str, keys: list[sa.Column[str]], names: tuple[str, ...]) -> None:
    op.create_table(
        table,
        *keys,
        sa.Column("scope_id", ID, primary_key=True, autoincrement=False),
        sa.Column("day", sa.Date, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in names),
        sqlite_with_rowid=False,
    )


def _notes() -> list[str]:
    """A trigger that notes every new entry, whichever release writes it."""
    trigger = "CREATE TRIGGER ledger_entries_unfolded AFTER INSERT ON ledger_entries"
    note = "BEGIN INSERT INTO ledger_unfolded (entry_id) VALUES (NEW.id);"
    if op.get_bind().dialect.name == "sqlite":
        return [f"{trigger} {note} END"]
    return [
        f"CREATE FUNCTION ledger_unfold() RETURNS trigger LANGUAGE plpgsql AS $$ {note} RETURN NULL; END $$",
        f"{trigger} FOR EACH ROW EXECUTE FUNCTION ledger_unfold()",
    ]
