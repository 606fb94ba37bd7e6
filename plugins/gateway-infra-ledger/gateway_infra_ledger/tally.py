"""The tally: sums of the entries by day, so that a question about a million of them reads a few thousand rows.

The entries stay the truth. Every one of them is noted in ``ledger_unfolded`` by the database itself, whoever writes it,
and ``Keeper`` adds it to the sums and strikes the note out in one transaction.
"""

from sqlalchemy import BigInteger, Column, Date, Integer, String, Table, Text, UniqueConstraint

from gateway_infra_ledger.schema import ID, TOKENS, metadata

SPLIT = 10**6
"""Money is summed in two halves, ``high`` of this many units each and ``low``: one sum alone ends at 9.2 million
dollars."""

STEP = 100_000
"""Passes are counted together by their prompt's size in steps of so many tokens: prices change at some sizes."""

FACTOR, METER, COUNT, UNPRICED = "factor", "meter", "count", "unpriced"
"""Kinds of parts: what a factor adds to the base price; what is paid by the piece, in dollars; a number in the host's
usage beside the tokens; a name of what had no price."""

SCOPE = (
    *("key_id", "alias", "team", "model", "deployment", "provider", "upstream_model", "served"),
    *("label", "pass_model"),
)
MONEY = ("high", "low", "estimated_high", "estimated_low")
COUNTED = tuple(f"{kind}_tokens" for kind in TOKENS)

scopes = Table(
    "ledger_scopes",
    metadata,
    Column("id", ID, primary_key=True),
    Column("digest", String(64), nullable=False),
    *(Column(name, Text, nullable=False) for name in SCOPE),
    Column("step", Integer, nullable=False),
    UniqueConstraint("digest", name="ledger_scopes_digest"),
)
"""What passes have in common that are counted together. Its digest is unique; texts are too long for such an index."""

days = Table(
    "ledger_days",
    metadata,
    Column("scope_id", ID, primary_key=True, autoincrement=False),
    Column("day", Date, primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in ("entries", "passes", "estimated", "unpriced")),
    *(Column(name, BigInteger, nullable=False) for name in (*MONEY, *COUNTED)),
    sqlite_with_rowid=False,
)
"""Sums of a UTC day. An entry of several passes counts as an entry, with its cost, in the scope of its first."""

parts = Table(
    "ledger_parts",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("scope_id", ID, primary_key=True, autoincrement=False),
    Column("day", Date, primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in ("entries", "estimated", "quantity", *MONEY)),
    sqlite_with_rowid=False,
)
"""Parts of those sums. The base price is what factors and meters leave of the cost, so that nothing is lost."""

unfolded = Table("ledger_unfolded", metadata, Column("entry_id", ID, primary_key=True, autoincrement=False))
"""Entries that are not in the sums yet."""
