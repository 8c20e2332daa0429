"""What a message says about a payment: its id, its status, its sides, and whether it is judged or kept as evidence.

One payment comes as several messages and is judged once, because only one kind of message books it (``Books``):

- ``settlement`` (the default): a pacs.008 books. An entry of camt.054 books what no pacs.008 settles, such as cash,
  cards, direct debits and transfers within the bank; of a credit transfer it is evidence.
- ``entry``: every booked entry of camt.054 books; pacs.008 and pacs.004 are evidence.

An order (pain.001) is always evidence, and so is a status that moves nothing. A rejection (pacs.002) and a return
(pacs.004) name the payment that they take back. ``docs/adr/0030-iso20022.md`` says why.

The id of a payment is its UETR; without one, the id of the transaction or else of the instruction or of the message,
and the end-to-end id, as every later message repeats them.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from monitor.domain.countries import COUNTRY_CODE
from monitor.intake.iso20022.tables import CHANNEL_OF_FAMILY, CHEQUES, CREDIT_TRANSFERS, Message
from monitor.intake.record_fields import FIELDS

Books = Literal["settlement", "entry"]
Facts = dict[str, str]

_NOT_PROVIDED = "NOTPROVIDED"
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", re.ASCII)
_BIC = re.compile(r"[A-Z0-9]{4}([A-Z]{2})[A-Z0-9]{2}(?:[A-Z0-9]{3})?", re.ASCII)
_DECIMAL = re.compile(r"\+?([0-9]*)(?:\.([0-9]*))?", re.ASCII)
_ZONE = re.compile(r"(?:Z|[+-][0-9]{2}:[0-9]{2})$")
_TAKEN_BACK = {"RJCT": "rejected", "CANC": "reversed"}
_OWN = ("account", "agent", "name", "address", "country", "identification", "customer", "person", "organisation")


def transaction_of(
    message: Message, facts: Facts, notes: str, *, is_only: bool, zone: ZoneInfo, books: Books
) -> tuple[Facts, str]:
    """The fields of the transaction that a message tells of.

    Args:
        message: Which message and version.
        facts: Texts by the names of the message's path table.
        notes: The notes of a cash deposit in words; empty where there are none.
        is_only: Whether the payment is the only one of its entry.
        zone: Of times that name none.
        books: Which message books a credit transfer.

    Returns:
        The fields as texts, unchecked: the decoder checks them. And why the message is evidence only, or ``""``.
    """
    found = dict(facts)
    evidence = _READ[message.kind](found, is_only, books)
    found["channel"] = _channel(found, message.kind)
    if notes:
        found["channel"] = "cash"
        found["remittance"] = " ".join(filter(None, [found.get("remittance"), notes]))
    for side in ("debtor", "creditor"):
        _complete_side(found, side)
    if found.get("instructing_agent") in (found.get("debtor_agent"), found.get("creditor_agent")):
        found.pop("instructing_agent", None)
    if "amount" in found:
        found["amount"] = _plain_decimal(found["amount"])
    if "booked_at" in found:
        found["booked_at"] = _with_zone(found["booked_at"], zone)
    return {name: found[name] for name in FIELDS if found.get(name)}, evidence


def notes_in_words(values: list[str], currencies: list[str], counts: list[str]) -> str:
    """The notes of a cash deposit.

    >>> notes_in_words(["20", "50"], ["USD", "USD"], ["475", "2"])
    'Cash: 475 x 20 USD, 2 x 50 USD'
    """
    if not len(values) == len(currencies) == len(counts) or not values:
        return ""
    rows = zip(values, currencies, counts, strict=True)
    return "Cash: " + ", ".join(f"{count} x {value} {currency}" for value, currency, count in rows)


# By kind of message ------------------------------------------------------------------------------------


def _order(found: Facts, is_only: bool, books: Books) -> str:
    payment = _payment_id(found)
    found["transaction_id"] = f"order/{payment}" if payment else ""
    found["booked_at"] = found.get("message_at", "")
    found["status"] = "attempted"
    found["instrument"] = CHEQUES.get(found.get("cheque_type", ""), "")
    return "an order; the payment is judged when it is booked"


def _settlement(found: Facts, is_only: bool, books: Books) -> str:
    found["transaction_id"] = _payment_id(found)
    return "" if books == "settlement" else "a settlement; the payment is judged when its entry is booked"


def _status(found: Facts, is_only: bool, books: Books) -> str:
    payment, word = _payment_id(found), found.get("word", "")
    found["transaction_id"] = f"{payment}/{word}" if payment and word else ""
    found["status"] = _TAKEN_BACK.get(word, "")
    if not found["status"]:
        return f"the status {word[:20]!r}, which moves no money" if word else "a report without a status"
    found["reverses"] = payment
    return ""


def _return(found: Facts, is_only: bool, books: Books) -> str:
    payment = _payment_id(found)
    found["transaction_id"] = "/".join(filter(None, [payment, "return", found.get("return_id")])) if payment else ""
    found["status"], found["reverses"] = "returned", payment
    return "" if books == "settlement" else "a return; it is taken back when its entry is booked"


def _entry(found: Facts, is_only: bool, books: Books) -> str:
    is_reversal = found.get("is_reversal") in ("true", "1")
    direction = found.get("direction")
    if direction in ("CRDT", "DBIT"):
        # The indicator of a reversal is its own, its parties are those of the entry that it takes back.
        side = "creditor" if (direction == "CRDT") != is_reversal else "debtor"
        for name in _OWN:
            own = found.get(f"own_{name}")
            if own and (name == "account" or not found.get(f"{side}_{name}")):
                found[f"{side}_{name}"] = own
    else:
        # Without a direction it is not known who pays: no side is the bank's own, and the decoder refuses it.
        for side in ("debtor", "creditor"):
            found.pop(f"{side}_account", None)
            found.pop(f"{side}_customer", None)
    if "amount" not in found and is_only and "entry_amount" in found:
        found["amount"], found["currency"] = found["entry_amount"], found.get("entry_currency", "")
    payment, reference = _payment_id(found), _entry_reference(found, is_only)
    if is_reversal or found.get("returned"):
        found["status"] = "reversed" if is_reversal else "returned"
        found["reverses"] = payment or reference
        own_reference = reference if payment else ""
        parts = [payment or reference, "reversal" if is_reversal else "return", own_reference]
        found["transaction_id"] = "/".join(filter(None, parts)) if payment or reference else ""
    else:
        found["transaction_id"] = payment or reference
    found["booked_at"] = found.get("booked_at") or _of_day(found.get("booking_day"), found.get("message_at"))
    word = found.get("word")
    if word != "BOOK":
        return f"an entry with the status {word!r}, which is not booked" if word else "an entry without a status"
    is_transfer = found.get("family") in CREDIT_TRANSFERS or bool(found.get("uetr"))
    if books == "settlement" and is_transfer and found.get("subfamily") != "BOOK":
        return "an entry of a credit transfer; the payment is judged when pacs.008 settles it"
    return ""


_READ = {"order": _order, "settlement": _settlement, "status": _status, "return": _return, "entry": _entry}


# Values ------------------------------------------------------------------------------------------------


def _payment_id(found: Mapping[str, str]) -> str:
    if uetr := found.get("uetr"):
        return uetr.lower()
    names = [found.get(name, "") for name in ("tx_id", "instruction_id", "message_id", "end_to_end_id")]
    *carriers, end_to_end = ("" if name == _NOT_PROVIDED else name for name in names)
    carrier = next(filter(None, carriers), "")
    if not carrier:
        return ""
    is_by_message = carrier == carriers[2] and not (carriers[0] or carriers[1])
    if is_by_message and not end_to_end:
        return ""
    return "/".join(filter(None, [carrier, end_to_end]))


def _entry_reference(found: Mapping[str, str], is_only: bool) -> str:
    """What the bank that keeps the account calls the entry; unique within the account."""
    reference = found.get("servicer_ref") or (found.get("entry_servicer_ref") if is_only else "")
    if reference:
        return "/".join(filter(None, [found.get("own_account"), reference]))
    if is_only and found.get("entry_ref") and found.get("block_id"):
        return "/".join(filter(None, [found.get("own_account"), found["block_id"], found["entry_ref"]]))
    return ""


def _channel(found: Mapping[str, str], kind: str) -> str:
    if found.get("method") == "CHK":
        return "cheque"
    if kind == "entry":
        family, subfamily = found.get("family", ""), found.get("subfamily", "")
        if found.get("domain") != "PMNT":
            return "other"
        return CHANNEL_OF_FAMILY.get((family, subfamily)) or CHANNEL_OF_FAMILY.get((family, ""), "other")
    if found.get("local_instrument") == "INST":
        return "instant"
    return "transfer" if found.get("service_level") == "SEPA" else "wire"


def _complete_side(found: Facts, side: str) -> None:
    """Country and kind of a side, where they follow from what is given; a derived value never refuses a payment."""
    if not found.get(f"{side}_country"):
        found[f"{side}_country"] = _country(found.get(f"{side}_account", ""), found.get(f"{side}_agent", ""))
    for fact, kind in (("bank", "bank"), ("person", "person"), ("organisation", "business")):
        if found.get(f"{side}_{fact}"):
            found[f"{side}_kind"] = kind
            break


def _country(account: str, agent: str) -> str:
    """Of an IBAN with the right check digits, else of a BIC, else ``""``."""
    is_iban = _IBAN.fullmatch(account) and int("".join(str(int(c, 36)) for c in account[4:] + account[:4])) % 97 == 1
    bic = _BIC.fullmatch(agent)
    country = account[:2] if is_iban else bic[1] if bic else ""
    return country if country in COUNTRY_CODE else ""


def _plain_decimal(text: str) -> str:
    """A decimal of XML Schema as one of JSON: ``+.5`` and ``7.`` are plain there."""
    match = _DECIMAL.fullmatch(text)
    if match is None or not (match[1] or match[2]):
        return text
    return (match[1] or "0") + (f".{match[2]}" if match[2] else "")


def _with_zone(text: str, zone: ZoneInfo) -> str:
    """A time that names no zone with the offset of ``zone``; of an hour that the clock shows twice the first one."""
    if _ZONE.search(text):
        return text
    try:
        local = datetime.fromisoformat(text[:19])
    except ValueError:
        return text
    if len(text) < 19 or local.year < 1970:
        return text
    offset = local.replace(tzinfo=zone).strftime("%z")
    return f"{text}{offset[:3]}:{offset[3:5]}"


def _of_day(day: str | None, message_at: str | None) -> str:
    """A time of a booking day: that of the message if it is of the same day, else the day's first moment."""
    if not day:
        return ""
    zone = _ZONE.search(day)
    bare = day[: zone.start()] if zone else day
    if message_at and message_at[:10] == bare:
        return message_at
    return f"{bare}T00:00:00{zone[0] if zone else ''}"
