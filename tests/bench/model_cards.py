"""Write what was measured into the cards of models.

    python -m tests.bench.model_cards FIGURES.json [EVALUATED.json ...]

``FIGURES.json`` is the output of ``python -m tests.bench.model_costs --out``. An ``EVALUATED.json`` lists objects with
``model``, ``figure``, ``value``, ``unit``, ``data``, ``track``, ``split``, ``seed``, ``chance`` and ``interval``
(null where there is none). Only the list ``measured`` of a card is replaced; whatever else stands there stays as it is.
"""

import json
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

CARDS = Path(__file__).parents[2] / "models" / "cards"
EVALUATION_KEYS = ("figure", "value", "unit", "data", "track", "split", "seed", "chance", "interval")
Entries = dict[str, list[dict[str, Any]]]


def from_bench(figures: dict[str, Any]) -> Entries:
    """Speed by model, as entries of cards."""
    how = f"{figures['rows']:,} payments of {figures['accounts']:,} accounts, scored and learned, one core"
    found: Entries = {
        model: [{"figure": "cost", "value": value, "unit": "ns a payment", "data": how}]
        for model, value in figures["ns_per_payment"].items()
    }
    trees = figures["half_space_trees_against_river"]
    size = f"{trees['trees']} trees of height {trees['height']}, river {figures['river']}, the same trees and run"
    ratio = {"figure": "speed against river", "value": trees["ratio"], "unit": "times", "data": size}
    equal = {"figure": "scores equal river's", "value": trees["scores_equal"], "unit": "", "data": size}
    found.setdefault("half-space-trees", []).extend([ratio, equal])
    return found


def from_evaluation(evaluated: list[dict[str, Any]]) -> Entries:
    """Detection by model, as entries of cards; a figure without its data, split, seed and chance is refused."""
    found: Entries = {}
    for each in evaluated:
        missing = [key for key in ("model", *EVALUATION_KEYS) if key not in each]
        if missing:
            raise ValueError(f"An evaluated figure lacks {', '.join(missing)}: {each}. Say null where there is none.")
        found.setdefault(each["model"], []).append({key: each[key] for key in EVALUATION_KEYS})
    return found


def write(cards: Path, entries: Entries) -> list[Path]:
    """Replace ``measured`` in the cards of the newest version of each model; the files that changed."""
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    changed = []
    for model, measured in entries.items():
        files = sorted(cards.glob(f"{model}-v*.yaml"), key=lambda path: int(path.stem.rpartition("-v")[2]))
        if not files:
            continue
        before = files[-1].read_text(encoding="utf-8")
        card = yaml.load(before)
        card["measured"] = measured
        with files[-1].open("w", encoding="utf-8") as file:
            yaml.dump(card, file)
        if files[-1].read_text(encoding="utf-8") != before:
            changed.append(files[-1])
    return changed


def main() -> int:
    """Write the cards from the files named on the command line."""
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    entries = from_bench(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    for name in sys.argv[2:]:
        for model, measured in from_evaluation(json.loads(Path(name).read_text(encoding="utf-8"))).items():
            entries.setdefault(model, []).extend(measured)
    for path in write(CARDS, entries):
        print(f"{path.name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
