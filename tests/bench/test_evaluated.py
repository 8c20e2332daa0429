"""Banks are added up: cases and alerts by adding, chance by their numbers, intervals over all cases."""

import pytest

from monitor.app.evaluate.evaluation import EvaluateRequest, Evaluation, evaluate
from monitor.app.evaluate.registry import PARTS
from tests.app.evaluate.labelled_streams import Plan, rows_of, written
from tests.bench.evaluated import found_by_none, together


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> list[Evaluation]:
    folder = tmp_path_factory.mktemp("banks")
    makers = {name: PARTS[name] for name in ("models", "flow")}
    places = [
        written(rows_of(Plan(seed, days=60, rows=rows, cases=cases)), folder / f"{seed}.csv")
        for seed, rows, cases in ((71, 2_000, 30), (72, 3_000, 12))
    ]
    return [evaluate(EvaluateRequest(place), makers=makers) for place in places]


def test_cases_alerts_and_chance_of_all_banks_are_added_up(banks: list[Evaluation]) -> None:
    number = 2
    told = together(banks, number)
    assert told["budget"] == "1 %"
    assert told["cases"] == sum(len(bank.truth.scored) for bank in banks)
    found = 0
    for place, name in enumerate(("models", "flow")):
        at, mine = [bank.figures[place].budgets[number] for bank in banks], told["methods"][name]
        assert mine["found"] == sum(each.recall.found for each in at) == sum(
            each["found"] for each in mine["typologies"].values()
        )  # fmt: skip
        assert mine["of"] == told["cases"] == sum(each["of"] for each in mine["typologies"].values())
        assert mine["alerted"] == sum(each.chosen for each in at)
        weighed = sum(each.chance_recall * each.recall.of for each in at) / told["cases"]
        assert mine["chance"] == pytest.approx(weighed, abs=1e-4)
        assert mine["chance"] != pytest.approx(sum(each.chance_recall for each in at) / 2, abs=1e-4)
        assert mine["interval"][0] <= mine["case_recall"] <= mine["interval"][1]
        found += mine["found"]
    assert found > 3


def test_a_typology_is_found_by_none_only_where_every_method_misses_all_of_it(banks: list[Evaluation]) -> None:
    told = together(banks, 2)
    names = list(told["methods"]["models"]["typologies"])
    assert len(names) == 3
    for method in told["methods"].values():
        for name in names:
            method["typologies"][name]["found"] = 0
    assert found_by_none(told) == names
    told["methods"]["flow"]["typologies"][names[1]]["found"] = 1
    assert found_by_none(told) == [names[0], names[2]]
