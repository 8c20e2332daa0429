"""Public layouts: counts add up, and sums equal DuckDB's reading of the same file."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from monitor.domain.money import CURRENCY_CODE, DECIMALS
from monitor.domain.refusal import Reason
from monitor.domain.time import format_time
from monitor.domain.vocabulary import CHANNELS
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.layouts import LAYOUTS
from monitor.intake.records import DecodedChunk, RecordChunk, SourcePosition
from monitor.intake.sources import open_source
from monitor.intake.tabular import TableDecoder

DATA = Path(__file__).parents[2].parent / "shared" / "data"
START = SourcePosition(0, 0)
FILES = [
    ("canonical", "tide/tide_dev_seed101_tx.csv.gz", "ts", "src", "amount"),
    ("canonical", "amlgentex/amlgentex_dev_seed21_tx.csv.gz", "ts", "src", "amount"),
    ("amlsim", "amlsim/amlsim_dev_seed11_tx.csv.gz", "ts", "src", "amount"),
    ("amlworld", "amlworld/amlworld_HI-Small_illicit-account-subgraph_tx.csv.gz", "ts", "src", "amount"),
    ("amlsim", "amlsim_ibm/20K_cycle200/transactions.csv.gz", "time", "sourceNodeId", "value"),
    ("amlsim", "amlsim_ibm/20K_fanin200/transactions.csv.gz", "time", "sourceNodeId", "value"),
]  # fmt: skip


def decode_file(layout: str, path: Path) -> tuple[IdentifierTable, list[DecodedChunk]]:
    identifiers = IdentifierTable(b"k" * 32)
    source = open_source(path, identifiers=identifiers, entities=None, default_entity="HQ", layout=layout)
    decoded, position = [], 0
    for chunk in source.chunks(START):
        decoded.append(source.decoder.decode(chunk, first_position=position))
        position += decoded[-1].records
    return identifiers, decoded


@pytest.mark.shared
@pytest.mark.parametrize(("layout", "file", "moment", "payer", "amount"), FILES)
def test_every_row_of_a_public_file_is_judged_or_refused_and_sums_agree(
    layout: str, file: str, moment: str, payer: str, amount: str
) -> None:
    path = DATA / file
    if not path.exists():
        pytest.skip(f"the shared data are not there: {path.parent.name}/{path.name}")
    identifiers, decoded = decode_file(layout, path)
    refusals = [refusal for chunk in decoded for refusal in chunk.refusals]
    accepted = sum(len(chunk.batch) for chunk in decoded)
    database = duckdb.connect()
    database.execute("create view source as select * from read_csv('" + str(path) + "', all_varchar=true)")
    columns = [name for name, *_ in database.execute("describe source").fetchall()]
    ((total,),) = database.execute("select count(*) from source").fetchall()
    assert (sum(chunk.records for chunk in decoded), accepted + len(refusals)) == (total, total)
    assert accepted > 0.99 * total
    # What is refused is what rounds to nothing.
    assert {refusal.reason for refusal in refusals} <= {Reason.AMOUNT_NOT_POSITIVE}
    # The sum in minor units by payer, rounded half to even as the layouts say.
    currency = "currency" if "currency" in columns else "'USD'"
    names = LAYOUTS["amlworld"][0].fields["currency"].words or {}
    words = pa.table({"word": [*names, *CURRENCY_CODE], "code": [*names.values(), *CURRENCY_CODE]})
    places = pa.table({"code": list(CURRENCY_CODE), "decimals": list(DECIMALS)})
    database.register("words", words)
    database.register("places", places)
    rounded = f"round_even({amount}::decimal(30, 8) * power(10, decimals)::decimal(20, 0), 0)"
    expected = database.execute(
        f"select {payer}, sum({rounded})::int64, count(*), max({moment}) from source join words on word = {currency} "
        f"join places using (code) where {rounded} > 0 group by 1"
    ).fetchall()
    got: dict[str, tuple[int, int]] = {}
    for chunk in decoded:
        batch = chunk.batch
        for code, minor in zip(batch.debtor_account.tolist(), batch.amount_minor.tolist(), strict=True):
            before = got.get(identifiers.text(code), (0, 0))
            got[identifiers.text(code)] = before[0] + minor, before[1] + 1
    assert got == {payer: (total, count) for payer, total, count, _ in expected}
    if moment == "ts":
        last = max(format_time(int(chunk.batch.booked_at_us.max())) for chunk in decoded if len(chunk.batch))
        assert last[:19] == max(row[3] for row in expected)[:19]
    assert all((chunk.batch.debtor_holder == chunk.batch.debtor_account).all() for chunk in decoded)


def decode_row(layout: str, row: dict[str, str]) -> DecodedChunk:
    decoder = TableDecoder(IdentifierTable(b"k" * 32), entities=None, default_entity="HQ", layout=layout)
    table = pa.table({name: [text] for name, text in row.items()})
    return decoder.decode(RecordChunk("x.csv", START, START, 5, table=table), first_position=4)


SAML = {
    "Time": "10:35:19", "Date": "2022-10-07", "Sender_account": "8724731955", "Receiver_account": "2769355426",
    "Amount": "1459.15", "Payment_currency": "UK pounds", "Received_currency": "UK pounds",
    "Sender_bank_location": "UK", "Receiver_bank_location": "Spain", "Payment_type": "Cash Deposit",
    "Is_laundering": "0", "Laundering_type": "Normal_Cash_Deposits",
}  # fmt: skip


def test_a_row_of_saml_d_becomes_a_payment() -> None:
    decoded = decode_row("saml-d", SAML)
    assert decoded.refusals == []
    batch = decoded.batch
    assert decoded.texts.transaction_id.to_pylist() == ["T5"]
    assert format_time(batch.booked_at_us[0]) == "2022-10-07T10:35:19Z"
    assert (batch.amount_minor.tolist(), CHANNELS[batch.channel[0]]) == ([145915], "cash")
    assert batch.currency.tolist() == [CURRENCY_CODE["GBP"]]


def test_an_unknown_word_for_the_channel_is_other_and_an_unknown_currency_is_refused() -> None:
    assert CHANNELS[decode_row("saml-d", SAML | {"Payment_type": "Pigeon"}).batch.channel[0]] == "other"
    (refusal,) = decode_row("saml-d", SAML | {"Payment_currency": "Florin"}).refusals
    assert refusal.reason is Reason.CURRENCY_UNKNOWN


def test_labels_are_never_read() -> None:
    labels = {
        "is_laundering",
        "typology",
        "case_id",
        "is_sar",
        "alert_id",
        "Is Laundering",
        "Is_laundering",
        "Laundering_type",
    }
    read = {column for variants in LAYOUTS.values() for variant in variants for column in variant.source_columns()}
    assert len(read) > 20
    assert not read & labels
