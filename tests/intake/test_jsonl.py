"""JSON lines become columns: both ways of reading agree, cuts change nothing, nothing is lost."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.countries import COUNTRIES, COUNTRY_CODE
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.money import CURRENCY_CODE
from monitor.domain.time import UNKNOWN, parse_time_us
from monitor.domain.transaction import GIVEN
from monitor.domain.vocabulary import CHANNELS, INSTRUMENTS, PARTY_KINDS, SCREENINGS, STATUSES, WALLETS
from monitor.intake.given import says_something
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.record_fields import FIELDS, FIRST_FURTHER
from monitor.intake.records import RecordChunk, SourcePosition, TextColumns
from monitor.intake.siphash import keys_for
from tests.intake.json_records import (
    KEY,
    PLAIN,
    Raw,
    as_line,
    columns_of,
    decode,
    decoder,
    plain,
    table_of,
    transactions,
    written,
)
from tests.intake.test_identifiers import siphash

prints_seeds = settings(print_blob=True, deadline=None)
CODED = {
    "conductor": IdentifierKind.CUSTOMER,
    "on_behalf_of": IdentifierKind.CUSTOMER,
    "instructing_agent": IdentifierKind.AGENT,
    **{
        name: IdentifierKind[name.upper()]
        for name in ("device", "branch", "purpose", "merchant_category", "reason", "screening_list", "link")
    },
}
WORDS = {
    "instrument": INSTRUMENTS,
    "wallet": WALLETS,
    "screening": SCREENINGS,
    "debtor_kind": PARTY_KINDS,
    "creditor_kind": PARTY_KINDS,
    "goods_country": COUNTRIES,
}


def read_slowly(lines: bytes, table: IdentifierTable) -> dict[str, list[object]]:
    return columns_of([decode(lines, table, by_definition=True)])


@given(st.data())
@prints_seeds
def test_a_valid_record_is_accepted_alike_fast_and_slowly(data: st.DataObject) -> None:
    records = data.draw(st.lists(transactions(), min_size=1, max_size=6))
    lines = b"\n".join(data.draw(written(record)) for record in records)
    one, other = IdentifierTable(KEY), IdentifierTable(KEY)
    fast = columns_of([decode(lines, one)])
    slow = read_slowly(lines, other)
    assert fast["refused"] == []
    assert len(fast["position"]) == len(records)
    assert fast == slow
    assert table_of(one) == table_of(other)


def test_plain_records_are_not_read_slowly() -> None:
    reader, place = decoder(IdentifierTable(KEY)), SourcePosition(0, 0)
    lines = plain(debtor_name="Müller", remittance="x" * 500, received_at="2026-05-04T11:00:00.123456+02:00")
    utf8 = json.dumps(json.loads(lines), ensure_ascii=False).encode() + b"\r\n"
    lines = plain() + utf8 + plain(amount=7.25, channel=None, status="booked", booking_entity="FR-01")
    lines += as_line(FULL) + as_line(dict.fromkeys(FULL) | PLAIN)
    decoded = reader.decode(RecordChunk("a", place, place, 1, lines=lines), first_position=0)
    assert (len(decoded.batch), reader.read_slowly) == (5, 0)
    reader.decode(RecordChunk("a", place, place, 1, lines=plain(amount="x")), first_position=3)
    assert reader.read_slowly == 1


@given(st.data())
@prints_seeds
def test_columns_hold_what_the_record_says(data: st.DataObject) -> None:
    record = data.draw(transactions())
    table = IdentifierTable(KEY)
    decoded = decode(data.draw(written(record)), table, 7)
    batch = decoded.batch
    assert (decoded.records, batch.position.tolist()) == (1, [7])
    for name in ("booked_at", "received_at"):
        value = record.get(name)
        expected = UNKNOWN if value is None else parse_time_us(str(value))
        assert getattr(batch, name + "_us")[0] == expected
    assert batch.currency[0] == CURRENCY_CODE[str(record["currency"])]
    assert batch.channel[0] == (CHANNELS.index(str(record["channel"])) if record.get("channel") else -1)
    assert batch.status[0] == STATUSES.index(str(record.get("status") or "booked"))
    for side in ("debtor", "creditor"):
        country, customer = record.get(side + "_country"), record.get(side + "_customer")
        assert getattr(batch, side + "_country")[0] == (COUNTRY_CODE[str(country)] if country else -1)
        expected = table.code_of(IdentifierKind.CUSTOMER, str(customer)) if customer else -1
        assert getattr(batch, side + "_holder")[0] == expected
        for what, kind in (("account", IdentifierKind.ACCOUNT), ("agent", IdentifierKind.AGENT)):
            value = record.get(f"{side}_{what}")
            assert getattr(batch, f"{side}_{what}")[0] == (table.code_of(kind, str(value)) if value else -1)
    assert batch.booking_entity[0] == table.code_of(IdentifierKind.ENTITY, str(record.get("booking_entity") or "HQ"))
    for name, kind in CODED.items():
        assert getattr(batch, name)[0] == (table.code_of(kind, str(record[name])) if record.get(name) else -1)
    for name, words in WORDS.items():
        assert getattr(batch, name)[0] == (words.index(str(record[name])) if record.get(name) else -1)
    for name in TextColumns.__slots__:
        assert getattr(decoded.texts, name).to_pylist() == [record.get(name)]
    given_names = [name for bit, name in enumerate(GIVEN) if batch.given[0] >> bit & 1]
    assert given_names == [name for name in GIVEN if says_something(str(record.get(name) or "").encode())]


@given(st.data())
@prints_seeds
def test_ids_are_keyed_hashes_and_a_reversal_finds_its_original(data: st.DataObject) -> None:
    original = data.draw(transactions())
    reversal = PLAIN | {"transaction_id": "R", "status": "reversed", "reverses": original["transaction_id"]}
    batch = decode(data.draw(written(original)) + b"\n" + as_line(reversal), IdentifierTable(KEY)).batch
    keys = keys_for(KEY, "transaction id").tolist()
    expected = siphash(str(original["transaction_id"]).encode(), (keys[0], keys[1]), (2, 4), 2)
    assert [int(batch.id_hi[0]) % 2**64, int(batch.id_lo[0]) % 2**64] == expected
    assert (batch.reverses_hi[1], batch.reverses_lo[1]) == (batch.id_hi[0], batch.id_lo[0])


def digest_of(record: dict[str, object], **changes: object) -> int:
    text = "{" + ",".join(
        f'"{name}":{value.text if isinstance(value, Raw) else json.dumps(value)}'
        for name, value in (record | changes).items()
    )
    decoded = decode((text + "}").encode(), IdentifierTable(KEY))
    assert decoded.refusals == []
    return int(decoded.batch.digest[0])


@given(st.data())
@prints_seeds
def test_the_digest_does_not_depend_on_spelling(data: st.DataObject) -> None:
    record = data.draw(transactions())
    one, other = (decode(data.draw(written(record)), IdentifierTable(KEY)).batch.digest[0] for _ in range(2))
    assert one == other


def test_equal_values_in_other_words_have_one_digest() -> None:
    base = digest_of(PLAIN)
    assert digest_of(PLAIN, amount=Raw("12.5")) == base
    assert digest_of(PLAIN, amount=Raw("1250e-2")) == base
    assert digest_of(PLAIN, booked_at="2026-05-04T11:00:00.000+02:00") == base
    assert digest_of(PLAIN, status="booked", channel=None, booking_entity="HQ") == base
    assert digest_of(PLAIN, received_at="2026-05-05T09:00:00Z") == base


FULL = PLAIN | {
    "debtor_account": "A1", "debtor_name": "n1", "debtor_country": "DE", "debtor_agent": "B1",
    "creditor_account": "A2", "creditor_customer": "C2", "creditor_name": "n2", "creditor_country": "FR",
    "creditor_agent": "B2", "channel": "wire", "purpose": "SALA", "remittance": "r", "booking_entity": "HQ",
    "status": "booked", "reverses": "T0", "conductor": "C3", "on_behalf_of": "C4", "device": "D", "branch": "F",
    "instrument": "voucher", "merchant_category": "6051", "instructing_agent": "B3", "reason": "AC04",
    "goods_country": "IR", "wallet": "hosted", "screening": "clear", "screening_list": "L", "link": "K",
    "debtor_kind": "person", "creditor_kind": "bank", "debtor_address": "a1", "creditor_address": "a2",
    "debtor_identification": "i1", "creditor_identification": "i2",
}  # fmt: skip
OTHERS = dict.fromkeys(FULL, "Z") | {
    "booked_at": "2026-05-04T09:00:00.000001Z", "amount": "12.51", "currency": "USD", "debtor_country": "FR",
    "creditor_country": "DE", "channel": "cash", "booking_entity": "FR-01", "status": "attempted",
    "instrument": "money_order", "merchant_category": "7995", "goods_country": "KP", "wallet": "self_hosted",
    "screening": "possible", "debtor_kind": "business", "creditor_kind": "person",
}  # fmt: skip
OTHERS.pop("transaction_id")


@pytest.mark.parametrize("name", OTHERS)
def test_the_digest_notices_a_change_of_every_field(name: str) -> None:
    found = {digest_of(FULL), digest_of(FULL, **{name: OTHERS[name]})}
    if name not in ("booked_at", "amount", "currency"):
        found.add(digest_of(FULL, **{name: None}) if name not in ("status", "booking_entity") else 0)
    assert len(found) == (2 if name in ("booked_at", "amount", "currency") else 3)


def test_the_digest_tells_texts_apart_that_are_equal_when_joined() -> None:
    pairs = [("ab", "c"), ("a", "bc"), ("", "abc"), (None, "abc"), ("abc", None), ("abc", "")]
    found = {digest_of(PLAIN, debtor_name=one, creditor_name=two) for one, two in pairs}
    assert len(found) == len(pairs)


def test_the_digest_tells_further_fields_apart_that_hold_the_same() -> None:
    fields = ("reason", "screening_list", "link", "instructing_agent", "conductor", "debtor_address",
              "creditor_address", "debtor_identification", "creditor_identification", "remittance")  # fmt: skip
    found = {digest_of(PLAIN, **{name: "same"}) for name in fields}
    found |= {digest_of(PLAIN, debtor_kind="bank"), digest_of(PLAIN, creditor_kind="bank"), digest_of(PLAIN)}
    assert len(found) == len(fields) + 3


def test_further_fields_that_are_null_leave_the_digest_as_it_is() -> None:
    assert digest_of(PLAIN, **dict.fromkeys(FIELDS[FIRST_FURTHER:])) == digest_of(PLAIN)


def test_a_record_without_further_fields_has_the_digest_that_it_had_before_there_were_any() -> None:
    """Stores of earlier releases hold these digests; with others every redelivery would be refused."""
    first = {name: FULL[name] for name in FIELDS[:FIRST_FURTHER] if name in FULL}
    assert [digest_of(PLAIN), digest_of(first)] == [7100389344184336817, 107696066584555140]


@given(st.data())
@prints_seeds
def test_cutting_the_stream_changes_nothing(data: st.DataObject) -> None:
    good = transactions().flatmap(written)
    bad = st.sampled_from([b"", b" \t\r", b"{", b"[]", b'{"transaction_id":"never interned"}', b"\xff"])
    lines = data.draw(st.lists(good | bad, min_size=1, max_size=8))
    whole_table, cut_table = IdentifierTable(KEY), IdentifierTable(KEY)
    whole = columns_of([decode(b"\n".join(lines), whole_table, 100)])
    cuts = sorted(data.draw(st.sets(st.integers(1, len(lines)))) | {0, len(lines)})
    reader, chunks, position, line = decoder(cut_table), [], 100, 1
    for start, stop in pairwise(cuts):
        part = b"".join(text + b"\n" for text in lines[start:stop])
        place = SourcePosition(0, start)
        chunk = RecordChunk("in.jsonl", place, place, first_record=line, lines=part)
        chunks.append(reader.decode(chunk, first_position=position))
        position, line = position + chunks[-1].records, line + stop - start
    assert columns_of(chunks) == whole
    assert table_of(cut_table) == table_of(whole_table)


@given(st.binary(max_size=300) | st.text('{}[]":,\\u0 1eE-+.nulltrfasd\n\r\t', max_size=80).map(str.encode))
@prints_seeds
def test_any_bytes_end_as_rows_or_refusals(lines: bytes) -> None:
    decoded = decode(lines, IdentifierTable(KEY))
    assert decoded.records == len(decoded.batch) + len(decoded.refusals)
    assert decoded.records == sum(1 for line in lines.split(b"\n") if line.strip(b" \t\r"))


@given(st.data())
@prints_seeds
def test_a_damaged_record_is_read_alike_fast_and_slowly(data: st.DataObject) -> None:
    line = bytearray(data.draw(transactions().flatmap(written)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(line) - 1)))
        what = data.draw(st.sampled_from(["replace", "delete", "insert", "repeat", "cut"]))
        byte = data.draw(st.sampled_from(list(b'"\\{}[],:0129.eE-+ZTn\0\n\r\t \x1f\x7f\x80\xc3\xed\xff')))
        if what == "replace" and line:
            line[at] = byte
        elif what == "delete":
            del line[at : at + 1]
        elif what == "insert":
            line.insert(at, byte)
        elif what == "repeat":
            line[at:at] = line[at : at + data.draw(st.integers(1, 20))]
        else:
            del line[at:]
    one, other = IdentifierTable(KEY), IdentifierTable(KEY)
    fast = columns_of([decode(bytes(line), one)])
    slow = read_slowly(bytes(line), other)
    assert fast == slow
    assert table_of(one) == table_of(other)
    rows = sum(1 for part in bytes(line).split(b"\n") if part.strip(b" \t\r"))
    assert rows == len(fast["position"]) + len(fast["refused"])


def test_refused_records_leave_no_identifier_behind() -> None:
    table = IdentifierTable(KEY)
    decoded = decode(plain(debtor_account="secret", amount="1.234") + plain(), table)
    assert [len(decoded.refusals), len(decoded.batch)] == [1, 1]
    assert table.code_of(IdentifierKind.ACCOUNT, "secret") == -1
    assert [table.text(code) for code in range(len(table))] == ["C1", "HQ"]


def test_accounts_are_holders_where_the_source_names_no_customers() -> None:
    line = plain(debtor_customer=..., debtor_account="A1", creditor_account="A2")
    batch = decode(line, table := IdentifierTable(KEY), accounts_are_ours=True).batch
    assert [table.text(batch.debtor_holder[0]), table.text(batch.creditor_holder[0])] == ["A1", "A2"]
    both = decode(plain(creditor_account="A2"), table, accounts_are_ours=True).batch
    assert [table.text(both.debtor_holder[0]), table.text(both.creditor_holder[0])] == ["C1", "A2"]
    assert decode(line, table).refusals[0].reason.value == "no_party_of_ours"


def test_without_a_default_entity_it_stays_unknown() -> None:
    table = IdentifierTable(KEY)
    batch = decode(plain() + plain(booking_entity="ANY"), table, entities=None, default_entity=None).batch
    assert batch.booking_entity.tolist() == [-1, table.code_of(IdentifierKind.ENTITY, "ANY")]


def test_a_default_entity_that_does_not_exist_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(ValueError, match=r"not in entities\.yaml"):
        decoder(IdentifierTable(KEY), default_entity="XX")


def test_a_long_line_among_others_keeps_its_first_bytes_only() -> None:
    long = plain(remittance="x" * 70_000)
    decoded = decode(plain() + long + plain(), IdentifierTable(KEY), 5)
    assert decoded.batch.position.tolist() == [5, 7]
    assert [len(refusal.original) for refusal in decoded.refusals] == [65_536]
    assert long.startswith(decoded.refusals[0].original)


def test_a_large_chunk_of_mixed_records_comes_out_in_order() -> None:
    lines = [plain(transaction_id=f"T{n}", debtor_name="\u00e9" * (n % 3)) for n in range(3000)]
    lines[1000] = b"no json\n"
    decoded = decode(b"".join(lines), IdentifierTable(KEY))
    assert decoded.texts.transaction_id.to_pylist() == [f"T{n}" for n in range(3000) if n != 1000]
    assert np.array_equal(decoded.batch.position, np.delete(np.arange(3000), 1000))
    assert decoded.refusals == [replace(decoded.refusals[0], position=1000, place="in.jsonl:1001", original=b"no json")]
