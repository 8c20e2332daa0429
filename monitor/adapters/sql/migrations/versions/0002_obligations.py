"""Obligations and their revisions."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the schema forward."""
    op.create_table(
        "obligations",
        sa.Column("obligation_id", sa.String(length=32), nullable=False),
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("rule_id", sa.String(length=64), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("rule_digest", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.String(length=64), nullable=False),
        sa.Column("subject_token", sa.String(length=64), nullable=False),
        sa.Column("booking_entity", sa.Text(), nullable=True),
        sa.Column("jurisdiction", sa.Text(), nullable=True),
        sa.Column("period_kind", sa.String(length=64), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("payment", sa.String(length=32), nullable=True),
        sa.Column("direction", sa.String(length=64), nullable=False),
        sa.Column("total", sa.Text(), nullable=True),
        sa.Column("measures", sa.Text(), nullable=False),
        sa.Column("transactions", sa.Text(), nullable=False),
        sa.Column("transactions_total", sa.Integer(), nullable=False),
        sa.Column("codes", sa.Text(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("due_on", sa.String(length=10), nullable=False),
        sa.Column("due_cite", sa.Text(), nullable=False),
        sa.Column("first_met_us", sa.BigInteger(), nullable=False),
        sa.Column("last_revised_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("is_by_reconciliation", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("marks", sa.Text(), nullable=False),
        sa.Column("recorded_at_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state in ('trial', 'owed', 'revised', 'withdrawn')", name=op.f("ck_obligations_state")),
        sa.PrimaryKeyConstraint("obligation_id", name=op.f("pk_obligations")),
    )
    op.create_index("ix_obligations_due_on", "obligations", ["due_on"], unique=False)
    op.create_index("ix_obligations_rule_id_period", "obligations", ["rule_id", "period"], unique=False)
    op.create_table(
        "obligation_revisions",
        sa.Column("obligation_id", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("alert_id", sa.String(length=32), nullable=True),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column("recorded_at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.alert_id"], name=op.f("fk_obligation_revisions_alert_id")),
        sa.ForeignKeyConstraint(
            ["obligation_id"], ["obligations.obligation_id"], name=op.f("fk_obligation_revisions_obligation_id")
        ),
        sa.PrimaryKeyConstraint("obligation_id", "revision", name=op.f("pk_obligation_revisions")),
        sa.UniqueConstraint("alert_id", name=op.f("uq_obligation_revisions_alert_id")),
    )
