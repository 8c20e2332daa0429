"""Every model has a card for its version; what was measured is written by the generator and says how it was taken."""

import importlib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import models
from tests.bench.model_cards import CARDS, EVALUATION_KEYS, entries_of, from_costs, from_report, write

STATUSES = {"candidate", "shadow", "in use", "retired"}
FIELDS = ["model", "version", "class", "status", "owner", "purpose", "data", "not_for", "limits", "measured"]
FILES = sorted(CARDS.glob("*.yaml"))


def read(path: Path) -> dict[str, Any]:
    card: dict[str, Any] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return card


def model_classes() -> dict[str, type]:
    """Classes of this package that carry an id and a version."""
    found = {}
    for path in Path(models.__file__).parent.glob("*.py"):
        module = importlib.import_module(f"models.{path.stem}" if path.stem != "__init__" else "models")
        for kind in vars(module).values():
            is_own = isinstance(kind, type) and kind.__module__ == module.__name__
            if (
                is_own
                and isinstance(getattr(kind, "id", None), str)
                and isinstance(getattr(kind, "version", None), int)
            ):
                found[kind.id] = kind
    return found


def test_every_model_has_a_card_for_its_version():
    classes = model_classes()
    assert len(classes) >= 8
    for name, kind in classes.items():
        assert CARDS / f"{name}-v{kind.version}.yaml" in FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_card_is_whole_and_names_its_class(path: Path):
    card = read(path)
    assert list(card) == FIELDS
    assert path.stem == f"{card['model']}-v{card['version']}"
    assert card["status"] in STATUSES
    assert all(len(card[field]) > 5 for field in ("owner", "purpose", "data", "not_for"))
    assert card["limits"]
    assert all(isinstance(limit, str) and limit.endswith(".") for limit in card["limits"])
    module, _, name = card["class"].partition(":")
    assert getattr(importlib.import_module(module), name).id == card["model"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_measured_figure_says_how_it_was_taken(path: Path):
    for entry in read(path)["measured"]:
        assert {"figure", "value", "unit", "data"} <= set(entry)
        assert entry["data"]
        if "track" in entry:
            assert set(EVALUATION_KEYS) == set(entry)


FIGURES = {
    "rows": 1000, "accounts": 10, "river": "0.0", "ns_per_payment": {"rare": 7, "half-space-trees": 9, "no card": 1},
    "half_space_trees_against_river": {"trees": 2, "height": 3, "ratio": 33.0, "scores_equal": True},
}  # fmt: skip
EVALUATED = {
    "figure": "case recall", "value": 0.5, "unit": "share", "data": "d", "track": "U", "split": "s",
    "seed": 1, "chance": 0.1, "interval": [0.4, 0.6],
}  # fmt: skip


def share(value: float, of: int) -> dict[str, Any]:
    return {"value": value, "of": of, "chance": value / 10, "interval": [value - 0.1, value + 0.1]}


def report(track: str, method: str) -> dict[str, Any]:
    """What ``aml evaluate`` says, as far as cards need it."""
    by_row = {"rows": 900, "laundering": 9, "pr_auc": 0.7, "pr_auc_interval": [0.6, 0.8], "pr_auc_chance": 0.01,
              "f1": 0.5, "f1_interval": [0.4, 0.6], "f1_chance": 0.02}  # fmt: skip
    at = [{"budget": budget, "case_recall": share(0.3, 40), "conversion": share(0.2, 1_500)}
          for budget in ("0.1 %", "0.5 %", "20 a day")]  # fmt: skip
    mine = {"at": at, "by_row": by_row, "queue_false_at_90": {"untrained": 200, "learned": 50}}
    methods = [{"method": name} | mine for name in (method, "half-space-trees")]
    return {"data": "a/b/tide_dev_tx.csv.gz", "track": track, "seed": 7, "cases_scored": 40, "methods": methods}


def copied(folder: Path) -> Path:
    for path in FILES:
        (folder / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def test_the_generator_replaces_what_was_measured_and_nothing_else(tmp_path: Path):
    cards, entries = copied(tmp_path), entries_of(FIGURES)
    entries["rare"].append(EVALUATED)
    assert {path.stem for path in write(cards, entries)} == {"rare-v1", "half-space-trees-v1"}
    rare, trees = read(cards / "rare-v1.yaml"), read(cards / "half-space-trees-v1.yaml")
    assert [each["figure"] for each in rare["measured"]] == ["cost", "case recall"]
    assert rare["measured"][1]["chance"] == 0.1
    assert [each["value"] for each in trees["measured"]] == [9, 33.0, True]
    for path in FILES:
        before, after = read(path), read(cards / path.name)
        assert {**before, "measured": None} == {**after, "measured": None}
    assert write(cards, entries) == []


def test_speed_and_detection_are_replaced_each_without_the_other(tmp_path: Path):
    cards = copied(tmp_path)
    write(cards, {"rare": [*from_costs(FIGURES)["rare"], EVALUATED]})
    write(cards, {"rare": [EVALUATED | {"value": 0.9}, EVALUATED | {"value": 0.8}]})
    assert [each["value"] for each in read(cards / "rare-v1.yaml")["measured"]] == [7, 0.9, 0.8]
    write(cards, {"rare": [{**from_costs(FIGURES)["rare"][0], "value": 5}]})
    assert [each["value"] for each in read(cards / "rare-v1.yaml")["measured"]] == [5, 0.9, 0.8]


def test_the_newest_version_is_written_and_the_older_card_stays(tmp_path: Path):
    text = (CARDS / "rare-v1.yaml").read_text(encoding="utf-8")
    for version in (2, 10):
        (tmp_path / f"rare-v{version}.yaml").write_text(text, encoding="utf-8")
    assert [path.name for path in write(tmp_path, from_costs(FIGURES))] == ["rare-v10.yaml"]
    assert (tmp_path / "rare-v2.yaml").read_text(encoding="utf-8") == text


def test_a_report_without_labels_gives_the_ensembles_figures_at_each_budget():
    found = entries_of(report("U", "models"))
    assert list(found) == ["new-edges"]
    assert [(each["figure"], each["value"], each["data"]) for each in found["new-edges"]] == [
        (f"{figure} of the payment ensemble at {budget} of account-days", value, f"tide_dev; {of}")
        for budget in ("0.1 %", "0.5 %")
        for figure, value, of in (("case recall", 0.3, "40 cases"), ("conversion", 0.2, "1,500 account-days alerted"))
    ]
    assert all(list(each) == list(EVALUATION_KEYS) and each["seed"] == 7 for each in found["new-edges"])


def test_a_report_with_labels_gives_the_learners_and_one_of_decisions_the_order_of_the_queue():
    learned = entries_of(report("S", "learned"))["refitted"]
    assert [(each["value"], each["chance"], each["interval"]) for each in learned[:2]] == [
        (0.7, 0.01, [0.6, 0.8]), (0.5, 0.02, [0.4, 0.6]),
    ]  # fmt: skip
    assert learned[0]["data"] == "tide_dev; 900 rows, 9 laundering"
    assert len(learned) == 6
    (queue,) = entries_of(report("D", "all"))["triage"]
    assert (queue["value"], queue["chance"], queue["interval"]) == (0.75, 0.0, None)
    assert "50 for 200" in queue["figure"]
    assert entries_of(report("S", "models")) == {}


def test_a_rotation_tells_what_was_chosen_by_the_others():
    at = {"budget": "0.1 %", "case_recall": 0.5, "recall_chance": 0.1, "recall_interval": [0.4, 0.6], "cases": 30,
          "conversion": 0.3, "conversion_chance": 0.01, "conversion_interval": [0.2, 0.4], "alerted": 90}  # fmt: skip
    streams = {name: {"shipped": [at | {"case_recall": 0.9}], "equal": [at]} for name in ("one", "two")}
    turns = [{"held_out": "two", "chosen": "equal"}]
    recall, conversion = entries_of({"track": "U", "seed": 1, "streams": streams, "turns": turns})["combination"]
    assert (recall["value"], recall["chance"], recall["data"]) == (0.5, 0.1, "two; 30 cases")
    assert (conversion["value"], conversion["data"]) == (0.3, "two; 90 account-days alerted")
    assert "weights 'equal'" in recall["figure"]


def test_simulated_banks_stand_beside_other_streams():
    mine = {"case_recall": 0.4, "chance": 0.02, "interval": [0.3, 0.5]}
    at = [{"budget": budget, "cases": 51, "methods": {"rules": {}, "models": mine}} for budget in ("0.1 %", "1 %")]
    (one,) = entries_of({"seeds": [3, 4], "customers": 3000, "days": 60, "seed": 1, "at": at})["new-edges"]
    assert (one["value"], one["chance"], one["interval"]) == (0.4, 0.02, [0.3, 0.5])
    assert one["data"] == "2 simulated banks of 3,000 customers and 60 days, seeds 3, 4; 51 cases"


def test_a_detection_figure_without_its_chance_level_is_refused():
    told = report("U", "models")
    del told["methods"][0]["at"][0]["case_recall"]["chance"]
    with pytest.raises(KeyError, match="chance"):
        from_report(told)


def test_another_file_is_refused():
    with pytest.raises(ValueError, match="it holds rows"):
        entries_of({"rows": 1})
