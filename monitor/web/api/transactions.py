"""Payments one by one: handed in, judged by the one engine of the store, and answered when the verdict is durable."""

import asyncio
import time
from concurrent.futures import Future
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from monitor.adapters.sql.api_keys import API_CHAIN, Caller
from monitor.adapters.sql.people import journal_look
from monitor.adapters.sql.repeats import Answer, keep_answer, kept_answer
from monitor.app.live_run import LiveRun, NotTaken, RefusedPayment
from monitor.app.live_run import Verdict as Judged
from monitor.casework.scopes import TRANSACTIONS
from monitor.domain.refusal import Reason
from monitor.domain.transaction import Transaction
from monitor.web.api.bodies import Pending, Verdict
from monitor.web.api.key import Here, with_scope
from monitor.web.api.problems import NO_ENGINE, NOT_FOUND, Kind, Refused
from monitor.web.api.repeating import Repeat, said

router = APIRouter(tags=["transactions"])
ID_BYTES_MAX = 128
_REFUSED = Kind(
    422, "payment-refused", "The payment was refused", "It is no record as docs/transaction.md has it. It is kept in "
    "the quarantine and counted.", "",
)  # fmt: skip
_DIFFERS = Kind(
    409, "payment-differs", "Another payment has this id", "A transaction_id stands for one payment for ever.", "",
)  # fmt: skip
_NOT_TAKEN = Kind(
    503, "not-taken", "The payment was not taken", "The one process that owns the run cannot judge it now.",
    "Send the same payment again in a moment: a repeat is judged once.",
)  # fmt: skip
_EMPTY = Kind(
    422, "invalid", "The request is not of the form", "The body is one payment as JSON.",
    "Send the payment; its fields are in docs/transaction.md.",
)  # fmt: skip
_SCHEMA = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Transaction"}}},
    }
}
_T = TypeVar("_T")
Source = Annotated[Caller, Depends(with_scope(TRANSACTIONS))]


@router.post(
    "/transactions", response_model=Verdict, openapi_extra=_SCHEMA,
    responses={202: {"model": Pending, "description": "Taken, and the verdict is not there yet."}},
)  # fmt: skip
async def submit(request: Request, desk: Here, who: Source, repeat: Repeat) -> Response:
    """Hand in one payment and be told its verdict, once it is durable.

    The same payment sent again is judged once and told the same alerts. With 202 the verdict takes longer than the
    interface waits: ask for it at the address given, or send the payment again.
    """
    arrived = time.perf_counter_ns()
    run = _run(desk.live)
    if repeat.key is not None:
        kept = await run_in_threadpool(
            kept_answer, desk.store, name=who.person.name, key=repeat.key, digest=repeat.digest, now_us=desk.wall_us()
        )
        if kept is not None:
            return said(kept)
    body = await request.body()
    if not body.strip():
        raise Refused(_EMPTY, "The body is empty.", place="body")
    try:
        outcome = await _within(run.submit(body, by=who.person.name, key_id=who.key.key_id), desk.verdict_seconds)
    except NotTaken as error:
        raise Refused(_NOT_TAKEN, f"{error}.") from None
    except TimeoutError:
        name = _id_in(body)
        ask = None if name is None else f"/v1/transactions/{quote(name, safe='')}"
        return JSONResponse({"transaction_id": name, "ask": ask}, 202, headers={"Location": ask} if ask else None)
    if isinstance(outcome, RefusedPayment):
        raise _refusal(outcome)
    answer = Answer(200, _told(outcome, latency_us=(time.perf_counter_ns() - arrived) // 1000))
    if repeat.key is not None:
        await run_in_threadpool(
            keep_answer, desk.store, answer, name=who.person.name, key=repeat.key, digest=repeat.digest,
            now_us=desk.wall_us(),
        )  # fmt: skip
    return said(answer)


@router.get("/transactions/{transaction_id:path}", response_model=Verdict)
async def ask(
    desk: Here, who: Source, transaction_id: Annotated[str, Path(max_length=ID_BYTES_MAX, min_length=1)]
) -> Any:
    """What became of a payment, for as long as a repeat of it would be known. The look is journalled."""
    arrived = time.perf_counter_ns()
    run = _run(desk.live)
    try:
        found = await _within(run.ask(transaction_id), desk.verdict_seconds)
    except NotTaken as error:
        raise Refused(_NOT_TAKEN, f"{error}.") from None
    except TimeoutError:
        raise Refused(_NOT_TAKEN, "The run has much to judge, or is starting.") from None
    if found is None:
        raise Refused(NOT_FOUND, "No payment of this id has been judged: it never came, was refused, or still waits.")
    await run_in_threadpool(
        journal_look, desk.store, who.person, what="verdict_viewed", now_us=desk.wall_us(), chain=API_CHAIN,
        key=who.key.key_id, position=found.position,
    )  # fmt: skip
    return _told(found, latency_us=(time.perf_counter_ns() - arrived) // 1000)


def _run(live: LiveRun | None) -> LiveRun:
    if live is None:
        raise Refused(NO_ENGINE, "This process serves cases only.")
    return live


async def _within(answer: "Future[_T]", seconds: float) -> _T:
    """What comes within so many seconds; the work goes on without who has stopped waiting.

    Raises:
        TimeoutError: It takes longer.
    """
    waiting = asyncio.ensure_future(asyncio.wrap_future(answer))
    done, _ = await asyncio.wait({waiting}, timeout=seconds)
    if not done:
        waiting.add_done_callback(lambda late: late.exception())
        raise TimeoutError
    return waiting.result()


def _told(verdict: Judged, *, latency_us: int) -> dict[str, Any]:
    alerts = [
        {"alert_id": each.alert_id, "rule": each.source_id, "rule_version": each.source_version, "title": each.title,
         "typology": each.typology, "severity": each.severity, "score": each.score, "status": each.status,
         "sentence": each.text, "leg_role": each.leg_role}
        for each in verdict.alerts
    ]  # fmt: skip
    return {"transaction_id": verdict.transaction_id, "accepted": True, "is_duplicate": verdict.is_duplicate,
            "position": verdict.position, "alerts": alerts, "latency_us": latency_us}  # fmt: skip


def _refusal(refused: RefusedPayment) -> Refused:
    kind = _DIFFERS if refused.reason is Reason.DUPLICATE_DIFFERS else _REFUSED
    place, _, fact = refused.detail.partition(": ")
    is_field = place in Transaction.model_fields
    kind = Kind(kind.status, kind.word, kind.title, kind.reason, refused.remedy)
    return Refused(
        kind, (fact if is_field else refused.detail) or refused.reason.value,
        place=f"body.{place}" if is_field else None, code=refused.reason.value, position=refused.position,
    )  # fmt: skip


def _id_in(body: bytes) -> str | None:
    """The id of a payment that nobody has looked at yet."""
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    name = given.get("transaction_id") if isinstance(given, dict) else None
    return name if isinstance(name, str) and name else None
