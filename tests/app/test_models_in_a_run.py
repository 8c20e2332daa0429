"""Anomaly models in a run: a case, an explanation that comes out again, control, and what a kill leaves."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from rich.console import Console

from models import ensemble
from models.drift import Drift
from monitor.adapters.sql.queue import QueueFilter, list_cases
from monitor.adapters.sql.schema import cases, journal
from monitor.adapters.sql.store import open_store
from monitor.app.backtest.history import GivenHistory, open_history
from monitor.app.backtest.replay import ReplayRequest, replay
from monitor.app.embedded import Progress
from monitor.app.explained_json import explained_json
from monitor.app.explaining import Explained, Explainer
from monitor.casework.orders import DISABLE, Order
from monitor.cli.explain_page import print_explained
from monitor.cli.giving_orders import give_order
from monitor.cli.run import print_summary
from monitor.domain.time import DAY_US, parse_time_us
from monitor.engine.anomalies import MODEL_ID
from tests.app.bursting_bank import MULE, BurstingBank, as_source, bursting_bank
from tests.app.embedded_stores import KEY, result, start_child
from tests.engine.payment_columns import INFLOWS, START_US


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> BurstingBank:
    """A bank whose payments were judged with the models live."""
    bank = bursting_bank(tmp_path_factory.mktemp("live"))
    bank.run("live")
    return bank


@pytest.fixture
def fresh(tmp_path: Path) -> BurstingBank:
    return bursting_bank(tmp_path)


def explained(bank: BurstingBank) -> list[Explained]:
    """The explanations of all alerts of the models."""
    with Explainer(bank.db) as explainer:
        return [explainer.explain(each["alert_id"]) for each in bank.alerts()]


def of_mule(found: list[Explained]) -> Explained:
    return next(each for each in found if each.subject == MULE)


def test_a_burst_becomes_a_case_of_its_customer(live: BurstingBank):
    with open_store(live.db) as store, store.reading() as connection:
        held = connection.execute(sa.select(cases.c.rules, cases.c.subject_token)).all()
        rows = list_cases(connection, QueueFilter(), now_us=0, viewer="x", order="priority", limit=100)
        assert store.verify().findings == ()
    assert rows
    assert any(MODEL_ID in str(each.rules) for each in held)
    lines = [json.loads(line) for line in (live.folder / "alerts.jsonl").read_text().splitlines()]
    own = [line for line in lines if line["source"]["kind"] == "model" and line["subject"]["id"] == MULE]
    assert own[0]["status"] == "new"
    assert {f"T{position}" for position in live.burst[:INFLOWS]} <= set(own[0]["transactions"])


def test_every_alert_of_the_models_comes_out_again(live: BurstingBank):
    found = explained(live)
    assert len(found) > 1
    assert [(each.differences, each.lost) for each in found] == [((), ())] * len(found)
    assert all(len(each.measures) == len(each.evidence["measures"]) for each in found)
    payments = of_mule(found).payments
    assert [each.direction for each in payments if each.is_completing] == ["out"]
    assert sum(each.direction == "in" for each in payments) == INFLOWS


def test_the_explanation_shows_families_cards_threshold_and_verdict(live: BurstingBank):
    one, console = of_mule(explained(live)), Console(file=io.StringIO(), width=120)
    print_explained(console, one)
    page = console.file.getvalue()  # type: ignore[attr-defined]
    for words in ("Score by family", "carried on", "97 % of an inflow", "snapshot of tails and thresholds",
                  "Card of new-edges version 1", "Not for:", "Recomputed from history: the same"):  # fmt: skip
        assert words in page
    body = explained_json(one)
    assert body["recomputed"] == "same"
    assert body["rule"] is None
    assert [card["model"] for card in body["model"]["cards"]] == ["new-edges", "combination"]


def test_a_changed_amount_in_the_history_is_found_for_a_model(live: BurstingBank, tmp_path: Path):
    bank = live.copied(tmp_path)
    for part in (bank.folder / "bank.data" / "history").glob("day=*/*.parquet"):
        table = pq.read_table(part, partitioning=None)
        positions, amounts = table.column("position").to_pylist(), table.column("amount_minor").to_pylist()
        for position in bank.burst[:INFLOWS]:
            if position in positions:
                amounts[positions.index(position)] *= 10
        index = table.schema.get_field_index("amount_minor")
        pq.write_table(table.set_column(index, table.schema.field(index), [amounts]), part)
    one = of_mule(explained(bank))
    assert not one.is_same
    assert any("score" in line or "carried_on" in line for line in one.differences)


def test_in_shadow_the_same_is_stored_and_opens_no_case(live: BurstingBank, fresh: BurstingBank):
    done = fresh.run("shadow")
    assert [(a["alert_id"], a["status"]) for a in fresh.alerts()] != []
    assert {each["status"] for each in fresh.alerts()} == {"shadow"}
    assert [each["position"] for each in fresh.alerts()] == [each["position"] for each in live.alerts()]
    with open_store(fresh.db) as store, store.reading() as connection:
        assert not any(MODEL_ID in str(rules) for rules in connection.execute(sa.select(cases.c.rules)).scalars())
    console = Console(file=io.StringIO(), width=200)
    print_summary(console, done, seconds=1.0, db=fresh.db)
    assert "--models live" in console.file.getvalue()  # type: ignore[attr-defined]


def test_models_that_come_later_have_learned_the_history_and_come_out_again(live: BurstingBank, fresh: BurstingBank):
    fresh.run("off", fresh.files[:1])
    assert fresh.alerts() == []
    done = fresh.run("live", fresh.files[1:])
    cut = done.records - len(Path(fresh.files[1]).read_text().splitlines())
    later = [each for each in live.alerts() if int(each["position"]) >= cut]
    assert later
    assert [each["measures"] for each in fresh.alerts()] == [each["measures"] for each in later]
    assert all(each.is_same for each in explained(fresh))
    fresh.run("off", fresh.files[1:])
    with open_store(fresh.db) as store:
        noted = [(each.version, each.digest != "") for each in store.inputs("embedded") if each.kind == "models"]
    assert noted == [("live", True), ("", False)]


def test_one_command_puts_the_models_into_shadow(fresh: BurstingBank):
    order = Order(DISABLE, "ann", "Drifts since the merger.", 1, rule=MODEL_ID)
    fresh.run("live", fresh.files[:1])
    with open_store(fresh.db) as store:
        give_order(str(fresh.db), store, order)
    fresh.run("live", fresh.files[1:])
    disabled = [each for each in fresh.alerts() if "disabled" in each["marks"]]
    assert disabled
    assert {each["status"] for each in disabled} == {"shadow"}
    assert all(each.is_same for each in explained(fresh))
    with open_store(fresh.db) as store:
        assert store.verify().findings == ()


def test_a_replay_of_the_store_raises_the_same_alerts(live: BurstingBank):
    history = open_history(GivenHistory(live.db))
    try:
        made = replay(history, ReplayRequest())
    finally:
        history.close()
    assert made.comparison.recorded is not None
    assert made.comparison.recorded.found == made.comparison.recorded.of > 0
    assert any(each.name == MODEL_ID and each.before == each.same > 0 for each in made.comparison.by_rule)


def test_a_run_with_models_killed_thrice_ends_as_if_it_had_not_been(
    live: BurstingBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AML_TOKEN_KEY", KEY)
    source = as_source(live)

    def child(folder: Path, **more: Any) -> int:
        made = start_child(source, folder, snapshot=1_500, models="live", **more)
        _, errors = made.communicate(timeout=600)
        assert made.returncode in (0, -9), errors
        return made.returncode

    assert child(tmp_path / "undisturbed") == 0
    killed = [child(tmp_path / "killed", kill_going_at=number) for number in (150, 90, 60)]
    assert killed == [-9, -9, -9]
    # So the last start goes on from a saved state, and does not measure everything again.
    assert list((tmp_path / "killed" / "bank.data").glob("snapshots/*"))
    assert child(tmp_path / "killed") == 0
    ended = result(tmp_path / "killed")
    assert ended == result(tmp_path / "undisturbed")
    assert ended["counters"][f"rule:{MODEL_ID}:new"] > 1


def summary_of(done: Progress) -> str:
    console = Console(file=io.StringIO(), width=400)
    print_summary(console, done, seconds=1.0, db=Path("bank.db"))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def journal_of(bank: BurstingBank, action: str) -> list[dict[str, Any]]:
    with open_store(bank.db) as store, store.reading() as connection:
        assert store.verify().findings == ()
        found = connection.execute(sa.select(journal.c.payload).where(journal.c.action == action)).scalars()
        return [json.loads(each) for each in found]


def test_a_frozen_model_is_said_at_the_end_of_a_run():
    line = "The model new-edges is frozen (broken: score nan)."
    assert line in summary_of(Progress(models="live", model_flags=[line]))
    assert "frozen" not in summary_of(Progress(models="live"))


def test_a_run_ends_with_what_moved_most(live: BurstingBank, fresh: BurstingBank):
    drift = (Drift("a", 0.1, None), Drift("b", 0.31, 20_000), Drift("c", float("nan"), None))
    said = summary_of(Progress(models="live", model_drift=(*drift, Drift("combined score", 5.0, 20_500))))
    assert "b has moved most, population stability 0.31" in said
    assert "b, on 2024-10-04" in said
    done = fresh.run("shadow")
    assert "has moved most" in summary_of(done)
    assert "new-edges" in summary_of(done)
    assert "has moved most" not in summary_of(Progress(models="off"))


def test_a_model_that_drifts_is_said_recorded_and_silent_and_the_rules_go_on(
    live: BurstingBank, fresh: BurstingBank, monkeypatch: pytest.MonkeyPatch
):
    """Everything counts as drift from the 40th day on, and nothing as the same."""
    monkeypatch.setattr(ensemble, "WATCHED_FROM_DAYS", 40)
    monkeypatch.setattr(ensemble, "FREEZES", 0.0)
    monkeypatch.setattr(ensemble, "SHIFTED", -1.0)
    first = fresh.run("live", fresh.files[:1])
    (line,) = first.model_flags
    assert "new-edges is frozen (drifted: population stability" in line
    assert line in first.messages
    assert first.counts["models_frozen"] == 1
    (entry,) = journal_of(fresh, "model_frozen")
    assert entry["model"] == "new-edges"
    assert "2026-02-10" in entry["fact"]
    second = fresh.run("live", fresh.files[1:])
    assert second.model_flags == [line]
    assert journal_of(fresh, "model_goes_on") == []
    until = START_US + 41 * DAY_US
    before = [each for each in live.alerts() if parse_time_us(each["event_time"]) < until]
    assert [each["position"] for each in fresh.alerts()] == [each["position"] for each in before]
    assert len(before) < len(live.alerts())


def test_a_model_that_froze_and_goes_on_is_recorded_even_within_one_batch(
    fresh: BurstingBank, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ensemble, "WATCHED_FROM_DAYS", 40)
    monkeypatch.setattr(ensemble, "FREEZES", 0.0)
    monkeypatch.setattr(ensemble, "SHIFTED", 1e9)
    done = fresh.run("live")
    frozen, on = journal_of(fresh, "model_frozen"), journal_of(fresh, "model_goes_on")
    assert len(frozen) >= 5
    assert len(on) in (len(frozen), len(frozen) - 1)
    assert any("goes on: its payments are again as they were." in each for each in done.messages)
