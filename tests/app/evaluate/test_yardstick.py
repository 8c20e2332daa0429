"""Cases and account-days are counted as the protocol defines them, checked against the definitions written plainly."""

import random
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from monitor.app.evaluate.measures import Judge, chosen_best, false_at_true, fixed_threshold
from monitor.app.evaluate.reading import read_stream
from monitor.app.evaluate.stream import Stream
from monitor.app.evaluate.truth import Truth
from tests.app.evaluate.labelled_streams import Plan, rows_of, stream_of, written

SEEDS = range(6)


def plain_start(rows: list[dict[str, str]]) -> date:
    """The first day that is scored."""
    days = [date.fromisoformat(row["ts"][:10]) for row in rows]
    return min(days) + timedelta(days=(max(days) - min(days)).days * 4 // 10)


def plain_account_days(rows: list[dict[str, str]]) -> set[tuple[date, str]]:
    """(day, account) of everyone who sent or received in the scored part."""
    found, start = set(), plain_start(rows)
    for row in rows:
        day = date.fromisoformat(row["ts"][:10])
        if day >= start:
            found |= {(day, row["src"]), (day, row["dst"])}
    return found


def plain_scored(rows: list[dict[str, str]]) -> set[str]:
    """Cases with a row in the scored part."""
    start = plain_start(rows).isoformat()
    return {row["case_id"] for row in rows if row["case_id"] and row["ts"][:10] >= start}


def plain_hits(rows: list[dict[str, str]], day: date, account: str) -> set[str]:
    """The scored cases that an alert about an account on a day finds."""
    found, scored = set(), plain_scored(rows)
    for row in (row for row in rows if row["case_id"] in scored):
        behind = (day - date.fromisoformat(row["ts"][:10])).days
        if account in (row["src"], row["dst"]) and 0 <= behind <= 3:
            found.add(row["case_id"])
    return found


def random_scores(stream: Stream, seed: int) -> np.ndarray:
    """Scores of few values, so that many are equal, and one in five that says nothing."""
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 12, (len(stream.rows), 2)).astype(float)
    scores[generator.random(scores.shape) < 0.2] = np.nan
    return scores


def plain_choice(stream: Stream, rows: list[dict[str, str]], scores: np.ndarray, count: int) -> set[tuple[date, str]]:
    """The account-days with the highest scores; equal ones by day, then account."""
    by_id, active = {row["tx_id"]: row for row in rows}, plain_account_days(rows)
    best: dict[tuple[date, str], float] = {}
    for number, name in enumerate(stream.ids):
        row = by_id[name]
        for side, account in enumerate((row["src"], row["dst"])):
            key = (date.fromisoformat(row["ts"][:10]), account)
            if key in active and not np.isnan(scores[number, side]):
                best[key] = max(best.get(key, -1.0), scores[number, side])
    return set(sorted(best, key=lambda key: (-best[key], key))[:count])


@pytest.mark.parametrize("seed", SEEDS)
def test_recall_and_conversion_at_a_budget_are_those_of_the_plain_definitions(seed: int, tmp_path: Path) -> None:
    plan = Plan(seed, days=30, rows=250, by_day=seed % 2 == 1)
    rows, stream = rows_of(plan), stream_of(plan, tmp_path)
    scores = random_scores(stream, seed)
    judge = Judge(Truth.of(stream))
    assert len(judge.truth.days) == len(plain_account_days(rows))
    at_once = 0
    for budget in (0.001, 0.03, 0.2):
        at = judge.at_budget(scores, budget)
        chosen = plain_choice(stream, rows, scores, max(1, int(budget * len(plain_account_days(rows)))))
        hits = [plain_hits(rows, day, account) for day, account in chosen]
        found = set().union(*hits)
        assert (at.chosen, at.recall.found, at.recall.of) == (len(chosen), len(found), len(plain_scored(rows)))
        assert (at.conversion.found, at.conversion.of) == (sum(map(bool, hits)), len(chosen))
        typology = {row["case_id"]: row["typology"] for row in rows}
        for each in at.typologies:
            mine = {case for case in plain_scored(rows) if typology[case] == each.name}
            assert (each.found.found, each.found.of) == (len(found & mine), len(mine))
        at_once += len(found)
    assert at_once


@pytest.mark.parametrize("seed", SEEDS)
def test_chance_is_the_mean_of_twenty_draws_from_the_account_days_by_account_and_day(seed: int, tmp_path: Path) -> None:
    plan = Plan(seed, days=30, rows=250)
    rows, stream = rows_of(plan), stream_of(plan, tmp_path)
    at = Judge(Truth.of(stream)).at_budget(random_scores(stream, seed), 0.05)
    pool = sorted((account, day) for day, account in plain_account_days(rows))
    hits_of = {each: plain_hits(rows, each[1], each[0]) for each in pool}
    recalls, conversions = [], []
    for draw in range(20):
        chosen = random.Random(draw).sample(pool, at.chosen)
        hits = [hits_of[each] for each in chosen]
        recalls.append(len(set().union(*hits)) / len(plain_scored(rows)))
        conversions.append(sum(map(bool, hits)) / len(chosen))
    assert at.chance_recall == pytest.approx(sum(recalls) / 20)
    assert at.chance_conversion == pytest.approx(sum(conversions) / 20)
    assert at.chance_recall > 0


def test_alerts_a_day_are_the_best_of_each_day(tmp_path: Path) -> None:
    plan = Plan(3, days=30, rows=250)
    rows, stream = rows_of(plan), stream_of(plan, tmp_path)
    scores = random_scores(stream, 3)
    at = Judge(Truth.of(stream)).a_day(scores, 2)
    days = {day for day, _ in plain_account_days(rows)}
    everything = plain_choice(stream, rows, scores, 10**9)
    assert at.chosen == sum(min(2, sum(on == day for on, _ in everything)) for day in days)
    assert at.chosen > 20


def test_the_fixed_threshold_depends_on_no_score_of_the_scored_part(tmp_path: Path) -> None:
    stream = stream_of(Plan(4), tmp_path)
    scores = random_scores(stream, 4)
    scores += np.random.default_rng(4).random(scores.shape)
    before = fixed_threshold(stream, scores, 0.05)
    start = stream.first_row_of_day(stream.cut.scored)
    scores[start:] *= 100
    assert fixed_threshold(stream, scores, 0.05) == before
    scores[: stream.first_row_of_day(stream.cut.thresholds)] *= 100
    assert fixed_threshold(stream, scores, 0.05) == before
    scores[:start] *= 2
    assert fixed_threshold(stream, scores, 0.05) != before


def test_the_delay_runs_from_the_first_row_of_a_case_to_its_first_alert(tmp_path: Path) -> None:
    rows = rows_of(Plan(5, days=50, rows=300, cases=0))
    for number, (at, amount) in enumerate((("2025-04-05T06:00:00", "100"), ("2025-04-06T18:00:00", "300"),
                                           ("2025-04-09T00:00:00", "600"))):  # fmt: skip
        rows.append(
            rows[0] | {"tx_id": f"X{number}", "ts": at, "src": f"L{number}", "dst": f"L{number + 1}", "amount": amount,
                       "currency": "EUR", "is_laundering": "1", "typology": "stack", "case_id": "C"}
        )  # fmt: skip
    for row in rows:
        row["currency"] = "EUR"
    stream = read_stream(written(rows, tmp_path / "delay.csv"))
    scores = np.full((len(stream.rows), 2), np.nan)
    scores[stream.ids.index("X1"), 0] = 1.0  # the second row of the case, 36 hours after the first
    told = Judge(Truth.of(stream)).at_budget(scores, 0.01).delays
    assert told is not None
    assert told.cases == 1
    assert told.days == (1.5, 1.5, 1.5)
    assert told.share_of_all_money == pytest.approx(0.6)


def test_rows_in_no_pattern_make_no_account_day_true_and_are_counted_apart(tmp_path: Path) -> None:
    stream = stream_of(Plan(6), tmp_path)
    truth = Truth.of(stream)
    rows = truth.without_pattern()
    assert len(rows)
    scores = np.full((len(stream.rows), 2), np.nan)
    scores[rows[0], 1] = 1.0
    at = Judge(truth).at_budget(scores, 0.5)
    assert (at.without_pattern.found, at.without_pattern.of) == (1, len(rows))
    scores[rows, 0] = 1.0
    at = Judge(truth).at_budget(scores, 0.5)
    assert (at.without_pattern.found, at.without_pattern.of) == (len(rows), len(rows))
    days = np.append(truth.days.of_row[rows, 0], truth.days.of_row[rows[0], 1])
    assert at.conversion.found == int(truth.is_true[np.unique(days)].sum())


def test_an_order_that_says_nothing_gains_nothing() -> None:
    is_true = np.array([True, False, False, True])
    assert false_at_true(np.zeros(4), is_true, share=0.5) == 2
    assert false_at_true(np.array([4.0, 1, 2, 3]), is_true, share=1.0) == 0


def test_what_says_nothing_is_never_chosen() -> None:
    assert chosen_best(np.array([np.nan, 1.0, np.nan]), 3).tolist() == [False, True, False]
