"""Files attached to cases, kept in the store under their SHA-256: equal files once, in every copy of it."""

from dataclasses import dataclass
from hashlib import sha256

import sqlalchemy as sa

from monitor.adapters.sql.desk import CaseUnknown, Sees, find_case_id, load
from monitor.adapters.sql.ledger import append_entries
from monitor.adapters.sql.schema_desk import attachments, blobs
from monitor.adapters.sql.store import CaseStore
from monitor.casework.attachments import ATTACHMENTS_MAX, Attachment
from monitor.casework.journal import Draft, canonical_json
from monitor.casework.lifecycle import MoveRefused
from monitor.domain.case import Actor


class AttachmentDamaged(Exception):
    """What is stored is not what was attached; the message says so to who asks for it."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A file of a case."""

    journal_seq: int
    at_us: int
    by: str
    file_name: str
    kind: str
    bytes: int
    sha256: str


def attach(
    store: CaseStore, text: str, given: Attachment, actor: Actor, *, now_us: int, recorded_at_us: int, sees: Sees
) -> str:
    """Attach a file to a case, with its digest in the journal; returns the case's id. Doing so again changes nothing.

    Raises:
        CaseUnknown: Nothing or more than one fits.
        MoveRefused: The case has as many files as it can have.
        StoreBusy: Another writer does not finish in time.
    """
    digest = sha256(given.content).hexdigest()
    with store.writing() as connection:
        case = load(connection, find_case_id(connection, text, sees))
        present = attached_to(connection, case.case_id)
        if any(each.sha256 == digest for each in present):
            return case.case_id
        if len(present) >= ATTACHMENTS_MAX:
            raise MoveRefused(f"case {case.case_id} has {ATTACHMENTS_MAX} files, the most it can have.")
        if connection.execute(sa.select(blobs.c.sha256).where(blobs.c.sha256 == digest)).first() is None:
            connection.execute(blobs.insert(), [{"sha256": digest, "content": given.content}])
        facts = {"file": given.name, "kind": given.kind, "bytes": len(given.content), "file_sha256": digest}
        draft = Draft(case.case_id, now_us, actor.name, "attached", canonical_json(facts))
        (entry,) = append_entries(connection, [draft], recorded_at_us=recorded_at_us)
        row = {
            "case_id": case.case_id, "journal_seq": entry.seq, "at_us": now_us, "by": actor.name,
            "file_name": given.name, "kind": given.kind, "bytes": len(given.content), "sha256": digest,
        }  # fmt: skip
        connection.execute(attachments.insert(), [row])
    return case.case_id


def attached_to(connection: sa.Connection, case_id: str) -> list[Attached]:
    """The files of a case, the oldest first."""
    columns = [attachments.c[name] for name in Attached.__slots__]
    query = sa.select(*columns).where(attachments.c.case_id == case_id).order_by(attachments.c.journal_seq)
    return [Attached(*row) for row in connection.execute(query)]


def content_of(connection: sa.Connection, case_id: str, digest: str) -> tuple[Attached, bytes]:
    """A file of a case with its bytes.

    Raises:
        CaseUnknown: The case has no such file.
        AttachmentDamaged: Its bytes are no longer those that were attached.
    """
    found = [each for each in attached_to(connection, case_id) if each.sha256 == digest]
    if not found:
        raise CaseUnknown(f"case {case_id} has no file {digest[:16]}.")
    content = bytes(connection.execute(sa.select(blobs.c.content).where(blobs.c.sha256 == digest)).scalar_one())
    if sha256(content).hexdigest() != digest:
        raise AttachmentDamaged(
            f"case {case_id}: the stored bytes of {found[0].file_name!r} do not give the digest {digest[:16]}… that "
            "the journal holds. Restore them from a backup; the file is not handed out."
        )
    return found[0], content
