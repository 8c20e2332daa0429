"""The evidence of a case as one ZIP: what was seen, written and decided, for who has to show or check it later.

Given the same case, person and time, the bytes are the same: entries stand in the order of their names, dates are
fixed, nothing is compressed, and the PDF bears no time of its own. ``manifest.json`` has the SHA-256 of every other
file, and the last root of the journal, under which ``aml journal verify --root`` proves that nothing before it was
rewritten.
"""

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from monitor.adapters.sql.attachments import Attached
from monitor.adapters.sql.desk import CaseFile
from monitor.adapters.sql.information import InformationRequest
from monitor.adapters.sql.regrouping import Moved
from monitor.app.evidence.page import case_pdf
from monitor.casework.checklists import Tick
from monitor.casework.journal import Root
from monitor.casework.lifecycle import MoveRefused
from monitor.domain.time import format_time

PACK_BYTES_MAX = 100 << 20
"""Most bytes of all files of a pack."""
_DATE = (1980, 1, 1, 0, 0, 0)

Say = Callable[[str], str]

_README = """\
Evidence of case {case}, made by {by} at {at} UTC.

case.pdf        to be read
case.json       the same and more, for programs
alerts/         the evidence of each alert, byte by byte as it was stored when the alert was raised
files/          what was attached, byte by byte
journal.json    the hash chain of the case, and the roots that cover its entries
manifest.json   the SHA-256 of every file here, and the last root of the journal

To check: compute the SHA-256 of each file and compare. The journal holds the digests of the evidence
(evidence_sha256), of notes (note_sha256) and of files (file_sha256). With the store at hand:
aml journal verify --root {root}
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that goes into a pack. ``stored`` is the text of each alert's evidence by its id."""

    file: CaseFile
    customer: str
    stored: dict[str, str]
    requests: Sequence[InformationRequest]
    ticks: Sequence[Tick]
    moved: Sequence[Moved]
    files: Sequence[tuple[Attached, bytes]]
    roots: Sequence[Root]
    last_root: Root | None


def evidence_pack(given: Evidence, *, by: str, at_us: int, say: Say = str) -> bytes:
    """The ZIP of a case.

    Args:
        given: The case and all that is known of it.
        by: Who makes it.
        at_us: When, µs UTC.
        say: Puts the labels of the PDF into the reader's language.

    Raises:
        MoveRefused: The files are too large together.
    """
    total = sum(len(content) for _, content in given.files)
    if total > PACK_BYTES_MAX:
        raise MoveRefused(
            f"case {given.file.case.case_id}: its files have {total >> 20} MiB together, {PACK_BYTES_MAX >> 20} is the "
            "most of a pack. Save them one by one."
        )
    root = given.last_root.hash if given.last_root else ""
    case_id = given.file.case.case_id
    parts = {
        "README.txt": _README.format(case=case_id, by=by, at=format_time(at_us)[:19], root=root).encode(),
        "case.pdf": case_pdf(given.file, customer=given.customer, requests=given.requests, ticks=given.ticks,
                             files=[each for each, _ in given.files], by=by, at_us=at_us, say=say),
        "case.json": _json(_case(given, by=by, at_us=at_us)),
        "journal.json": _json({"entries": [asdict(entry) for entry in given.file.journal],
                               "roots": [asdict(each) for each in given.roots]}),
    }  # fmt: skip
    parts |= {f"alerts/{alert_id}.json": text.encode() for alert_id, text in given.stored.items()}
    parts |= {f"files/{number:03d} {each.file_name}": content for number, (each, content) in enumerate(given.files, 1)}
    manifest = {
        "case": case_id, "by": by, "at": format_time(at_us), "last_root": root,
        "files": {name: {"bytes": len(body), "sha256": sha256(body).hexdigest()} for name, body in parts.items()},
    }  # fmt: skip
    return _zip(parts | {"manifest.json": _json(manifest)})


def _case(given: Evidence, *, by: str, at_us: int) -> dict[str, Any]:
    file = given.file
    return {
        "made_by": by, "made_at": format_time(at_us), "customer": given.customer, "case": asdict_of(file.case),
        "alerts": [{"alert_id": each.alert_id, "status": each.status, "judged_at_us": each.judged_at_us,
                    "evidence": each.evidence} for each in file.alerts],
        "notes": [asdict(note) for note in file.notes],
        "requests": [asdict(each) for each in given.requests],
        "checklist": [asdict(each) for each in given.ticks],
        "regrouped": [asdict(each) for each in given.moved],
        "files": [asdict(each) for each, _ in given.files],
    }  # fmt: skip


def asdict_of(case: Any) -> dict[str, Any]:
    """A case as plain values; its subject is a struct of another kind."""
    values = {name: getattr(case, name) for name in case.__slots__}
    values["subject"] = {"kind": case.subject.kind, "token": case.subject.token}
    for name in ("proposal", "typology"):
        values[name] = None if values[name] is None else asdict(values[name])
    return values


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _zip(parts: dict[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(parts):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, parts[name])
    return body.getvalue()
