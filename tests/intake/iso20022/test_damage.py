"""Nothing is lost and nothing crashes: bombs, cut files, wrong encodings, changed bytes, and however a file is cut."""

import gzip
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.refusal import Reason
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.iso20022.tables import MESSAGES
from monitor.intake.json_scan import RECORD_BYTES_MAX
from monitor.intake.records import SourcePosition
from monitor.intake.sources import open_source
from tests.intake.iso20022.messages import (
    Payment,
    cash,
    decoded,
    entry,
    numbered,
    order,
    returned,
    rows,
    settlement,
    status,
)  # fmt: skip
from tests.strategies.searching import further

THREE = settlement(*(numbered(Payment(), number) for number in range(3)))

IDS = [numbered(Payment(), number).uetr for number in range(3)]
SEVERAL = b"\n".join(
    [THREE, cash("1.00", "T1"), order(Payment()), status(Payment()), returned(Payment()), entry(Payment())]
)

DOCTYPES = {
    "bomb": '<!DOCTYPE Document [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    "file": '<!DOCTYPE Document [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
    "network": '<!DOCTYPE Document SYSTEM "http://127.0.0.1:9/x.dtd">',
    "plain": "<!DOCTYPE Document>",
}


@pytest.mark.parametrize("kind", DOCTYPES)
def test_a_document_type_is_refused_and_kept(kind: str):
    declaration, _, rest = THREE.partition(b"\n")
    data = declaration + DOCTYPES[kind].encode() + rest.replace(b"John Doe", b"&a;")
    ids, refusals = decoded(data + THREE)
    assert ids == IDS, "the next document is read"
    assert {refusal.reason for refusal in refusals} == {Reason.NOT_XML}
    assert "document type" in refusals[0].detail
    assert b"".join(refusal.original for refusal in refusals) == data


def test_an_entity_is_not_resolved():
    ids, (refusal,) = decoded(THREE.replace(b"John Doe", b"&a;", 1))
    assert ids == IDS[1:]
    assert refusal.reason is Reason.NOT_XML


@pytest.mark.parametrize("name", ["pacs.008.001.02", "camt.053.001.08", "pain.001.001.99"])
def test_an_unknown_message_is_refused_with_those_that_are_known(name: str):
    ids, (refusal,) = decoded(THREE.replace(b"pacs.008.001.08", name.encode()))
    assert (ids, refusal.reason) == ([], Reason.MESSAGE_UNKNOWN)
    assert name in refusal.detail
    assert all(message.name in refusal.detail for message in MESSAGES.values())
    assert b"".join([refusal.original]).count(b"<CdtTrfTxInf>") == 3


def test_a_large_unknown_message_is_kept_in_pieces():
    unknown = settlement(*(numbered(Payment(), number) for number in range(200))).replace(b"pacs.008.001.08", b"x")
    _, refusals = decoded(unknown)
    assert len(refusals) > 2
    assert max(len(refusal.original) for refusal in refusals) <= RECORD_BYTES_MAX
    assert b"".join(refusal.original for refusal in refusals) == unknown


def test_a_damaged_payment_costs_that_payment_only():
    ids, (refusal,) = decoded(THREE.replace(b"<TxId>TX-1</TxId>", b"<TxId>TX-1</TxIe>"))
    assert ids == [IDS[0], IDS[2]]
    assert (refusal.reason, refusal.place) == (Reason.NOT_XML, "in.xml row 2")
    assert b"TX-1" in refusal.original
    assert b"TX-0" not in refusal.original


def test_a_refused_payment_can_be_mended_and_run_again_with_its_head():
    damaged = order(Payment()).replace(b"</EndToEndId>", b"</EndToEndIe>")
    _, (refusal,) = decoded(damaged)
    mended, _, _ = rows(refusal.original.replace(b"</EndToEndIe>", b"</EndToEndId>"))
    assert mended == rows(order(Payment()))[0]


@pytest.mark.parametrize("tag", [b"<CdtTrfTxInf>", b"</CdtTrfTxInf>"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_payment_without_its_tag_is_refused_and_the_others_are_read(tag: bytes, which: int):
    pieces = THREE.split(tag)
    data = tag.join(pieces[: which + 1]) + b"?" + tag.join(pieces[which + 1 :])
    ids, refusals = decoded(data)
    lost = {IDS[which]} - set(ids)
    kept = b"".join(refusal.original for refusal in refusals)
    assert set(ids) | lost == set(IDS)
    assert all((uetr or "").encode() in kept for uetr in lost)
    assert lost, "the damage was seen"


def test_an_element_that_is_not_known_around_payments_is_refused_once():
    ids, (refusal,) = decoded(THREE.replace(b"</GrpHdr>", b"</GrpHdr><Grphdr>x</Grphdr>"))
    assert ids == IDS
    assert refusal.detail == "<Grphdr> is not known in FIToFICstmrCdtTrf"


@given(st.integers(1, len(THREE) - 1))
@settings(deadline=None)
def test_a_cut_file_keeps_what_is_whole_and_says_that_it_was_cut(stop: int):
    ids, refusals = decoded(THREE[:stop])
    whole = THREE[:stop].count(b"</CdtTrfTxInf>")
    assert ids == IDS[:whole]
    start = THREE.index(b"<Document")
    is_between = stop in (start - 1, start)
    assert bool(refusals) != is_between, "also where the cut is behind the last payment"
    if whole < 3 and b"<CdtTrfTxInf>" in THREE[:stop]:
        open_payment = THREE[:stop].rpartition(b"</CdtTrfTxInf>")[2].rpartition(b"<CdtTrfTxInf>")[2]
        assert any(open_payment in refusal.original for refusal in refusals)


@given(st.integers(0, len(SEVERAL) - 1), st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_a_changed_byte_crashes_nothing_and_loses_no_payment(at: int, byte: int):
    changed = SEVERAL[:at] + bytes([byte]) + SEVERAL[at + 1 :]
    fields, faults, originals = rows(changed)
    assert len(fields) == len(faults) == len(originals)
    kept = b"".join(originals)
    for fixed in (b"TX-0", b"TX-2", b"T1<", b"RETURN-1", b"STATUS-1", b"NOTE-1"):
        if fixed in changed:
            assert fixed in kept, fixed
    decoded(changed)


@pytest.mark.slow
@pytest.mark.parametrize("byte", [b"<", b">", b"/", b"&", b"\0", b"x", b"\xff", b'"'])
def test_a_byte_changed_anywhere_loses_no_payment(byte: bytes):
    step = max(1, 15 // further(1))
    first = random.randrange(step)
    print(f"every {step}th byte from {first}")
    for at in range(first, len(THREE), step):
        changed = THREE[:at] + byte + THREE[at + 1 :]
        ids, refusals = decoded(changed)
        kept = b"".join(refusal.original for refusal in refusals)
        for number, uetr in enumerate(IDS):
            is_kept = f"TX-{number}".encode() in kept or (uetr or "").encode() in kept
            assert uetr in ids or is_kept or len(ids) == 3, (at, uetr)


@given(st.integers(1, 3_000), st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_rows_do_not_depend_on_how_the_file_is_cut_or_where_reading_begins(cut: int, start: int):
    damaged = SEVERAL.replace(b"TX-2</TxId>", b"TX-2<", 1)
    whole, pieces = rows(damaged), rows(damaged, cut=cut, start=start)
    assert len(whole[0]) >= 8
    assert [each[start:] for each in whole] == list(pieces)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "windows-1252", "utf-8-sig"])
def test_other_encodings_are_read(encoding: str):
    text = THREE.decode().replace("John Doe", "Jürgen Döß")
    data = text.replace("encoding='UTF-8'", f"encoding='{encoding.removesuffix('-sig')[:12]}'").encode(encoding)
    for cut in (1 << 20, 7):
        fields, faults, _ = rows(data, cut=cut)
        assert faults == [""] * 3
        assert {each["debtor_name"] for each in fields} == {"Jürgen Döß"}


@pytest.mark.parametrize("declared", ["UTF-8", "US-ASCII"])
def test_a_wrong_encoding_is_refused_where_it_shows(declared: str):
    data = THREE.replace(b"UTF-8", declared.encode()).replace(b"John Doe", "Jürgen".encode("latin-1"), 1)
    ids, (refusal,) = decoded(data)
    assert ids == IDS[1:]
    assert refusal.reason is Reason.NOT_XML
    assert "Jürgen".encode("latin-1") in refusal.original


def test_an_encoding_that_is_not_read_is_named():
    ids, (refusal,) = decoded(THREE.replace(b"UTF-8", b"EBCDIC-1"))
    assert ids == []
    assert "EBCDIC-1" in refusal.detail


def test_half_a_character_of_utf_16_makes_the_payment_no_xml():
    data = THREE.decode().replace("'UTF-8'", "'UTF-16'").encode("utf-16-le")
    at = data.index("John".encode("utf-16-le"))
    ids, (refusal,) = decoded(data[:at] + b"\x00\xd8" + data[at + 2 :])
    assert (ids, refusal.reason) == (IDS[1:], Reason.NOT_XML)


def test_an_overlong_payment_is_refused_in_pieces_and_the_next_one_is_read():
    long = THREE.replace(b"INV 2026-77", b"x" * 200_000, 1)
    ids, refusals = decoded(long)
    assert ids == IDS[1:]
    assert {refusal.reason for refusal in refusals} == {Reason.TOO_LONG}
    assert b"".join(refusal.original for refusal in refusals).count(b"x") >= 200_000
    for cut in (1_000, 70_000):
        assert [fields.get("transaction_id") for fields in rows(long, cut=cut)[0] if fields] == IDS[1:]


def test_deep_nesting_is_refused():
    deep = THREE.replace(b"INV 2026-77", b"<a>" * 2_000 + b"</a>" * 2_000, 1)
    ids, refusals = decoded(deep)
    assert (ids, len(refusals)) == (IDS[1:], 1)


def test_tags_within_comments_and_cdata_divide_nothing():
    inside = b"<!-- </CdtTrfTxInf><CdtTrfTxInf> --><![CDATA[</CdtTrfTxInf>]]>"
    fields, faults, _ = rows(THREE.replace(b"INV 2026-77", b"INV" + inside))
    assert faults == [""] * 3
    assert {each["remittance"] for each in fields} == {"INV</CdtTrfTxInf>"}


def test_a_damaged_end_of_a_comment_swallows_no_payment():
    for aside, broken in (
        (b"<!-- a -->", b"<!-- a --x"),
        (b"<?a b?>", b"<?a b?x"),
        (b"<![CDATA[a]]>", b"<![CDATA[a]x>"),
    ):
        data = THREE.replace(b"INV 2026-77", b"INV" + aside).replace(aside, broken, 1)
        assert decoded(data)[0] == IDS[1:], broken


def test_a_payment_in_another_namespace_is_refused():
    _, (refusal,) = decoded(settlement(Payment()).replace(b"<CdtTrfTxInf>", b'<CdtTrfTxInf xmlns="urn:x">'))
    assert refusal.reason is Reason.NOT_XML


@pytest.mark.parametrize("name", ["pay.xml", "pay.xml.gz", "pay.dat"])
def test_files_are_recognised_and_unzipped(tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_bytes(gzip.compress(THREE) if name.endswith(".gz") else THREE)
    source = open_source(path, identifiers=IdentifierTable(b"k" * 32), entities=None, default_entity=None)
    (chunk,) = source.chunks(SourcePosition(0, 0))
    assert len(source.decoder.decode(chunk, first_position=0).batch) == 3
