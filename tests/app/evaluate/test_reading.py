"""A labelled stream is read in event order, or refused with the place and the remedy."""

from pathlib import Path

import numpy as np
import pytest

from monitor.app.evaluate.problem import EvaluateError
from monitor.app.evaluate.reading import parties_beside, read_stream, streams_below
from monitor.app.simulate import simulate
from tests.app.evaluate.labelled_streams import Plan, rows_of, written


def test_rows_are_ordered_by_time_and_then_by_id_as_text(tmp_path: Path) -> None:
    rows = rows_of(Plan(1, by_day=True))
    stream = read_stream(written(rows, tmp_path / "a.csv.gz"))
    assert list(stream.ids) == [row["tx_id"] for row in sorted(rows, key=lambda row: (row["ts"], row["tx_id"]))]
    by_id = {row["tx_id"]: row for row in rows}
    for number in range(0, len(rows), 17):
        row = by_id[stream.ids[number]]
        assert stream.accounts[stream.rows.source[number]] == row["src"]
        assert stream.accounts[stream.rows.target[number]] == row["dst"]
        assert stream.rows.amount[number] == float(row["amount"])
        assert stream.kinds[stream.rows.kind[number]] == row["tx_type"]
        assert stream.is_laundering[number] == (row["is_laundering"] == "1")
        assert (stream.cases[stream.case[number]] if stream.case[number] >= 0 else "") == row["case_id"]


def test_day_stamps_are_recognised(tmp_path: Path) -> None:
    assert read_stream(written(rows_of(Plan(1, by_day=True)), tmp_path / "day.csv")).is_by_day
    assert not read_stream(written(rows_of(Plan(1)), tmp_path / "minute.csv")).is_by_day


def test_amounts_of_several_currencies_are_told_in_median_payments_of_the_warm_up(tmp_path: Path) -> None:
    rows = rows_of(Plan(2))
    for row in rows:
        if row["currency"] == "USD":
            row["amount"] = f"{float(row['amount']) * 100:.2f}"
    stream = read_stream(written(rows, tmp_path / "two.csv"))
    early = stream.rows.time_us < stream.cut.thresholds * 86_400_000_000
    medians = [np.median(stream.rows.value[early & (stream.rows.currency == code)]) for code in range(2)]
    assert medians[0] == pytest.approx(medians[1])


def test_currencies_of_like_amounts_are_one_unit(tmp_path: Path) -> None:
    stream = read_stream(written(rows_of(Plan(2)), tmp_path / "two.csv"))
    assert len(stream.currencies) == 2
    np.testing.assert_array_equal(stream.rows.value, stream.rows.amount)


def test_the_columns_of_amlworld_are_read(tmp_path: Path) -> None:
    rows = [
        row | {"src_bank": "11", "dst_bank": "12", "amount_received": "1", "currency_received": "Euro"}
        for row in rows_of(Plan(3))
    ]
    assert len(read_stream(written(rows, tmp_path / "w.csv")).rows) == len(rows)


BAD = (
    ("amount", "12,50", "w.csv:5: amount '12,50' is no number"),
    ("amount", "-1", "w.csv:5: amount '-1' is below zero"),
    ("ts", "yesterday", "w.csv:5: ts 'yesterday' is no time"),
    ("is_laundering", "yes", "w.csv:5: is_laundering 'yes' is neither 0 nor 1"),
    ("src", "", "w.csv:5: src '' is empty"),
)


@pytest.mark.parametrize(("column", "cell", "words"), BAD)
def test_a_bad_cell_is_named_with_its_line(column: str, cell: str, words: str, tmp_path: Path) -> None:
    rows = rows_of(Plan(4))
    rows[3][column] = cell
    with pytest.raises(EvaluateError) as caught:
        read_stream(written(rows, tmp_path / "w.csv"))
    assert words in str(caught.value)


def test_what_is_no_labelled_stream_is_refused_with_the_reason(tmp_path: Path) -> None:
    rows = rows_of(Plan(5))
    for name, given, words in (
        ("gone.csv", None, "gone.csv"),
        ("columns.csv", [{"tx_id": "1", "ts": "2025-01-01"}], "no column src"),
        ("empty.csv", [], "no rows"),
        ("twice.csv", [*rows, rows[0]], "occurs twice"),
        ("short.csv", [row for row in rows if row["ts"] < "2025-03-05"], "at least 10 days"),
        ("clean.csv", [row | {"is_laundering": "0"} for row in rows], "no laundering row"),
    ):
        path = tmp_path / name
        if given is not None:
            written(given, path)
        with pytest.raises(EvaluateError, match=words):
            read_stream(path)


def test_parties_lie_beside_the_stream_and_go_by_account(tmp_path: Path) -> None:
    place = written(rows_of(Plan(6)), tmp_path / "bank_tx.csv")
    assert parties_beside(place) is None
    stream = read_stream(place)
    parties = written([{"acct_id": stream.accounts[5], "country": "NO"}], tmp_path / "bank_parties.csv")
    assert parties_beside(place) == parties
    known = read_stream(place, parties).parties["country"]
    assert (known[5], known[4]) == ("NO", None)


def test_a_simulated_bank_is_read_with_its_labels(tmp_path: Path) -> None:
    for file_format in ("json", "parquet"):
        made = simulate(customers=150, days=40, seed=5, out=tmp_path / file_format, file_format=file_format)
        stream = read_stream(tmp_path / file_format)
        assert len(stream.cases) == sum(made.cases.values()) > 0
        assert stream.is_laundering.sum() == made.labelled
        assert stream.units == "USD"
        assert not stream.is_party.all()
    assert streams_below(tmp_path) == [tmp_path / "json", tmp_path / "parquet"]
