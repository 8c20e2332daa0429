"""The history: the same rows come back whatever the batches, commits, kills and restarts."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.adapters import history
from monitor.adapters.block_log import DamagedError
from monitor.adapters.history import SCHEMA, TOKEN_COLUMNS, HistoryStore, table_of
from monitor.domain.time import DAY_US, HOUR_US
from monitor.domain.transaction import TransactionBatch

TOKENS = np.arange(50 * 16, dtype=np.uint8).reshape(50, 16)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PART_ROWS_MIN", 3)
    monkeypatch.setattr(history, "PART_ROWS_MAX", 7)
    monkeypatch.setattr(history, "ROW_GROUP_ROWS", 2)


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
        store.truncate_to(committed)
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
        path.relative_to(tmp_path).as_posix(): pq.read_metadata(path).num_rows for path in tmp_path.rglob("*.parquet")
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
    (path,) = tmp_path.rglob("*.parquet")
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
