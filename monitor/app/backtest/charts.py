"""Charts as inline SVG: no script, no network, readable in any browser and in print."""

from collections.abc import Sequence
from html import escape

BEFORE, AFTER, NEW, LOST, SAME = "#8a94a6", "#1f5fbf", "#1f5fbf", "#c4452d", "#c9d1dc"
_WIDTH, _LEFT, _RIGHT = 960, 46, 12


def line_chart(days: Sequence[tuple[str, int, int]], *, title: str) -> str:
    """Two step lines over days: before and after. Long histories are summed up by week.

    >>> line_chart([("2026-01-01", 1, 2)], title="Alerts").startswith("<svg")
    True
    """
    points, step = _by_week(days) if len(days) > 120 else (list(days), "day")
    height, top, bottom = 220, 16, 34
    most = nice_top(max((max(one, other) for _, one, other in points), default=0))
    inner, across = height - top - bottom, (_WIDTH - _LEFT - _RIGHT) / max(len(points), 1)

    def y(value: int) -> float:
        return top + inner * (1 - value / most)

    def path(column: int) -> str:
        parts = []
        for number, point in enumerate(points):
            level, left = y(int(point[column])), _LEFT + number * across
            parts.append(f"{'M' if number == 0 else 'L'}{left:.1f},{level:.1f}H{left + across:.1f}")
        return "".join(parts)

    grid = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" class="grid"/>'
        f'<text x="{_LEFT - 8}" y="{y(tick) + 4:.1f}" class="tick" text-anchor="end">{tick}</text>'
        for tick in sorted({0, most // 2, most})
    )
    every = max(1, round(len(points) / 8))
    labels = "".join(
        f'<text x="{_LEFT + number * across:.1f}" y="{height - 12}" class="tick">{escape(points[number][0][5:])}</text>'
        for number in range(0, len(points), every)
        if number * across < _WIDTH - _LEFT - _RIGHT - 34
    )
    hints = "".join(
        f'<rect x="{_LEFT + number * across:.1f}" y="{top}" width="{across:.1f}" height="{inner}" fill="transparent">'
        f"<title>{escape(name)}: {one} before, {other} after</title></rect>"
        for number, (name, one, other) in enumerate(points)
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}, by {step}">{grid}{labels}'
        f'<path d="{path(1)}" fill="none" stroke="{BEFORE}" stroke-width="2.5"/>'
        f'<path d="{path(2)}" fill="none" stroke="{AFTER}" stroke-width="2"/>{hints}</svg>'
    )


def _by_week(days: Sequence[tuple[str, int, int]]) -> tuple[list[tuple[str, int, int]], str]:
    weeks = [days[start : start + 7] for start in range(0, len(days), 7)]
    return [(week[0][0], sum(day[1] for day in week), sum(day[2] for day in week)) for week in weeks], "week"


def split_bars(rows: Sequence[tuple[str, int, int, int]], *, title: str) -> str:
    """A bar per row (name, lost, same, new): lost to the left of the axis, the same and the new to the right.

    >>> 'class="name"' in split_bars([("AML-STR-001", 1, 5, 2)], title="By rule")
    True
    """
    line, top, names = 26, 8, 170
    height = top + line * max(len(rows), 1) + 6
    most_left = max((lost for _, lost, _, _ in rows), default=0)
    most_right = max((same + new for _, _, same, new in rows), default=0)
    room = _WIDTH - names - _RIGHT - 96
    scale = room / max(most_left + most_right, 1)
    axis = names + 48 + most_left * scale
    parts = [f'<line x1="{axis:.1f}" x2="{axis:.1f}" y1="{top - 4}" y2="{height - 4}" class="axis"/>']
    for number, (name, lost, same, new) in enumerate(rows):
        middle = top + number * line
        parts.append(
            f'<text x="{names - 8}" y="{middle + 15}" class="name" text-anchor="end">{escape(_cut(name))}</text>'
        )
        parts.append(_bar(axis - lost * scale, middle, lost * scale, LOST, f"{name}: {lost} lost"))
        parts.append(_bar(axis, middle, same * scale, SAME, f"{name}: {same} the same"))
        parts.append(_bar(axis + same * scale, middle, new * scale, NEW, f"{name}: {new} new"))
        if lost:
            left = axis - lost * scale - 6
            parts.append(f'<text x="{left:.1f}" y="{middle + 15}" class="minus" text-anchor="end">−{lost}</text>')
        right = axis + (same + new) * scale + 6
        more = f'<tspan class="plus"> +{new}</tspan>' if new else ""
        parts.append(f'<text x="{right:.1f}" y="{middle + 15}" class="tick">{same}{more}</text>')
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def _bar(x: float, y: float, width: float, colour: str, hint: str) -> str:
    if width <= 0:
        return ""
    return (
        f'<rect x="{x:.1f}" y="{y + 2}" width="{max(width, 1):.1f}" height="18" rx="1.5" fill="{colour}">'
        f"<title>{escape(hint)}</title></rect>"
    )


def _cut(name: str) -> str:
    return name if len(name) <= 22 else name[:21] + "…"


def nice_top(most: int) -> int:
    """The next even round number for the top of an axis.

    >>> [nice_top(n) for n in (0, 1, 7, 11, 130)]
    [2, 2, 8, 20, 200]
    """
    scale = 1
    while True:
        for step in (2, 4, 8, 10):
            if step * scale >= most:
                return step * scale
        scale *= 10
