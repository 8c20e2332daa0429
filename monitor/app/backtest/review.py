"""The blind review list and its key, and what the answers prove.

The list says who, when and which payments, in random order, and nothing of the side or the threshold. The key says the
rest and stays with whoever drew the sample until the list is back. It holds a digest of the list, so that a list from
which items were taken, or in which they were exchanged, is refused.
"""

import csv
import io
import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from monitor.app.backtest.grid import Grid
from monitor.app.backtest.history import FileHistory, StoreHistory
from monitor.app.backtest.problem import BacktestError
from monitor.app.backtest.sampling import ABOVE, BELOW, Sample
from monitor.casework.intervals import Share, most_if_none, sample_size, wilson
from monitor.domain.time import format_time

COLUMNS = ("item", "rule", "subject", "segment", "first_payment", "last_payment", "payments", "transactions",
           "productive", "comment")  # fmt: skip
"""The columns of a list; the reviewer fills in the last two."""
_SEALED = COLUMNS[:-2]
_FORMAT = 1
_YES, _NO = {"yes", "y", "true", "1"}, {"no", "n", "false", "0"}


@dataclass(frozen=True, slots=True)
class Written:
    """A list and its key as texts."""

    review: str
    key: str


def written(
    history: StoreHistory | FileHistory, grid: Grid, sample: Sample, *,
    seed: int, tolerable: float, confidence: float, as_json: bool,
) -> Written:  # fmt: skip
    """The list and the key of a sample."""
    booked = _booked(history, {position for item in sample.items for position in item.alert.transactions})
    rows, keyed = [], {}
    for number, item in enumerate(sample.items, 1):
        name, positions = f"R-{number:03d}", item.alert.transactions
        times = [booked[position] for position in positions if position in booked] or [item.alert.judged_at_us]
        rows.append({
            "item": name, "rule": grid.rule.id, "subject": history.subject(item.alert.subject),
            "segment": item.alert.segment or "", "first_payment": format_time(min(times)),
            "last_payment": format_time(max(times)), "payments": str(len(positions)),
            "transactions": " ".join(map(history.transaction_id, positions)), "productive": "", "comment": "",
        })  # fmt: skip
        keyed[name] = {"side": item.side, "band": item.band, "steps": item.steps, "segment": item.segment,
                       "position": item.alert.position}  # fmt: skip
    key = {
        "format": _FORMAT, "rule": grid.rule.id, "digest": grid.rule.digest,
        "parameter": grid.axes[0].parameter.name, "segment": grid.axes[0].segment,
        "line": grid.axes[0].shown(grid.axes[0].current), "seed": seed, "tolerable": tolerable,
        "confidence": confidence, "list_sha256": list_digest(rows),
        "strata": [
            {"side": side, "steps": steps, "band": band, "segment": segment, "population": size, "sampled": drawn}
            for (side, steps, band, segment), (size, drawn) in sorted(sample.strata.items())
        ],
        "items": keyed,
    }  # fmt: skip
    return Written(_as_json(rows) if as_json else _as_csv(rows), json.dumps(key, indent=1, ensure_ascii=False) + "\n")


def _booked(history: StoreHistory | FileHistory, positions: set[int]) -> dict[int, int]:
    wanted = np.array(sorted(positions), np.int64)
    found: dict[int, int] = {}
    for batch in history.batches():
        rows = np.flatnonzero(np.isin(batch.position, wanted))
        found |= dict(zip(batch.position[rows].tolist(), batch.booked_at_us[rows].tolist(), strict=True))
    return found


def list_digest(rows: Sequence[Mapping[str, str]]) -> str:
    """SHA-256 over the items of a list, in the order of their names, without what the reviewer fills in."""
    items = sorted([row[name] for name in _SEALED] for row in rows)
    return sha256(json.dumps(items, ensure_ascii=False).encode()).hexdigest()


def _as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _as_json(rows: Sequence[Mapping[str, str]]) -> str:
    return json.dumps(list(rows), indent=1, ensure_ascii=False) + "\n"


def write_files(both: Written, review: Path, key: Path) -> None:
    """Write the list, and the key readable by its owner only."""
    review.write_text(both.review, encoding="utf-8")
    handle = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(both.key)


# Scoring -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BandScore:
    """One band of one side: how many items there are, how many were looked at, and the share that is productive."""

    side: str
    band: str
    steps: int
    population: int
    productive: Share
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Score:
    """What a returned list proves."""

    rule: str
    parameter: str
    line: str
    seed: int
    confidence: float
    tolerable: float
    bands: tuple[BandScore, ...]
    above: BandScore
    below: BandScore
    open_items: int
    """Items without an answer."""
    sentences: tuple[str, ...]


def score(review: Path, key: Path) -> Score:
    """Read the answers of a list with its key.

    Raises:
        BacktestError: The list is not that of the key, was changed, or an answer is not understood.
        OSError: A file cannot be read.
    """
    sealed = _read_key(key)
    rows = _read_list(review)
    if list_digest(rows) != sealed["list_sha256"]:
        raise BacktestError(
            f"{review}: its items are not those that {key} was made with; some were changed, added or taken out, or it "
            "is another list. Answers go into the columns productive and comment only."
        )
    answers = {row["item"]: _answer(review, row) for row in rows}
    confidence = float(sealed["confidence"])
    bands = _bands(sealed, answers, confidence)
    above, below = (_whole(side, bands, confidence) for side in (ABOVE, BELOW))
    said = _sentences(sealed, bands, above, below)
    return Score(
        sealed["rule"], sealed["parameter"], sealed["line"], int(sealed["seed"]), confidence,
        float(sealed["tolerable"]), tuple(bands), above, below, sum(each is None for each in answers.values()), said,
    )  # fmt: skip


def _read_key(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        is_key = isinstance(body, dict) and body.get("format") == _FORMAT and {"items", "strata"} <= body.keys()
    except ValueError:
        is_key = False
    if not is_key:
        raise BacktestError(
            f"{path}: this is no key of a review list. It is written beside the list by aml tune --review."
        )
    return dict(body)


def _read_list(path: Path) -> list[dict[str, str]]:
    text = path.read_text(encoding="utf-8-sig")
    try:
        rows = json.loads(text) if text.lstrip().startswith("[") else list(csv.DictReader(io.StringIO(text)))
    except ValueError:
        rows = []
    if not rows or not all(isinstance(row, dict) and set(COLUMNS) <= row.keys() for row in rows):
        raise BacktestError(f"{path}: the columns {', '.join(COLUMNS)} are needed. Hand back the list as it was given.")
    return [{name: str(row[name] if row[name] is not None else "") for name in COLUMNS} for row in rows]


def _answer(path: Path, row: Mapping[str, str]) -> bool | None:
    word = row["productive"].strip().lower()
    if word in _YES | _NO:
        return word in _YES
    if word:
        raise BacktestError(
            f"{path}: {row['item']}: '{row['productive']}' is no answer. Write yes or no, or leave it empty."
        )
    return None


def _bands(sealed: Mapping[str, Any], answers: Mapping[str, bool | None], confidence: float) -> list[BandScore]:
    """Bands from the loosest value to the strictest."""
    sizes: dict[tuple[str, int, str], int] = defaultdict(int)
    for stratum in sealed["strata"]:
        sizes[stratum["side"], int(stratum["steps"]), stratum["band"]] += int(stratum["population"])
    found = []
    for (side, steps, band), size in sizes.items():
        items = [name for name, item in sealed["items"].items() if (item["side"], item["band"]) == (side, band)]
        given = [answers[name] for name in items if answers.get(name) is not None]
        found.append(_scored(side, band, steps, size, Share(sum(map(bool, given)), len(given)), confidence))
    return sorted(found, key=lambda each: -each.steps if each.side == BELOW else each.steps)


def _scored(side: str, band: str, steps: int, size: int, share: Share, confidence: float) -> BandScore:
    """A band with the interval of its share; nothing is left open where every item was looked at."""
    low, high = wilson(share, confidence=confidence)
    if share.of and share.of == size:
        low = high = share.found / share.of
    elif share.of and not share.found:
        high = most_if_none(share.of, confidence=confidence, population=size)
    return BandScore(side, band, steps, size, share, low, high)


def _whole(side: str, bands: Sequence[BandScore], confidence: float) -> BandScore:
    mine = [band for band in bands if band.side == side]
    share = Share(sum(band.productive.found for band in mine), sum(band.productive.of for band in mine))
    return _scored(side, "all", 0, sum(band.population for band in mine), share, confidence)


def _sentences(
    sealed: Mapping[str, Any], bands: Sequence[BandScore], above: BandScore, below: BandScore
) -> tuple[str, ...]:
    tolerable, confidence = float(sealed["tolerable"]), float(sealed["confidence"])
    name = f"{sealed['rule']}.{sealed['parameter']}"
    if not below.productive.of and not above.productive.of:
        return ("No item has an answer yet. Fill in yes or no under productive and score again.",)
    return (
        *_of_below(name, str(sealed["line"]), bands, below, tolerable, confidence),
        *_of_above(bands, above, tolerable),
    )


def _of_below(
    name: str, line: str, bands: Sequence[BandScore], below: BandScore, tolerable: float, confidence: float
) -> tuple[str, ...]:
    share, sure = below.productive, f"at {100 * confidence:g} % confidence"
    if not below.population:
        return ("Nothing lies below the line on this walk. Walk to looser values to see what is missed.",)
    if not share.of:
        return ("No item below the line has an answer, so nothing is known of what is missed.",)
    if below.high < tolerable:
        return (
            f"Keep {name} at {line}: below the line {share} is productive, {sure} at most "
            f"{_cent(below.high, up=True)} of {below.population}, within the tolerable {100 * tolerable:g} %.",
        )
    hit = [band for band in bands if band.side == BELOW and band.productive.found]
    if below.low > tolerable or (share.value or 0) > tolerable:
        far = max(hit, key=lambda band: band.steps)
        return (
            f"Loosen {name}: below the line {share} is productive ({_cent(below.low)} to {_cent(below.high, up=True)} "
            f"{sure}), more than the tolerable {100 * tolerable:g} %. The farthest productive item lies in the band "
            f"{far.band}; move the line there in one step, in shadow first, and measure it with aml replay.",
        )
    more = sample_size(tolerable=tolerable, confidence=confidence, population=below.population) - share.of
    again = f"Review at least {more} more items." if more > 0 else "Draw a larger sample with --sample."
    return (
        f"Undecided: below the line {share} is productive, {sure} at most {_cent(below.high, up=True)}, which may be "
        f"more than the tolerable {100 * tolerable:g} %. {again}",
    )


def _of_above(bands: Sequence[BandScore], above: BandScore, tolerable: float) -> tuple[str, ...]:
    if not above.productive.of:
        return ()
    said = [f"Above the line {above.productive} is productive."]
    empty = []
    for band in sorted((band for band in bands if band.side == ABOVE), key=lambda band: band.steps):
        if not band.productive.of or band.productive.found or band.high >= tolerable:
            break
        empty.append(band)
    if empty:
        words = ", ".join(band.band for band in empty)
        said.append(f"In the bands next to the line ({words}) nothing is productive: it may be tightened past them.")
    return tuple(said)


def _cent(share: float, *, up: bool = False) -> str:
    """Per cent with one decimal, bounds rounded outwards.

    >>> _cent(0.0494), _cent(0.0494, up=True)
    ('4.9 %', '5 %')
    """
    tenths = int(share * 1000)
    return f"{(tenths + (up and share * 1000 > tenths)) / 10:g} %"
