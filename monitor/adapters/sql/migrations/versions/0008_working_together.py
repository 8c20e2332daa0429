"""Tags, skipped cases, conflicts of interest, acts that can be undone, and who did what since when."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the schema forward."""
    op.create_index("ix_cases_subject_token", "cases", ["subject_token"])
    op.create_table(
        "case_tags",
        sa.Column("case_id", sa.String(32), nullable=False),
        sa.Column("tag", sa.String(64), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_case_tags_case_id"),
        sa.PrimaryKeyConstraint("case_id", "tag", name="pk_case_tags"),
    )
    op.create_index("ix_case_tags_tag", "case_tags", ["tag"])
    op.create_table(
        "case_skips",
        sa.Column("case_id", sa.String(32), nullable=False),
        sa.Column("journal_seq", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_case_skips_case_id"),
        sa.PrimaryKeyConstraint("case_id", "journal_seq", name="pk_case_skips"),
    )
    op.create_index("ix_case_skips_name_at_us", "case_skips", ["name", "at_us"])
    op.create_table(
        "conflicts",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("subject_kind", sa.String(64), nullable=False),
        sa.Column("subject_token", sa.String(64), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["name"], ["people.name"], name="fk_conflicts_name"),
        sa.PrimaryKeyConstraint("name", "subject_kind", "subject_token", name="pk_conflicts"),
    )
    op.create_table(
        "desk_acts",
        sa.Column("act_id", sa.String(32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("items", sa.Text(), nullable=False),
        sa.Column("undone_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("act_id", name="pk_desk_acts"),
    )
    op.create_index("ix_desk_acts_name_at_us", "desk_acts", ["name", "at_us"])
    op.create_index(
        "ix_journal_actor_at_us",
        "journal",
        ["actor", "at_us"],
        sqlite_where=sa.text("actor != 'monitor'"),
        postgresql_where=sa.text("actor != 'monitor'"),
    )
