"""One payment seen as several messages is judged once, end to end with ``aml run``."""

import gzip
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.adapters.quarantine import read_refused
from monitor.adapters.sql.store import open_store
from monitor.app.embedded import RUN
from monitor.domain.refusal import Reason
from tests.app.embedded_stores import ENVIRONMENT, ROOT
from tests.intake.iso20022.messages import Payment, cash, entry, order, returned, settlement, status

LATER = replace(Payment(), at="2026-05-05T09:00:00Z")


def aml_run(folder: Path, files: dict[str, bytes], *more: str, given: bytes | None = None
            ) -> tuple[dict[str, int], list[Reason], str]:  # fmt: skip
    """Counters of a run, the reasons of what was refused in order, and what it printed."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    db = folder / "bank.db"
    names = [str(folder / name) for name in files] if given is None else ["-"]
    done = subprocess.run(
        [sys.executable, "-m", "monitor", "run", *names, "--db", str(db), "--no-progress", "--models", "off", *more],
        cwd=ROOT, env=ENVIRONMENT, input=given, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    with open_store(db) as store:
        counts = store.counters(RUN)
    return dict(counts), [each.refusal.reason for each in read_refused(db.with_suffix(".data"))], done.stdout.decode()


def test_an_order_a_settlement_and_an_entry_are_one_judged_payment(tmp_path: Path):
    payment = Payment()
    files = {"1-order.xml": order(payment), "2-settled.xml.gz": settlement(payment), "3-entry.xml": entry(payment)}
    for books in ("iso20022", "iso20022-entries"):
        counts, reasons, said = aml_run(tmp_path / books, files, "--format", books)
        assert (counts["records"], counts["judged"], counts["refused"]) == (3, 1, 2)
        assert reasons == [Reason.EVIDENCE_ONLY] * 2
        assert "Another message books the payment" in said


def test_messages_in_any_order_and_twice_are_one_judged_payment(tmp_path: Path):
    payment = Payment()
    again = {"1.xml": entry(payment), "2.xml": settlement(payment) + settlement(payment), "3.xml": order(payment)}
    counts, reasons, _ = aml_run(tmp_path / "run", again)
    assert (counts["judged"], counts["duplicates"]) == (1, 1)
    assert reasons == [Reason.EVIDENCE_ONLY] * 2


@pytest.mark.parametrize(("taken_back", "judged"), [(status(LATER), 2), (returned(LATER), 2)])
def test_a_rejection_or_return_takes_the_settlement_back(tmp_path: Path, taken_back: bytes, judged: int):
    counts, reasons, _ = aml_run(tmp_path / "run", {"1.xml": settlement(Payment()), "2.xml": taken_back})
    assert (counts["judged"], reasons) == (judged, [])
    assert counts.get("reversals_without_original", 0) == 0


def test_cash_with_its_notes_is_judged_and_read_from_standard_input(tmp_path: Path):
    data = cash("9500.00", "T1") + b"\n" + cash("9400.00", "T2", "2026-05-04T12:00:00Z", 470)
    counts, reasons, _ = aml_run(tmp_path / "run", {}, "--format", "iso20022", given=data)
    assert (counts["judged"], reasons) == (2, [])
