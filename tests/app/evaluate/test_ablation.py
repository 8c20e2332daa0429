"""The ablation says what each part adds at an equal budget, and shows it on the page and the terminal."""

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from monitor.app.evaluate.ablation import ablation
from monitor.app.evaluate.evaluation import EvaluateRequest, Evaluation, evaluate
from monitor.app.evaluate.page import evaluation_page
from monitor.app.evaluate.registry import BASELINES, Maker, methods
from monitor.app.evaluate.rules_scorer import RulesInputs
from monitor.app.evaluate.scorer import Outcomes, Scores, Setting, nothing
from monitor.app.evaluate.stream import Rows, Stream
from monitor.cli.evaluate_tables import print_evaluation
from tests.app.evaluate.labelled_streams import Plan, rows_of, written


class Knowing:
    """A part that gives the rows of some cases six decades, and all others by chance less than one."""

    tracks: tuple[str, ...] = ("U", "D", "S")

    def __init__(self, name: str, stream: Stream, remainder: int | None) -> None:
        self.name, self.stream, self.remainder = name, stream, remainder

    def step(self, rows: Rows) -> Scores:
        found = nothing(len(rows))
        case = self.stream.case[rows.number]
        found[:, 0] = rows.number * 7919 % 1000 / 1000
        if self.remainder is not None:
            found[(case >= 0) & (case % 2 == self.remainder), 0] += 6.0
        return Scores(found, is_decades=True)

    def told(self, outcomes: Outcomes, *, day: int) -> None:
        pass


def part(name: str, remainder: int | None) -> Maker:
    return lambda setting, given: Knowing(name, setting.stream, remainder)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Two parts that know half of the cases each, and one that knows nothing."""
    rows = rows_of(Plan(31, days=60, accounts=200, rows=3_000, cases=30))
    place = written(rows, tmp_path_factory.mktemp("ablation") / "ablation.csv")
    parts = {"even": part("even", 0), "odd": part("odd", 1), "idle": part("idle", None)}
    makers = {name: maker for name, maker in methods(parts).items() if name not in BASELINES}
    return evaluate(EvaluateRequest(place, budget=0.05), makers=makers)


def test_what_a_part_adds_are_the_cases_that_only_it_knows(found: Evaluation) -> None:
    even, odd, idle = ablation(found)["5 %"]
    assert (even.part, odd.part, idle.part) == ("even", "odd", "idle")
    assert even.cases > 3
    assert odd.cases > 3
    assert even.together.recall.found == even.without.recall.found + even.cases
    assert even.conversion > 0.02
    assert abs(idle.cases) <= 2


def test_without_parts_together_there_is_no_ablation(found: Evaluation) -> None:
    alone = Evaluation(found.stream, found.truth, found.request, [each for each in found.figures if each.name != "all"])
    assert ablation(alone) == {}
    assert "What each part adds" not in evaluation_page(alone)


def test_page_and_terminal_show_it(found: Evaluation) -> None:
    even = ablation(found)["5 %"][0]
    page = evaluation_page(found)
    assert "What each part adds" in page
    assert f'<td class="n">{even.cases:+d}</td>' in page
    text = StringIO()
    print_evaluation(Console(file=text, width=80), found)
    block = text.getvalue().split("what each part adds")[1].split("\n5 %")[1]
    line = next(line for line in block.splitlines() if line.startswith("  even"))
    assert line.split()[-2] == f"{even.cases:+d}"


def test_a_part_of_another_track_takes_no_part_in_all(monkeypatch: pytest.MonkeyPatch, found: Evaluation) -> None:
    monkeypatch.setattr("monitor.app.evaluate.registry.TRACKS_OF", {"even": ("S",)})
    parts = {"even": part("even", 0), "odd": part("odd", 1), "idle": part("idle", None)}
    assert "all" in methods(parts, "U")
    assert "all-but-odd" not in methods(parts, "U"), "two parts are each alone already"
    assert "all-but-even" in methods(parts, "S")
    setting, given = Setting(found.stream, "U", 1), RulesInputs.of(Path(found.stream.name))
    rows = found.stream.rows.slice(0, 50)
    together = methods(parts, "U")["all"](setting, given).step(rows).score[:, 0]
    both = sum(np.nan_to_num(parts[name](setting, given).step(rows).score[:, 0]) for name in ("odd", "idle"))
    np.testing.assert_array_equal(together, both)
