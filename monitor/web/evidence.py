"""The evidence pack of a case, to be saved."""

from hashlib import sha256

from fastapi import APIRouter, Request, Response

from monitor.adapters.sql.attachments import attached_to, content_of
from monitor.adapters.sql.checklists import ticks_of
from monitor.adapters.sql.desk import load, look
from monitor.adapters.sql.evidence import alert_texts, roots_of
from monitor.adapters.sql.information import requests_of
from monitor.adapters.sql.people import CHAIN, journal_look
from monitor.adapters.sql.regrouping import moves_of_alerts
from monitor.app.evidence.pack import Evidence, evidence_pack
from monitor.web.case_papers import to_save
from monitor.web.desk import Desk, sees
from monitor.web.pages import language_of
from monitor.web.queue import CaseReader
from monitor.web.words import said

router = APIRouter()


@router.get("/cases/{case_id}/evidence.zip")
def pack(request: Request, who: CaseReader, case_id: str) -> Response:
    """All of a case that its reader may see, as one ZIP. Who made it when stands in the journal with its digest."""
    desk: Desk = request.app.state.desk
    person, now_us = who.person, desk.now_us()
    is_seen = sees(person)
    file = look(desk.store, case_id, viewer=person.name, at_us=now_us, recorded_at_us=desk.wall_us(), chain=CHAIN,
                mark=False, sees=is_seen)  # fmt: skip
    case = file.case
    with desk.store.reading() as connection:
        moved = [
            each
            for each in moves_of_alerts(connection, case.case_id)
            if all(is_seen(load(connection, other)) for other in (each.from_case, each.to_case))
        ]
        files = [content_of(connection, case.case_id, each.sha256) for each in attached_to(connection, case.case_id)]
        roots, last = roots_of(connection, {entry.root for entry in file.journal})
        given = Evidence(
            file=file, customer=desk.resolve(case.subject.token), stored=alert_texts(connection, case.case_id),
            requests=requests_of(connection, case.case_id), ticks=list(ticks_of(connection, case.case_id).values()),
            moved=moved, files=files, roots=roots, last_root=last,
        )  # fmt: skip
    language = language_of(request)
    body = evidence_pack(given, by=person.name, at_us=now_us, say=lambda text: said(language, text))
    journal_look(desk.store, person, what="evidence_packed", now_us=desk.wall_us(), case=case.case_id,
                 pack_sha256=sha256(body).hexdigest())  # fmt: skip
    return to_save(f"{case.case_id}.zip", body, "application/zip")
