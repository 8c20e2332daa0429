"""The stream bench gives all its figures, and they are consistent with one another; none of them is a promise here."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.adapters.kafka.alert_records import encode
from monitor.app.inputs import GivenInputs, load_inputs
from monitor.app.streaming.partition import Partition
from monitor.domain.time import DAY_US
from monitor.domain.transaction import Int64s
from monitor.engine.layout import lay_out
from tests.app.embedded_stores import simulated
from tests.bench.stream import delays
from tests.bench.stream.cluster import BenchFailed, Record
from tests.bench.stream.feeding import Schedule
from tests.bench.stream.plan import ACCOUNT_BYTES, BEGIN, END, EVENT_BYTES, Wanted, lines, planned
from tests.bench.stream.restore import Copied
from tests.bench.stream.soak import DAYS, KEPT_DAYS, WINDOW_DAYS, Moment, figures
from tests.bench.stream.stream_bench import FLOORS, QUICK, SHARES, run
from tests.bench.stream.stream_report import show
from tests.conftest import needed
from tests.streaming.legs_stream import KEY, LegsStream
from tests.streaming.no_profiles import NoProfiles


def rows(source: list[int], offset: list[int], came_us: list[int]) -> delays.Rows:
    columns = [np.array(each, np.int64) for each in (source, offset, came_us, came_us)]
    return delays.Rows(*columns, bytes=0)


def schedule(partition: list[int], size: list[int], first: list[int]) -> Schedule:
    return Schedule(1_000_000, 1_000.0, np.array(partition), np.array(size), np.array(first), 0.0)


def test_a_delay_counts_from_when_the_payment_was_due_and_not_from_when_it_was_sent():
    # Payments 0, 1, 2, 3 are due a millisecond apart; 0 and 3 went to partition 1 behind 5 that were there.
    fed = schedule([1, 0, 1], [1, 2, 1], [0, 5])
    assert fed.due_us(1).tolist() == [1_000_000, 1_003_000]
    legs = [rows([1, 0, 0, 1, 1], [5, 0, 1, 6, 4], [1_009_000, 1_009_000, 1_009_000, 1_013_000, 7])]
    found = delays.of_intake(legs, fed)
    assert sorted(found.tolist()) == [7_000, 8_000, 9_000, 10_000]


def test_a_payment_with_rows_in_two_partitions_has_the_delay_of_its_first():
    fed = schedule([0], [1], [0])
    legs = [rows([0], [0], [1_020_000]), rows([0], [0], [1_004_000])]
    assert delays.of_intake(legs, fed).tolist() == [4_000]


def test_an_alert_has_the_delay_of_the_payment_that_it_is_about(tmp_path: Path):
    source = simulated(tmp_path, customers=100, days=40, seed=5)
    loaded = load_inputs(source.inputs())
    stream = LegsStream.of(source.payments, loaded)
    alerts = Partition(0, 1, loaded, KEY, NoProfiles).step(stream.records(rows=500)).alerts
    count = len(stream.batch)
    fed, numbers = schedule([0], [count], [0]), np.arange(count)
    legs = delays.Rows(np.zeros_like(numbers), numbers, numbers, stream.batch.booked_at_us, bytes=0)
    record = Record(0, 9_000_000_000, [], encode(alerts))
    wanted = [9_000_000_000 - 1_000_000 - 1_000 * each.position for each in alerts if each.source.kind == "rule"]
    assert len(wanted) > 5
    assert delays.to_alerts([legs], fed, iter([record])).tolist() == wanted
    others = replace(legs, booked_us=np.roll(legs.booked_us, 1))
    with pytest.raises(BenchFailed, match="rows that are not theirs"):
        delays.to_alerts([others], fed, iter([record]))


def test_a_payment_that_is_missing_fails_the_bench_and_one_that_comes_twice_is_counted():
    with pytest.raises(BenchFailed, match="3 payments were fed, and 2 stand in legs"):
        delays.counted([rows([0, 0], [0, 1], [1, 1])], 3)
    twice = [rows([0, 0, 0], [0, 1, 1], [1, 1, 1]), rows([0], [1], [1])]
    assert delays.counted(twice, 2) == {"payments": 2, "rows": 4, "repeated": 1}


def moments(rss: list[int]) -> list[Moment]:
    return [Moment(float(at), at, each, at % 3, at) for at, each in enumerate(rss)]


def test_a_soak_wraps_the_longest_window_of_the_shipped_rules():
    tables = load_inputs(GivenInputs(approve_examples=True)).program.tables
    assert max(lay_out(table).shape.overs_us.max() for table in tables) == WINDOW_DAYS * DAY_US


def test_a_soak_compares_memory_behind_the_first_wrap_with_that_at_the_end():
    count, first = 750, 750 * KEPT_DAYS // DAYS
    flat = figures(moments([at if at < first else 1_000 for at in range(count)]), count)
    assert flat["growth"] == 1.0
    assert flat["wraps"] > 2
    growing = figures(moments(list(range(1, count + 1))), count)
    assert growing["growth"] > 1.3
    with pytest.raises(SystemExit, match="too few"):
        figures(moments([1] * count), count * 10)


def test_copies_of_a_bank_have_tokens_of_their_own_that_all_live_in_one_partition():
    from monitor.domain.identifiers import IdentifierKind
    from monitor.domain.partitions import home_of
    from monitor.intake.identifiers import IdentifierTable

    table = IdentifierTable(bytes(32))
    customers = table.encode(IdentifierKind.CUSTOMER, [f"C{number}" for number in range(50)])
    entity = table.encode(IdentifierKind.ENTITY, ["BANK"])
    copies = [Copied.of(table, copy, 2, 4).tokens for copy in range(3)]
    tokens: Int64s = np.concatenate([each[customers] for each in copies])
    assert len(np.unique(tokens, axis=0)) == 150
    assert set(home_of(tokens, 4).tolist()) == {2}
    assert all((each[entity] == table.tokens[entity]).all() for each in copies)


MEASURED: dict[str, Any] = {
    "quick": False,
    "machine": {"processor": "a processor", "cores": 2, "load_at_start": 1.0, "load_at_end": 1.0},
    "bank": {"payments": 1_000},
    "intake": {"payments_per_cpu_second": 100_000},
    "scoring": {"rows_per_cpu_second": 50_000, "legs_per_payment": 1.5},
    "cases": {"payments_per_cpu_second": 1_000},
    "rows_per_payment": {"1": 1.0, "4": 1.5, "1000": 2.0},
    "profiles": {"redis_bytes": 8_000, "versions": 10},
    "sizes": {"transactions_bytes_per_payment": 100.0, "legs_bytes_per_row": 150.0, "alerts_bytes_per_alert": 1_500.0,
              "alerts_per_thousand": 10.0},
}  # fmt: skip


def test_a_plan_multiplies_what_was_measured():
    little = Wanted(mean_share=0.0, cpu_share=0.5, accounts=0, partitions_per_worker=2)
    plan = planned(MEASURED, little)
    assert plan.intake_workers == 20
    assert plan.score_workers == plan.score_workers_by_cpu == 80
    assert (plan.legs_partitions, plan.rows_per_payment) == (160, 2.0)
    assert plan.kafka_mb == pytest.approx(100 + 300 + 15)
    assert (plan.alerts_per_second, plan.cases_workers) == (10_000, 20)
    assert plan.redis_gib == pytest.approx(800e6 * 800 / 2**30)


def test_a_plan_has_as_many_workers_as_their_memory_asks_for():
    wanted = Wanted(mean_share=0.01, accounts=1e9, id_days=35, window_days=30, worker_gib=64, partitions_per_worker=2)
    plan, payments = planned(MEASURED, wanted), 10_000 * 86_400
    assert plan.ids_tb == pytest.approx(payments * 35 * 2.0 * 128 / 1e12)
    assert plan.events_tb == pytest.approx(payments * 30 * 1.5 * EVENT_BYTES / 1e12)
    assert plan.score_workers > plan.score_workers_by_cpu == 80
    state = 1e9 * ACCOUNT_BYTES + (plan.ids_tb + plan.events_tb) * 1e12
    assert plan.score_workers == pytest.approx(state * 1.5 / (64 * 2**30 - (500 << 20)), abs=1)


def test_the_page_has_a_plan_between_its_marks():
    page = (Path(__file__).resolve().parents[3] / "docs" / "planning.md").read_text(encoding="utf-8")
    inside = page.partition(BEGIN)[2].partition(END)[0].splitlines()
    names = [line.split("|")[1] for line in lines(MEASURED, Wanted()) if line.startswith("|")]
    assert [line.split("|")[1] for line in inside if line.startswith("|")] == names


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with needed():
        return run(QUICK, tmp_path_factory.mktemp("banks"))


@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.slow
def test_every_payment_is_judged_exactly_once_and_all_figures_are_there(found: dict[str, Any], tmp_path: Path):
    show(found, tmp_path / "figures.json")
    assert set(found["verdicts"]) == set(FLOORS)
    # Without a disturbance no row comes twice, and every row that stands in legs was judged.
    assert found["scoring"]["rows"] >= found["intake"]["rows"] >= QUICK.fill
    assert sum(found["scoring"]["outcomes"].values()) == found["scoring"]["rows"]
    assert found["two_scoring"]["rows_judged"] >= found["scoring"]["rows"]
    fed = QUICK.fill + QUICK.burst + sum(load["payments"] for load in found["loads"])
    assert found["counts"]["payments"] == found["sizes"]["payments"] == fed
    assert [load["share"] for load in found["loads"]] == list(SHARES)
    for load in found["loads"]:
        assert load["to_legs"]["delays"] == load["payments"]
        assert load["to_alert"]["delays"] > 0
        for of in (load["to_legs"], load["to_alert"]):
            points = [of[name] for name in delays.POINTS]
            assert points == sorted(points)
            assert points[0] > 0
    for part in ("intake", "scoring", "two_scoring", "plain_agent", "decode_only", "cases"):
        assert found[part]["payments_per_second"] > 0
        assert found[part]["payments_per_cpu_second"] > 0
    partitions = list(found["rows_per_payment"].values())
    assert partitions == sorted(partitions)
    assert partitions[0] == 1.0
    assert planned(found, Wanted()).score_workers > 0
