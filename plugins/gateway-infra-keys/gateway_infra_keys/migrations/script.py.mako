"""${message}."""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Forward, while older processes may still be serving."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Never."""
    raise NotImplementedError("keys are not downgraded")
