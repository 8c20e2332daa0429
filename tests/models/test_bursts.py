"""Bursts are the chi-squared statistic of MIDAS over exact counts, as long as no counter is shared."""

from collections import Counter
from math import log

import numpy as np
import pytest

from models.bursts import TICKS_MIN, Bursts
from models.contract import DAY_US
from tests.models.model_streams import stream


def test_scores_are_those_of_exact_counts():
    columns = stream(1500, seed=3, keys=6)
    columns["time_us"] = np.sort(columns["time_us"])
    scores = Bursts(log2_width=16, fade=0.5).score_learn_many(columns, why=True)
    lately: Counter[object] = Counter()
    in_all: Counter[object] = Counter()
    ticks, tick = 0, int(columns["time_us"][0] // DAY_US) - 1
    rows = np.stack([columns[name] for name in ("payer", "payee", "time_us")], axis=1).tolist()
    for i, (payer, payee, time_us) in enumerate(rows):
        passed = time_us // DAY_US - tick
        tick, ticks = tick + passed, ticks + passed
        for item in lately:
            lately[item] *= 0.5**passed  # type: ignore[assignment]
        found = []
        for item in ((payer, payee), ("from", payer), ("to", payee)):
            lately[item] += 1
            in_all[item] += 1
            a, s = lately[item], in_all[item]
            found.append((a - s / ticks) ** 2 * ticks**2 / (s * max(ticks - 1, 1)) if a > s / ticks else 0.0)
        assert scores.ready[i] == (ticks >= TICKS_MIN)
        if scores.ready[i]:
            assert scores.values[i] == pytest.approx(log(1 + max(found)), rel=1e-5)
            assert scores.why is not None
            assert scores.why[i, :, 0].argmax() == np.argmax(found) or max(found) == 0.0
