"""The learner as a scorer: whole units only, words with what is likely, and nothing before labels are known."""

import re
from dataclasses import replace

import numpy as np
import pytest

from models.refitted import probability
from monitor.app.evaluate.learned_scorer import WORDS_FROM, Learned, columns_of
from monitor.app.evaluate.running import Passed, run
from monitor.app.evaluate.scorer import Setting
from monitor.app.evaluate.stream import Stream
from tests.app.evaluate.labelled_streams import Plan, stream_of

LABELS_DAYS = 14


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    return stream_of(Plan(41, days=45, rows=500, cases=30), tmp_path_factory.mktemp("learned"))


@pytest.fixture(scope="module")
def passed(stream: Stream) -> Passed:
    pytest.importorskip("sklearn")
    return run(Learned(Setting(stream, "S", 1)), stream, "S", budget=0.01, seed=1)


def test_cents_change_no_measure(stream: Stream) -> None:
    rows = stream.rows
    whole = replace(rows, value=np.floor(rows.value))
    assert (rows.value != whole.value).any()
    assert columns_of(rows)["amount_log"].tobytes() == columns_of(whole)["amount_log"].tobytes()


def test_nothing_is_said_before_labels_are_known(stream: Stream, passed: Passed) -> None:
    is_said = np.isfinite(passed.score[:, 0])
    first = int(np.argmax(is_said))
    assert stream.days[first] >= stream.days[0] + LABELS_DAYS
    assert stream.days[first] != stream.days[first - 1], "trees are fitted between days"
    assert is_said[first:].all()
    np.testing.assert_array_equal(passed.score[:, 0], passed.score[:, 1])


def test_what_is_likely_has_words_whose_parts_are_its_families(passed: Passed) -> None:
    chance = probability(passed.score[:, 0])
    likely = np.flatnonzero(np.nan_to_num(chance) >= WORDS_FROM).tolist()
    assert 0 < len(likely) < len(chance)
    assert set(passed.reasons) == {(row, side) for row in likely for side in (0, 1)}
    for (row, _), words in passed.reasons.items():
        assert words.startswith(f"probability {chance[row]:.2f}: ")
        parts = [float(part) for part in re.findall(r"[+-]\d+\.\d", words.partition(";")[0])]
        assert parts == sorted(parts, reverse=True)
        assert len(parts) >= 3
