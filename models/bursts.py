"""Bursts of payments between two accounts, of one payer and of one payee, against their own past in a sketch.

Time is cut into ticks. For an edge and for each of its ends the sketch keeps how often it came lately (``a``, faded by
``fade`` from tick to tick) and in all (``s``). Over ``t`` ticks the chi-squared statistic of ``a`` against the mean
``s / t`` is ``(a - s / t)**2 * t**2 / (s * (t - 1))``; below the mean it is 0. The score is ``ln (1 + largest)``, and
the largest of the three is its reason. Counters are shared by chance, so a count is never too low.

Source: MIDAS-R, Bhatia, S., Hooi, B., Yoon, M., Shin, K. & Faloutsos, C. (2020), "MIDAS: microcluster-based detector
of anomalies in edge streams", AAAI 34. There the statistic does not tell above from below.
"""

from collections.abc import Mapping
from math import log
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from models.column_model import Arrays, ColumnModel
from models.compiled import kernel, mix
from models.contract import DAY_US, Bools, Family, Float64s, Input, Int64s, Kind, Limit, Part

TICKS_MIN = 3
"""Ticks until a mean means something; before, nothing is ready."""

_ROWS = 2
_TICK, _TICKS = range(2)
_LATELY, _IN_ALL = range(2)
Float32s = npt.NDArray[np.float32]


@kernel
def _judge_and_learn(
    payer: Int64s,
    payee: Int64s,
    time_us: Int64s,
    sketch: Float32s,
    clock: Int64s,
    tick_us: int,
    fade: float,
    values: Float64s,
    ready: Bools,
    why: Float64s,
    learn: bool,
) -> None:
    """``sketch`` (3 kinds, 2 rows, width, 2): counts lately and in all; ``clock``: this tick, and ticks so far."""
    last = sketch.shape[2] - 1
    for i in range(len(payer)):
        if payer[i] < 0 or payee[i] < 0:
            continue
        tick = max(time_us[i] // tick_us, clock[_TICK])
        passed = tick - clock[_TICK] if clock[_TICKS] > 0 else 1
        ticks, faded = clock[_TICKS] + passed, fade**passed
        if learn and passed > 0:
            for kind in range(3):
                for row in range(_ROWS):
                    for place in range(last + 1):
                        sketch[kind, row, place, _LATELY] *= faded
            clock[_TICK], clock[_TICKS] = tick, ticks
            faded = 1.0
        best, largest, lately, expected = 0, -1.0, 0.0, 0.0
        for kind in range(3):
            item = mix(payer[i] if kind != 2 else -1, payee[i] if kind != 1 else -1)
            one, other = item & last, (item >> 31) & last
            a = 1.0 + faded * min(sketch[kind, 0, one, _LATELY], sketch[kind, 1, other, _LATELY])
            s = 1.0 + min(sketch[kind, 0, one, _IN_ALL], sketch[kind, 1, other, _IN_ALL])
            mean = s / ticks
            chi = (a - mean) ** 2 * ticks * ticks / (s * max(ticks - 1, 1)) if a > mean else 0.0
            if chi > largest:
                best, largest, lately, expected = kind, chi, a, mean
            if learn:
                for which in range(2):
                    sketch[kind, 0, one, which] += 1.0
                    sketch[kind, 1, other, which] += 1.0
        if ticks >= TICKS_MIN:
            values[i], ready[i] = log(1.0 + largest), True
            if len(why):
                why[i, best, 0], why[i, best, 1], why[i, best, 2] = values[i], lately, expected


class Bursts(ColumnModel):
    """More payments than usual between two accounts, of one payer or of one payee.

    Args:
        log2_width: Counters per kind and row: two to this power, 48 bytes each in all.
        tick_us: Length of a tick.
        fade: What stays of a count from one tick to the next, within (0, 1).

    Columns: ``payer`` and ``payee`` as codes, and ``time_us``. Weak spots: a busy shop is a burst once it is opened;
    counts in all never fade; ticks without payments count as ticks.
    """

    id: ClassVar[str] = "bursts"
    version: ClassVar[int] = 1
    inputs = (
        Input("payer", Kind.CODE, family=Family.COUNTERPARTIES),
        Input("payee", Kind.CODE, family=Family.COUNTERPARTIES),
        Input("time_us", Kind.TIME, "us"),
    )
    parts = (
        Part("between both", Family.RATE, "payments"),
        Part("of the payer", Family.RATE, "payments"),
        Part("of the payee", Family.RATE, "payments"),
    )

    def __init__(self, *, log2_width: int = 16, tick_us: int = DAY_US, fade: float = 0.5) -> None:
        self._tick_us, self._fade = tick_us, fade
        self._sketch: Float32s = np.zeros((3, _ROWS, 1 << log2_width, 2), np.float32)
        self._clock = np.zeros(2, np.int64)
        self.limit = Limit(
            self._sketch.nbytes + self._clock.nbytes, "counters are shared by more, so bursts are missed"
        )

    def _run(self, columns: Arrays, values: Float64s, ready: Bools, why: Float64s, learn: bool) -> None:
        _judge_and_learn(
            columns["payer"], columns["payee"], columns["time_us"], self._sketch, self._clock, self._tick_us,
            self._fade, values, ready, why, learn,
        )  # fmt: skip

    def _settings(self) -> dict[str, Any]:
        return {"width": self._sketch.shape[2], "tick_us": self._tick_us, "fade": self._fade}

    def _arrays(self) -> Arrays:
        return {"sketch": self._sketch, "clock": self._clock}

    def _take(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._sketch, self._clock = arrays["sketch"], arrays["clock"]
