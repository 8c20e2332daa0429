"""Keys of the REST API, answers kept for repeated requests, service persons, single sign-on, alerts by payment."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the schema forward."""
    op.add_column("people", sa.Column("is_service", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("people", sa.Column("sso_subject", sa.Text(), nullable=True))
    op.create_index("ix_people_sso_subject", "people", ["sso_subject"], unique=True)
    op.create_index("ix_alerts_run_position", "alerts", ["run", "position"])
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("token_sha256", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("made_at_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at_us", sa.BigInteger(), nullable=True),
        sa.Column("used_at_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["name"], ["people.name"], name="fk_api_keys_name"),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
        sa.UniqueConstraint("token_sha256", name="uq_api_keys_token_sha256"),
    )
    op.create_table(
        "api_answers",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("repeat_key", sa.String(64), nullable=False),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("recorded_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "repeat_key", name="pk_api_answers"),
    )
    op.create_index("ix_api_answers_recorded_at_us", "api_answers", ["recorded_at_us"])
