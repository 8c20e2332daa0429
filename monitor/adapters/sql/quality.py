"""Samples of closed cases, and what their review found."""

from dataclasses import dataclass

import sqlalchemy as sa

from monitor.adapters.sql.desk import Sees, find_case_id, load, write_decisions
from monitor.adapters.sql.ledger import append_entries
from monitor.adapters.sql.people import CHAIN
from monitor.adapters.sql.queue import Wall, behind
from monitor.adapters.sql.schema import cases, journal_roots
from monitor.adapters.sql.schema_desk import reviews, samples
from monitor.adapters.sql.store import CaseStore
from monitor.adapters.sql.team import decided, involved
from monitor.casework.journal import GENESIS, Draft, canonical_json
from monitor.casework.lifecycle import Decision, MoveRefused, Request, note_digest
from monitor.casework.quality import check_review, draw
from monitor.domain.case import Actor
from monitor.domain.time import format_time

SHOWN_MAX = 200


@dataclass(frozen=True, slots=True)
class Sample:
    """One drawing; ``seed`` is the journal's root at that time."""

    sample: str
    at_us: int
    by: str
    from_us: int
    until_us: int
    percent: int
    seed: str
    cases: int


@dataclass(frozen=True, slots=True)
class Review:
    """A case of a sample; without ``finding`` it waits."""

    case_id: str
    closed_at_us: int
    decided_by: str
    sample: str
    outcome: str | None
    reviewer: str | None
    reviewed_at_us: int | None
    finding: str | None


def draw_sample(
    store: CaseStore, actor: Actor, *, from_us: int, until_us: int, percent: int, now_us: int, recorded_at_us: int
) -> Sample:
    """Draw a share of each person's decisions of a length of time; what was drawn before is not drawn again.

    Raises:
        MoveRefused: The share is no percentage, or nothing was decided in that time that could be drawn.
        StoreBusy: Another writer does not finish in time.
    """
    with store.writing() as connection:
        newest = sa.select(journal_roots.c.hash).order_by(journal_roots.c.seq.desc()).limit(1)
        seed = connection.execute(newest).scalar() or GENESIS
        known = {(row.case_id, row.closed_at_us) for row in connection.execute(sa.select(reviews))}
        found = [
            each
            for each in decided(connection, since_us=from_us, until_us=until_us)
            if (each.case_id, each.closed_at_us) not in known
        ]
        chosen = draw(found, percent=percent, seed=seed)
        if not chosen:
            raise MoveRefused("Nothing was decided in that time that has not been drawn yet. Choose another time.")
        sample = Sample(f"Q-{seed[:16]}", now_us, actor.name, from_us, until_us, percent, seed, len(chosen))
        connection.execute(samples.insert(), [{name: getattr(sample, name) for name in Sample.__slots__}])
        rows = [
            {"case_id": each.case_id, "closed_at_us": each.closed_at_us, "decided_by": each.decided_by,
             "sample": sample.sample, "drawn_at_us": now_us}
            for each in chosen
        ]  # fmt: skip
        connection.execute(reviews.insert(), rows)
        facts = canonical_json(
            {name: getattr(sample, name) for name in Sample.__slots__ if name not in ("at_us", "by")}
        )
        draft = Draft(CHAIN, now_us, actor.name, "sample_drawn", facts)
        append_entries(connection, [draft], recorded_at_us=recorded_at_us)
    return sample


def review(
    store: CaseStore, text: str, actor: Actor, *, finding: str, note: str, now_us: int, recorded_at_us: int, sees: Sees
) -> None:
    """Record what the review of a sampled case found, with a note, in the chain of the case.

    Raises:
        CaseUnknown: Nothing or more than one fits.
        MoveRefused: It is in no sample or reviewed already, the reviewer decided it, or the note is missing.
        StoreBusy: Another writer does not finish in time.
    """
    with store.writing() as connection:
        case = load(connection, find_case_id(connection, text, sees))
        waits = sa.and_(reviews.c.case_id == case.case_id, reviews.c.finding.is_(None))
        row = connection.execute(sa.select(reviews).where(waits).order_by(reviews.c.closed_at_us.desc())).first()
        if row is None:
            raise MoveRefused(f"case {case.case_id} waits for no review.")
        check_review(case.case_id, actor.name, involved(connection, case.case_id) | {row.decided_by}, finding)
        if not note.strip():
            raise MoveRefused(f"case {case.case_id}: a note is needed: say in a sentence what was checked and found.")
        facts = {"finding": finding, "decided_by": row.decided_by, "sample": row.sample, "role": actor.role,
                 "note_sha256": note_digest(note)}  # fmt: skip
        draft = Draft(case.case_id, now_us, actor.name, "reviewed", canonical_json(facts))
        write_decisions(connection, [(Decision(case, draft), Request("review", actor, now_us, note=note))],
                        recorded_at_us)  # fmt: skip
        of_case = sa.and_(reviews.c.case_id == case.case_id, reviews.c.closed_at_us == row.closed_at_us)
        found = {"reviewer": actor.name, "reviewed_at_us": now_us, "finding": finding, "note": note}
        connection.execute(reviews.update().where(of_case).values(**found))


def reviews_seen(connection: sa.Connection, wall: Wall | None) -> list[Review]:
    """Reviews of cases on this side of the wall: those that wait first, then the newest."""
    columns = (reviews.c.case_id, reviews.c.closed_at_us, reviews.c.decided_by, reviews.c.sample, cases.c.outcome,
               reviews.c.reviewer, reviews.c.reviewed_at_us, reviews.c.finding)  # fmt: skip
    query = sa.select(*columns).join_from(reviews, cases)
    if wall is not None:
        query = query.where(behind(wall))
    order = (reviews.c.finding.is_not(None), reviews.c.reviewed_at_us.desc(), reviews.c.case_id)
    return [Review(*row) for row in connection.execute(query.order_by(*order).limit(SHOWN_MAX))]


def samples_drawn(connection: sa.Connection) -> list[Sample]:
    """All drawings, the newest first."""
    query = sa.select(samples).order_by(samples.c.at_us.desc(), samples.c.sample).limit(SHOWN_MAX)
    return [Sample(**row._mapping) for row in connection.execute(query)]


def words_of(sample: Sample) -> str:
    """A drawing in words.

    >>> words_of(Sample("Q-1", 0, "ann", 0, 86_400_000_000, 10, "ab12" + "0" * 60, 3))
    '10 % of what was decided from 1970-01-01 to 1970-01-02: 3 cases; seed ab12000000000000'
    """
    first, last = (format_time(time_us)[:10] for time_us in (sample.from_us, sample.until_us))
    return (
        f"{sample.percent} % of what was decided from {first} to {last}: {sample.cases} cases; seed {sample.seed[:16]}"
    )
