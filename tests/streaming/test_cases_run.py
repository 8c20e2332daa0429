"""The run of a partition of alerts: how its log is read in pieces, and who reads it, changes nothing."""

import dataclasses
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from monitor.adapters.kafka.alert_records import BANK_CUSTOMERS, encode
from monitor.adapters.sql.orders import give
from monitor.adapters.sql.schema import alerts as alert_table
from monitor.adapters.sql.schema import journal
from monitor.adapters.sql.store import CaseStore, RunMoved, StoreBusy, open_store
from monitor.app.inputs import GivenInputs, LoadedInputs, load_inputs
from monitor.app.streaming import cases_run
from monitor.app.streaming.cases_run import AlertsRecord, AlertsRun, AlertUnstorable, Batch, Doubt, batches
from monitor.casework.breaker import BreakerSettings
from monitor.casework.orders import DISABLE, ENABLE, SUPPRESS, Order
from monitor.domain.alert import Alert
from monitor.domain.time import DAY_US, HOUR_US
from tests.casework.alert_building import START_US, alert, subject

RULE, OTHER = "AML-STR-001", "AML-PAS-002"


@pytest.fixture(scope="module")
def loaded() -> LoadedInputs:
    return load_inputs(GivenInputs(breaker=BreakerSettings(least=4)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    with open_store(tmp_path / "cases.db", create=True) as opened:
        yield opened


def claim(store: CaseStore, loaded: LoadedInputs, partitions: int = 1) -> AlertsRun:
    return AlertsRun.claim(store, loaded, partition=0, partitions=partitions)


def take(run: AlertsRun, records: Sequence[AlertsRecord]) -> None:
    for batch in batches(records, Doubt()):
        run.commit(batch, recorded_at_us=1, refused=batch.refused)


def records_of(given: Sequence[Sequence[Alert]], headers: Mapping[str, bytes] | None = None) -> list[AlertsRecord]:
    return [AlertsRecord(offset, encode(some), headers or {}) for offset, some in enumerate(given)]


def stream(rng: random.Random, count: int = 120) -> list[AlertsRecord]:
    """Alerts of two legs partitions that do not change their day together, some of them sent again."""
    made: list[list[Alert]] = []
    for n in range(count):
        legs = rng.randrange(2)
        status = rng.choice(["new", "new", "quiet", "quiet", "shadow"])
        made.append([
            alert(
                n, customer=f"{legs}{rng.choice('abc')}", rule=rng.choice([RULE, OTHER]), position=legs * 2**40 + n,
                judged_at_us=START_US + (n + 30 * legs) * HOUR_US, status=status,
                marks=("quiet",) if status == "quiet" else (),
            )
        ])  # fmt: skip
        if rng.random() < 0.2:
            made.append([each for some in made[-3:] for each in some])
        if rng.random() < 0.1:
            made[-1].insert(0, replace(made[-1][0], source=alert(rule="AML-ZZZ-001").source, alert_id=f"A-{n}"))
    return records_of(made)


def statuses(store: CaseStore) -> dict[str, int]:
    query = sa.select(alert_table.c.status, sa.func.count()).group_by(alert_table.c.status)
    with store.reading() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def first_shown(store: CaseStore) -> int:
    """How many repeats were shown because nobody had seen what they repeat."""
    query = sa.select(sa.func.count()).where(alert_table.c.evidence.like('%"first_shown"%'))
    with store.reading() as connection:
        return connection.execute(query).scalar_one()


def suppression(customer: str) -> Order:
    return Order(
        SUPPRESS, "ann", "Deed seen.", 1, second="bob", rule=RULE, subject_kind="customer",
        subject_token=subject(customer).token, from_us=START_US, until_us=START_US + 3 * DAY_US, sample_ppm=100_000,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_pieces_claims_and_repeats_change_nothing(loaded: LoadedInputs, tmp_path: Path, seed: int):
    rng = random.Random(seed)
    records = stream(rng)
    found = []
    for place, is_whole in (("whole", True), ("pieces", False)):
        with open_store(tmp_path / place, create=True) as store:
            give(store, suppression("0a"), recorded_at_us=1)
            run, offset = claim(store, loaded), 0
            while offset < len(records):
                after = len(records) if is_whole else offset + rng.randint(1, 9)
                take(run, records[offset:after])
                offset = run.offset or 0
                if rng.random() < 0.3:
                    store.give_up_run(run.name)
                    run = claim(store, loaded)
            assert store.verify().findings == ()
            found.append((store.fingerprint(), store.counters("alerts-0"), store.position("alerts-0"), statuses(store),
                          first_shown(store)))  # fmt: skip
    assert found[0] == found[1]
    counts, seen = found[0][1], found[0][3]
    assert seen.keys() == {"new", "quiet", "shadow", "suppressed"}
    assert counts["alerts_repeated"] > 10
    assert counts[f"breaker:{OTHER}"] > 0
    assert found[0][4] > 0


def test_an_order_counts_from_the_position_where_it_was_taken_up(
    loaded: LoadedInputs, store: CaseStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cases_run, "ORDERS_SECONDS", 0.0)
    records = records_of([[alert(n, judged_at_us=START_US + n * DAY_US)] for n in range(9)])
    run = claim(store, loaded)
    take(run, records[:2])
    give(store, Order(DISABLE, "ann", "Floods.", 1, rule=RULE), recorded_at_us=1)
    take(run, records[2:4])
    give(store, Order(ENABLE, "ann", "Mended.", 2, rule=RULE), recorded_at_us=2)
    take(run, records[4:5])
    assert run.messages == [
        f"From position 2: {RULE} switched off (by ann: Floods.).",
        f"From position 4: {RULE} switched on (by ann: Mended.).",
    ]
    assert [each.position for each in store.inputs("alerts-0") if each.kind == "order"] == [2, 4]
    store.give_up_run(run.name)
    take(claim(store, loaded), records[5:])
    with store.reading() as connection:
        query = sa.select(alert_table.c.status).order_by(alert_table.c.position)
        assert list(connection.execute(query).scalars()) == ["new"] * 2 + ["shadow"] * 2 + ["new"] * 5


def test_an_order_whose_commit_failed_is_taken_up_again(loaded: LoadedInputs, store: CaseStore):
    records = records_of([[alert(n)] for n in range(4)])
    take(claim(store, loaded), records[:2])
    store.give_up_run("alerts-0")
    give(store, Order(DISABLE, "ann", "Floods.", 1, rule=RULE), recorded_at_us=1)
    failing, spoilt = claim(store, loaded), Batch(records[2:3], [[alert(2, amount_minor=2**63)]])
    with pytest.raises(AlertUnstorable, match="too large"):
        failing.commit(spoilt, recorded_at_us=1, refused=())
    store.give_up_run("alerts-0")
    take(claim(store, loaded), records[2:])
    assert statuses(store) == {"new": 2, "shadow": 2}


def test_the_breaker_knows_the_customers_of_the_bank_and_its_part_of_the_limit(loaded: LoadedInputs, store: CaseStore):
    # 1 % of 1,200 customers are 12 a day: in each of 4 partitions 3 and three times the root of 3.
    given = [[alert(n, customer=f"c{n}", judged_at_us=START_US)] for n in range(9)]
    run = claim(store, loaded, partitions=4)
    take(run, records_of(given[:2], {BANK_CUSTOMERS: b"1200"}))
    store.give_up_run(run.name)
    take(claim(store, loaded, partitions=4), [AlertsRecord(n, encode(given[n])) for n in range(2, 9)])
    assert statuses(store) == {"new": 6, "shadow": 3}
    with store.reading() as connection:
        query = sa.select(journal.c.payload).where(journal.c.action == "breaker_opened")
        assert '"customers":1200,"limit":6' in connection.execute(query).scalar_one()


def test_a_run_records_the_inputs_it_depends_on_once(loaded: LoadedInputs, store: CaseStore):
    records = records_of([[alert(n)] for n in range(3)])
    for number, partitions in enumerate((1, 1, 2)):
        take(claim(store, loaded, partitions), records[number : number + 1])
        store.give_up_run("alerts-0")
    noted = [(each.position, each.kind) for each in store.inputs("alerts-0")]
    assert noted == [(0, "breaker"), (0, "entities"), (0, "rulebook"), (0, "typologies"), (2, "breaker")]


def test_a_match_of_an_obligation_has_its_day_of_filing(loaded: LoadedInputs, store: CaseStore, tmp_path: Path):
    from tests.adapters.test_alert_records import duty

    rule = next(each for each in loaded.program.rulebook.rules if each.kind == "obligation")
    take(claim(store, loaded), records_of([[alert(1, rule=rule.id, duty=duty())]]))
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT due_on FROM obligations").scalar_one() == "2026-05-19"


def test_one_process_writes_a_run_and_who_was_overtaken_notices(loaded: LoadedInputs, tmp_path: Path):
    records = records_of([[alert(n)] for n in range(3)])
    with open_store(tmp_path / "cases.db", create=True) as one, open_store(tmp_path / "cases.db") as two:
        first = claim(one, loaded)
        with pytest.raises(StoreBusy):
            claim(two, loaded)
        take(first, records[:1])
        one.give_up_run(first.name)
        take(claim(two, loaded), records[1:2])
        with pytest.raises(RunMoved):
            take(first, records[1:])
        assert statuses(two) == {"new": 2}


def test_what_is_gone_from_the_topic_is_told_counted_and_in_the_journal(loaded: LoadedInputs, store: CaseStore):
    run = claim(store, loaded)
    run.missing(7, at_us=5)
    take(run, [AlertsRecord(7, encode([alert(1)]))])
    assert run.messages[0].startswith("alerts-0: records 0 to 6 are gone from the topic and were never read.")
    assert store.counters("alerts-0")["records_gone"] == 7
    with store.reading() as connection:
        query = sa.select(journal.c.payload).where(journal.c.action == "alerts_gone")
        assert connection.execute(query).scalar_one() == '{"before":7,"from":0}'


def test_a_batch_holds_few_alerts_whatever_the_records_hold(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cases_run, "ALERTS_MAX", 10)
    records = records_of([[alert(n)] * (n % 7) for n in range(60)])
    found = list(batches(records, Doubt()))
    assert [record for batch in found for record in batch.records] == records
    assert 10 <= max(len(batch.ids) for batch in found) < 10 + 6


def test_a_record_that_spoils_a_batch_is_found_alone():
    records = records_of([[alert(n)] for n in range(3)])
    doubt = Doubt()
    (whole,) = batches(records, doubt)
    doubt.learn(whole, "a text is wrong")
    alone = list(batches(records, doubt))
    assert [len(batch.records) for batch in alone] == [1, 1, 1]
    doubt.learn(alone[1], "a text is wrong")
    found = list(batches(records, doubt))
    assert [len(batch.ids) for batch in found] == [1, 0, 1]
    assert [(each.record, each.reason, each.detail) for batch in found for each in batch.refused] == [
        (records[1], "alert_unstorable", "a text is wrong")
    ]
    doubt.forget(2)
    assert doubt.unstorable == {}
    assert dataclasses.asdict(doubt)["one_by_one_before"] == 3
