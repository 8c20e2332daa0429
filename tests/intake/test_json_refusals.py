"""Each reason of the decoder: what causes it, and the words that the sender gets."""

import json

import pytest

from monitor.domain.refusal import REMEDIES, Reason
from monitor.intake.identifiers import IdentifierTable
from tests.intake.json_records import KEY, decode, plain

R = Reason
HIGH = "\ud800"

GOLDEN = [
    (R.NOT_UTF8, b'{"transaction_id":"\xff"}', "byte 20 of the record is 0xff: invalid start byte"),
    (R.NOT_UTF8, b'{"transaction_id":"\xed\xa0\x80"}', "byte 20 of the record is 0xed: invalid continuation byte"),
    (R.NOT_JSON, b"payment of 5", 'no JSON from character 1 on: "payment of 5"'),
    (R.NOT_JSON, b'{"transaction_id":"T', 'no JSON from character 19 on: "\\"T"'),
    (R.NOT_JSON, plain().strip() + b" x", 'no JSON from character 126 on: "x"'),
    (R.NOT_JSON, plain().strip() * 2, f"no JSON from character 125 on: {json.dumps(plain().strip().decode())[:59]}…"),
    (R.NOT_JSON, b'{"amount":01}', 'no JSON from character 12 on: "1}"'),
    (R.NOT_JSON, b'{"amount":NaN}', "NaN is not JSON"),
    (R.NOT_JSON, b'{"amount":-Infinity}', "-Infinity is not JSON"),
    (R.NOT_JSON, b'{"remittance":"a\tb"}', 'no JSON from character 17 on: "\\tb\\"}"'),
    (R.NOT_JSON, b'{"remittance":"a\0b"}', 'no JSON from character 17 on: "\\u0000b\\"}"'),
    (R.NOT_JSON, b"\xef\xbb\xbf{}", 'no JSON from character 1 on: "\ufeff{}"'),
    (R.NOT_JSON, b'{"amount":' + b"[" * 17 + b"]" * 17 + b"}", "nested deeper than 16 levels"),
    (R.NOT_JSON, b"[" * 60_000, "nested deeper than 16 levels"),
    (R.NOT_AN_OBJECT, b"[1, 2]", 'the line is a list: ["1", "2"]'),
    (R.NOT_AN_OBJECT, b"null", "the line is null: null"),
    (R.NOT_AN_OBJECT, b"1e999", "the line is a number: 1e999"),
    (R.TOO_LONG, plain(remittance="x" * 65_536), "longer than 65536 bytes; the first 65536 are kept"),
    (R.FIELD_MISSING, b"{}", "transaction_id: absent"),
    (R.FIELD_MISSING, plain(amount=None), "amount: null"),
    (R.FIELD_MISSING, plain(currency=...), "currency: absent"),
    (R.FIELD_MISSING, plain(booked_at=...), "booked_at: absent"),
    (R.FIELD_UNKNOWN, plain(Amount="1"), '"Amount" is not a field of a transaction'),
    (R.FIELD_UNKNOWN, plain(**{HIGH: None}), '"\\ud800" is not a field of a transaction'),
    (R.FIELD_TWICE, b'{"amount":1,"amount":"1"}', 'amount: comes twice, first 1, then "1"'),
    (R.FIELD_TWICE, b'{"device":null,"device":null}', "device: comes twice, first null, then null"),
    (R.WRONG_TYPE, plain(transaction_id=5), "transaction_id: 5 is a number, a text is expected"),
    (R.WRONG_TYPE, plain(amount=True), "amount: true is true or false, a decimal is expected"),
    (R.WRONG_TYPE, plain(amount={"value": 1}), 'amount: {"value": "1"} is an object, a decimal is expected'),
    (R.WRONG_TYPE, plain(remittance=["a"]), 'remittance: ["a"] is a list, a text is expected'),
    (R.WRONG_TYPE, plain(booked_at=1777885200), "booked_at: 1777885200 is a number, a text is expected"),
    (R.WRONG_TYPE, plain(currency=978), "currency: 978 is a number, a text is expected"),
    (R.WORD_UNKNOWN, plain(channel="Cash"), 'channel: "Cash" is not in the list'),
    (R.WORD_UNKNOWN, plain(channel=""), 'channel: "" is not in the list'),
    (R.WORD_UNKNOWN, plain(status="done"), 'status: "done" is not in the list'),
    (R.IDENTIFIER_EMPTY, plain(debtor_account=""), "debtor_account: empty"),
    (R.IDENTIFIER_TOO_LONG, plain(device="d" * 129), f'device: "{"d" * 58}… has 129 bytes'),
    (R.IDENTIFIER_TOO_LONG, plain(device="ü" * 65), f'device: "{"ü" * 58}… has 130 bytes'),
    (R.TEXT_TOO_LONG, plain(debtor_name="n" * 1001), f'debtor_name: "{"n" * 58}… has 1001 bytes'),
    (R.CURRENCY_UNKNOWN, plain(currency="eur"), 'currency: "eur" is not in the list'),
    (R.CURRENCY_UNKNOWN, plain(currency="XXX"), 'currency: "XXX" is not in the list'),
    (R.COUNTRY_UNKNOWN, plain(debtor_country="UK"), 'debtor_country: "UK" is not in the list'),
    (R.COUNTRY_UNKNOWN, plain(creditor_country=""), 'creditor_country: "" is not in the list'),
    (R.CODE_MALFORMED, plain(merchant_category="742"),
     'merchant_category: "742" is not four digits such as 6051'),
    (R.CODE_MALFORMED, plain(merchant_category="60510"),
     'merchant_category: "60510" is not four digits such as 6051'),
    (R.CODE_MALFORMED, plain(merchant_category="٦٠٥١"),
     'merchant_category: "٦٠٥١" is not four digits such as 6051'),
    (R.CODE_MALFORMED, plain(merchant_category=""), 'merchant_category: "" is not four digits such as 6051'),
    (R.WRONG_TYPE, plain(merchant_category=6051), "merchant_category: 6051 is a number, a text is expected"),
    (R.WORD_UNKNOWN, plain(instrument="cheque"), 'instrument: "cheque" is not in the list'),
    (R.WORD_UNKNOWN, plain(wallet="unhosted"), 'wallet: "unhosted" is not in the list'),
    (R.WORD_UNKNOWN, plain(screening="hit"), 'screening: "hit" is not in the list'),
    (R.WORD_UNKNOWN, plain(debtor_kind="company"), 'debtor_kind: "company" is not in the list'),
    (R.WORD_UNKNOWN, plain(creditor_kind=""), 'creditor_kind: "" is not in the list'),
    (R.COUNTRY_UNKNOWN, plain(goods_country="UK"), 'goods_country: "UK" is not in the list'),
    (R.IDENTIFIER_EMPTY, plain(link=""), "link: empty"),
    (R.IDENTIFIER_TOO_LONG, plain(reason="r" * 129), f'reason: "{"r" * 58}… has 129 bytes'),
    (R.TEXT_TOO_LONG, plain(creditor_address="n" * 1001), f'creditor_address: "{"n" * 58}… has 1001 bytes'),
    (R.FIELD_TWICE, b'{"link":null,"link":"a"}', 'link: comes twice, first null, then "a"'),
    (R.AMOUNT_NOT_DECIMAL, plain(amount="1e3"), 'amount: "1e3" is no plain decimal number'),
    (R.AMOUNT_NOT_DECIMAL, plain(amount="1,000.00"), 'amount: "1,000.00" is no plain decimal number'),
    (R.AMOUNT_NOT_DECIMAL, plain(amount="5."), 'amount: "5." is no plain decimal number'),
    (R.AMOUNT_NOT_DECIMAL, plain(amount=" 5"), 'amount: " 5" is no plain decimal number'),
    (R.AMOUNT_NOT_DECIMAL, plain(amount="+5"), 'amount: "+5" is no plain decimal number'),
    (R.AMOUNT_NOT_DECIMAL, plain(amount="٣"), 'amount: "٣" is no plain decimal number'),
    (R.AMOUNT_NOT_DECIMAL, plain(amount=""), 'amount: "" is no plain decimal number'),
    (R.AMOUNT_TOO_PRECISE, plain(amount="12.345"), 'amount: "12.345" has 3 decimals, EUR has 2'),
    (R.AMOUNT_TOO_PRECISE, plain(amount="0.5", currency="JPY"), 'amount: "0.5" has 1 decimal, JPY has 0'),
    (R.AMOUNT_TOO_PRECISE, plain(amount=1e-30), "amount: 1e-30 has 30 decimals, EUR has 2"),
    (R.AMOUNT_NOT_POSITIVE, plain(amount="0.00"), 'amount: "0.00" is not more than zero'),
    (R.AMOUNT_NOT_POSITIVE, plain(amount=0), "amount: 0 is not more than zero"),
    (R.AMOUNT_NOT_POSITIVE, plain(amount="-12.345"), 'amount: "-12.345" is not more than zero'),
    (R.AMOUNT_TOO_LARGE, plain(amount=10**15 + 1), "amount: 1000000000000001 is above 100000000000000000 minor units"),
    (R.AMOUNT_TOO_LARGE, plain(amount="9" * 5000), f'amount: "{"9" * 58}… is above 100000000000000000 minor units'),
    (R.TIME_NOT_ISO, plain(booked_at="2026-02-29T09:00:00Z"), "booked_at: \"2026-02-29T09:00:00Z\" does not exist"),
    (R.TIME_NOT_ISO, plain(booked_at="04.05.2026"), 'booked_at: "04.05.2026" is not like 2026-05-04T09:00:00Z'),
    (R.TIME_NOT_ISO, plain(booked_at="2026-05-04"), 'booked_at: "2026-05-04" is not like 2026-05-04T09:00:00Z'),
    (R.TIME_NOT_ISO, plain(booked_at="2026-05-04T24:00:00Z"), 'booked_at: "2026-05-04T24:00:00Z" does not exist'),
    (R.TIME_NOT_ISO, plain(booked_at="2016-12-31T23:59:60Z"), 'booked_at: "2016-12-31T23:59:60Z" does not exist'),
    (R.TIME_NOT_ISO, plain(booked_at="2026-05-04T09:00:00.0000001Z"), 'booked_at: "2026-05-04T09:00:00.0000001Z" '
     "is finer than a microsecond"),
    (R.TIME_NOT_ISO, plain(booked_at="2026-05-04T09:00:00+24:00"), 'booked_at: "2026-05-04T09:00:00+24:00" '
     "has an offset that does not exist"),
    (R.TIME_WITHOUT_ZONE, plain(booked_at="2026-05-04T09:00:00"), 'booked_at: "2026-05-04T09:00:00" names no zone'),
    (R.TIME_ABSURD, plain(booked_at="1969-12-31T23:59:59Z"), 'booked_at: "1969-12-31T23:59:59Z" is before 1970'),
    (R.TIME_ABSURD, plain(booked_at="0000-00-00T00:00:00Z"), 'booked_at: "0000-00-00T00:00:00Z" is before 1970'),
    (R.TIME_ABSURD, plain(booked_at="1970-01-01T00:00:00+01:00"), 'booked_at: "1970-01-01T00:00:00+01:00" is not '
     "between 1970 and 2099"),
    (R.TIME_ABSURD, plain(received_at="2100-01-01T00:00:00Z"), 'received_at: "2100-01-01T00:00:00Z" is not between '
     "1970 and 2099"),
    (R.BOOKED_IN_FUTURE, plain(received_at="2026-05-04T07:59:59Z"), 'booked_at: "2026-05-04T09:00:00Z" is 3601 s '
     "after received_at"),
    (R.NO_PARTY_OF_OURS, plain(debtor_customer=...), "debtor_customer and creditor_customer: absent"),
    (R.REVERSES_MISSING, plain(status="reversed"), 'reverses: absent, and status is "reversed"'),
    (R.REVERSES_MISSING, plain(status="returned", reverses=None), 'reverses: absent, and status is "returned"'),
    (R.ENTITY_UNKNOWN, plain(booking_entity="XX"), 'booking_entity: "XX" is not among the booking entities'),
    (R.CHARACTER_REFUSED, plain(remittance="a\0"), 'remittance: "a\\u0000" holds the character NUL'),
    (R.CHARACTER_REFUSED, plain(debtor_name=HIGH), 'debtor_name: "\\ud800" holds half of a surrogate pair'),
]  # fmt: skip
OF_OTHER_STAGES = {R.DUPLICATE_DIFFERS, R.TOO_LATE, R.CELLS_DIFFER, R.NOT_XML, R.MESSAGE_UNKNOWN, R.EVIDENCE_ONLY}


@pytest.mark.parametrize(("reason", "line", "detail"), GOLDEN, ids=[f"{n}-{row[0]}" for n, row in enumerate(GOLDEN)])
def test_a_refusal_says_why_in_words(reason: Reason, line: bytes, detail: str) -> None:
    decoded = decode(plain() + line + b"\n" + plain(), IdentifierTable(KEY))
    assert [(refusal.reason, refusal.detail) for refusal in decoded.refusals] == [(reason, detail)]
    refusal = decoded.refusals[0]
    assert (refusal.position, refusal.place) == (1, "in.jsonl:2")
    assert refusal.original == line.rstrip(b"\n")[:65_536]
    assert decoded.batch.position.tolist() == [0, 2 + line.count(b"\n", 0, -1)]


def test_every_reason_of_the_decoder_has_an_example_and_a_remedy() -> None:
    assert {row[0] for row in GOLDEN} == set(Reason) - OF_OTHER_STAGES
    assert set(REMEDIES) == set(Reason)


ACCEPTED = [
    plain(amount="0012.500"),
    plain(amount=10**15),
    plain(amount="1000000000000000.00"),
    plain(booked_at="2026-05-04T09:00Z"),
    plain(booked_at="2026-05-04 09:00:00.000000000000000000000000+00"),
    plain(booked_at="2026-05-04T09:00:00-0330"),
    plain(received_at="2026-05-04T08:00:00Z"),
    plain(remittance=""),
    plain(remittance='two\nlines " \\ / é \U0001f600'),
    plain(remittance="n" * 1000, device="d" * 128),
    plain(remittance="[" * 40),
    b" \t" + plain().strip() + b" \t\r\n",
    plain().replace(b'": ', b'"\t:\r '),
    plain().replace(b"debtor_customer", b"debtor_\\u0063ustomer"),
    b'{"amount":125e-1,' + plain(amount=...)[1:],
    b'{"amount":0.125E+2,' + plain(amount=...)[1:],
    plain(status="reversed", reverses="T0"),
    plain(status="attempted"),
]


@pytest.mark.parametrize("line", ACCEPTED, ids=range(len(ACCEPTED)))
@pytest.mark.parametrize("by_definition", [False, True])
def test_unusual_but_right_records_are_accepted(line: bytes, by_definition: bool) -> None:
    decoded = decode(line, IdentifierTable(KEY), by_definition=by_definition)
    assert (decoded.refusals, len(decoded.batch)) == ([], 1)


@pytest.mark.parametrize("lines", [b"", b"\n", b"\n \r\n\t\n", b" "])
def test_blank_lines_are_no_records(lines: bytes) -> None:
    decoded = decode(lines, IdentifierTable(KEY))
    assert (decoded.records, len(decoded.batch), decoded.refusals) == (0, 0, [])
