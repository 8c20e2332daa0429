"""Samples lie where they say, the list is blind, and what comes back is scored by its key."""

import csv
import io
import json
import stat
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.app.backtest.grid import Grid, Walk, axes_of, walk
from monitor.app.backtest.problem import BacktestError
from monitor.app.backtest.review import COLUMNS, Score, score, write_files, written
from monitor.app.backtest.sampling import ABOVE, BELOW, Item, allocate, draw, population
from monitor.app.backtest.truth import Truth
from monitor.casework.intervals import sample_size, wilson
from monitor.rulebook.load import load_rules
from tests.app.backtest.bank import Bank
from tests.bench.pipeline import TEN_RULES

STR = "AML-STR-001"
RULE = {rule.id: rule for rule in load_rules([TEN_RULES])[0]}[STR]
"""A rule that stays as it is, whatever is calibrated, and that is loud on both sides of its line."""


@pytest.fixture(scope="module")
def grid(bank: Bank) -> Grid:
    axes = axes_of(RULE, [Walk("total_above", "4000.00", "14000.00", 6)], time_us=1_800_000_000_000_000)
    return walk(bank.store_history(), RULE, axes, Truth(), split=0.6)


@pytest.fixture(scope="module")
def items(grid: Grid) -> list[Item]:
    return population(grid)


def test_above_are_the_alerts_of_the_line_and_below_are_none_of_them(grid: Grid, items: list[Item]):
    above = [item.alert for item in items if item.side == ABOVE]
    below = [item.alert for item in items if item.side == BELOW]
    assert sorted(a.alert_id for a in above) == sorted(a.alert_id for a in grid.current.alerts)
    assert len(below) > 20
    covered = {(alert.subject, position) for alert in above for position in alert.transactions}
    assert not covered & {(alert.subject, position) for alert in below for position in alert.transactions}


def test_a_band_lies_between_the_values_that_raise_the_item_and_do_not(grid: Grid, items: list[Item]):
    (axis,) = grid.axes
    shown = [axis.shown(number) for number in range(len(axis.values))]
    for item in (item for item in items if not item.band.startswith("beyond")):
        loose, strict = (grid.points[shown.index(value)] for value in item.band.split(" to "))
        touching = [
            any(other.subject == item.alert.subject and set(other.transactions) & set(item.alert.transactions)
                for other in point.alerts)
            for point in (loose, strict)
        ]  # fmt: skip
        assert touching[0]
        if item.side == BELOW:
            assert not touching[1]
    assert {item.steps for item in items if item.side == BELOW} == {1, 2, 3}


def test_the_same_seed_draws_the_same_and_another_seed_draws_others(items: list[Item]):
    assert draw(items, seed=4) == draw(items, seed=4)
    assert draw(items, seed=4).items != draw(items, seed=5).items
    assert draw(items[::-1], seed=4).items == draw(items, seed=4).items


def test_a_sample_is_as_large_as_the_proof_needs_and_reaches_every_stratum(items: list[Item]):
    sample = draw(items, seed=1)
    for side in (ABOVE, BELOW):
        mine = [item for item in items if item.side == side]
        wanted = sample_size(tolerable=0.05, population=len(mine))
        assert sum(item.side == side for item in sample.items) == wanted
    assert all(drawn >= 1 for _, drawn in sample.strata.values())
    assert Counter(item.stratum for item in sample.items) == {name: drawn for name, (_, drawn) in sample.strata.items()}
    assert len(set(sample.items)) == len(sample.items)


@given(
    st.dictionaries(st.tuples(st.text("abcdef", min_size=1, max_size=2)), st.integers(1, 50), max_size=12), st.data()
)
def test_shares_of_strata_add_up_and_fit(sizes: dict[tuple[str], int], data: st.DataObject):
    total = data.draw(st.integers(0, sum(sizes.values())))
    shares = allocate(sizes, total)
    assert sum(shares.values()) == total
    assert all(0 <= shares[name] <= size for name, size in sizes.items())
    if total >= len(sizes):
        assert all(shares.values())


# The list -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(bank: Bank, grid: Grid, items: list[Item], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("review")
    sample = draw(items, seed=9, size=30)
    both = written(bank.store_history(), grid, sample, seed=9, tolerable=0.05, confidence=0.95, as_json=False)
    write_files(both, folder / "review.csv", folder / "key.json")
    return folder / "review.csv", folder / "key.json"


def test_the_list_does_not_say_which_side(files: tuple[Path, Path]):
    review, key = files
    text = review.read_text().lower()
    for word in (ABOVE, BELOW, "band", "line", "alert", "total_above", "10000.00"):
        assert word not in text
    rows = list(csv.DictReader(io.StringIO(review.read_text())))
    assert list(rows[0]) == list(COLUMNS)
    sides = [json.loads(key.read_text())["items"][row["item"]]["side"] for row in rows]
    # In random order: the sides are mixed all through the list.
    assert sum(one != other for one, other in pairwise(sides)) > 5
    assert {ABOVE, BELOW} == set(sides)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_the_list_names_the_payments_as_the_source_does(files: tuple[Path, Path], bank: Bank):
    known = {json.loads(line)["transaction_id"]: json.loads(line) for line in bank.payments.read_text().splitlines()}
    for row in csv.DictReader(io.StringIO(files[0].read_text())):
        payments = [known[name] for name in row["transactions"].split()]
        assert len(payments) == int(row["payments"])
        assert all(row["subject"] in (each.get("debtor_customer"), each.get("creditor_customer")) for each in payments)
        assert min(each["booked_at"] for each in payments)[:19] == row["first_payment"][:19]
        assert max(each["booked_at"] for each in payments)[:19] == row["last_payment"][:19]


# Scoring --------------------------------------------------------------------------------------------------


def answered(files: tuple[Path, Path], folder: Path, say) -> Score:  # type: ignore[no-untyped-def]
    """The score when each item is answered by its side, steps and number."""
    review, key = files
    sealed = json.loads(key.read_text())["items"]
    rows = list(csv.DictReader(io.StringIO(review.read_text())))
    for row in rows:
        item = sealed[row["item"]]
        row["productive"] = say(item["side"], item["steps"], row["item"])
    back = folder / "back.csv"
    with back.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return score(back, key)


def test_bands_have_their_counts_and_wilson_intervals(files: tuple[Path, Path], tmp_path: Path):
    made = answered(files, tmp_path, lambda side, steps, item: "yes" if int(item[2:]) % 3 == 0 else "No ")
    assert sum(band.productive.of for band in made.bands) == 60
    assert made.below.productive.of == made.above.productive.of == 30
    for band in (*made.bands, made.above, made.below):
        if 0 < band.productive.found < band.productive.of < band.population:
            assert (band.low, band.high) == wilson(band.productive)
    assert sum(band.productive.found for band in made.bands) == sum(n % 3 == 0 for n in range(1, 61))
    assert {band.population for band in made.bands if band.side == BELOW}
    assert made.open_items == 0


def test_nothing_productive_below_keeps_the_line_only_when_the_sample_proves_it(
    files: tuple[Path, Path], tmp_path: Path, bank: Bank, grid: Grid, items: list[Item]
):
    few = answered(files, tmp_path, lambda side, steps, item: "no")
    assert few.sentences[0].startswith("Undecided: below the line 0 of 30")
    assert "Review at least" in few.sentences[0]
    sample = draw(items, seed=9)
    both = written(bank.store_history(), grid, sample, seed=9, tolerable=0.05, confidence=0.95, as_json=False)
    write_files(both, tmp_path / "whole.csv", tmp_path / "whole.json")
    enough = answered((tmp_path / "whole.csv", tmp_path / "whole.json"), tmp_path, lambda side, steps, item: "no")
    assert enough.sentences[0].startswith(f"Keep {STR}.total_above at 10000.00")
    assert enough.below.high < 0.05


def test_much_productive_below_loosens_the_line_to_the_farthest_band(files: tuple[Path, Path], tmp_path: Path):
    made = answered(files, tmp_path, lambda side, steps, item: "yes" if side == ABOVE or steps <= 2 else "no")
    assert made.sentences[0].startswith(f"Loosen {STR}.total_above")
    far = next(band.band for band in made.bands if band.side == BELOW and band.steps == 2)
    assert f"lies in the band {far}" in made.sentences[0]


def test_a_json_list_is_scored_like_a_table(bank: Bank, grid: Grid, items: list[Item], tmp_path: Path):
    both = written(bank.store_history(), grid, draw(items, seed=2, size=5), seed=2, tolerable=0.05, confidence=0.95,
                   as_json=True)  # fmt: skip
    rows = json.loads(both.review)
    (tmp_path / "back.json").write_text(json.dumps([row | {"productive": "yes"} for row in rows]))
    (tmp_path / "key.json").write_text(both.key)
    assert score(tmp_path / "back.json", tmp_path / "key.json").below.productive.found == 5


def test_items_without_an_answer_are_counted_and_none_at_all_proves_nothing(files: tuple[Path, Path], tmp_path: Path):
    made = answered(files, tmp_path, lambda side, steps, item: "")
    assert made.open_items == 60
    assert "No item has an answer yet" in made.sentences[0]


def test_a_list_that_was_changed_and_answers_that_are_none_are_refused(files: tuple[Path, Path], tmp_path: Path):
    review, key = files
    text = review.read_text()
    for number, broken in enumerate((text.replace("R-001,", "R-999,"), "\n".join(text.splitlines()[:-1]) + "\n")):
        path = tmp_path / f"{number}.csv"
        path.write_text(broken)
        with pytest.raises(BacktestError, match="its items are not those"):
            score(path, key)
    with pytest.raises(BacktestError, match="'perhaps' is no answer"):
        answered(files, tmp_path, lambda side, steps, item: "perhaps")
    with pytest.raises(BacktestError, match="this is no key"):
        score(review, review)
    with pytest.raises(BacktestError, match="the columns item, rule"):
        score(key, key)
