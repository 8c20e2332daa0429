"""The evidence pack: whole, the same bytes each time, checkable without us, and behind the wall."""

import io
import json
import zipfile
from hashlib import sha256

from pypdf import PdfReader

from monitor.adapters.sql.ledger import chain_entries
from monitor.adapters.sql.people import CHAIN
from monitor.casework.journal import Draft, entry_hash, root_hash
from tests.casework.test_attachments import PDF
from tests.web.test_web_case_beside import upload
from tests.web.test_web_queue import propose
from tests.web.workbench import Workbench


def worked_case(bench: Workbench) -> str:
    """A case with a note, a request, a tag and a file."""
    case = bench.cases()[0].case_id
    bench.post("analyst", f"/cases/{case}/notes", text="已询问网点 – café, <b>🙂</b> & done.")
    bench.post("analyst", f"/cases/{case}/requests", addressee="branch", question="发票?", days=3)
    bench.post("analyst", f"/cases/{case}/tags", tag="trust")
    upload(bench, "analyst", case, "证明.pdf", PDF)
    return case


def pack(bench: Workbench, who: str, case: str) -> bytes:
    answer = bench.signed_in(who).get(f"/cases/{case}/evidence.zip")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="{case}.zip"')
    return answer.content


def opened(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_manifest_has_the_digest_of_every_file_and_the_journal_that_of_the_pack(bench: Workbench):
    case = worked_case(bench)
    body = pack(bench, "senior", case)
    parts = opened(body)
    manifest = json.loads(parts.pop("manifest.json"))
    assert manifest["files"] == {
        name: {"bytes": len(part), "sha256": sha256(part).hexdigest()} for name, part in parts.items()
    }
    assert {"case.pdf", "case.json", "journal.json", "README.txt", "files/001 证明.pdf"} < set(parts)
    assert parts["files/001 证明.pdf"] == PDF
    with bench.store.reading() as connection:
        entry = chain_entries(connection, CHAIN)[-1]
    told = json.loads(entry.payload)
    assert (entry.action, entry.actor, told["case"]) == ("evidence_packed", "senior", case)
    assert told["pack_sha256"] == sha256(body).hexdigest()


def test_the_journal_inside_can_be_checked_by_itself(bench: Workbench):
    case = worked_case(bench)
    parts = opened(pack(bench, "senior", case))
    book = json.loads(parts["journal.json"])
    before = "0" * 64
    for entry in book["entries"]:
        draft = Draft(entry["chain"], entry["at_us"], entry["actor"], entry["action"], entry["payload"])
        assert entry["previous_hash"] == before
        before = entry_hash(draft, seq=entry["seq"], recorded_at_us=entry["recorded_at_us"], previous_hash=before)
        assert entry["hash"] == before
    covered = {entry["root"] for entry in book["entries"]}
    assert covered == {root["seq"] for root in book["roots"]}
    for root in book["roots"]:
        assert root["hash"] == root_hash(**{name: value for name, value in root.items() if name != "hash"})
    opening = json.loads(book["entries"][0]["payload"])
    evidence = parts[f"alerts/{opening['alert']}.json"]
    assert sha256(evidence).hexdigest() == opening["evidence_sha256"]
    attached = next(json.loads(e["payload"]) for e in book["entries"] if e["action"] == "attached")
    assert attached["file_sha256"] == sha256(PDF).hexdigest()


def test_the_same_case_at_the_same_time_gives_the_same_bytes(bench: Workbench):
    case = worked_case(bench)
    one, two = opened(pack(bench, "senior", case)), opened(pack(bench, "senior", case))
    changed = {name for name in one if one[name] != two[name]}
    # Making the first pack stands in the journal, so its last root, which both name, is another.
    assert changed == {"README.txt", "manifest.json"}
    bench.now_us += 60_000_000
    later = opened(pack(bench, "senior", case))
    assert {name for name in one if one[name] != later[name]} == {
        "README.txt",
        "manifest.json",
        "case.pdf",
        "case.json",
    }


def test_the_pdf_says_what_the_page_says_in_every_script(bench: Workbench):
    case = worked_case(bench)
    page = bench.cases()[0]
    parts = opened(pack(bench, "senior", case))
    text = "\n".join(each.extract_text() for each in PdfReader(io.BytesIO(parts["case.pdf"])).pages)
    for words in (case, page.first_alert_id, "café", "<b>[U+1F642]</b> & done.", "trust", "analyst"):
        assert words in text, words
    assert "已询问网点" in text
    assert "发票" in text
    assert json.loads(parts["case.json"])["notes"][0]["text"] == "已询问网点 – café, <b>🙂</b> & done."
    bench.signed_in("senior").cookies.set("aml_language", "zh-Hans")
    labels = opened(pack(bench, "senior", case))["case.pdf"]
    assert "客户" in PdfReader(io.BytesIO(labels)).pages[0].extract_text()


def test_no_pack_is_made_of_a_case_behind_the_wall(bench: Workbench):
    case = bench.cases()[0].case_id
    propose(bench, "analyst", case)
    hidden = bench.signed_in("senior").get(f"/cases/{case}/evidence.zip")
    absent = bench.signed_in("senior").get("/cases/C-AAAAAAAAAAAAAAAA/evidence.zip")
    assert (hidden.status_code, hidden.text) == (404, absent.text)
    assert opened(pack(bench, "officer", case))
    assert opened(pack(bench, "auditor", case))
    assert next(each for each in bench.cases() if each.case_id == case).alerts_seen == 1
