"""The history: the same rows come back whatever the batches, commits, kills and restarts."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.adapters import history, history_tokens
from monitor.adapters.block_log import DamagedError
from monitor.adapters.history import TOKENS_FOLDER, HistoryStore
from monitor.adapters.history_parts import SCHEMA, TOKEN_COLUMNS, table_of
from monitor.adapters.history_reading import HistoryReader
from monitor.adapters.history_tokens import read_tokens
from monitor.domain.time import DAY_US, HOUR_US
from monitor.domain.transaction import TransactionBatch

TOKENS = np.arange(50 * 16, dtype=np.uint8).reshape(50, 16)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PART_ROWS_MIN", 3)
    monkeypatch.setattr(history, "PART_ROWS_MAX", 7)


def rows(hours: list[int], gaps: list[int]) -> TransactionBatch:
    """One row per hour given; ``gaps`` are the refused records in front of each."""
    n = len(hours)
    position = np.arange(n) + np.cumsum(np.resize(np.array(gaps or [0], np.int64), n))
    columns = {}
    for number, field in enumerate(SCHEMA):
        random = np.random.default_rng([number, n])
        kind = np.int32 if field.name in TOKEN_COLUMNS else field.type.to_pandas_dtype()
        columns[field.name] = random.integers(-1, 50, n).astype(kind)
    columns["position"], columns["booked_at_us"] = position, np.array(hours, np.int64) * HOUR_US
    return TransactionBatch(**columns)


def stored(store: HistoryStore, **limits: int) -> pa.Table:
    return pa.concat_tables([SCHEMA.empty_table(), *store.scan(**limits)]).combine_chunks()


def batches(batch: TransactionBatch, cuts: list[int]) -> Iterator[TransactionBatch]:
    edges = sorted({0, len(batch), *(cut for cut in cuts if cut < len(batch))})
    yield from (batch.slice(start, stop) for start, stop in pairwise(edges))


hours = st.lists(st.integers(0, 24 * 6), max_size=40)
gaps = st.lists(st.integers(0, 2), max_size=5)
cuts = st.lists(st.integers(0, 40), max_size=8)


@given(hours, gaps, cuts, cuts, cuts)
@settings(print_blob=True, deadline=None, max_examples=60)
def test_what_was_appended_comes_back_in_order_after_any_cut_commit_and_restart(
    hours: list[int], gaps: list[int], cuts: list[int], commits: list[int], restarts: list[int]
) -> None:
    batch = rows(hours, gaps)
    expected = table_of(batch, TOKENS)
    with TemporaryDirectory() as folder:
        store, done = HistoryStore(Path(folder)), 0
        for piece in batches(batch, cuts):
            store.append(piece, TOKENS)
            done += len(piece)
            if done in commits or done in restarts:
                store.commit()
            if done in restarts:
                store.close()
                store = HistoryStore(Path(folder))
            assert stored(store).equals(expected.slice(0, done))
        store.commit()
        store.close()
        store = HistoryStore(Path(folder))
        assert stored(store).equals(expected)
        days = np.maximum.accumulate(batch.booked_at_us) // DAY_US if hours else np.empty(0)
        for day in range(7):
            assert stored(store, day=day).equals(expected.filter(pa.array(days == day)))
        for wanted in ([5, 0, 2, 99, 2], list(range(60, -1, -1))):
            known = [p for p in wanted if p in set(batch.position.tolist())]
            assert store.rows(np.array(wanted)).column("position").to_pylist() == known
        low, high = 3, 9
        inside = (batch.position >= low) & (batch.position < high)
        assert stored(store, from_position=low, to_position=high).equals(expected.filter(pa.array(inside)))


@given(hours.filter(len), gaps, cuts, st.integers(0, 40), st.integers(0, 60))
@settings(print_blob=True, deadline=None, max_examples=60)
def test_a_killed_run_goes_on_where_it_was_committed(
    hours: list[int], gaps: list[int], cuts: list[int], killed_at: int, committed: int
) -> None:
    batch = rows(hours, gaps)
    expected = table_of(batch, TOKENS)
    with TemporaryDirectory() as folder:
        store, done = HistoryStore(Path(folder)), 0
        for piece in batches(batch, [*cuts, killed_at]):
            if done >= killed_at:
                break
            store.append(piece, TOKENS)
            done += len(piece)
            store.commit()
        # Killed while writing: half a file lies beside its place, and more was stored than was recorded.
        (Path(folder) / "day=1970-01-01").mkdir(exist_ok=True)
        (Path(folder) / "day=1970-01-01" / ".writing-part-0.parquet").write_bytes(b"PAR1 half")
        store.close()
        store = HistoryStore(Path(folder))
        assert not list(Path(folder).rglob(".writing-*"))
        store.truncate_to(committed, len(TOKENS))
        rest = int(np.searchsorted(batch.position, committed))
        assert stored(store).equals(expected.slice(0, min(rest, done)))
        for piece in batches(batch.slice(min(rest, done), len(batch)), cuts):
            store.append(piece, TOKENS)
        store.commit()
        store.close()
        assert stored(HistoryStore(Path(folder))).equals(expected)


def test_parts_lie_under_the_day_of_the_running_maximum(tmp_path: Path) -> None:
    batch = rows([1, 2, 3, 25, 2, 26, 27, 60], [])
    store = HistoryStore(tmp_path)
    store.append(batch, TOKENS)
    store.commit()
    parts = {
        path.relative_to(tmp_path).as_posix(): pq.read_metadata(path).num_rows
        for path in tmp_path.glob("day=*/*.parquet")
    }
    assert parts == {
        "day=1970-01-01/part-0000000000000000.parquet": 3,
        "day=1970-01-02/part-0000000000000003.parquet": 4,
        "day=1970-01-03/part-0000000000000007.parquet": 1,
    }


def test_a_part_that_was_cut_short_is_reported_with_its_name(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path)
    store.append(rows([1, 2, 3], []), TOKENS)
    store.commit()
    (path,) = tmp_path.glob("day=*/*.parquet")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DamagedError, match=r"part-0000000000000000.parquet: the file is cut short"):
        HistoryStore(tmp_path)


def test_a_position_that_does_not_follow_is_an_error_at_the_commit(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path)
    store.append(rows([1, 2], []), TOKENS)
    store.append(rows([1, 2], []), TOKENS)
    with pytest.raises(ValueError, match="position 0 does not follow the history, which ends at 2"):
        store.commit()


def test_a_disk_error_surfaces_at_the_commit(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path / "history")
    (tmp_path / "history" / "day=1970-01-01").write_bytes(b"a file where the folder belongs")
    store.append(rows([1], []), TOKENS)
    with pytest.raises(OSError, match="day=1970-01-01"):
        store.commit()


def test_a_part_that_a_commit_found_large_enough_is_not_written_again(tmp_path: Path) -> None:
    batch = rows([1, 1, 1, 1, 1, 1, 1], [])
    store = HistoryStore(tmp_path)
    written = []
    for start, stop in ((0, 2), (2, 4), (4, 6), (6, 7)):
        store.append(batch.slice(start, stop), TOKENS)
        store.commit()
        written.append({path.stem[-1]: pq.read_metadata(path).num_rows for path in tmp_path.glob("day=*/*.parquet")})
    assert written == [{"0": 2}, {"0": 4}, {"0": 4, "4": 2}, {"0": 4, "4": 3}]
    store.close()
    assert stored(HistoryStore(tmp_path)).equals(table_of(batch, TOKENS))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.integers(0, 50))
@settings(print_blob=True, deadline=None, max_examples=60)
def test_codes_given_anew_after_a_kill_have_their_new_tokens(counts: list[int], committed: int) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_tokens, "PART_CODES_MIN", 4)
        patch.setattr(history_tokens, "PART_CODES_MAX", 9)
        parts, kept = history_tokens.TokenParts(Path(folder)), 0
        for count in counts:
            parts.write(TOKENS[:count])
            kept = max(kept, count)
            assert read_tokens(Path(folder)).tolist() == TOKENS[:kept].tolist()
        parts = history_tokens.TokenParts(Path(folder))
        parts.truncate(committed)
        kept = min(kept, committed)
        assert read_tokens(Path(folder)).tolist() == TOKENS[:kept].tolist()
        anew = np.concatenate([TOKENS[:kept], TOKENS[::-1]])[:50]
        parts.write(anew)
        assert read_tokens(Path(folder)).tolist() == anew.tolist()


def test_a_missing_part_of_the_tokens_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_tokens, "PART_CODES_MAX", 20)
    history_tokens.TokenParts(tmp_path).write(TOKENS)
    (tmp_path / "part-0000000020.parquet").unlink()
    with pytest.raises(DamagedError, match="the tokens of codes 20 to 40 are missing"):
        read_tokens(tmp_path)


def test_an_auditor_reads_rows_and_tokens_with_duckdb_and_the_folder_with_pyarrow(tmp_path: Path) -> None:
    batch = replace(rows([1, 2, 3, 25, 26, 27, 60], []), debtor_holder=np.array([3, -1, 7, 3, -1, 49, 0], np.int32))
    store = HistoryStore(tmp_path)
    store.append(batch, TOKENS)
    store.commit()
    expected = table_of(batch, TOKENS).column("debtor_holder").to_pylist()
    query = f"""
        select t.token from '{tmp_path}/day=*/*.parquet' p
        left join '{tmp_path}/{TOKENS_FOLDER}/*.parquet' t on p.debtor_holder = t.code order by p.position
    """
    assert [token for (token,) in duckdb.sql(query).fetchall()] == expected
    assert pq.read_table(tmp_path).num_rows == len(batch)
    reader = HistoryReader(tmp_path)
    found = reader.rows(lambda table: np.array(table.column("position")) > 2, columns=("position",), stop=6)
    assert found.column("debtor_holder").to_pylist() == expected[3:6]


def test_a_part_of_another_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "day=1970-01-01" / "part-0000000000000000.parquet"
    path.parent.mkdir()
    pq.write_table(table_of(rows([1], []), TOKENS), path)
    with pytest.raises(DamagedError, match="the history is of format 1 and this release reads 3"):
        HistoryStore(tmp_path)


def test_a_code_without_a_token_is_reported(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path)
    batch = rows([1, 2, 3, 4], [])
    store.append(batch, TOKENS)
    store.commit()
    store.truncate_to(4, 0)
    assert list(store.batches())
    with pytest.raises(DamagedError, match="has the tokens of 0 codes only"):
        stored(store)
