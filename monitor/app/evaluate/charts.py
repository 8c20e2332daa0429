"""Charts of an evaluation as inline SVG, in the manner of the back-test's: no script, no network."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from monitor.app.backtest.charts import AFTER, LOST

_WIDTH, _NAMES, _RIGHT, _LINE = 960, 190, 150, 30
_SHADES = ("#f4f6f8", "#dce7f5", "#b9d0ec", "#8fb3e0", "#5f8fd0", "#1f5fbf")


@dataclass(frozen=True, slots=True)
class Bar:
    """A share with its interval and what chance gives."""

    name: str
    value: float
    low: float
    high: float
    chance: float
    words: str
    """Behind the bar, such as ``12 of 57``."""


def interval_bars(bars: Sequence[Bar], *, title: str, most: float = 1.0) -> str:
    """A bar for each share, its interval as a whisker, chance as a red mark.

    >>> 'class="name"' in interval_bars([Bar("rules", 0.5, 0.4, 0.6, 0.1, "5 of 10")], title="Recall")
    True
    """
    top, bottom = 6, 24
    height = top + _LINE * max(len(bars), 1) + bottom
    room = _WIDTH - _NAMES - _RIGHT

    def x(value: float) -> float:
        return _NAMES + room * min(max(value, 0.0), most) / most

    parts = []
    for tick in range(5):
        at, value = x(most * tick / 4), most * tick / 4
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{height - bottom}" class="grid"/>')
        parts.append(
            f'<text x="{at:.1f}" y="{height - 8}" class="tick" text-anchor="middle">{percentage(value)}</text>'
        )
    for number, bar in enumerate(bars):
        y = top + number * _LINE
        hint = (
            f"{bar.name}: {bar.words}, {percentage(bar.value)}, interval {percentage(bar.low)} to "
            f"{percentage(bar.high)}, chance {percentage(bar.chance)}"
        )
        parts.append(
            f'<text x="{_NAMES - 10}" y="{y + 19}" class="name" text-anchor="end">{escape(cut(bar.name))}</text>'
        )
        width = max(x(bar.value) - _NAMES, 0)
        parts.append(
            f'<rect x="{_NAMES}" y="{y + 6}" width="{width:.1f}" height="17" rx="1.5" fill="{AFTER}">'
            f"<title>{escape(hint)}</title></rect>"
        )
        middle = y + 14.5
        parts.append(
            f'<path d="M{x(bar.low):.1f},{middle}H{x(bar.high):.1f}M{x(bar.low):.1f},{middle - 5}v10'
            f'M{x(bar.high):.1f},{middle - 5}v10" stroke="#1b2330" stroke-width="1.3" fill="none"/>'
        )
        parts.append(
            f'<line x1="{x(bar.chance):.1f}" x2="{x(bar.chance):.1f}" y1="{y + 3}" y2="{y + 26}" stroke="{LOST}" '
            'stroke-width="2.5"/>'
        )
        parts.append(
            f'<text x="{_WIDTH - _RIGHT + 14}" y="{y + 19}" class="tick">{percentage(bar.value)}'
            f" · {escape(bar.words)}</text>"
        )
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def shade(value: float) -> str:
    """The background of a share in a table.

    >>> shade(0.0), shade(1.0)
    ('#f4f6f8', '#1f5fbf')
    """
    return _SHADES[min(len(_SHADES) - 1, int(value * len(_SHADES)))] if value else _SHADES[0]


def percentage(value: float) -> str:
    """A share in per cent, with as many decimals as it needs.

    >>> [percentage(each) for each in (0.0, 0.0012, 0.034, 0.56, 1.0)]
    ['0 %', '0.12 %', '3.4 %', '56 %', '100 %']
    """
    percents = 100 * value
    decimals = 0 if percents >= 9.95 or percents == 0 else 1 if percents >= 0.995 else 2
    text = f"{percents:.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + " %"


def cut(name: str) -> str:
    """A name that fits beside its bar."""
    return name if len(name) <= 26 else name[:25] + "…"


LEGEND = (
    f'<p class="legend"><span class="key" style="background:{AFTER}"></span>measured'
    '<span class="key" style="background:#1b2330"></span>95 % interval'
    f'<span class="key" style="background:{LOST}"></span>chance</p>'
)
