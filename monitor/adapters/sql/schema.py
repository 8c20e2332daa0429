"""The tables of the store. Migrations make them; a test holds both equal.

Conventions: times are ``..._us``, microseconds UTC; money is ``..._minor``; lists and maps that are only
read whole are canonical JSON text. Identifiers are keyed tokens in hex; no name and no account number
stands in any table. A hash covers the stored text, so that it never depends on how a database writes JSON.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(32)
TOKEN = String(64)
WORD = String(64)
HASH = String(64)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", ID, primary_key=True),
    Column("run", WORD, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("event_time_us", BigInteger, nullable=False),
    Column("judged_at_us", BigInteger, nullable=False),
    Column("leg_role", WORD, nullable=False),
    Column("subject_kind", WORD, nullable=False),
    Column("subject_token", TOKEN, nullable=False),
    Column("source_kind", WORD, nullable=False),
    Column("source_id", WORD, nullable=False),
    Column("source_version", Integer, nullable=False),
    Column("source_digest", HASH, nullable=False),
    Column("title", Text, nullable=False),
    Column("typology", WORD, nullable=False),
    Column("severity", WORD, nullable=False),
    Column("score", Double, nullable=False),
    Column("status", WORD, nullable=False),
    Column("text", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("transactions_total", Integer, nullable=False),
    Column("rulebook_digest", HASH, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("evidence_sha256", HASH, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
    CheckConstraint("status in ('new', 'quiet', 'shadow', 'suppressed')", name="status"),
)
Index("ix_alerts_source_id_judged_at_us", alerts.c.source_id, alerts.c.judged_at_us)
Index("ix_alerts_subject_token", alerts.c.subject_token)
Index("ix_alerts_run_position", alerts.c.run, alerts.c.position)

cases = Table(
    "cases",
    metadata,
    Column("case_id", ID, primary_key=True),
    Column("subject_kind", WORD, nullable=False),
    Column("subject_token", TOKEN, nullable=False),
    Column("state", WORD, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("is_latest", Boolean, nullable=False),
    Column("need_to_know", WORD, nullable=False),
    Column("opened_at_us", BigInteger, nullable=False),
    Column("last_alert_at_us", BigInteger, nullable=False),
    Column("due_at_us", BigInteger, nullable=False),
    Column("first_alert_id", ID, ForeignKey("alerts.alert_id"), nullable=False),
    Column("former_case_id", ID, ForeignKey("cases.case_id")),
    Column("headline", Text, nullable=False),
    Column("severity", WORD, nullable=False),
    Column("strength", Double, nullable=False),
    Column("risk", Double, nullable=False),
    Column("novelty", Double, nullable=False),
    Column("rules", Text, nullable=False),
    Column("typologies", Text, nullable=False),
    Column("alert_count", Integer, nullable=False),
    Column("quiet_count", Integer, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("amounts", Text, nullable=False),
    Column("segment", Text),
    Column("risk_rating", WORD),
    Column("booking_entity", Text),
    Column("jurisdiction", Text),
    Column("dismissed_cases", Integer, nullable=False),
    Column("dismissed_typologies", Text, nullable=False),
    Column("alerts_seen", Integer, nullable=False),
    Column("typologies_seen", Text, nullable=False),
    Column("assignee", Text),
    Column("proposal", Text),
    Column("typology", Text),
    Column("snoozed_until_us", BigInteger),
    Column("outcome", WORD),
    Column("closed_at_us", BigInteger),
    Column("reopened_count", Integer, nullable=False),
    Column("alerts_after_closing", Integer, nullable=False),
    Column("marks", Text, nullable=False),
    Column("lift", Double),
    Column("recorded_at_us", BigInteger, nullable=False),
    CheckConstraint("need_to_know in ('standard', 'restricted')", name="need_to_know"),
)
Index(
    "uq_cases_latest_of_subject",
    cases.c.subject_token,
    cases.c.subject_kind,
    unique=True,
    sqlite_where=text("is_latest"),
    postgresql_where=text("is_latest"),
)
Index("ix_cases_is_open_due_at_us", cases.c.is_open, cases.c.due_at_us)
Index("ix_cases_assignee", cases.c.assignee)
Index("ix_cases_subject_token", cases.c.subject_token)

case_alerts = Table(
    "case_alerts",
    metadata,
    Column("case_id", ID, ForeignKey("cases.case_id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("alert_id", ID, ForeignKey("alerts.alert_id"), nullable=False, unique=True),
)

case_views = Table(
    "case_views",
    metadata,
    Column("case_id", ID, ForeignKey("cases.case_id"), primary_key=True),
    Column("viewer", Text, primary_key=True),
    Column("alerts_seen", Integer, nullable=False),
    Column("viewed_at_us", BigInteger, nullable=False),
)

notes = Table(
    "notes",
    metadata,
    Column("case_id", ID, ForeignKey("cases.case_id"), primary_key=True),
    Column("journal_seq", Integer, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("text", Text, nullable=False),
)

journal = Table(
    "journal",
    metadata,
    Column("chain", WORD, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", WORD, nullable=False),
    Column("payload", Text, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
    Column("previous_hash", HASH, nullable=False),
    Column("hash", HASH, nullable=False),
    Column("root", Integer, nullable=False),
)
Index("ix_journal_root", journal.c.root)

journal_heads = Table(
    "journal_heads",
    metadata,
    Column("chain", WORD, primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("hash", HASH, nullable=False),
)

journal_roots = Table(
    "journal_roots",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("recorded_at_us", BigInteger, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("chains", Integer, nullable=False),
    Column("merkle", HASH, nullable=False),
    Column("previous_hash", HASH, nullable=False),
    Column("hash", HASH, nullable=False),
)

learned_orders = Table(
    "learned_orders",
    metadata,
    Column("name", WORD, primary_key=True),
    Column("suspicious", Integer, nullable=False),
    Column("innocent", Integer, nullable=False),
    Column("is_on", Boolean, nullable=False),
    Column("lines", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
)

run_positions = Table(
    "run_positions",
    metadata,
    Column("run", WORD, primary_key=True),
    Column("file", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("log_position", BigInteger, nullable=False),
    Column("clock_us", BigInteger, nullable=False),
    Column("snapshot", Text),
    Column("finished", Boolean, nullable=False),
    Column("details", Text, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
)

run_counters = Table(
    "run_counters",
    metadata,
    Column("run", WORD, primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

log_inputs = Table(
    "log_inputs",
    metadata,
    Column("run", WORD, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("kind", WORD, primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("version", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("content", Text),
    Column("recorded_at_us", BigInteger, nullable=False),
)

obligations = Table(
    "obligations",
    metadata,
    Column("obligation_id", ID, primary_key=True),
    Column("run", WORD, nullable=False),
    Column("rule_id", WORD, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("rule_digest", HASH, nullable=False),
    Column("title", Text, nullable=False),
    Column("subject_kind", WORD, nullable=False),
    Column("subject_token", TOKEN, nullable=False),
    Column("booking_entity", Text),
    Column("jurisdiction", Text),
    Column("period_kind", WORD, nullable=False),
    Column("period", String(10), nullable=False),
    Column("payment", String(32)),
    Column("direction", WORD, nullable=False),
    Column("total", Text),
    Column("measures", Text, nullable=False),
    Column("transactions", Text, nullable=False),
    Column("transactions_total", Integer, nullable=False),
    Column("codes", Text, nullable=False),
    Column("inputs", Text, nullable=False),
    Column("due_on", String(10), nullable=False),
    Column("due_cite", Text, nullable=False),
    Column("first_met_us", BigInteger, nullable=False),
    Column("last_revised_us", BigInteger, nullable=False),
    Column("state", WORD, nullable=False),
    Column("is_by_reconciliation", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("marks", Text, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
    CheckConstraint("state in ('trial', 'owed', 'revised', 'withdrawn')", name="state"),
)
Index("ix_obligations_due_on", obligations.c.due_on)
Index("ix_obligations_rule_id_period", obligations.c.rule_id, obligations.c.period)

obligation_revisions = Table(
    "obligation_revisions",
    metadata,
    Column("obligation_id", ID, ForeignKey("obligations.obligation_id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("alert_id", ID, ForeignKey("alerts.alert_id"), unique=True),
    Column("at_us", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    Column("content_sha256", HASH, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
)

control_orders = Table(
    "control_orders",
    metadata,
    Column("order_id", ID, primary_key=True),
    Column("kind", WORD, nullable=False),
    Column("by", Text, nullable=False),
    Column("second", Text),
    Column("reason", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("rule", WORD),
    Column("typology", WORD),
    Column("subject_kind", WORD),
    Column("subject_token", TOKEN),
    Column("segment", Text),
    Column("from_us", BigInteger),
    Column("until_us", BigInteger),
    Column("sample_ppm", Integer),
    Column("refers_to", ID, ForeignKey("control_orders.order_id")),
    Column("recorded_at_us", BigInteger, nullable=False),
    CheckConstraint("kind in ('suppress', 'end_suppression', 'disable_rule', 'enable_rule')", name="kind"),
)

feed_totals = Table(
    "feed_totals",
    metadata,
    Column("log", WORD, primary_key=True),
    Column("feed", WORD, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("currency", String(3), primary_key=True),
    Column("payments", BigInteger, nullable=False),
    Column("amount_minor", WORD, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("repeated", BigInteger, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
)

control_totals = Table(
    "control_totals",
    metadata,
    Column("feed", WORD, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("currency", String(3), primary_key=True),
    Column("payments", BigInteger, nullable=False),
    Column("amount_minor", WORD, nullable=False),
    Column("expected_at_us", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
)

people = Table(
    "people",
    metadata,
    Column("name", WORD, primary_key=True),
    Column("full_name", Text, nullable=False),
    Column("role", WORD, nullable=False),
    Column("password_hash", Text),
    Column("is_active", Boolean, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until_us", BigInteger),
    Column("settings", Text, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
    Column("is_service", Boolean, nullable=False, server_default=false()),
    Column("sso_subject", Text),
)
Index("ix_people_sso_subject", people.c.sso_subject, unique=True)

sessions = Table(
    "sessions",
    metadata,
    Column("token_sha256", HASH, primary_key=True),
    Column("name", WORD, ForeignKey("people.name"), nullable=False),
    Column("csrf", HASH, nullable=False),
    Column("began_at_us", BigInteger, nullable=False),
    Column("used_at_us", BigInteger, nullable=False),
)
Index("ix_sessions_name", sessions.c.name)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", ID, primary_key=True),
    Column("token_sha256", HASH, nullable=False),
    Column("name", WORD, ForeignKey("people.name"), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("made_by", WORD, nullable=False),
    Column("made_at_us", BigInteger, nullable=False),
    Column("expires_at_us", BigInteger, nullable=False),
    Column("revoked_at_us", BigInteger),
    Column("used_at_us", BigInteger),
    UniqueConstraint("token_sha256"),
)

api_answers = Table(
    "api_answers",
    metadata,
    Column("name", WORD, primary_key=True),
    Column("repeat_key", WORD, primary_key=True),
    Column("request_sha256", HASH, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
)
Index("ix_api_answers_recorded_at_us", api_answers.c.recorded_at_us)

# The tables of people's further work register themselves with the same metadata.
from monitor.adapters.sql import schema_desk as schema_desk  # noqa: E402
