"""Path tables: for each message and version, which element gives which field.

A path is relative to the payment's element (``CdtTrfTxInf``, ``TxInfAndSts``, ``TxInf``, ``TxDtls``). Elements of the
message's head begin with their own name (``GrpHdr/CreDtTm``), those of a block around the payment with the block's
(``PmtInf/Dbtr/Nm``, ``Ntry/Amt``). ``@Ccy`` is an attribute. ``Dbtr/PstlAdr/*`` is all texts below, in order.
``Othr[CUST]`` is an identification whose scheme has the code CUST: the customer's number. Of several paths the first
that is there counts; for the fields of ``JOINED`` all of them do.

Names that are no fields of a transaction are facts, from which :mod:`monitor.intake.iso20022.meaning` decides.

Source: the schemas of ISO 20022 for the versions below.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from monitor.domain.vocabulary import CHANNELS, INSTRUMENTS

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"
Kind = Literal["order", "settlement", "status", "return", "entry"]
Paths = Mapping[str, tuple[str, ...]]

JOINED = frozenset({"remittance"})


@dataclass(frozen=True, slots=True)
class Message:
    """One message in one version."""

    name: str
    kind: Kind
    levels: tuple[str, ...]
    """The elements from the outermost to the payment's own."""
    around: Mapping[str, frozenset[str]]
    """Which elements may stand in a level besides the next one."""
    paths: Paths

    @property
    def namespace(self) -> str:
        """The namespace that names the message and its version."""
        return NAMESPACE + self.name


@dataclass(frozen=True, slots=True)
class _Words:
    """How versions name the same element."""

    bic: str = "BICFI"


def _party(field: str, *at: str) -> dict[str, tuple[str, ...]]:
    """A party as it stands at one of several places, under a choice of party and bank or directly."""
    places = [inner for place in at for inner in (place, f"{place}/Pty")]
    return {
        f"{field}_name": (*(f"{place}/Nm" for place in places), *(f"{place}/Agt/FinInstnId/Nm" for place in at)),
        f"{field}_address": tuple(f"{place}/PstlAdr/*" for place in places),
        f"{field}_country": (
            *(f"{place}/PstlAdr/Ctry" for place in places),
            *(f"{place}/CtryOfRes" for place in places),
        ),
        f"{field}_identification": tuple(f"{place}/Id/*" for place in places),
        f"{field}_customer": tuple(
            f"{place}/Id/{kind}/Othr[CUST]/Id" for place in places for kind in ("PrvtId", "OrgId")
        ),
        f"{field}_person": tuple(f"{place}/Id/PrvtId/{leaf}" for place in places for leaf in ("*", "Othr[CUST]/Id")),
        f"{field}_organisation": tuple(
            f"{place}/Id/OrgId/{leaf}" for place in places for leaf in ("*", "Othr[CUST]/Id")
        ),
        f"{field}_bank": tuple(f"{place}/Agt/*" for place in at),
    }


def _account(*at: str) -> tuple[str, ...]:
    return tuple(f"{place}/{leaf}" for place in at for leaf in ("Id/IBAN", "Id/Othr/Id", "Prxy/Id"))


def _agent(words: _Words, *at: str) -> tuple[str, ...]:
    leaves = (words.bic, "ClrSysMmbId/MmbId", "LEI", "Othr/Id")
    return tuple(f"{place}/FinInstnId/{leaf}" for place in at for leaf in leaves)


def _sides(words: _Words, *before: str) -> dict[str, tuple[str, ...]]:
    """Both sides, where ``before`` stands in front of ``Dbtr`` and ``Cdtr``."""
    found: dict[str, tuple[str, ...]] = {}
    for field, name in (("debtor", "Dbtr"), ("creditor", "Cdtr")):
        found |= _party(field, *(f"{each}{name}" for each in before))
        found[f"{field}_account"] = _account(*(f"{each}{name}Acct" for each in before))
        found[f"{field}_agent"] = _agent(words, *(f"{each}{name}Agt" for each in before))
    return found


def _kind_of_payment(*before: str) -> dict[str, tuple[str, ...]]:
    """What the payment is for and how it goes."""
    types = [f"{each}PmtTpInf" for each in before]
    return {
        "purpose": (*(f"{each}Purp/Cd" for each in before), *(f"{each}/CtgyPurp/Cd" for each in types)),
        "remittance": tuple(
            f"{each}RmtInf/{leaf}"
            for each in before
            for leaf in ("Ustrd", "Strd/RfrdDocInf/Nb", "Strd/CdtrRefInf/Ref", "Strd/AddtlRmtInf")
        ),
        "local_instrument": tuple(f"{each}/LclInstrm/{leaf}" for each in types for leaf in ("Cd", "Prtry")),
        "service_level": tuple(f"{each}/SvcLvl/Cd" for each in types),
    }


def _amount(*at: str) -> dict[str, tuple[str, ...]]:
    return {"amount": at, "currency": tuple(f"{place}@Ccy" for place in at)}


_IDS = {"uetr": ("PmtId/UETR",), "tx_id": ("PmtId/TxId",), "instruction_id": ("PmtId/InstrId",),
        "end_to_end_id": ("PmtId/EndToEndId",)}  # fmt: skip
_ORIGINAL_IDS = {"uetr": ("OrgnlUETR",), "tx_id": ("OrgnlTxId",), "instruction_id": ("OrgnlInstrId",),
                 "end_to_end_id": ("OrgnlEndToEndId",)}  # fmt: skip
_GROUP = {"message_id": ("GrpHdr/MsgId",), "message_at": ("GrpHdr/CreDtTm",)}
_ORIGINAL_GROUP = {"message_id": tuple(f"{group}/OrgnlMsgId" for group in ("OrgnlGrpInf", "OrgnlGrpInfAndSts"))}
_TAIL = frozenset({"SplmtryData"})
_NOTHING: frozenset[str] = frozenset()


def _order(version: str, words: _Words) -> Message:
    return Message(
        f"pain.001.001.{version}",
        "order",
        ("Document", "CstmrCdtTrfInitn", "PmtInf", "CdtTrfTxInf"),
        {
            "Document": _NOTHING,
            "CstmrCdtTrfInitn": frozenset({"GrpHdr"}) | _TAIL,
            "PmtInf": frozenset(
                "PmtInfId PmtMtd ReqdAdvcTp BtchBookg NbOfTxs CtrlSum PmtTpInf ReqdExctnDt PoolgAdjstmntDt Dbtr "
                "DbtrAcct DbtrAgt DbtrAgtAcct InstrForDbtrAgt UltmtDbtr ChrgBr ChrgsAcct ChrgsAcctAgt".split()
            ),
        },
        MappingProxyType(
            _sides(words, "", "PmtInf/")
            | _kind_of_payment("", "PmtInf/")
            | _amount("Amt/InstdAmt", "Amt/EqvtAmt/Amt")
            | _IDS
            | _GROUP
            | {
                "block_id": ("PmtInf/PmtInfId",),
                "method": ("PmtInf/PmtMtd",),
                "cheque_type": ("ChqInstr/ChqTp",),
            }
        ),
    )


def _settlement(version: str) -> Message:
    words = _Words()
    return Message(
        f"pacs.008.001.{version}",
        "settlement",
        ("Document", "FIToFICstmrCdtTrf", "CdtTrfTxInf"),
        {"Document": _NOTHING, "FIToFICstmrCdtTrf": frozenset({"GrpHdr"}) | _TAIL},
        MappingProxyType(
            _sides(words, "")
            | _kind_of_payment("", "GrpHdr/")
            | _amount("IntrBkSttlmAmt")
            | _IDS
            | _GROUP
            | {
                "booked_at": (
                    "SttlmTmIndctn/DbtDtTm",
                    "SttlmTmIndctn/CdtDtTm",
                    "AccptncDtTm",
                    "GrpHdr/CreDtTm",
                ),
                "instructing_agent": _agent(words, "InstgAgt", "GrpHdr/InstgAgt"),
                "on_behalf_of": ("UltmtDbtr/Id/PrvtId/Othr[CUST]/Id", "UltmtDbtr/Id/OrgId/Othr[CUST]/Id"),
            }
        ),
    )


def _status(version: str) -> Message:
    words = _Words()
    return Message(
        f"pacs.002.001.{version}",
        "status",
        ("Document", "FIToFIPmtStsRpt", "TxInfAndSts"),
        {"Document": _NOTHING, "FIToFIPmtStsRpt": frozenset({"GrpHdr", "OrgnlGrpInfAndSts"}) | _TAIL},
        MappingProxyType(
            _sides(words, "OrgnlTxRef/")
            | _kind_of_payment("OrgnlTxRef/")
            | _amount("OrgnlTxRef/IntrBkSttlmAmt", "OrgnlTxRef/Amt/InstdAmt")
            | _ORIGINAL_IDS
            | _ORIGINAL_GROUP
            | {
                "booked_at": ("GrpHdr/CreDtTm",),
                "word": ("TxSts", "OrgnlGrpInfAndSts/GrpSts"),
                "reason": ("StsRsnInf/Rsn/Cd", "StsRsnInf/Rsn/Prtry"),
            }
        ),
    )


def _return(version: str) -> Message:
    words = _Words()
    return Message(
        f"pacs.004.001.{version}",
        "return",
        ("Document", "PmtRtr", "TxInf"),
        {"Document": _NOTHING, "PmtRtr": frozenset({"GrpHdr", "OrgnlGrpInf"}) | _TAIL},
        MappingProxyType(
            _sides(words, "OrgnlTxRef/")
            | _kind_of_payment("OrgnlTxRef/")
            | _amount("RtrdIntrBkSttlmAmt")
            | _ORIGINAL_IDS
            | _ORIGINAL_GROUP
            | {
                "booked_at": ("SttlmTmIndctn/DbtDtTm", "SttlmTmIndctn/CdtDtTm", "GrpHdr/CreDtTm"),
                "reason": ("RtrRsnInf/Rsn/Cd", "RtrRsnInf/Rsn/Prtry"),
                "return_id": ("RtrId",),
            }
        ),
    )


def _entry(version: str) -> Message:
    words = _Words()
    refs = "Refs/"
    return Message(
        f"camt.054.001.{version}",
        "entry",
        ("Document", "BkToCstmrDbtCdtNtfctn", "Ntfctn", "Ntry", "NtryDtls", "TxDtls"),
        {
            "Document": _NOTHING,
            "BkToCstmrDbtCdtNtfctn": frozenset({"GrpHdr"}) | _TAIL,
            "Ntfctn": frozenset(
                "Id NtfctnPgntn ElctrncSeqNb RptgSeq LglSeqNb CreDtTm FrToDt CpyDplctInd RptgSrc Acct RltdAcct Intrst "
                "TxsSummry AddtlNtfctnInf".split()
            ),
            "Ntry": frozenset(
                "NtryRef Amt CdtDbtInd RvslInd Sts BookgDt ValDt AcctSvcrRef Avlbty BkTxCd ComssnWvrInd AddtlInfInd "
                "AmtDtls Chrgs TechInptChanl Intrst CardTx AddtlNtryInf".split()
            ),
            "NtryDtls": frozenset({"Btch"}),
        },
        MappingProxyType(
            _sides(words, "RltdPties/")
            | {
                "debtor_agent": _agent(words, "RltdAgts/DbtrAgt"),
                "creditor_agent": _agent(words, "RltdAgts/CdtrAgt"),
            }
            | _kind_of_payment("")
            | _amount("Amt", "AmtDtls/TxAmt/Amt")
            | {f"own_{name}": path for name, path in _party("", "Ntfctn/Acct/Ownr").items()}
            | {
                "own_account": _account("Ntfctn/Acct"),
                "own_agent": _agent(words, "Ntfctn/Acct/Svcr"),
                "entry_amount": ("Ntry/Amt",),
                "entry_currency": ("Ntry/Amt@Ccy",),
                "uetr": (refs + "UETR",),
                "tx_id": (refs + "TxId",),
                "instruction_id": (refs + "InstrId",),
                "end_to_end_id": (refs + "EndToEndId",),
                "message_id": (refs + "MsgId",),
                "servicer_ref": (refs + "AcctSvcrRef", refs + "AcctSvcrTxId"),
                "entry_servicer_ref": ("Ntry/AcctSvcrRef",),
                "entry_ref": ("Ntry/NtryRef",),
                "block_id": ("Ntfctn/Id",),
                "booked_at": ("Ntry/BookgDt/DtTm", "RltdDts/TxDtTm", "RltdDts/AccptncDtTm"),
                "booking_day": ("Ntry/BookgDt/Dt",),
                "message_at": ("Ntfctn/CreDtTm", "GrpHdr/CreDtTm"),
                "direction": ("CdtDbtInd", "Ntry/CdtDbtInd"),
                "is_reversal": ("Ntry/RvslInd",),
                "word": ("Ntry/Sts/Cd", "Ntry/Sts/Prtry"),
                "domain": ("BkTxCd/Domn/Cd", "Ntry/BkTxCd/Domn/Cd"),
                "family": ("BkTxCd/Domn/Fmly/Cd", "Ntry/BkTxCd/Domn/Fmly/Cd"),
                "subfamily": ("BkTxCd/Domn/Fmly/SubFmlyCd", "Ntry/BkTxCd/Domn/Fmly/SubFmlyCd"),
                "returned": ("RtrInf/*",),
                "reason": ("RtrInf/Rsn/Cd", "RtrInf/Rsn/Prtry"),
                "note_value": ("CshDpst/NoteDnmtn",),
                "note_currency": ("CshDpst/NoteDnmtn@Ccy",),
                "note_count": ("CshDpst/NbOfNotes",),
                "local_instrument": ("LclInstrm/Cd", "LclInstrm/Prtry"),
            }
        ),
    )


MESSAGES: Mapping[str, Message] = MappingProxyType(
    {
        message.namespace: message
        for message in (
            _order("03", _Words(bic="BIC")),
            _order("09", _Words()),
            _order("11", _Words()),
            _settlement("08"),
            _settlement("10"),
            _settlement("12"),
            _status("10"),
            _status("12"),
            _return("09"),
            _entry("08"),
        )
    }
)
"""The messages that are read, by namespace."""

KNOWN = ", ".join(message.name for message in MESSAGES.values())

CHANNEL_OF_FAMILY: Mapping[tuple[str, str], str] = {
    ("CNTR", "CDPT"): "cash", ("CNTR", "CWDL"): "cash", ("CNTR", "BCDP"): "cash", ("CNTR", "BCWD"): "cash",
    ("CNTR", "FCDP"): "cash", ("CNTR", "FCWD"): "cash", ("CNTR", "CHKD"): "cheque", ("CNTR", "TCDP"): "cheque",
    ("CNTR", "TCWD"): "cheque",
    ("CCRD", "CWDL"): "atm", ("CCRD", "CDPT"): "atm", ("MCRD", "CWDL"): "atm", ("MCRD", "CDPT"): "atm",
    ("CCRD", "XBCW"): "atm", ("CCRD", ""): "card", ("MCRD", ""): "card",
    ("RCDT", "BOOK"): "internal", ("ICDT", "BOOK"): "internal", ("RCDT", "ESCT"): "transfer",
    ("ICDT", "ESCT"): "transfer", ("RCDT", ""): "wire", ("ICDT", ""): "wire",
    ("RRCT", ""): "instant", ("IRCT", ""): "instant",
    ("RDDT", ""): "direct_debit", ("IDDT", ""): "direct_debit", ("RCHQ", ""): "cheque", ("ICHQ", ""): "cheque",
}  # fmt: skip
"""The channel of a bank transaction code of the domain PMNT, by family and subfamily; ``""`` is any other."""

CREDIT_TRANSFERS = frozenset({"RCDT", "ICDT", "RRCT", "IRCT"})
"""Families of payments that a pacs.008 settles, unless the subfamily is BOOK: both accounts are with one bank."""

CHEQUES = {"BCHQ": "cashiers_cheque", "DRFT": "bank_draft"}
assert {*CHANNEL_OF_FAMILY.values()} <= {*CHANNELS}
assert {*CHEQUES.values()} <= {*INSTRUMENTS}
