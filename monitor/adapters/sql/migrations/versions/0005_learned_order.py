"""What decisions have taught about the order of the queue, and the lift of each case."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the schema forward."""
    op.add_column("cases", sa.Column("lift", sa.Double(), nullable=True))
    op.create_table(
        "learned_orders",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("suspicious", sa.Integer(), nullable=False),
        sa.Column("innocent", sa.Integer(), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("recorded_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_learned_orders"),
    )
