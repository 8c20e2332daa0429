"""The store commits all or nothing, passes over what it has, and does not care how a run is cut."""

import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from monitor.adapters.sql import rows
from monitor.adapters.sql.schema import alerts, case_alerts, cases, journal, journal_roots
from monitor.adapters.sql.store import CaseStore, open_store
from monitor.casework.evidence import StoredAlert
from monitor.casework.position import LogInput, RunPosition
from monitor.domain.time import UNKNOWN
from tests.casework.alert_building import START_US, alert_streams, stored, subject

RUN = "embedded"


def position(log_position: int, **changes: object) -> RunPosition:
    return replace(RunPosition(RUN, 0, log_position * 100, log_position, UNKNOWN), **changes)  # type: ignore[arg-type]


def commit(store: CaseStore, batch: list[StoredAlert], at: int = 1, *, clock_us: int = 5):
    return store.commit_batch(batch, position(at), recorded_at_us=clock_us)


def count(store: CaseStore, table: sa.Table) -> int:
    with store.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def committed_in(folder: Path, name: str, stream: list[StoredAlert], cuts: list[int]) -> dict[str, str]:
    """The content of a store after the stream was committed in the pieces between the cuts."""
    with open_store(folder / name, create=True) as store:
        for n, (start, stop) in enumerate(pairwise([0, *sorted(cuts), len(stream)])):
            commit(store, stream[start:stop], stop, clock_us=1000 + n)
        assert store.verify().findings == ()
        return store.fingerprint()


@settings(max_examples=40, deadline=None)
@given(alert_streams(), st.data())
def test_any_division_into_commits_gives_equal_alerts_cases_and_journal(stream, data):
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    with tempfile.TemporaryDirectory() as folder:
        whole = committed_in(Path(folder), "whole.db", stream, [])
        pieces = committed_in(Path(folder), "pieces.db", stream, cuts)
    assert pieces == whole


@settings(max_examples=20, deadline=None)
@given(alert_streams(), st.data())
def test_what_is_delivered_again_changes_nothing(stream, data):
    again = data.draw(st.integers(0, len(stream)))
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "a.db", create=True) as store:
        commit(store, stream, 9)
        before, roots = store.fingerprint(), count(store, journal_roots)
        result = commit(store, stream[again:], 9)
        assert (result.alerts_stored, result.alerts_passed_over) == (0, len(stream) - again)
        assert store.fingerprint() == before
        assert count(store, journal_roots) == roots


def test_the_fingerprint_sees_content_and_not_the_clock(tmp_path):
    stream = [stored(n) for n in range(3)]
    one = committed_in(tmp_path, "one.db", stream, [])
    assert committed_in(tmp_path, "two.db", stream, [1, 2]) == one
    other = committed_in(tmp_path, "three.db", [*stream[:2], stored(2, score=0.51)], [])
    assert other != one


def test_alerts_join_the_case_of_their_subject(store):
    result = commit(store, [stored(0), stored(1, customer="bob"), stored(2), stored(3, status="shadow")])
    assert (result.alerts_stored, result.cases_opened, result.cases_touched) == (4, 2, 2)
    again = commit(store, [stored(4), stored(5, status="shadow"), stored(6, customer="bob")], 2)
    assert (again.cases_opened, again.cases_touched) == (0, 2)
    assert (count(store, alerts), count(store, cases), count(store, case_alerts)) == (7, 2, 5)
    assert store.verify().findings == ()


def test_two_kinds_with_one_token_are_two_subjects(store):
    account = structs.replace(subject("ann"), kind="account")
    commit(store, [stored(0), stored(1, subject=account)])
    assert count(store, cases) == 2
    again = commit(store, [stored(2), stored(3, subject=account)], 2)
    assert (again.cases_opened, again.cases_touched) == (0, 2)


def test_the_order_within_a_commit_is_the_order_of_the_log(store, tmp_path):
    stream = [stored(n, customer="ann", severity=severity) for n, severity in enumerate(["low", "critical", "high"])]
    commit(store, stream[::-1])
    assert store.fingerprint() == committed_in(tmp_path, "ordered.db", stream, [])


def test_one_alert_twice_in_a_commit_counts_once(store):
    result = commit(store, [stored(0), stored(0)])
    assert (result.alerts_stored, result.alerts_passed_over) == (1, 1)


def test_position_counters_and_inputs_come_back(store):
    assert store.position(RUN) is None
    given_position = position(7, snapshot="s-7", finished=True, details={"files": ["a.jsonl"], "sizes": [3]})
    inputs = [LogInput(0, "rulebook", "rules", "1", "d" * 64, "rules/1"), LogInput(5, "list", "corridors", "3", "e")]
    store.commit_batch([], given_position, recorded_at_us=5, counters={"records": 7, "refused": 0}, inputs=inputs)
    assert store.position(RUN) == given_position
    assert store.counters(RUN) == {"records": 7, "refused": 0}
    assert store.inputs(RUN) == inputs


def test_a_redelivered_commit_does_not_move_the_position_back(store):
    store.commit_batch([stored(8)], position(9), recorded_at_us=5, counters={"records": 9})
    store.commit_batch([stored(3)], position(4), recorded_at_us=6, counters={"records": 4})
    assert store.position(RUN) == position(9)
    assert store.counters(RUN) == {"records": 9}
    assert count(store, alerts) == 2


def test_an_input_that_is_there_already_is_passed_over(store):
    one = LogInput(0, "list", "corridors", "3", "e")
    for _ in range(2):
        store.commit_batch([], position(1), recorded_at_us=5, inputs=[one])
    assert store.inputs(RUN) == [one]


def test_runs_of_one_store_keep_apart(store):
    commit(store, [stored(0)], 5)
    store.commit_batch([stored(1)], replace(position(2), run="p-1"), recorded_at_us=1, counters={"records": 2})
    assert (store.position(RUN).log_position, store.position("p-1").log_position) == (5, 2)
    assert store.counters(RUN) == {}


def test_a_commit_that_fails_leaves_nothing(store):
    commit(store, [stored(0)])
    before, at = store.fingerprint(), store.position(RUN)
    broken = replace(stored(2), evidence=None)  # the database refuses an alert without evidence
    with pytest.raises((sa.exc.IntegrityError, AttributeError)):
        commit(store, [stored(1), broken], 2)
    too_many = {f"c{n}": n for n in range(10_001)}
    with pytest.raises(ValueError, match="10000 is the limit"):
        store.commit_batch([stored(1)], position(2), recorded_at_us=5, counters=too_many)
    assert (store.fingerprint(), store.position(RUN)) == (before, at)


def test_evidence_comes_back_with_tokens_and_positions(store):
    one = stored(5)
    commit(store, [one])
    evidence = store.evidence(one.alert.alert_id)
    assert evidence["subject"] == {"kind": "customer", "id": one.alert.subject.token}
    assert evidence["transactions"] == ["3", "4", "5"]
    assert evidence["measures"]["small_cash.total"] == {"value": "18000.00", "unit": "USD", "bound": "exact"}
    assert store.evidence("A-NONE") is None
    assert store.alert_ids(one.alert.alert_id[:6]) == [one.alert.alert_id]


def test_a_commit_without_alerts_makes_no_root(store):
    commit(store, [])
    assert count(store, journal_roots) == 0
    commit(store, [stored(0)], 2)
    assert count(store, journal_roots) == 1


@pytest.mark.parametrize(
    ("change", "kind", "where"),
    [
        ("UPDATE journal SET actor = 'eve' WHERE chain = '{case}' AND seq = 2", "altered", "{case} entry 2"),
        ("UPDATE journal SET recorded_at_us = 6 WHERE chain = '{case}' AND seq = 3", "altered", "{case} entry 3"),
        ("DELETE FROM journal WHERE chain = '{case}' AND seq = 2", "missing", "{case} entry 2"),
        ("DELETE FROM journal WHERE chain = '{case}' AND seq = 3", "truncated", "{case} entry 3"),
        ("UPDATE journal SET seq = seq + 10 WHERE chain = '{case}' AND seq = 3", "missing", "{case} entry 3"),
        ("DELETE FROM journal_roots WHERE seq = 2", "root", "root 2"),
        ("UPDATE journal_roots SET entries = 9 WHERE seq = 1", "altered", "root 1"),
        ("UPDATE alerts SET evidence = '{{}}' WHERE position = 1", "content", "alert {alert}"),
        ("UPDATE cases SET state = 'closed_explained'", "state", "case {case}"),
        ("UPDATE alerts SET severity = 'low' WHERE position = 1", "content", "alert {alert}"),
        ("UPDATE alerts SET status = 'quiet' WHERE position = 1", "content", "alert {alert}"),
        ("UPDATE alerts SET text = 'nothing' WHERE position = 1", "content", "alert {alert}"),
        ("UPDATE alerts SET event_time_us = event_time_us + 1 WHERE position = 1", "content", "alert {alert}"),
        ("UPDATE alerts SET subject_token = 'other' WHERE position = 1", "content", "alert {alert}"),
        ("DELETE FROM case_alerts WHERE seq = 2", "missing", "alert {alert}"),
    ],
)
def test_a_change_made_behind_the_stores_back_is_named(store, change, kind, where):
    stream = [stored(n) for n in range(3)]
    commit(store, stream[:2], 1)
    commit(store, stream[2:], 2)
    assert store.verify().findings == ()
    with store.reading() as connection:
        chain = connection.execute(sa.select(journal.c.chain).limit(1)).scalar_one()
    names = {"case": chain, "alert": stream[1].alert.alert_id}
    with store.writing() as connection:
        connection.exec_driver_sql(change.format(**names))
    first = store.verify().findings[0]
    assert (first.kind, first.place) == (kind, where.format(**names))


def test_many_alerts_of_many_subjects_go_in_at_once(store):
    stream = [stored(n, customer=f"customer {n % 700}") for n in range(1500)]
    result = commit(store, stream)
    assert (result.alerts_stored, result.cases_opened) == (1500, 700)
    assert commit(store, stream, 2).alerts_passed_over == 1500
    assert store.verify().entries == 1500


def test_times_and_amounts_beyond_32_bits_come_back(store):
    one = stored(0, amount_minor=10**17, judged_at_us=START_US * 2)
    commit(store, [one])
    with store.reading() as connection:
        row = connection.execute(sa.select(cases.c.amount_minor, cases.c.opened_at_us)).one()
    assert tuple(row) == (10**17, START_US * 2)


def test_rows_that_go_in_as_tuples_name_every_column() -> None:
    assert set(rows.ALERT_COLUMNS) == set(alerts.c.keys())
    assert set(rows.CASE_COLUMNS) == set(cases.c.keys())
    assert set(rows.ENTRY_COLUMNS) == set(journal.c.keys())


def test_sqlite_s_log_is_not_copied_at_every_commit_and_is_gone_when_the_store_is_closed(tmp_path: Path) -> None:
    log = tmp_path / "bank.db-wal"
    with open_store(tmp_path / "bank.db", create=True) as store:
        commit(store, [stored(1)], 1)
        first = log.stat().st_size
        commit(store, [stored(2)], 2)
        assert log.stat().st_size > first
    assert not log.exists()
