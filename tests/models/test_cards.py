"""Every model has a card for its version; what was measured is written by the generator and says how it was taken."""

import importlib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import models
from tests.bench.model_cards import CARDS, EVALUATION_KEYS, from_bench, from_evaluation, write

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
    "model": "rare", "figure": "case recall", "value": 0.5, "unit": "share", "data": "d", "track": "U", "split": "s",
    "seed": 1, "chance": 0.1, "interval": [0.4, 0.6],
}  # fmt: skip


def test_the_generator_replaces_what_was_measured_and_nothing_else(tmp_path: Path):
    for path in FILES:
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    entries = from_bench(FIGURES)
    entries["rare"] += from_evaluation([EVALUATED])["rare"]
    assert {path.stem for path in write(tmp_path, entries)} == {"rare-v1", "half-space-trees-v1"}
    rare, trees = read(tmp_path / "rare-v1.yaml"), read(tmp_path / "half-space-trees-v1.yaml")
    assert [each["figure"] for each in rare["measured"]] == ["cost", "case recall"]
    assert rare["measured"][1]["chance"] == 0.1
    assert [each["value"] for each in trees["measured"]] == [9, 33.0, True]
    for path in FILES:
        before, after = read(path), read(tmp_path / path.name)
        assert {**before, "measured": None} == {**after, "measured": None}
    assert write(tmp_path, entries) == []


def test_the_newest_version_is_written_and_the_older_card_stays(tmp_path: Path):
    text = (CARDS / "rare-v1.yaml").read_text(encoding="utf-8")
    for version in (2, 10):
        (tmp_path / f"rare-v{version}.yaml").write_text(text, encoding="utf-8")
    assert [path.name for path in write(tmp_path, from_bench(FIGURES))] == ["rare-v10.yaml"]
    assert (tmp_path / "rare-v2.yaml").read_text(encoding="utf-8") == text


def test_a_detection_figure_without_its_chance_level_is_refused():
    with pytest.raises(ValueError, match="chance"):
        from_evaluation([{key: value for key, value in EVALUATED.items() if key != "chance"}])
