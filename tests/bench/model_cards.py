"""Write what was measured into the cards of models.

    python -m tests.bench.model_cards FILE.json ...

Each file is what a tool wrote, recognised by what it holds:

- ``python -m tests.bench.model_costs --out``: speed;
- ``NAME-TRACK.json`` of ``make evaluate``, or a line of ``aml evaluate --json``: detection on a labelled stream;
- ``python -m tests.bench.rotation --out``: what weights chosen on other generators give;
- ``python -m tests.bench.evaluated --out``: detection on simulated banks.

Of a card that a file is about, the figures of its kind are replaced, speed or detection, all that are given at once;
those of the other kind, and whatever else stands in the card, stay as they are. So figures of detection are given
together, and figures of speed are taken when the machine is quiet.
"""

import json
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

CARDS = Path(__file__).parents[2] / "models" / "cards"
EVALUATION_KEYS = ("figure", "value", "unit", "data", "track", "split", "seed", "chance", "interval")
Entries = dict[str, list[dict[str, Any]]]

ENSEMBLE = "of the payment ensemble "
CARD_OF = {("models", "U"): ("new-edges", ENSEMBLE), ("learned", "S"): ("refitted", ""), ("all", "D"): ("triage", "")}
"""Whose card the figures of a method and track are for, and what their names say of it. Others are no model of ours."""
AT = ("0.1 %", "0.5 %")
_LABELS = {"U": "no labels", "D": "outcomes 14 days after an alert", "S": "all labels after 14 days"}
_SCORED = "scored on 40 to 100 % of the time"


def from_costs(figures: dict[str, Any]) -> Entries:
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


def from_report(report: dict[str, Any]) -> Entries:
    """Detection on one stream and track, from what ``aml evaluate`` says of the product's models."""
    found: Entries = {}
    track, stream = report["track"], _name(report["data"])
    for method in report["methods"]:
        card, of = CARD_OF.get((method["method"], track), ("", ""))
        if not card:
            continue
        common = {"track": track, "seed": report["seed"]}
        if track == "D":
            found[card] = _queue(method["queue_false_at_90"], f"{stream}; {report['cases_scored']} cases", common)
            continue
        split = f"{_SCORED}; {_LABELS[track]}"
        mine = [
            {"figure": f"{figure} {of}at {at['budget']} of account-days", "value": at[key]["value"], "unit": "share",
             "data": f"{stream}; {at[key]['of']:,} {unit}", "split": split, "chance": at[key]["chance"],
             "interval": at[key]["interval"]} | common
            for at in method["at"] if at["budget"] in AT
            for figure, key, unit in (("case recall", "case_recall", "cases"),
                                      ("conversion", "conversion", "account-days alerted"))
        ]  # fmt: skip
        found[card] = ([] if track == "U" else _by_row(method["by_row"], stream, common)) + mine
    return _whole(found)


def _by_row(rows: dict[str, Any], stream: str, common: dict[str, Any]) -> list[dict[str, Any]]:
    split = f"last 20 % of the time, by row; {_LABELS['S']}"
    data = f"{stream}; {rows['rows']:,} rows, {rows['laundering']} laundering"
    return [
        {"figure": figure, "value": rows[key], "unit": "share", "data": data, "split": split,
         "chance": rows[f"{key}_chance"], "interval": rows[f"{key}_interval"]} | common
        for figure, key in (("PR-AUC", "pr_auc"), ("F1 at the threshold best on the 20 % before", "f1"))
    ]  # fmt: skip


def _queue(queue: dict[str, int | None], data: str, common: dict[str, Any]) -> list[dict[str, Any]]:
    """Chance is the untrained order, which spares nothing."""
    untrained, learned = queue["untrained"], queue["learned"]
    if not untrained or learned is None:
        return []
    figure = (
        f"fewer false alerts before 90 % of the true ones than in the untrained order, {learned:,} for {untrained:,}"
    )
    split = f"{_SCORED}; {_LABELS['D']} and of a random 0.1 %"
    return [{"figure": figure, "value": round(1 - learned / untrained, 4), "unit": "share", "data": data,
             "split": split, "chance": 0.0, "interval": None} | common]  # fmt: skip


def from_rotation(rotation: dict[str, Any]) -> Entries:
    """What the weights that other streams choose give on each stream, for the card of the combination."""
    return _whole(
        {
            "combination": [
                {"figure": f"{figure} {ENSEMBLE}at {at['budget']} of account-days, weights '{turn['chosen']}'",
                 "value": round(at[key], 4), "unit": "share", "data": f"{turn['held_out']}; {at[of]:,} {unit}",
                 "track": rotation["track"], "seed": rotation["seed"], "chance": round(at[f"{short}_chance"], 4),
                 "split": f"{_SCORED}; weights chosen on the other generators",
                 "interval": [round(end, 4) for end in at[f"{short}_interval"]]}
                for turn in rotation["turns"]
                for at in rotation["streams"][turn["held_out"]][turn["chosen"]]
                for figure, key, short, of, unit in (
                    ("case recall", "case_recall", "recall", "cases", "cases"),
                    ("conversion", "conversion", "conversion", "alerted", "account-days alerted"),
                )
            ]
        }
    )  # fmt: skip


def from_banks(banks: dict[str, Any]) -> Entries:
    """Case recall on simulated banks together, as :mod:`tests.bench.evaluated` measured it."""
    card, of = CARD_OF["models", "U"]
    data = f"{len(banks['seeds'])} simulated banks of {banks['customers']:,} customers and {banks['days']} days, seeds "
    return _whole(
        {
            card: [
                {"figure": f"case recall {of}at {at['budget']} of account-days", "value": mine["case_recall"],
                 "unit": "share", "data": f"{data}{', '.join(map(str, banks['seeds']))}; {at['cases']} cases",
                 "track": "U", "split": f"{_SCORED}; {_LABELS['U']}", "seed": banks["seed"],
                 "chance": mine["chance"], "interval": mine["interval"]}
                for at in banks["at"] if at["budget"] in AT
                for name, mine in at["methods"].items() if name == "models"
            ]
        }
    )  # fmt: skip


def _whole(found: Entries) -> Entries:
    """The entries with their keys in order; a figure without its data, split, seed or chance is a KeyError."""
    return {card: [{key: each[key] for key in EVALUATION_KEYS} for each in mine] for card, mine in found.items()}


def _name(data: str) -> str:
    """What a stream is called: its file's name without endings.

    >>> _name("somewhere/tide_dev_seed101_tx.csv.gz")
    'tide_dev_seed101'
    """
    return Path(data).name.removesuffix(".gz").removesuffix(".csv").removesuffix("_tx")


KINDS = {"ns_per_payment": from_costs, "methods": from_report, "turns": from_rotation, "seeds": from_banks}
"""By a key that only this kind of file has."""


def entries_of(found: dict[str, Any]) -> Entries:
    """The entries of one file.

    Raises:
        ValueError: None of the tools writes such a file.
    """
    for key, read in KINDS.items():
        if key in found:
            return read(found)
    raise ValueError(f"Not a file of the bench, nor of an evaluation: it holds {', '.join(sorted(found)[:5])}.")


def write(cards: Path, entries: Entries) -> list[Path]:
    """Replace the figures of the kinds that are given, in the cards of the newest versions; the files that changed."""
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
        kinds = {_is_detection(each) for each in measured}
        stay = [each for each in card["measured"] if _is_detection(each) not in kinds]
        card["measured"] = sorted([*stay, *measured], key=_is_detection)
        with files[-1].open("w", encoding="utf-8") as file:
            yaml.dump(card, file)
        if files[-1].read_text(encoding="utf-8") != before:
            changed.append(files[-1])
    return changed


def _is_detection(entry: dict[str, Any]) -> bool:
    return "track" in entry


def main() -> int:
    """Write the cards from the files named on the command line."""
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    entries: Entries = {}
    for name in sys.argv[1:]:
        for model, measured in entries_of(json.loads(Path(name).read_text(encoding="utf-8"))).items():
            entries.setdefault(model, []).extend(measured)
    for path in write(CARDS, entries):
        print(f"{path.name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
