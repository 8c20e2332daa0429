"""Further tables of the case store: what people do beside deciding.

Every change of these rows stands in the journal too, in the chain of its case or of the workbench; the rows are what
pages read without going through the journal.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from monitor.adapters.sql.schema import HASH, ID, TOKEN, WORD, journal, metadata

case_tags = Table(
    "case_tags",
    metadata,
    Column("case_id", ID, ForeignKey("cases.case_id"), primary_key=True),
    Column("tag", WORD, primary_key=True),
    Column("by", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)
Index("ix_case_tags_tag", case_tags.c.tag)

case_skips = Table(
    "case_skips",
    metadata,
    Column("case_id", ID, ForeignKey("cases.case_id"), primary_key=True),
    Column("journal_seq", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("reason", WORD, nullable=False),
)
Index("ix_case_skips_name_at_us", case_skips.c.name, case_skips.c.at_us)

conflicts = Table(
    "conflicts",
    metadata,
    Column("name", WORD, ForeignKey("people.name"), primary_key=True),
    Column("subject_kind", WORD, primary_key=True),
    Column("subject_token", TOKEN, primary_key=True),
    Column("by", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

desk_acts = Table(
    "desk_acts",
    metadata,
    Column("act_id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("kind", WORD, nullable=False),
    Column("items", Text, nullable=False),
    Column("undone_at_us", BigInteger),
)
Index("ix_desk_acts_name_at_us", desk_acts.c.name, desk_acts.c.at_us)

information_requests = Table(
    "information_requests",
    metadata,
    Column("case_id", ID, ForeignKey("cases.case_id"), primary_key=True),
    Column("journal_seq", Integer, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("addressee", WORD, nullable=False),
    Column("question", Text, nullable=False),
    Column("due_at_us", BigInteger, nullable=False),
    Column("ended", WORD),
    Column("ended_at_us", BigInteger),
    Column("ended_by", Text),
    Column("answer", Text),
)
Index("ix_information_requests_ended_due_at_us", information_requests.c.ended, information_requests.c.due_at_us)

blobs = Table(
    "blobs",
    metadata,
    Column("sha256", HASH, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

attachments = Table(
    "attachments",
    metadata,
    Column("case_id", ID, ForeignKey("cases.case_id"), primary_key=True),
    Column("journal_seq", Integer, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("kind", WORD, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", HASH, ForeignKey("blobs.sha256"), nullable=False),
)

checks = Table(
    "checks",
    metadata,
    Column("case_id", ID, ForeignKey("cases.case_id"), primary_key=True),
    Column("item", WORD, primary_key=True),
    Column("by", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("alerts", Integer, nullable=False),
)

reviews = Table(
    "reviews",
    metadata,
    Column("case_id", ID, ForeignKey("cases.case_id"), primary_key=True),
    Column("closed_at_us", BigInteger, primary_key=True, autoincrement=False),
    Column("decided_by", Text, nullable=False),
    Column("sample", ID, nullable=False),
    Column("drawn_at_us", BigInteger, nullable=False),
    Column("reviewer", Text),
    Column("reviewed_at_us", BigInteger),
    Column("finding", WORD),
    Column("note", Text),
)

samples = Table(
    "samples",
    metadata,
    Column("sample", ID, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("from_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("percent", Integer, nullable=False),
    Column("seed", HASH, nullable=False),
    Column("cases", Integer, nullable=False),
)

regroupings = Table(
    "regroupings",
    metadata,
    Column("alert_id", ID, ForeignKey("alerts.alert_id"), primary_key=True),
    Column("to_case", ID, ForeignKey("cases.case_id"), primary_key=True),
    Column("journal_seq", Integer, primary_key=True),
    Column("from_case", ID, ForeignKey("cases.case_id"), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("is_merge", Boolean, nullable=False),
)
Index("ix_regroupings_from_case", regroupings.c.from_case)
Index("ix_regroupings_to_case", regroupings.c.to_case)

Index(
    "ix_journal_actor_at_us",
    journal.c.actor,
    journal.c.at_us,
    sqlite_where=journal.c.actor != "monitor",
    postgresql_where=journal.c.actor != "monitor",
)
