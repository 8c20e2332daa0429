"""Claims on runs: given up one by one, lost with their server; and commits that look where the run stands."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from deploy.servers.postgres import PostgresServer
from monitor.adapters.sql.opening import CONNECTIONS_MAX, UNAVAILABLE
from monitor.adapters.sql.schema import case_alerts
from monitor.adapters.sql.store import CaseStore, RunMoved, StoreBusy, open_store
from monitor.casework.position import RunPosition
from tests.casework.alert_building import stored
from tests.conftest import StartServer


def position(offset: int, run: str = "alerts-0") -> RunPosition:
    return RunPosition(run, 0, offset, offset, 0)


def test_a_claim_that_is_given_up_can_be_had_by_another(place: str):
    with open_store(place, create=True) as first, open_store(place) as second:
        first.claim_run("one")
        first.claim_run("two")
        first.give_up_run("one")
        first.give_up_run("one")
        second.claim_run("one")
        with pytest.raises(StoreBusy, match="already writing the run 'two'"):
            second.claim_run("two")
        with pytest.raises(StoreBusy):
            first.claim_run("one")


def test_many_claims_leave_connections_for_the_work(place: str):
    with open_store(place, create=True) as store:
        for number in range(10 * CONNECTIONS_MAX):
            store.claim_run(f"alerts-{number}")
        store.commit_batch([stored(1)], position(1), recorded_at_us=1)


@pytest.mark.postgres
def test_a_server_that_went_away_took_the_claims_with_it(own_server: StartServer):
    server = own_server(PostgresServer)
    with open_store(server.address, create=True) as first, open_store(server.address) as second:
        first.claim_run("one")
        server.restart()
        with pytest.raises(UNAVAILABLE):
            first.claim_run("two")
        first.give_up_run("one")
        first.claim_run("two")
        with pytest.raises(UNAVAILABLE):
            second.claim_run("one")
        second.claim_run("one")
        with pytest.raises(StoreBusy):
            first.claim_run("one")


def test_a_commit_of_a_run_that_another_has_moved_stores_nothing(place: str):
    with open_store(place, create=True) as store:
        store.commit_batch([stored(1)], position(5), recorded_at_us=1, expected=0)
        before = store.fingerprint()
        with pytest.raises(RunMoved, match="stands at 5 and not at 3"):
            store.commit_batch([stored(2)], position(7), recorded_at_us=2, expected=3)
        assert store.fingerprint() == before
        store.commit_batch([stored(2)], position(7), recorded_at_us=2, expected=5)
        assert store.position("alerts-0") == position(7)


def order_of_case(store: CaseStore) -> list[str]:
    with store.reading() as connection:
        return list(connection.execute(sa.select(case_alerts.c.alert_id).order_by(case_alerts.c.seq)).scalars())


def test_alerts_count_in_the_order_of_their_log_or_as_several_logs_gave_them(place: str, tmp_path: Path):
    given = [stored(n) for n in (3, 1, 2)]
    with open_store(place, create=True) as store:
        store.commit_batch(given, position(1), recorded_at_us=1, is_in_order=True)
        assert order_of_case(store) == [each.alert.alert_id for each in given]
    with open_store(tmp_path / "other.db", create=True) as store:
        store.commit_batch(given, position(1), recorded_at_us=1)
        assert order_of_case(store) == [stored(n).alert.alert_id for n in (1, 2, 3)]
