"""Orders of live control, and the status of alerts that a suppression held back."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_BEFORE = "status in ('new', 'quiet', 'shadow')"
_AFTER = "status in ('new', 'quiet', 'shadow', 'suppressed')"


def upgrade() -> None:
    """Bring the schema forward."""
    op.create_table(
        "control_orders",
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("second", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=True),
        sa.Column("typology", sa.String(length=64), nullable=True),
        sa.Column("subject_kind", sa.String(length=64), nullable=True),
        sa.Column("subject_token", sa.String(length=64), nullable=True),
        sa.Column("segment", sa.Text(), nullable=True),
        sa.Column("from_us", sa.BigInteger(), nullable=True),
        sa.Column("until_us", sa.BigInteger(), nullable=True),
        sa.Column("sample_ppm", sa.Integer(), nullable=True),
        sa.Column("refers_to", sa.String(length=32), nullable=True),
        sa.Column("recorded_at_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind in ('suppress', 'end_suppression', 'disable_rule', 'enable_rule')",
            name=op.f("ck_control_orders_kind"),
        ),
        sa.ForeignKeyConstraint(["refers_to"], ["control_orders.order_id"], name=op.f("fk_control_orders_refers_to")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_control_orders")),
    )
    if op.get_bind().dialect.name == "sqlite":
        _widen_in_sqlite()
    else:
        op.drop_constraint(op.f("ck_alerts_status"), "alerts", type_="check")
        op.create_check_constraint(op.f("ck_alerts_status"), "alerts", _AFTER)


def _widen_in_sqlite() -> None:
    """Change the text of the constraint where SQLite keeps it.

    SQLite cannot alter a constraint; the other way, to write the whole table anew, would copy every alert of the bank
    and break the foreign keys that point to it. A wider check leaves what is stored as it is, which is the case for
    which SQLite documents this procedure ("Making Other Kinds Of Table Schema Changes").
    """
    connection = op.get_bind()
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema=ON")
    connection.exec_driver_sql(
        "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'alerts'", (_BEFORE, _AFTER)
    )
    connection.exec_driver_sql(f"PRAGMA schema_version={version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema=OFF")
