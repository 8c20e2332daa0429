"""Obligations in the store: one per period however commits are cut, kept whole, and checked with the journal."""

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.adapters.sql.obligations import ObligationUnknown, list_obligations, obligation_with, revisions_of
from monitor.adapters.sql.schema import cases, obligation_revisions, obligations
from monitor.adapters.sql.store import CaseStore, open_store
from monitor.casework.evidence import StoredAlert, stored_alert
from monitor.casework.obligations import Cause, withdraw
from monitor.casework.position import RunPosition
from monitor.domain.alert import Duty, Quantity
from monitor.domain.deadline import Deadline
from monitor.domain.time import UNKNOWN
from tests.casework.alert_building import alert


def match(n: int, *, customer: str = "ann", period: str = "2026-05-04", way: str = "in", status: str = "new"):  # type: ignore[no-untyped-def]
    """The ``n``-th match of a cash report: payment ``n`` and those before it."""
    duty = Duty(way, "day", period, None, "day.total", {"fincen_sar": ("CTR",)}, Deadline(15, "calendar", "A law"))
    changed = alert(
        n, customer=customer, rule="AML-LCT-001", duty=duty, status=status, transactions=tuple(range(n + 1)),
        transactions_total=n + 1, measures={"day.total": Quantity(f"{n + 1}1000.00", "USD")},
    )  # fmt: skip
    return stored_alert(changed, due_on="2026-05-19")


def commit(store: CaseStore, matches: list[StoredAlert], at: int) -> None:
    store.commit_batch(matches, RunPosition("embedded", 0, at, at, UNKNOWN), recorded_at_us=at)


def found(store: CaseStore):  # type: ignore[no-untyped-def]
    with store.reading() as connection:
        return list_obligations(connection)


streams = st.lists(
    st.tuples(st.sampled_from(["ann", "bob"]), st.sampled_from(["in", "out"]), st.sampled_from(["new", "shadow"])),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(streams, st.data())
def test_any_division_into_commits_gives_equal_obligations(stream, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    matches = [match(n, customer=who, way=way, status=status) for n, (who, way, status) in enumerate(stream)]
    prints = []
    with tempfile.TemporaryDirectory() as folder:
        for number, divided in enumerate(([], cuts)):
            with open_store(Path(folder) / f"{number}.db", create=True) as store:
                for start, stop in pairwise([0, *divided, len(matches)]):
                    commit(store, matches[start:stop], stop)
                    commit(store, matches[start:stop], stop)
                assert store.verify().findings == ()
                assert len(found(store)) == len({each[:2] for each in stream})
                prints.append(store.fingerprint())
    assert prints[0] == prints[1]


def test_a_match_of_an_obligation_makes_no_case(store):
    commit(store, [match(0), match(1)], 1)
    with store.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(cases)).scalar() == 0
    (only,) = found(store)
    assert (only.state, only.revision, only.transactions) == ("revised", 2, (0, 1))


@pytest.mark.parametrize(
    ("table", "change"),
    [(obligations, {"state": "withdrawn"}), (obligations, {"due_on": "2026-06-30"}),
     (obligations, {"transactions": "[0]"}), (obligation_revisions, {"content": "{}"})],
)  # fmt: skip
def test_a_change_past_the_journal_is_found(store, table, change):
    commit(store, [match(0), match(1)], 1)
    assert store.verify().findings == ()
    with store.writing() as connection:
        connection.execute(table.update().values(**change))
    assert any("obligation" in finding.place for finding in store.verify().findings)


def test_an_obligation_that_was_taken_out_is_missed(store):
    commit(store, [match(0)], 1)
    with store.writing() as connection:
        connection.execute(obligation_revisions.delete())
        connection.execute(obligations.delete())
    assert [finding.kind for finding in store.verify().findings] == ["missing"]


def test_a_match_of_an_approved_rule_turns_trial_into_owed_and_not_back(store):
    for n, status in enumerate(["shadow", "shadow", "new", "shadow"]):
        commit(store, [match(n, status=status)], n)
    (only,) = found(store)
    with store.reading() as connection:
        states = [each["state"] for each in revisions_of(connection, only.obligation_id)]
    assert states == ["trial", "trial", "owed", "revised"]


def test_what_was_revised_meanwhile_is_not_overwritten(store):
    commit(store, [match(0)], 1)
    (before,) = found(store)
    settled = withdraw(before, Cause("reconciliation", 5, 1, actor="ann", reason="a test"))
    commit(store, [match(1)], 2)
    with pytest.raises(ValueError, match="revised it since it was compared"):
        store.record_obligations([settled], run="embedded", recorded_at_us=5)
    assert [each.state for each in found(store)] == ["revised"]


def test_an_obligation_is_found_by_the_beginning_of_its_id(store):
    commit(store, [match(0), match(0, customer="bob")], 1)
    one, _ = found(store)
    with store.reading() as connection:
        assert obligation_with(connection, one.obligation_id[:8].lower()) == one
        with pytest.raises(ObligationUnknown, match="several obligations begin so"):
            obligation_with(connection, "O-")
        with pytest.raises(ObligationUnknown, match="no obligation has this id"):
            obligation_with(connection, "O-11111")
