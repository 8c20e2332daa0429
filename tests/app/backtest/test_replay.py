"""A replay gives the recorded alerts again, measures a change as a live run would have, and writes nothing."""

import json
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.adapters.sql.desk import move
from monitor.adapters.sql.schema import alerts
from monitor.adapters.sql.store import open_store
from monitor.app.backtest.changes import read_changes
from monitor.app.backtest.history import GivenHistory, StoreHistory, open_history
from monitor.app.backtest.judging import Variant, changed, judge
from monitor.app.backtest.problem import BacktestError
from monitor.app.backtest.replay import CHAIN, Replay, ReplayRequest, record, replay
from monitor.app.inputs import GivenInputs
from monitor.casework.lifecycle import Request
from monitor.domain.time import DAY_US, parse_time_us
from tests.app.backtest.bank import BEN, Bank, alerted, decide, rules_with, simulated_bank

STR = "AML-STR-001"
LOOSER, STRICTER = f"{STR}.total_above=7000.00", f"{STR}.total_above=13000.00"


def replayed(bank: Bank, *changes: str, db: Path | None = None, **more: object) -> Replay:
    history = bank.store_history(db)
    try:
        return replay(history, ReplayRequest(changes, **more))  # type: ignore[arg-type]
    finally:
        history.close()


def stored_ids(db: Path) -> list[str]:
    with open_store(db) as store:
        return store.alert_ids(limit=1_000_000)


def stored_statuses(db: Path) -> dict[str, str]:
    """What became of each alert, by id."""
    query = sa.select(alerts.c.alert_id, alerts.c.status)
    with open_store(db) as store, store.reading() as connection:
        return {row.alert_id: row.status for row in connection.execute(query)}


def seen(db: Path) -> set[tuple[str, str, int]]:
    """(rule, subject, position) of the alerts that analysts see."""
    columns = (alerts.c.source_id, alerts.c.subject_token, alerts.c.position)
    with open_store(db) as store, store.reading() as connection:
        return {tuple(row) for row in connection.execute(sa.select(*columns).where(alerts.c.status == "new"))}


def test_an_unchanged_rulebook_gives_every_recorded_alert_again_by_id(bank: Bank):
    made = replayed(bank)
    assert made.comparison.is_unchanged
    assert (made.comparison.totals.new, made.comparison.totals.lost) == (0, 0)
    assert made.comparison.totals.same > 50
    assert made.comparison.recorded is not None
    assert made.comparison.recorded.found == made.comparison.recorded.of == len(stored_ids(bank.db))
    assert made.digest_before == made.digest_after
    history = bank.store_history()
    judged = judge(history, [Variant("in force", changed(()))])
    assert {alert.alert_id: alert.kind for alert in judged.alerts[0]} == stored_statuses(bank.db)


def test_a_change_gives_what_a_run_with_the_changed_file_gives(bank: Bank, tmp_path: Path):
    rules = rules_with(
        tmp_path / "rules", {STR: ("value: 10000.00, cite: 31 CFR 1010.313", "value: 7000.00, cite: CR-1")}
    )
    live = bank.copy(tmp_path / "live")
    live.run(inputs=live.inputs(rules), db=tmp_path / "changed.db")
    expected = Counter((rule, position) for rule, _, position in seen(tmp_path / "changed.db"))
    history = bank.store_history()
    for change in (LOOSER, str(rules)):
        changes = read_changes([change], known=history.known_rules, lists=history.epochs[-1].lists)
        judged = judge(history, [Variant("changed", changed(changes))])
        assert Counter((a.rule, a.position) for a in judged.alerts[0] if a.kind == "new") == expected
    made = replayed(bank, LOOSER)
    assert made.comparison.totals.after == sum(expected.values())
    assert made.comparison.totals.new > 5
    assert {each.name for each in made.comparison.by_rule if each.new or each.lost} == {STR}


def test_counts_add_up_however_they_are_grouped(bank: Bank):
    found = replayed(bank, STRICTER, "AML-FAN-001.payers_min=4").comparison
    totals = found.totals
    assert totals.new > 0
    assert totals.lost > 0
    assert totals.same + totals.lost == totals.before
    assert totals.same + totals.new == totals.after
    for deltas in (found.by_rule, found.by_customer):
        for name in ("before", "after", "same", "new", "lost"):
            assert sum(getattr(each, name) for each in deltas) == getattr(totals, name)
    assert sum(one for _, one, _ in found.per_day) == totals.before
    assert sum(other for _, _, other in found.per_day) == totals.after
    assert len(found.lost) == totals.lost
    assert len(found.new) == totals.new


def test_a_rule_taken_out_or_into_shadow_loses_its_alerts_with_that_reason(bank: Bank):
    removed = replayed(bank, f"-{STR}").comparison
    of_rule = next(each for each in removed.by_rule if each.name == STR)
    assert (of_rule.after, of_rule.lost) == (0, of_rule.before)
    assert {each.reason for each in removed.lost} == {"the rule raises nothing any more"}
    shadow = replayed(bank, f"{STR}@shadow").comparison
    assert shadow.totals.lost == removed.totals.lost
    assert {each.reason for each in shadow.lost} == {"in shadow: the rule still matches, nobody sees it"}
    assert shadow.classes[STR]["shadow"] == (0, of_rule.before)


def test_days_limit_what_is_compared_and_not_what_is_measured(bank: Bank):
    whole = replayed(bank, LOOSER)
    part = replayed(bank, LOOSER, days="2026-03-20..2026-03-27")
    first, last = parse_time_us("2026-03-20T00:00:00Z"), parse_time_us("2026-03-28T00:00:00Z")
    assert (part.first_us, part.last_us, len(part.comparison.per_day)) == (first, last, 8)
    inside = {
        day: (one, other) for day, one, other in whole.comparison.per_day if first // DAY_US <= day < last // DAY_US
    }
    assert {day: (one, other) for day, one, other in part.comparison.per_day} == inside
    assert 0 < part.comparison.totals.before < whole.comparison.totals.before


def test_files_of_payments_give_what_the_store_gives(bank: Bank):
    def of(history: object) -> list[list[tuple[str, int, str, str | None]]]:
        changes = read_changes([LOOSER], known=history.known_rules, lists=history.epochs[-1].lists)  # type: ignore[attr-defined]
        judged = judge(history, [Variant("a", changed(())), Variant("b", changed(changes))])  # type: ignore[arg-type]
        return [sorted((a.rule, a.position, a.kind, a.segment) for a in run) for run in judged.alerts]  # type: ignore[type-var]

    store = of(bank.store_history())
    assert len(store[0]) > 50
    assert store[0] != store[1]
    assert of(bank.file_history()) == store
    assert of(bank.file_history("transactions.parquet")) == store


def test_subjects_and_payments_of_files_are_named_as_the_source_names_them(bank: Bank):
    history = bank.file_history()
    judged = judge(history, [Variant("a", changed(()))])
    some = next(alert for alert in judged.alerts[0] if alert.rule == STR)
    assert history.subject(some.subject).startswith("C")
    line = json.loads(bank.payments.read_text().splitlines()[some.position])
    assert history.transaction_id(some.position) == line["transaction_id"]


# Inputs at their positions ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def changing(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """A store that was run in three parts: with other rules first, then with other rates."""
    folder = tmp_path_factory.mktemp("changing")
    made = Bank(folder)
    for name in ("profiles.jsonl", "rates.csv", "entities.yaml"):
        (folder / name).write_bytes((bank.folder / name).read_bytes())
    lines = (bank.folder / "transactions.jsonl").read_text().splitlines(keepends=True)
    third = len(lines) // 3
    for number in range(3):
        part = lines[number * third :] if number == 2 else lines[number * third : (number + 1) * third]
        (folder / f"part{number}.jsonl").write_text("".join(part))
    rows = (folder / "rates.csv").read_text().splitlines()
    moved = [row.replace(",1.", ",3.") for row in rows]
    assert moved != rows
    (folder / "other-rates.csv").write_text("\n".join(moved) + "\n")
    lower = ("value: 10000.00, cite: 31 CFR 1010.313", "value: 6000.00, cite: CR-1")
    # Long quiet periods that reach from the first part into the second.
    few = ("value: 10, cite: project catalogue", "value: 3, cite: project catalogue")
    before = rules_with(folder / "before", {STR: lower, "AML-FAN-002": few})
    made.run(folder / "part0.jsonl", inputs=made.inputs(before))
    made.run(folder / "part1.jsonl")
    made.run(folder / "part2.jsonl", inputs=made.inputs(rates="other-rates.csv"))
    return made


def test_as_recorded_every_alert_comes_out_again_over_changed_rulebooks_and_rates(changing: Bank):
    history = changing.store_history()
    assert len(history.epochs) == 3
    judged = judge(history, [Variant("as it was", changed(()))], as_recorded=True)
    assert {alert.alert_id: alert.kind for alert in judged.alerts[0]} == stored_statuses(changing.db)
    assert Counter(alert.kind for alert in judged.alerts[0])["quiet"] > 0


def test_otherwise_the_last_rulebook_holds_over_the_whole_log(changing: Bank, bank: Bank):
    history = changing.store_history()
    judged = judge(history, [Variant("now", changed(()))])
    first_third = history.epochs[1].position

    def early(found: list[tuple[str, int]]) -> list[tuple[str, int]]:
        return sorted(each for each in found if each[1] < first_third)

    # Up to the change of rates nothing differs from a store that always ran by these rules.
    now = early([(a.rule, a.position) for a in judged.alerts[0] if a.kind == "new"])
    assert now == early([(rule, position) for rule, _, position in seen(bank.db)])
    assert now != early([(rule, position) for rule, _, position in seen(changing.db)])


# Decisions ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def decided(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bank, dict[str, str]]:
    """A copy of the store in which every third case with an alert of the rule is reported, every third dismissed."""
    made = bank.copy(tmp_path_factory.mktemp("decided"))
    with open_store(made.db) as store:
        cases = list(dict.fromkeys(case for case, _ in alerted(store, STR)))
        assert len(cases) > 9
        words = ("reported", "false_positive", "explained", "inconclusive")
        outcomes = {case: words[number % 4] for number, case in enumerate(cases[:-2])}
        for case, outcome in outcomes.items():
            decide(store, case, outcome)
        decide(store, cases[-1], "reported", approve=False)
        decide(store, cases[-2], "duplicate", duplicate_of=cases[0])
    return made, {**outcomes, cases[-1]: "proposed", cases[-2]: "duplicate of a reported one"}


def test_precision_and_recall_are_counted_against_the_decisions(decided: tuple[Bank, dict[str, str]]):
    made, outcomes = decided
    found = replayed(made, STRICTER).comparison
    of_rule = next(each for each in found.worth if each.rule == STR)
    with open_store(made.db) as store:
        pairs = alerted(store, STR)
    good = [alert for case, alert in pairs if outcomes.get(case) in ("reported", "duplicate of a reported one")]
    bad = [alert for case, alert in pairs if outcomes.get(case) in ("false_positive", "explained")]
    # Without the change every decided alert is raised, so the whole tally is known.
    assert (of_rule.precision_before.found, of_rule.precision_before.of) == (len(good), len(good) + len(bad))
    assert (of_rule.recall_before.found, of_rule.recall_before.of) == (len(good), len(good))
    lost = {each.alert.alert_id for each in found.lost}
    assert lost & set(good)
    kept = (len(set(good) - lost), len(set(good) | set(bad)) - len(lost & (set(good) | set(bad))))
    assert (of_rule.precision_after.found, of_rule.precision_after.of) == kept
    assert (of_rule.recall_after.found, of_rule.recall_after.of) == (kept[0], len(good))


def test_a_lost_alert_that_led_to_a_report_blocks_until_two_persons_override(decided: tuple[Bank, dict[str, str]]):
    made, outcomes = decided
    blocked = replayed(made, f"-{STR}")
    assert blocked.is_blocked
    cases = {each.decided.case_id for each in blocked.comparison.blocking if each.decided}
    assert cases >= {case for case, outcome in outcomes.items() if outcome in ("reported", "proposed")}
    assert not cases & {case for case, outcome in outcomes.items() if outcome in ("false_positive", "inconclusive")}
    assert replayed(made, f"-{STR}", overrides=("ann:CR-1",)).is_blocked
    both = replayed(made, f"-{STR}", overrides=("ann:CR-1", "ben:CR-2"))
    assert not both.is_blocked
    assert both.comparison.blocking


def test_a_filed_case_that_was_opened_again_blocks_too(decided: tuple[Bank, dict[str, str]], tmp_path: Path):
    made, outcomes = decided
    other = made.copy(tmp_path / "opened")
    (case, *_) = [case for case, outcome in outcomes.items() if outcome == "reported"]
    with open_store(other.db) as store:
        at_us = 2_000_000_000_000_001
        move(store, case, Request("reopen", BEN, at_us, note="New.", reason="new_information"), recorded_at_us=at_us)
    blocking = replayed(other, f"-{STR}").comparison.blocking
    assert case in {each.decided.case_id for each in blocking if each.decided}


def test_the_same_person_twice_or_no_record_is_no_override(bank: Bank):
    for overrides, words in ((("ann:CR-1", "Ann:CR-2"), "stands there twice"), (("ann",), "who and by which record")):
        with pytest.raises(BacktestError, match=words):
            replayed(bank, overrides=overrides)


def test_a_harmless_change_is_not_blocked(decided: tuple[Bank, dict[str, str]]):
    made, _ = decided
    looser = replayed(made, LOOSER)
    assert not looser.comparison.blocking
    assert looser.comparison.cases_after == looser.comparison.cases_before
    assert looser.comparison.cases_before.of > 0


# The store ------------------------------------------------------------------------------------------------


def _bytes(bank: Bank) -> dict[str, str]:
    data = bank.folder / "bank.data"
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in sorted(data.rglob("*")) if path.is_file()}


def test_nothing_is_written_to_the_store_unless_asked(decided: tuple[Bank, dict[str, str]], tmp_path: Path):
    made = decided[0].copy(tmp_path / "copy")
    with open_store(made.db) as store:
        rows, files = store.fingerprint(), _bytes(made)
    done = replayed(made, f"-{STR}", overrides=("ann:CR-1", "ben:CR-2"))
    with open_store(made.db) as store:
        assert store.fingerprint() == rows
        assert _bytes(made) == files
        record(store, done, by="cleo", at_us=5)
        assert store.fingerprint() != rows
        assert not store.verify().findings
        with store.reading() as connection:
            entries = list(
                connection.execute(sa.text(f"select actor, action, payload from journal where chain = '{CHAIN}'"))
            )
    assert [(row.actor, row.action) for row in entries] == [
        ("cleo", "backtest"),
        ("ann", "override"),
        ("ben", "override"),
    ]
    facts = json.loads(entries[0].payload)
    assert facts["changes"] == [f"-{STR}"]
    assert facts["blocked"] is False
    assert facts["blocking"] == [each.alert.alert_id for each in done.comparison.blocking]


def test_a_store_without_its_folder_and_options_that_do_not_fit_are_refused(bank: Bank, tmp_path: Path):
    alone = tmp_path / "alone.db"
    alone.write_bytes(bank.db.read_bytes())
    with pytest.raises(BacktestError, match="history is not beside it"):
        open_history(GivenHistory(alone))
    with pytest.raises(BacktestError, match="Leave --profiles"):
        open_history(GivenHistory(bank.db, GivenInputs(rates=bank.folder / "rates.csv")))
    with pytest.raises(BacktestError, match="No such file"):
        open_history(GivenHistory(tmp_path / "nowhere.db"))


def test_a_history_of_another_store_is_refused(bank: Bank, tmp_path: Path):
    other = simulated_bank(tmp_path / "other", customers=100, days=14, seed=6)
    other.run()
    mixed = bank.copy(tmp_path / "mixed")
    tokens = next((other.folder / "bank.data" / "history" / "_tokens").glob("*.parquet"))
    (mixed.folder / "bank.data" / "history" / "_tokens" / tokens.name).write_bytes(tokens.read_bytes())
    with pytest.raises(BacktestError, match="belong to different stores"):
        StoreHistory(GivenHistory(mixed.db))
