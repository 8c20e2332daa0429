"""Why a record is refused: the documented list, and the refusal itself.

A refused record is stored with its original bytes, counted, and can be mended and tried again.
"""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """One word per reason; :data:`REMEDIES` says what to do."""

    NOT_JSON = "not_json"
    NOT_UTF8 = "not_utf8"
    NOT_AN_OBJECT = "not_an_object"
    CELLS_DIFFER = "cells_differ"
    TOO_LONG = "too_long"
    FIELD_MISSING = "field_missing"
    FIELD_UNKNOWN = "field_unknown"
    FIELD_TWICE = "field_twice"
    WRONG_TYPE = "wrong_type"
    WORD_UNKNOWN = "word_unknown"
    IDENTIFIER_EMPTY = "identifier_empty"
    IDENTIFIER_TOO_LONG = "identifier_too_long"
    TEXT_TOO_LONG = "text_too_long"
    CURRENCY_UNKNOWN = "currency_unknown"
    COUNTRY_UNKNOWN = "country_unknown"
    CODE_MALFORMED = "code_malformed"
    AMOUNT_NOT_DECIMAL = "amount_not_decimal"
    AMOUNT_TOO_PRECISE = "amount_too_precise"
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    AMOUNT_TOO_LARGE = "amount_too_large"
    TIME_NOT_ISO = "time_not_iso"
    TIME_WITHOUT_ZONE = "time_without_zone"
    TIME_ABSURD = "time_absurd"
    BOOKED_IN_FUTURE = "booked_in_future"
    NO_PARTY_OF_OURS = "no_party_of_ours"
    REVERSES_MISSING = "reverses_missing"
    DUPLICATE_DIFFERS = "duplicate_differs"
    TOO_LATE = "too_late"
    ENTITY_UNKNOWN = "entity_unknown"
    CHARACTER_REFUSED = "character_refused"
    NOT_XML = "not_xml"
    MESSAGE_UNKNOWN = "message_unknown"
    EVIDENCE_ONLY = "evidence_only"


REMEDIES: dict[Reason, str] = {
    Reason.NOT_JSON: "The line is no JSON. Ask the sender; often a line was cut or two were joined.",
    Reason.NOT_UTF8: "The bytes are not UTF-8. Convert the file, for example with iconv.",
    Reason.NOT_AN_OBJECT: "The line is JSON but no object. Each line must be one {...}.",
    Reason.CELLS_DIFFER: "The row has more or fewer cells than the header; often a separator is not quoted.",
    Reason.TOO_LONG: "The record is longer than 64 KiB (a profile: 1 MiB). Ask the sender.",
    Reason.FIELD_MISSING: "A field that every transaction needs is absent or null. Map it or ask the sender.",
    Reason.FIELD_UNKNOWN: "A field is not in the schema. Correct its name, or drop it with --mapping.",
    Reason.FIELD_TWICE: "A field occurs twice in one record; it is not known which one is right.",
    Reason.WRONG_TYPE: "A field has another type than the schema says, such as a number for a text.",
    Reason.WORD_UNKNOWN: "A word is not in the field's vocabulary. Map it with --mapping.",
    Reason.IDENTIFIER_EMPTY: "An identifier is empty. Leave the field out where it is not known.",
    Reason.IDENTIFIER_TOO_LONG: "An identifier has more than 128 bytes.",
    Reason.TEXT_TOO_LONG: "A name, address, identification or remittance text has more than 1 000 bytes.",
    Reason.CURRENCY_UNKNOWN: "The currency is not in ISO 4217.",
    Reason.COUNTRY_UNKNOWN: "The country is not in ISO 3166-1 alpha-2.",
    Reason.CODE_MALFORMED: "A code is not of its standard's form; a merchant category is a text of four digits.",
    Reason.AMOUNT_NOT_DECIMAL: "The amount is no plain decimal number such as 1234.50.",
    Reason.AMOUNT_TOO_PRECISE: "The amount has more decimals than the currency. It is not rounded; ask the sender.",
    Reason.AMOUNT_NOT_POSITIVE: "The amount is zero or negative. A reversal names its original in 'reverses'.",
    Reason.AMOUNT_TOO_LARGE: "The amount is above 10^17 minor units.",
    Reason.TIME_NOT_ISO: "The time is not ISO 8601, such as 2026-05-04T09:00:00Z.",
    Reason.TIME_WITHOUT_ZONE: "The time names no zone. Add Z or an offset, or state the zone with --mapping.",
    Reason.TIME_ABSURD: "The time is before 1970 or after 2099.",
    Reason.BOOKED_IN_FUTURE: "booked_at is more than one hour after received_at. Check the clocks.",
    Reason.NO_PARTY_OF_OURS: "Neither side names a customer. At least one side must be the bank's own.",
    Reason.REVERSES_MISSING: "A reversal or return must name its original in 'reverses'.",
    Reason.DUPLICATE_DIFFERS: "The transaction_id was seen before with other content. Send a correction with a new id.",
    Reason.TOO_LATE: "The record is older than lateness_max on its customer's clock. It reaches obligations by "
    "reconciliation; windows do not change.",
    Reason.ENTITY_UNKNOWN: "The booking entity is not in entities.yaml. Add it there and retry.",
    Reason.CHARACTER_REFUSED: "A text holds NUL or half of a surrogate pair, which no store can keep. Ask the sender.",
    Reason.NOT_XML: "The XML is cut, damaged or has a document type, which is never read. Fetch the file again.",
    Reason.MESSAGE_UNKNOWN: "The message or its version is not read. Ask the sender for one of those that are named.",
    Reason.EVIDENCE_ONLY: "Another message books the payment; this one is kept as evidence. Nothing is to be done.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused record: where it stood, why, what exactly, and its bytes."""

    position: int
    place: str
    reason: Reason
    detail: str
    original: bytes
    header: bytes = b""
    """The line that must stand in front of ``original`` when it is run again: the column names of a CSV file."""
