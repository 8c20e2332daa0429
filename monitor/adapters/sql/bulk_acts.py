"""One act on many cases: looked at before, done in one transaction with one entry for each case, and undone."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import sqlalchemy as sa

from monitor.adapters.sql.acts import end_act, last_act, write_act
from monitor.adapters.sql.conflicts import check_conflicts
from monitor.adapters.sql.desk import CaseUnknown, Sees, check_version, write_decisions
from monitor.adapters.sql.ledger import chain_entries, in_chunks
from monitor.adapters.sql.rows import case_of
from monitor.adapters.sql.schema import cases, journal_heads
from monitor.adapters.sql.store import CaseStore
from monitor.adapters.sql.tags import set_tag, tags_of
from monitor.casework.bulk import BULK_ACTS, BULK_MAX, Outlook
from monitor.casework.lifecycle import Decision, MoveRefused, Request, decide, note
from monitor.casework.policy import CaseworkPolicy
from monitor.casework.undoing import UNDOABLE, Before, before, is_untouched, take_back
from monitor.domain.case import Actor, Case


@dataclass(frozen=True, slots=True)
class BulkAct:
    """What is to be done; ``tag`` is given for *tag* and *untag*."""

    request: Request
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The cases that were changed, and those that were not with the reason."""

    kind: str
    cases: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]


def preview(
    connection: sa.Connection, ids: Sequence[str], act: BulkAct, policy: CaseworkPolicy, sees: Sees
) -> list[Outlook]:
    """What the act would do to each case, in the order given; what the actor may not see is not there.

    Raises:
        MoveRefused: There are none or too many, or it is no act for several cases.
    """
    _check(ids, act)
    found = _load(connection, ids, sees)
    versions = _versions(connection, [case.case_id for case in found])
    tags = tags_of(connection, [case.case_id for case in found])
    return [
        _outlook(connection, case, versions.get(case.case_id, 0), act, policy, tags.get(case.case_id, []))
        for case in found
    ]


def do(store: CaseStore, items: Sequence[tuple[str, int]], act: BulkAct, *, recorded_at_us: int, sees: Sees) -> Done:
    """Do it to each case that is still as the preview showed it; the others stay as they are and are told.

    Args:
        items: Case ids with the versions that the preview showed.

    Raises:
        MoveRefused: There are none or too many, or it is no act for several cases.
        StoreBusy: Another writer does not finish in time.
    """
    ids = [case_id for case_id, _ in items]
    _check(ids, act)
    seen_version = dict(items)
    done: list[str] = []
    refused: list[tuple[str, str]] = []
    kept: list[dict[str, Any]] = []
    made: list[tuple[Decision, Request]] = []
    with store.writing() as connection:
        found = _load(connection, ids, sees)
        missing = set(ids) - {case.case_id for case in found}
        refused += [(case_id, "There is no such case.") for case_id in ids if case_id in missing]
        for case in found:
            try:
                check_version(connection, case, seen_version[case.case_id], act.request.actor.name)
                item = _one(connection, case, act, store.policy, made, recorded_at_us)
            except MoveRefused as error:
                refused.append((case.case_id, str(error)))
                continue
            kept += [item] if item is not None else []
            done.append(case.case_id)
        if made:
            seqs = write_decisions(connection, made, recorded_at_us)
            if act.request.move in UNDOABLE:
                by_id = {case.case_id: case for case in found}
                chains = [decision.case.case_id for decision, _ in made]
                kept += [asdict(before(by_id[chain], seq)) for chain, seq in zip(chains, seqs, strict=True)]
        write_act(connection, act.request.actor.name, act.request.at_us, act.request.move, kept)
    return Done(act.request.move, tuple(done), tuple(refused))


def undo_last(store: CaseStore, actor: Actor, *, now_us: int, recorded_at_us: int, sees: Sees) -> Done:
    """Take back the last act of a person, case by case, where nothing else happened since.

    Raises:
        MoveRefused: There is nothing of late that could be taken back.
        StoreBusy: Another writer does not finish in time.
    """
    with store.writing() as connection:
        found = last_act(connection, actor.name, now_us=now_us)
        if found is None:
            raise MoveRefused("There is nothing of the last 10 minutes that could be taken back.")
        act_id, kind, items = found
        done: list[str] = []
        refused: list[tuple[str, str]] = []
        for item in items:
            case_id = str(item["case_id"])
            try:
                found_cases = _load(connection, [case_id], sees)
                if not found_cases:
                    raise CaseUnknown("There is no such case.")
                _take_back(connection, found_cases[0], item, actor, now_us, recorded_at_us)
            except (CaseUnknown, MoveRefused) as error:
                refused.append((case_id, str(error)))
            else:
                done.append(case_id)
        end_act(connection, act_id, now_us=now_us)
    return Done(kind, tuple(done), tuple(refused))


def _take_back(
    connection: sa.Connection, case: Case, item: dict[str, Any], actor: Actor, at_us: int, recorded_at_us: int
) -> None:
    if "tag" in item:
        set_tag(connection, case, item["tag"], actor, is_on=item["was"], at_us=at_us, recorded_at_us=recorded_at_us)
        return
    kept = Before(**item)
    if not is_untouched(chain_entries(connection, case.case_id), kept.seq):
        raise MoveRefused(f"case {case.case_id} has moved on since. It stays as it is.")
    write_decisions(connection, [(take_back(case, kept, actor, at_us), Request("undo", actor, at_us))], recorded_at_us)


def _one(
    connection: sa.Connection,
    case: Case,
    act: BulkAct,
    policy: CaseworkPolicy,
    made: list[tuple[Decision, Request]],
    recorded_at_us: int,
) -> dict[str, Any] | None:
    request = act.request
    if act.tag is not None:
        item = set_tag(connection, case, act.tag, request.actor, is_on=request.move == "tag", at_us=request.at_us,
                       recorded_at_us=recorded_at_us)  # fmt: skip
        if item is None:
            raise MoveRefused(_tag_stands(act))
        return item
    made.append((_decided(connection, case, request, policy), request))
    return None


def _outlook(
    connection: sa.Connection, case: Case, version: int, act: BulkAct, policy: CaseworkPolicy, tags: Sequence[str]
) -> Outlook:
    if act.tag is not None:
        stands = (act.tag in tags) is (act.request.move == "tag")
        return Outlook(case, version, case.state, _tag_stands(act) if stands else None)
    try:
        after = _decided(connection, case, act.request, policy).case
    except MoveRefused as error:
        return Outlook(case, version, case.state, str(error))
    return Outlook(case, version, after.state)


def _decided(connection: sa.Connection, case: Case, request: Request, policy: CaseworkPolicy) -> Decision:
    if request.move == "note":
        return note(case, request)
    check_conflicts(connection, case, request)
    if request.move == "snooze" and request.until_us is not None:
        # Of many cases each sleeps until the time given or, where it is due before, not longer than that.
        request = replace(request, until_us=min(request.until_us, max(case.due_at_us, request.at_us)))
    return decide(case, request, policy)


def _tag_stands(act: BulkAct) -> str:
    return "It has the tag already." if act.request.move == "tag" else "It does not have the tag."


def _check(ids: Sequence[str], act: BulkAct) -> None:
    if act.request.move not in BULK_ACTS:
        raise MoveRefused(f"{act.request.move!r} is not done to several cases at once. One of: {', '.join(BULK_ACTS)}.")
    if not 1 <= len(set(ids)) <= BULK_MAX:
        raise MoveRefused(f"{len(set(ids))} cases are chosen; choose 1 to {BULK_MAX}.")


def _load(connection: sa.Connection, ids: Sequence[str], sees: Sees) -> list[Case]:
    found: dict[str, Case] = {}
    for some in in_chunks(dict.fromkeys(ids)):
        for row in connection.execute(sa.select(cases).where(cases.c.case_id.in_(some))).all():
            case = case_of(row)
            if sees(case):
                found[case.case_id] = case
    return [found[case_id] for case_id in dict.fromkeys(ids) if case_id in found]


def _versions(connection: sa.Connection, ids: Sequence[str]) -> dict[str, int]:
    versions: dict[str, int] = {}
    for some in in_chunks(ids):
        query = sa.select(journal_heads.c.chain, journal_heads.c.seq).where(journal_heads.c.chain.in_(some))
        versions |= {row.chain: row.seq for row in connection.execute(query)}
    return versions
