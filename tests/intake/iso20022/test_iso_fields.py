"""What each message says about a payment, in every version: random messages go to fields and back."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from lxml import etree

from monitor.domain.refusal import Reason
from monitor.domain.transaction import Transaction
from monitor.intake.iso20022.tables import MESSAGES
from tests.intake.iso20022 import messages
from tests.intake.iso20022.messages import (
    ENTRY,
    ORDERS,
    RETURN,
    SETTLEMENTS,
    STATUSES,
    Payment,
    built,
    cash,
    decoded,
    entry,
    expected_fields,
    numbered,
    order,
    payments,
    returned,
    rows,
    settlement,
    status,
)  # fmt: skip

SCHEMAS = Path(__file__).parents[3].parent / "shared" / "schemas" / "iso20022"
MADE: dict[str, Callable[[Payment], bytes]] = {
    **{name: lambda payment, name=name: order(payment, name) for name in ORDERS},  # type: ignore[misc]
    **{name: lambda payment, name=name: settlement(payment, name=name) for name in SETTLEMENTS},  # type: ignore[misc]
    **{name: lambda payment, name=name: status(payment, name=name) for name in STATUSES},  # type: ignore[misc]
    RETURN: returned,
    ENTRY: entry,
}


def fields_of(data: bytes, **reading: str) -> dict[str, str]:
    ((fields,), _, _) = rows(data, **reading)  # type: ignore[arg-type]
    return fields


def test_every_message_that_is_read_has_a_test():
    assert {message.name for message in MESSAGES.values()} == set(MADE)


@pytest.mark.shared
@pytest.mark.parametrize("name", MADE)
@given(payments)
@settings(max_examples=25, deadline=None)
def test_the_random_messages_are_valid(name: str, payment: Payment):
    if not SCHEMAS.exists():
        pytest.skip("the shared schemas are not there: ../shared/schemas/iso20022")
    schema = etree.XMLSchema(etree.parse(SCHEMAS / f"{name}.xsd"))
    schema.assertValid(etree.fromstring(MADE[name](payment)))


@pytest.mark.parametrize("name", SETTLEMENTS)
@given(payments)
@settings(deadline=None)
def test_a_settlement_books_the_payment(name: str, payment: Payment):
    assert fields_of(settlement(payment, name=name)) == expected_fields(payment)


@pytest.mark.parametrize("name", ORDERS)
@given(payments)
@settings(deadline=None)
def test_an_order_is_evidence_of_an_attempt(name: str, payment: Payment):
    ((fields,), (fault,), _) = rows(order(payment, name))
    by_id = payment.uetr if name != ORDERS[0] else f"{payment.tx_id}/{payment.end_to_end_id}"
    changed = {"transaction_id": f"order/{by_id}", "status": "attempted"}
    assert fields == expected_fields(payment) | changed
    assert fault == "evidence_only: an order; the payment is judged when it is booked"


@pytest.mark.parametrize("name", STATUSES)
@given(payments)
@settings(deadline=None)
def test_a_rejection_takes_its_original_back(name: str, payment: Payment):
    told = expected_fields(replace(payment, purpose=None, remittance=None))
    about = {"transaction_id": f"{payment.uetr}/RJCT", "status": "rejected", "reverses": payment.uetr, "reason": "AC04"}
    assert fields_of(status(payment, name=name)) == told | about


@given(payments)
@settings(deadline=None)
def test_a_return_takes_its_original_back(payment: Payment):
    told = expected_fields(replace(payment, purpose=None, remittance=None))
    about = {"transaction_id": f"{payment.uetr}/return/R1", "status": "returned", "reverses": payment.uetr,
             "reason": "AC04"}  # fmt: skip
    assert fields_of(returned(payment)) == told | about


@pytest.mark.parametrize("direction", ["CRDT", "DBIT"])
@given(payments)
@settings(deadline=None)
def test_an_entry_books_on_the_side_of_its_account(direction: str, payment: Payment):
    found, (fault,), _ = rows(entry(payment, direction), books="entry")
    assert (found, fault) == ([expected_fields(payment)], "")


@given(payments)
@settings(deadline=None)
def test_settlement_and_entry_name_the_same_payment(payment: Payment):
    bare = replace(payment, uetr=None)
    for each in (payment, bare):
        assert fields_of(settlement(each))["transaction_id"] == fields_of(entry(each))["transaction_id"]
        assert fields_of(status(each))["reverses"] == fields_of(returned(each))["reverses"]
        assert fields_of(status(each))["reverses"] == fields_of(settlement(each))["transaction_id"]


def test_every_made_record_is_a_transaction_of_the_published_shape():
    for name, make in MADE.items():
        Transaction.model_validate(fields_of(make(Payment()))), name


@pytest.mark.parametrize("word", ["ACSC", "ACCP", "PDNG", "BLCK"])
def test_a_status_that_moves_nothing_is_evidence(word: str):
    ids, (refusal,) = decoded(status(Payment(), word))
    assert (ids, refusal.reason) == ([], Reason.EVIDENCE_ONLY)
    assert word in refusal.detail


@pytest.mark.parametrize("word", ["PDNG", "INFO", "FUTR"])
def test_an_entry_that_is_not_booked_is_evidence(word: str):
    assert decoded(entry(Payment(), word=word), books="entry")[1][0].reason is Reason.EVIDENCE_ONLY


@pytest.mark.parametrize(
    ("code", "channel", "books"),
    [
        (("CNTR", "CDPT"), "cash", True), (("CCRD", "CWDL"), "atm", True), (("CCRD", "POSD"), "card", True),
        (("RDDT", "ESDD"), "direct_debit", True), (("ICHQ", "CCHQ"), "cheque", True),
        (("ICDT", "BOOK"), "internal", True), (("ICDT", "ESCT"), "transfer", False),
        (("RRCT", "ESCT"), "instant", False), (("RCDT", "XBCT"), "wire", False), (("MDOP", "OTHR"), "other", True),
    ],
)  # fmt: skip
def test_the_bank_transaction_code_says_the_channel_and_whether_the_entry_books(
    code: tuple[str, str], channel: str, books: bool
):
    # Of these only credit transfers carry a UETR, and it makes an entry one.
    payment = replace(Payment(), uetr=None)
    found, (fault,), _ = rows(entry(payment, code=code))
    assert (found[0]["channel"], not fault) == (channel, books)


def test_a_reversal_names_the_entry_that_it_takes_back_and_keeps_its_sides():
    fields = fields_of(entry(Payment(), "CRDT", reversal=True), books="entry")
    assert fields["status"] == "reversed"
    assert fields["reverses"] == Payment().uetr
    assert fields["transaction_id"] == f"{Payment().uetr}/reversal/000123456789/S1"
    assert fields["debtor_account"] == Payment().debtor_account
    assert fields["creditor_account"] == Payment().creditor_account


def test_an_entry_without_a_direction_is_nobodys():
    data = entry(Payment()).replace(b"<CdtDbtInd>DBIT</CdtDbtInd>", b"")
    assert decoded(data, books="entry")[1][0].reason is Reason.NO_PARTY_OF_OURS


def test_notes_of_a_cash_deposit_are_told():
    fields = fields_of(cash("9500.00", "TELLER-42"))
    assert fields["channel"] == "cash"
    assert fields["remittance"] == "Cash: 475 x 20 USD"
    assert fields["transaction_id"] == "000123456789/TELLER-42"
    assert fields["creditor_account"] == "000123456789"


def test_the_amount_of_an_entry_belongs_to_its_only_payment_and_to_no_other():
    one = cash("9500.00", "T1")
    assert fields_of(one)["amount"] == "9500.00"
    details = one[one.index(b"<TxDtls>") : one.index(b"</NtryDtls>")]
    two = one.replace(details, details + details.replace(b"T1", b"T2"))
    found, _, _ = rows(two)
    assert [fields.get("amount") for fields in found] == [None, None]
    assert [refusal.reason for refusal in decoded(two)[1]] == [Reason.FIELD_MISSING] * 2


def test_an_entry_without_details_is_a_payment():
    whole = cash("9500.00", "T1")
    start, stop = whole.index(b"<NtryDtls>"), whole.index(b"</Ntry>")
    without = whole[:start] + b"<AddtlNtryInf>x</AddtlNtryInf>" + whole[stop:]
    fields = fields_of(without.replace(b"<Ntry>", b"<Ntry><NtryRef>7</NtryRef>"))
    assert fields["transaction_id"] == "000123456789/N/7"
    assert (fields["amount"], fields["channel"]) == ("9500.00", "cash")


@pytest.mark.parametrize(
    ("at", "read"),
    [
        ("2026-07-01T09:00:00", "2026-07-01T09:00:00+02:00"), ("2026-01-01T09:00:00.5", "2026-01-01T09:00:00.5+01:00"),
        ("2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00"), ("2026-07-01T09:00:00Z", "2026-07-01T09:00:00Z"),
        ("2026-07-01T09:00:00-05:00", "2026-07-01T09:00:00-05:00"),
    ],
)  # fmt: skip
def test_a_time_without_a_zone_is_that_of_the_booking_entity(at: str, read: str):
    assert fields_of(settlement(replace(Payment(), at=at)), zone="Europe/Berlin")["booked_at"] == read


@pytest.mark.parametrize(
    ("day", "read"), [("2026-05-04", "2026-05-04T11:00:00Z"), ("2026-05-03", "2026-05-03T00:00:00+00:00")]
)
def test_a_booking_day_has_the_time_of_its_message_or_its_first_moment(day: str, read: str):
    data = cash("1.00", "T1").replace(b"<DtTm>2026-05-04T11:00:00Z</DtTm>", f"<Dt>{day}</Dt>".encode())
    assert fields_of(data)["booked_at"] == read


@pytest.mark.parametrize(
    ("written", "reason"), [("12.345", Reason.AMOUNT_TOO_PRECISE), ("0", Reason.AMOUNT_NOT_POSITIVE)]
)
def test_amounts_are_exact_or_refused(written: str, reason: Reason):
    assert decoded(settlement(replace(Payment(), amount=written)))[1][0].reason is reason


@pytest.mark.parametrize(("written", "read"), [("+7", "7"), (".5", "0.5"), ("7.", "7"), ("007.50", "007.50")])
def test_decimals_of_xml_schema_are_read(written: str, read: str):
    assert fields_of(settlement(replace(Payment(), amount=written)))["amount"] == read
    assert decoded(settlement(replace(Payment(), amount=written)))[1] == []


def test_equal_end_to_end_ids_do_not_make_one_payment_of_two():
    bare = replace(Payment(), uetr=None, end_to_end_id="NOTPROVIDED")
    found, _, _ = rows(settlement(numbered(bare, 1), numbered(bare, 2)).replace(b"UETR", b"ClrSysRef"))
    assert [fields["transaction_id"] for fields in found] == ["TX-1", "TX-2"]


def test_a_payment_that_nothing_names_is_refused():
    nameless = settlement(replace(Payment(), uetr=None, end_to_end_id="NOTPROVIDED", tx_id="NOTPROVIDED"))
    ids, (refusal,) = decoded(nameless)
    assert (ids, refusal.reason, refusal.detail) == ([], Reason.FIELD_MISSING, "transaction_id: absent")


def test_a_bank_that_instructs_is_told_if_it_is_no_side():
    def instructed(bic: str) -> str | None:
        data = settlement(Payment()).replace(
            b"<Dbtr>", f"<InstgAgt><FinInstnId><BICFI>{bic}</BICFI></FinInstnId></InstgAgt><Dbtr>".encode(), 1
        )
        return fields_of(data).get("instructing_agent")

    assert (instructed("MIDLGB22XXX"), instructed("EXBKUS33XXX")) == ("MIDLGB22XXX", None)


def test_a_country_is_not_taken_from_an_account_that_is_no_iban():
    data = settlement(replace(Payment(), creditor_account="GB29NWBK60161331926818"))
    assert fields_of(data.replace(b"FRGNGB2LXXX", b"COBADEFF"))["creditor_country"] == "DE"
    assert fields_of(settlement(Payment()).replace(b"FRGNGB2LXXX", b"COBADEFF"))["creditor_country"] == "GB"


def test_a_text_with_a_comment_is_whole():
    data = settlement(Payment()).replace(b"John Doe", b"John<!-- --> <![CDATA[Doe]]>")
    assert fields_of(data)["debtor_name"] == "John Doe"


def test_a_group_rejection_that_names_no_payment_is_kept():
    group = [("OrgnlMsgId", "M1"), ("OrgnlMsgNmId", "pacs.008.001.08"), ("GrpSts", "RJCT")]
    head = ("GrpHdr", [("MsgId", "S"), ("CreDtTm", Payment().at)])
    data = built("pacs.002.001.10", ("FIToFIPmtStsRpt", [head, ("OrgnlGrpInfAndSts", group)]))
    ids, (refusal,) = decoded(data)
    assert (ids, refusal.reason) == ([], Reason.FIELD_MISSING)
    assert b"OrgnlGrpInfAndSts" in refusal.original


def test_prefixes_and_wrappers_are_read():
    plain = settlement(Payment())
    body = plain[plain.index(b"<Document") :]
    header = b'<AppHdr xmlns="urn:iso:std:iso:20022:tech:xsd:head.001.001.02"><Fr>A</Fr></AppHdr>'
    wrapped = b"<Envelope>" + header + body + header + body.replace(b"TX-1", b"TX-2") + b"</Envelope>"
    found, faults, _ = rows(wrapped)
    assert (len(found), faults) == (2, ["", ""])
    assert fields_of(messages.prefixed(plain)) == expected_fields(Payment())
