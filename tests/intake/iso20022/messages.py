"""Messages of ISO 20022 for tests, made from a payment whose fields are known: small ones, and random valid ones."""

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from lxml import etree

from monitor.domain.refusal import Refusal
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.iso20022.decoding import MessageDecoder
from monitor.intake.iso20022.meaning import Books
from monitor.intake.iso20022.reading import MessageReader
from monitor.intake.records import DecodedChunk, SourcePosition

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"
ORDERS = ("pain.001.001.03", "pain.001.001.09", "pain.001.001.11")
SETTLEMENTS = ("pacs.008.001.08", "pacs.008.001.10", "pacs.008.001.12")
STATUSES = ("pacs.002.001.10", "pacs.002.001.12")
RETURN, ENTRY = "pacs.004.001.09", "camt.054.001.08"
IBANS = ("DE02120300000000202051", "FR7630006000011234567890189", "GB29NWBK60161331926819")

Tree = tuple[str, Any]


@dataclass(frozen=True)
class Payment:
    """What the messages of one payment tell."""

    uetr: str | None = "8a562c67-ca16-48ba-b074-65581be6f001"
    end_to_end_id: str = "E2E-1"
    tx_id: str = "TX-1"
    amount: str = "9800.00"
    currency: str = "USD"
    at: str = "2026-05-04T10:30:15+00:00"
    debtor: str = "John Doe"
    creditor: str = "Foreign Trading Ltd"
    debtor_account: str = "000123456789"
    creditor_account: str = IBANS[2]
    debtor_agent: str = "EXBKUS33XXX"
    creditor_agent: str = "FRGNGB2LXXX"
    street: str = "Example St"
    town: str = "Springfield"
    country: str = "US"
    customer: str | None = None
    purpose: str | None = "GDDS"
    remittance: str | None = "INV 2026-77"


_texts = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"], exclude_characters="￾￿"), min_size=1, max_size=30
)
_names = st.builds(lambda first, second: f"{first} {second}", _texts, _texts)
_ids = st.text("ABCdef0123456789-+/.", min_size=1, max_size=35).filter(lambda text: text != "NOTPROVIDED")
_uetrs = st.uuids(version=4).map(str)
payments = st.builds(
    Payment,
    uetr=_uetrs,
    end_to_end_id=_ids,
    tx_id=_ids,
    amount=st.builds("{}.{:02}".format, st.integers(1, 10**9), st.integers(0, 99)),
    currency=st.sampled_from(["EUR", "USD", "CHF", "CNY"]),
    at=st.builds(
        "2026-{:02}-{:02}T{:02}:{:02}:{:02}{}".format, st.integers(1, 12), st.integers(1, 28), st.integers(0, 23),
        st.integers(0, 59), st.integers(0, 59), st.sampled_from(["Z", "+02:00", "-11:30"]),
    ),
    debtor=_names,
    creditor=_names,
    debtor_account=st.text("0123456789ABC", min_size=1, max_size=34),
    creditor_account=st.sampled_from(IBANS),
    debtor_agent=st.sampled_from(["EXBKUS33XXX", "EXBKUS33"]),
    creditor_agent=st.sampled_from(["FRGNGB2LXXX", "COBADEFF"]),
    street=_texts,
    town=_texts,
    country=st.sampled_from(["US", "DE", "NO"]),
    customer=st.none() | _ids,
    purpose=st.none() | st.sampled_from(["GDDS", "SALA"]),
    remittance=st.none() | _names,
)  # fmt: skip


def built(name: str, *content: Tree) -> bytes:
    """A message as bytes."""
    document = etree.Element(f"{{{NAMESPACE}{name}}}Document", nsmap={None: NAMESPACE + name})
    for each in content:
        _add(document, each)
    return etree.tostring(document, xml_declaration=True, encoding="UTF-8")


def _add(parent: etree._Element, tree: Tree) -> None:
    name, content = tree
    if content is None or content == []:
        return
    tag, _, currency = name.partition("@")
    child = etree.SubElement(parent, f"{{{etree.QName(parent).namespace}}}{tag}")
    if currency:
        child.set("Ccy", currency)
    if isinstance(content, str):
        child.text = content
        return
    for each in content:
        _add(child, each)


def _party(name: str, payment: Payment | None = None) -> list[Tree]:
    if payment is None:
        return [("Nm", name)]
    number = [("Othr", [("Id", payment.customer), ("SchmeNm", [("Cd", "CUST")])])] if payment.customer else []
    return [
        ("Nm", name),
        ("PstlAdr", [("StrtNm", payment.street), ("TwnNm", payment.town), ("Ctry", payment.country)]),
        ("Id", [("PrvtId", number)] if number else []),
    ]


def _account(number: str) -> list[Tree]:
    return [("Id", [("IBAN", number)] if number in IBANS else [("Othr", [("Id", number)])])]


def _agent(bic: str, word: str = "BICFI") -> list[Tree]:
    return [("FinInstnId", [(word, bic)])]


def _head(payment: Payment, message_id: str, *more: Tree) -> Tree:
    return ("GrpHdr", [("MsgId", message_id), ("CreDtTm", payment.at), *more])


def order(payment: Payment, name: str = "pain.001.001.09") -> bytes:
    """A pain.001."""
    is_old = name == ORDERS[0]
    word = "BIC" if is_old else "BICFI"
    day = payment.at[:10]
    ids: list[Tree] = [("InstrId", payment.tx_id), ("EndToEndId", payment.end_to_end_id)]
    return built(name, ("CstmrCdtTrfInitn", [
        _head(payment, "ORDER-1", ("NbOfTxs", "1"), ("InitgPty", [("Nm", "A")])),
        ("PmtInf", [
            ("PmtInfId", "B1"), ("PmtMtd", "TRF"), ("ReqdExctnDt", day if is_old else [("Dt", day)]),
            ("Dbtr", _party(payment.debtor, payment)), ("DbtrAcct", _account(payment.debtor_account)),
            ("DbtrAgt", _agent(payment.debtor_agent, word)),
            ("CdtTrfTxInf", [
                ("PmtId", ids if is_old else [*ids, ("UETR", payment.uetr)]),
                ("Amt", [(f"InstdAmt@{payment.currency}", payment.amount)]),
                ("CdtrAgt", _agent(payment.creditor_agent, word)), ("Cdtr", _party(payment.creditor)),
                ("CdtrAcct", _account(payment.creditor_account)),
                ("Purp", [("Cd", payment.purpose)] if payment.purpose else []),
                ("RmtInf", [("Ustrd", payment.remittance)] if payment.remittance else []),
            ]),
        ]),
    ]))  # fmt: skip


def settlement(*payments: Payment, name: str = "pacs.008.001.08") -> bytes:
    """A pacs.008."""
    count: Tree = ("NbOfTxs", str(len(payments)))
    return built(name, ("FIToFICstmrCdtTrf", [
        _head(payments[0], "SETTLE-1", count, ("SttlmInf", [("SttlmMtd", "INDA")])),
        *(("CdtTrfTxInf", [
            ("PmtId", [("EndToEndId", each.end_to_end_id), ("TxId", each.tx_id), ("UETR", each.uetr)]),
            (f"IntrBkSttlmAmt@{each.currency}", each.amount), ("AccptncDtTm", each.at), ("ChrgBr", "SHAR"),
            ("Dbtr", _party(each.debtor, each)), ("DbtrAcct", _account(each.debtor_account)),
            ("DbtrAgt", _agent(each.debtor_agent)), ("CdtrAgt", _agent(each.creditor_agent)),
            ("Cdtr", _party(each.creditor)), ("CdtrAcct", _account(each.creditor_account)),
            ("Purp", [("Cd", each.purpose)] if each.purpose else []),
            ("RmtInf", [("Ustrd", each.remittance)] if each.remittance else []),
        ]) for each in payments),
    ]))  # fmt: skip


def _original(payment: Payment) -> Tree:
    return ("OrgnlTxRef", [
        (f"IntrBkSttlmAmt@{payment.currency}", payment.amount),
        ("Dbtr", [("Pty", _party(payment.debtor, payment))]), ("DbtrAcct", _account(payment.debtor_account)),
        ("DbtrAgt", _agent(payment.debtor_agent)), ("CdtrAgt", _agent(payment.creditor_agent)),
        ("Cdtr", [("Pty", _party(payment.creditor))]), ("CdtrAcct", _account(payment.creditor_account)),
    ])  # fmt: skip


def _original_ids(payment: Payment) -> list[Tree]:
    return [("OrgnlEndToEndId", payment.end_to_end_id), ("OrgnlTxId", payment.tx_id), ("OrgnlUETR", payment.uetr)]


def status(payment: Payment, word: str = "RJCT", name: str = "pacs.002.001.10", *, is_bare: bool = False) -> bytes:
    """A pacs.002; a bare one does not repeat the original."""
    return built(name, ("FIToFIPmtStsRpt", [
        _head(payment, "STATUS-1"),
        ("TxInfAndSts", [*_original_ids(payment), ("TxSts", word), ("StsRsnInf", [("Rsn", [("Cd", "AC04")])]),
                         *([] if is_bare else [_original(payment)])]),
    ]))  # fmt: skip


def returned(payment: Payment, *, is_bare: bool = False) -> bytes:
    """A pacs.004; a bare one does not repeat the original."""
    return built(RETURN, ("PmtRtr", [
        _head(payment, "RETURN-1", ("NbOfTxs", "1"), ("SttlmInf", [("SttlmMtd", "INDA")])),
        ("TxInf", [("RtrId", "R1"), *_original_ids(payment), (f"RtrdIntrBkSttlmAmt@{payment.currency}", payment.amount),
                   ("RtrRsnInf", [("Rsn", [("Cd", "AC04")])]), *([] if is_bare else [_original(payment)])]),
    ]))  # fmt: skip


def entry(payment: Payment, direction: str = "DBIT", code: tuple[str, str] = ("ICDT", "XBCT"), word: str = "BOOK",
          *more: Tree, reversal: bool = False) -> bytes:  # fmt: skip
    """A camt.054 with one entry, on the account of the side that ``direction`` names."""
    own = payment.debtor_account if (direction == "DBIT") != reversal else payment.creditor_account
    parties: list[Tree] = [
        ("Dbtr", [("Pty", _party(payment.debtor, payment))]), ("DbtrAcct", _account(payment.debtor_account)),
        ("Cdtr", [("Pty", _party(payment.creditor))]), ("CdtrAcct", _account(payment.creditor_account)),
    ]  # fmt: skip
    refs: list[Tree] = [("AcctSvcrRef", "S1"), ("EndToEndId", payment.end_to_end_id), ("UETR", payment.uetr),
                        ("TxId", payment.tx_id)]  # fmt: skip
    family: list[Tree] = [("Cd", code[0]), ("SubFmlyCd", code[1])]
    agents: list[Tree] = [("DbtrAgt", _agent(payment.debtor_agent)), ("CdtrAgt", _agent(payment.creditor_agent))]
    return built(ENTRY, ("BkToCstmrDbtCdtNtfctn", [
        _head(payment, "NOTE-1"),
        ("Ntfctn", [
            ("Id", "N1"), ("CreDtTm", payment.at), ("Acct", _account(own)),
            ("Ntry", [
                (f"Amt@{payment.currency}", payment.amount), ("CdtDbtInd", direction),
                ("RvslInd", "true" if reversal else "false"), ("Sts", [("Cd", word)]),
                ("BookgDt", [("DtTm", payment.at)]),
                ("BkTxCd", [("Domn", [("Cd", "PMNT"), ("Fmly", family)])]),
                ("NtryDtls", [("TxDtls", [
                    ("Refs", refs), (f"Amt@{payment.currency}", payment.amount), ("CdtDbtInd", direction),
                    ("RltdPties", parties), ("RltdAgts", agents),
                    ("Purp", [("Cd", payment.purpose)] if payment.purpose else []),
                    ("RmtInf", [("Ustrd", payment.remittance)] if payment.remittance else []), *more,
                ])]),
            ]),
        ]),
    ]))  # fmt: skip


def cash(amount: str, reference: str, at: str = "2026-05-04T11:00:00Z", notes: int = 475) -> bytes:
    """A camt.054 of a cash deposit with its notes."""
    return built(ENTRY, ("BkToCstmrDbtCdtNtfctn", [
        ("GrpHdr", [("MsgId", "M"), ("CreDtTm", at)]),
        ("Ntfctn", [
            ("Id", "N"), ("Acct", _account("000123456789")),
            ("Ntry", [
                ("Amt@USD", amount), ("CdtDbtInd", "CRDT"), ("Sts", [("Cd", "BOOK")]), ("BookgDt", [("DtTm", at)]),
                ("BkTxCd", [("Domn", [("Cd", "PMNT"), ("Fmly", [("Cd", "CNTR"), ("SubFmlyCd", "CDPT")])])]),
                ("NtryDtls", [("TxDtls", [
                    ("Refs", [("AcctSvcrRef", reference)]),
                    ("CshDpst", [("NoteDnmtn@USD", "20"), ("NbOfNotes", str(notes)), ("Amt@USD", amount)]),
                ])]),
            ]),
        ]),
    ]))  # fmt: skip


def expected_fields(payment: Payment) -> dict[str, str]:
    """The fields that every message tells which names both sides in full."""
    found = {
        "transaction_id": payment.uetr or f"{payment.tx_id}/{payment.end_to_end_id}", "booked_at": payment.at,
        "amount": payment.amount, "currency": payment.currency, "channel": "wire",
        "debtor_name": payment.debtor, "creditor_name": payment.creditor,
        "debtor_account": payment.debtor_account, "creditor_account": payment.creditor_account,
        "debtor_agent": payment.debtor_agent, "creditor_agent": payment.creditor_agent,
        "debtor_address": f"{payment.street}, {payment.town}, {payment.country}",
        "debtor_country": payment.country, "creditor_country": payment.creditor_account[:2],
    }  # fmt: skip
    if payment.customer:
        found |= {"debtor_customer": payment.customer, "debtor_kind": "person"}
    if payment.purpose:
        found["purpose"] = payment.purpose
    if payment.remittance:
        found["remittance"] = payment.remittance
    return found


def rows(data: bytes, *, cut: int = 1 << 20, zone: str = "UTC", books: Books = "settlement", start: int = 0
         ) -> tuple[list[dict[str, str]], list[str], list[bytes]]:  # fmt: skip
    """The fields of each row, its fault or ``""``, and its original, of a file that comes in pieces of ``cut``."""
    pieces = [data[at : at + cut] for at in range(0, len(data), cut)]
    fields, faults, originals = [], list[str](), list[bytes]()
    for chunk in MessageReader(pieces, "in.xml", zone=zone, books=books).chunks(SourcePosition(0, start)):
        assert chunk.table is not None
        assert chunk.originals is not None
        fields += [{name: text for name, text in row.items() if text} for row in chunk.table.to_pylist()]
        faults += [chunk.faults.get(row, "") for row in range(len(chunk.table))]
        originals += chunk.originals.to_pylist()
    return fields, faults, originals


def decoded(data: bytes, **reading: Any) -> tuple[list[str], list[Refusal]]:
    """The ids of the accepted payments and the refusals of a file."""
    decoder = MessageDecoder(IdentifierTable(b"k" * 32), entities=None, default_entity=None)
    found: list[DecodedChunk] = []
    position = 0
    reading = {"zone": "UTC"} | reading
    for chunk in MessageReader([data], "in.xml", **reading).chunks(SourcePosition(0, 0)):
        found.append(decoder.decode(chunk, first_position=position))
        position += found[-1].records
    ids = [text for each in found for text in each.texts.transaction_id.to_pylist()]
    refusals = [refusal for each in found for refusal in each.refusals]
    assert len(ids) + len(refusals) == position
    return ids, refusals


def numbered(payment: Payment, number: int) -> Payment:
    """Another payment like it."""
    return replace(payment, uetr=f"00000000-0000-4000-8000-{number:012}", tx_id=f"TX-{number}")


def prefixed(data: bytes) -> bytes:
    """The same message with a prefix at each element."""
    tree = etree.fromstring(data)
    namespace = etree.QName(tree).namespace
    document = etree.Element(tree.tag, nsmap={"p": namespace})
    document.extend(list(tree))
    text = etree.tostring(document)
    return text.replace(f' xmlns="{namespace}"'.encode(), b"")
