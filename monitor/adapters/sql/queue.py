"""The queue: cases in order of priority at a given time, computed in the database.

Priority is stored x stored x a function of the clock, so one expression orders the whole queue; no job
has to rewrite rows as time passes. :func:`priority_expression` equals
:func:`monitor.casework.priority.priority`; a test compares them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from monitor.adapters.sql.rows import case_of
from monitor.adapters.sql.schema import alerts, case_views, cases
from monitor.adapters.sql.schema_desk import case_skips, case_tags, conflicts, information_requests
from monitor.casework.priority import URGENCY_AT_DUE, URGENCY_AT_OPENING
from monitor.domain.case import Case
from monitor.domain.time import DAY_US

LIMIT_MAX = 10_000
"""Most cases that one list returns."""

ORDERS = ("priority", "due", "opened", "amount", "alerts", "state", "assignee", "segment", "rating", "typology")
PLACED_ORDERS = ("priority", "due", "opened")
"""Orders by what every case has, so that a page can begin behind a place."""
RATINGS_FALLING = ("prohibited", "high", "medium", "low")
TEXT_WORDS_MAX = 8
"""Most words of a search that count."""


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which cases. Without ``states``: all open ones but those that sleep. All conditions must hold."""

    states: Sequence[str] | None = None
    closed: bool = False
    assignee: str | None = None
    unassigned: bool = False
    overdue: bool = False
    due_within_us: int | None = None
    severity: str | None = None
    typology: str | None = None
    rule: str | None = None
    subject_token: str | None = None
    text: str | None = None
    """Words that stand in the headline or the typology, or how a case id begins."""
    tag: str | None = None
    answer_overdue: bool = False
    """With a request for information that should have been answered."""
    any_typology: Sequence[str] = ()
    """With at least one of these typologies; without any given, all."""
    hand_to: "HandTo | None" = None
    """Only what can be handed out to somebody."""
    wall: "Wall | None" = None
    """Behind which restricted cases are not there for this viewer; ``None``: all cases are."""


@dataclass(frozen=True, slots=True)
class Wall:
    """Who looks without the right to see all reports: of restricted cases their own are there, and no others."""

    viewer: str


@dataclass(frozen=True, slots=True)
class HandTo:
    """To whom cases are handed out: not what they declared a conflict with, nor skipped after ``skipped_after_us``."""

    name: str
    skipped_after_us: int


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the queue, for going on behind it: what the order goes by, then what orders equal ones."""

    key: float
    due_at_us: int
    case_id: str


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One case in its place. ``new_alerts``: joined since this viewer last looked."""

    case: Case
    priority: float
    new_alerts: int


@dataclass(frozen=True, slots=True)
class QueueTotals:
    """The strip above the queue. Sleeping cases count under ``snoozed`` only."""

    open: int
    unassigned: int
    due_today: int
    overdue: int
    pending_approval: int
    snoozed: int
    closed: int
    mine: int = 0
    """Open ones that the viewer is to work on; 0 where nobody is named."""
    answers: int = 0
    """Open ones with an answer that is overdue."""


def priority_expression(now_us: int) -> sa.ColumnElement[float]:
    """Risk x urgency x novelty at ``now_us``, as SQL."""
    gone = sa.cast(now_us - cases.c.opened_at_us, sa.Double) / (cases.c.due_at_us - cases.c.opened_at_us)
    urgency = sa.case(
        (cases.c.due_at_us <= now_us, 1.0),
        (cases.c.opened_at_us >= now_us, URGENCY_AT_OPENING),
        else_=URGENCY_AT_OPENING + (URGENCY_AT_DUE - URGENCY_AT_OPENING) * gone,
    )
    return cases.c.risk * urgency * cases.c.novelty


def list_cases(
    connection: sa.Connection,
    wanted: QueueFilter,
    *,
    now_us: int,
    viewer: str,
    order: str = "priority",
    limit: int = 50,
    offset: int = 0,
    is_reversed: bool = False,
    after: Place | None = None,
) -> list[QueueRow]:
    """Cases in order, or in the reverse of it; equal ones by due date, then id, so that it is always the same.

    With ``after``, those behind a place (:func:`place_of`) of the same ``now_us``, in one of :data:`PLACED_ORDERS`:
    who goes through all pages so sees no case twice and misses none, whatever is decided meanwhile.

    Raises:
        ValueError: ``order`` is not in :data:`ORDERS`, or ``limit`` is above :data:`LIMIT_MAX`.
    """
    if order not in ORDERS or not 0 <= limit <= LIMIT_MAX:
        raise ValueError(f"order {order!r} must be one of {ORDERS}, limit {limit} at most {LIMIT_MAX}")
    ranked = priority_expression(now_us).label("priority")
    mine = sa.and_(case_views.c.case_id == cases.c.case_id, case_views.c.viewer == viewer)
    query = (
        sa.select(cases, ranked, sa.func.coalesce(case_views.c.alerts_seen, 0).label("mine_seen"))
        .select_from(cases.outerjoin(case_views, mine))
        .where(*_conditions(wanted, now_us), *([] if after is None else [_behind_place(order, now_us, after)]))
        .order_by(*_order(order, ranked, is_reversed=is_reversed), cases.c.due_at_us, cases.c.case_id)
        .limit(limit)
        .offset(offset)
    )
    return [_row(row) for row in connection.execute(query)]


def place_of(row: QueueRow, order: str) -> Place:
    """The place of a row in one of :data:`PLACED_ORDERS`."""
    key = {"priority": row.priority, "due": row.case.due_at_us, "opened": row.case.opened_at_us}[order]
    return Place(key, row.case.due_at_us, row.case.case_id)


def count_cases(connection: sa.Connection, wanted: QueueFilter, *, now_us: int) -> int:
    """How many cases the filter lets through."""
    query = sa.select(sa.func.count()).select_from(cases).where(*_conditions(wanted, now_us))
    return int(connection.execute(query).scalar_one())


def queue_totals(
    connection: sa.Connection, *, now_us: int, wall: Wall | None = None, viewer: str | None = None
) -> QueueTotals:
    """The counts of the strip above the queue, of cases on this side of the wall."""
    asleep = _asleep(now_us)
    awake = sa.and_(cases.c.is_open, sa.not_(asleep))
    due_today = sa.and_(cases.c.due_at_us > now_us, cases.c.due_at_us <= now_us + DAY_US)
    counts = (
        awake,
        sa.and_(awake, cases.c.assignee.is_(None)),
        sa.and_(awake, due_today),
        sa.and_(awake, cases.c.due_at_us <= now_us),
        cases.c.state == "pending_approval",
        asleep,
        sa.not_(cases.c.is_open),
        sa.and_(awake, cases.c.assignee == viewer) if viewer is not None else sa.false(),
        sa.and_(awake, _answer_overdue(now_us)),
    )
    query = sa.select(*(sa.func.count(sa.case((condition, 1))) for condition in counts)).select_from(cases)
    row = connection.execute(query if wall is None else query.where(behind(wall))).one()
    return QueueTotals(*(int(count) for count in row))


AGES_US = tuple(days * DAY_US for days in (1, 3, 7, 14, 30))
"""Where the classes of ages end; the last has no end."""


def ages(connection: sa.Connection, wanted: QueueFilter, *, now_us: int) -> tuple[int, ...]:
    """How many cases of a filter are how old: one count for each of :data:`AGES_US`, and those that are older."""
    age = now_us - cases.c.opened_at_us
    starts = (None, *AGES_US)
    counts = [
        sa.func.count(sa.case((sa.and_(sa.true(), *_between(age, start, end)), 1)))
        for start, end in zip(starts, (*AGES_US, None), strict=True)
    ]
    row = connection.execute(sa.select(*counts).select_from(cases).where(*_conditions(wanted, now_us))).one()
    return tuple(int(count) for count in row)


def _between(age: sa.ColumnElement[int], start: int | None, end: int | None) -> list[sa.ColumnElement[bool]]:
    return [*([] if start is None else [age >= start]), *([] if end is None else [age < end])]


def currencies(connection: sa.Connection) -> list[str]:
    """The currencies of cases, the most frequent first."""
    query = sa.select(cases.c.currency).group_by(cases.c.currency).order_by(sa.func.count().desc(), cases.c.currency)
    return list(connection.execute(query).scalars())


def latest_alert_us(connection: sa.Connection) -> int | None:
    """When the newest alert was judged; ``None`` in an empty store."""
    return connection.execute(sa.select(sa.func.max(alerts.c.judged_at_us))).scalar()


def _row(row: sa.Row[Any]) -> QueueRow:
    case = case_of(row)
    return QueueRow(case, row.priority, case.alert_count + case.alerts_after_closing - row.mine_seen)


def _order(order: str, ranked: sa.ColumnElement[float], *, is_reversed: bool) -> tuple[sa.ColumnElement[Any], ...]:
    rating = sa.case({word: rank for rank, word in enumerate(RATINGS_FALLING)}, value=cases.c.risk_rating, else_=9)
    column, is_falling = {
        "priority": (ranked, True),
        "due": (cases.c.due_at_us, False),
        "opened": (cases.c.opened_at_us, True),
        "amount": (cases.c.amount_minor, True),
        "alerts": (cases.c.alert_count, True),
        "state": (cases.c.state, False),
        "assignee": (cases.c.assignee, False),
        "segment": (cases.c.segment, False),
        "rating": (rating, False),
        "typology": (cases.c.typologies, False),
    }[order]
    if is_falling is not is_reversed:
        return (column.desc(),)
    return (column.is_(None), column.asc())


def _behind_place(order: str, now_us: int, after: Place) -> sa.ColumnElement[bool]:
    key = {"priority": priority_expression(now_us), "due": cases.c.due_at_us, "opened": cases.c.opened_at_us}[order]
    equal = sa.or_(
        cases.c.due_at_us > after.due_at_us,
        sa.and_(cases.c.due_at_us == after.due_at_us, cases.c.case_id > after.case_id),
    )
    return sa.or_(key > after.key if order == "due" else key < after.key, sa.and_(key == after.key, equal))


def _asleep(now_us: int) -> sa.ColumnElement[bool]:
    return sa.and_(cases.c.state == "snoozed", cases.c.snoozed_until_us > now_us)


def _conditions(wanted: QueueFilter, now_us: int) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.states is not None:
        conditions.append(cases.c.state.in_(wanted.states))
    elif wanted.closed:
        conditions.append(sa.not_(cases.c.is_open))
    else:
        conditions += [cases.c.is_open, sa.not_(_asleep(now_us))]
    if wanted.assignee is not None:
        conditions.append(cases.c.assignee == wanted.assignee)
    if wanted.unassigned:
        conditions.append(cases.c.assignee.is_(None))
    if wanted.overdue:
        conditions.append(cases.c.due_at_us <= now_us)
    if wanted.due_within_us is not None:
        conditions.append(cases.c.due_at_us <= now_us + wanted.due_within_us)
    if wanted.severity is not None:
        conditions.append(cases.c.severity == wanted.severity)
    if wanted.subject_token is not None:
        conditions.append(cases.c.subject_token == wanted.subject_token)
    if wanted.tag is not None:
        tagged = sa.select(case_tags.c.case_id).where(case_tags.c.tag == wanted.tag)
        conditions.append(cases.c.case_id.in_(tagged))
    if wanted.answer_overdue:
        conditions.append(_answer_overdue(now_us))
    if wanted.any_typology:
        named = [cases.c.typologies.contains(f'"{word}"', autoescape=True) for word in wanted.any_typology]
        conditions.append(sa.or_(*named))
    if wanted.hand_to is not None:
        conditions += _can_be_handed_to(wanted.hand_to)
    if wanted.wall is not None:
        conditions.append(behind(wanted.wall))
    if wanted.text is not None:
        conditions.append(_has_text(wanted.text))
    # Lists are JSON texts of words without quotes inside, so that '"word"' occurs exactly where it is listed.
    for column, word in ((cases.c.typologies, wanted.typology), (cases.c.rules, wanted.rule)):
        if word is not None:
            conditions.append(column.contains(f'"{word}"', autoescape=True))
    return conditions


def _answer_overdue(now_us: int) -> sa.ColumnElement[bool]:
    asked = sa.select(information_requests.c.case_id).where(
        information_requests.c.ended.is_(None), information_requests.c.due_at_us <= now_us
    )
    return cases.c.case_id.in_(asked)


def _can_be_handed_to(to: HandTo) -> list[sa.ColumnElement[bool]]:
    related = sa.exists().where(
        conflicts.c.name == to.name,
        conflicts.c.subject_kind == cases.c.subject_kind,
        conflicts.c.subject_token == cases.c.subject_token,
    )
    skipped = sa.select(case_skips.c.case_id).where(
        case_skips.c.name == to.name, case_skips.c.at_us > to.skipped_after_us
    )
    return [sa.not_(related), cases.c.case_id.not_in(skipped)]


def behind(wall: Wall) -> sa.ColumnElement[bool]:
    """What is there behind a wall, as :func:`monitor.casework.access.may_see` has it; a test compares them."""
    by = '"by":' + json.dumps(wall.viewer, ensure_ascii=False)
    mine = sa.or_(cases.c.assignee == wall.viewer, cases.c.proposal.contains(by, autoescape=True))
    return sa.or_(cases.c.need_to_know == "standard", sa.func.coalesce(mine, sa.false()))


def _has_text(text: str) -> sa.ColumnElement[bool]:
    columns = (cases.c.headline, cases.c.typologies, cases.c.typology, cases.c.rules)
    found = [
        sa.or_(*(column.icontains(word, autoescape=True) for column in columns), cases.c.case_id.startswith(_id(word)))
        for word in text.split()[:TEXT_WORDS_MAX]
    ]
    return sa.and_(sa.true(), *found)


def _id(word: str) -> str:
    """How a case id begins that a person typed; letters and digits of it only."""
    plain = "".join(letter for letter in word.upper().removeprefix("C-") if letter.isalnum())
    return "C-" + plain
