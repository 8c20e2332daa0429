"""Requests for information, attachments, checklists, and where alerts of merged and split cases came from."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the schema forward."""
    op.create_table(
        "information_requests",
        sa.Column("case_id", sa.String(32), nullable=False),
        sa.Column("journal_seq", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("addressee", sa.String(64), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("due_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.String(64), nullable=True),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_information_requests_case_id"),
        sa.PrimaryKeyConstraint("case_id", "journal_seq", name="pk_information_requests"),
    )
    op.create_index("ix_information_requests_ended_due_at_us", "information_requests", ["ended", "due_at_us"])
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_blobs"),
    )
    op.create_table(
        "attachments",
        sa.Column("case_id", sa.String(32), nullable=False),
        sa.Column("journal_seq", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_attachments_case_id"),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name="fk_attachments_sha256"),
        sa.PrimaryKeyConstraint("case_id", "journal_seq", name="pk_attachments"),
    )
    op.create_table(
        "checks",
        sa.Column("case_id", sa.String(32), nullable=False),
        sa.Column("item", sa.String(64), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("alerts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_checks_case_id"),
        sa.PrimaryKeyConstraint("case_id", "item", name="pk_checks"),
    )
    op.create_table(
        "regroupings",
        sa.Column("alert_id", sa.String(32), nullable=False),
        sa.Column("to_case", sa.String(32), nullable=False),
        sa.Column("journal_seq", sa.Integer(), nullable=False),
        sa.Column("from_case", sa.String(32), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("is_merge", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.alert_id"], name="fk_regroupings_alert_id"),
        sa.ForeignKeyConstraint(["to_case"], ["cases.case_id"], name="fk_regroupings_to_case"),
        sa.ForeignKeyConstraint(["from_case"], ["cases.case_id"], name="fk_regroupings_from_case"),
        sa.PrimaryKeyConstraint("alert_id", "to_case", "journal_seq", name="pk_regroupings"),
    )
    op.create_index("ix_regroupings_from_case", "regroupings", ["from_case"])
    op.create_index("ix_regroupings_to_case", "regroupings", ["to_case"])
