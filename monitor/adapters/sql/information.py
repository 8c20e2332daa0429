"""Requests for information of a case: asked, answered or withdrawn, each with its entry in the chain of the case."""

from dataclasses import dataclass

import sqlalchemy as sa

from monitor.adapters.sql.desk import Sees, find_case_id, load
from monitor.adapters.sql.ledger import append_entries
from monitor.adapters.sql.schema_desk import information_requests
from monitor.adapters.sql.store import CaseStore
from monitor.casework.information import REQUESTS_MAX, check_request, check_text
from monitor.casework.journal import Draft, canonical_json
from monitor.casework.lifecycle import MoveRefused, note_digest
from monitor.domain.case import Actor


@dataclass(frozen=True, slots=True)
class InformationRequest:
    """One request. ``ended`` is ``answered`` or ``withdrawn``; without it the clock runs."""

    journal_seq: int
    at_us: int
    by: str
    addressee: str
    question: str
    due_at_us: int
    ended: str | None
    ended_at_us: int | None
    ended_by: str | None
    answer: str | None

    def is_overdue(self, now_us: int) -> bool:
        """Whether it should have been answered by now."""
        return self.ended is None and self.due_at_us <= now_us


def ask(
    store: CaseStore, text: str, actor: Actor, *, addressee: str, question: str, due_at_us: int, now_us: int,
    recorded_at_us: int, sees: Sees,
) -> str:  # fmt: skip
    """Record that somebody is asked; returns the case's id.

    Raises:
        CaseUnknown: Nothing or more than one fits.
        MoveRefused: The case is closed or has too many requests, or the request is not complete.
        StoreBusy: Another writer does not finish in time.
    """
    with store.writing() as connection:
        case = load(connection, find_case_id(connection, text, sees))
        check_request(case.case_id, addressee, question, due_at_us, now_us)
        if not case.is_open:
            raise MoveRefused(f"case {case.case_id} is closed. Reopen it to ask for information.")
        if sum(each.ended is None for each in requests_of(connection, case.case_id)) >= REQUESTS_MAX:
            raise MoveRefused(f"case {case.case_id} waits for {REQUESTS_MAX} answers, the most it can wait for.")
        facts = {"addressee": addressee, "due_at_us": due_at_us, "question_sha256": note_digest(question)}
        draft = Draft(case.case_id, now_us, actor.name, "asked", canonical_json(facts))
        (entry,) = append_entries(connection, [draft], recorded_at_us=recorded_at_us)
        row = {
            "case_id": case.case_id, "journal_seq": entry.seq, "at_us": now_us, "by": actor.name,
            "addressee": addressee, "question": question, "due_at_us": due_at_us,
        }  # fmt: skip
        connection.execute(information_requests.insert(), [row])
    return case.case_id


def end_request(
    store: CaseStore, text: str, seq: int, actor: Actor, *, answer: str | None, now_us: int, recorded_at_us: int,
    sees: Sees,
) -> str:  # fmt: skip
    """Record the answer, or without one that the request is withdrawn; returns the case's id.

    Raises:
        CaseUnknown: Nothing or more than one fits.
        MoveRefused: No such request waits, or the answer is empty or too long.
        StoreBusy: Another writer does not finish in time.
    """
    with store.writing() as connection:
        case = load(connection, find_case_id(connection, text, sees))
        if answer is not None:
            check_text(case.case_id, answer, "answer")
        waits = sa.and_(
            information_requests.c.case_id == case.case_id,
            information_requests.c.journal_seq == seq,
            information_requests.c.ended.is_(None),
        )
        ended = "withdrawn" if answer is None else "answered"
        values = {"ended": ended, "ended_at_us": now_us, "ended_by": actor.name, "answer": answer}
        if not connection.execute(information_requests.update().where(waits).values(**values)).rowcount:
            raise MoveRefused(f"case {case.case_id} does not wait for an answer to request {seq}. Load the page again.")
        facts = {"request": seq} | ({} if answer is None else {"answer_sha256": note_digest(answer)})
        action = "request_withdrawn" if answer is None else "answered"
        draft = Draft(case.case_id, now_us, actor.name, action, canonical_json(facts))
        append_entries(connection, [draft], recorded_at_us=recorded_at_us)
    return case.case_id


def requests_of(connection: sa.Connection, case_id: str) -> list[InformationRequest]:
    """The requests of a case: those that wait first, then by time."""
    columns = [information_requests.c[name] for name in InformationRequest.__slots__]
    query = sa.select(*columns).where(information_requests.c.case_id == case_id)
    order = (information_requests.c.ended.is_not(None), information_requests.c.journal_seq)
    return [InformationRequest(*row) for row in connection.execute(query.order_by(*order))]
