"""What a run needs besides payments: rates, booking entities, named lists."""

from datetime import date, timedelta
from pathlib import Path

from monitor.app.simulate.draws import Part, stream
from monitor.app.simulate.rhythm import holidays
from monitor.app.simulate.world import ENTITIES, HIGH_RISK

_MIDDLE = {"GBP": 129_500, "NOK": 9_400, "EUR": 110_000}
"""Dollars per unit in 1/100,000 around which the daily rates wander by at most 2.5 %."""


def daily_rates(seed: int, start: date, days: int) -> list[tuple[str, str, int]]:
    """``(published_at, source, dollars per unit in 1/100,000)`` for every day from the day before the stream.

    >>> len(daily_rates(1, date(2026, 1, 5), 2))
    9
    """
    rng, rows = stream(seed, Part.RATES), []
    current = dict(_MIDDLE)
    for number in range(-1, days):
        published = f"{start + timedelta(days=number)}T00:00:00Z"
        for source, middle in _MIDDLE.items():
            moved = current[source] + (int(rng.integers(-40, 41)) * middle) // 10_000
            current[source] = min(max(moved, middle * 975 // 1000), middle * 1025 // 1000)
            rows.append((published, source, current[source]))
    return rows


def _decimal(value: int, places: int) -> str:
    digits = str(value).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}"


def write_rates(path: Path, rates: list[tuple[str, str, int]]) -> None:
    """``published_at,source,target,rate`` to the dollar and back."""
    lines = ["published_at,source,target,rate"]
    for published, source, value in rates:
        lines.append(f"{published},{source},USD,{_decimal(value, 5)}")
        lines.append(f"{published},USD,{source},{_decimal(10**13 // value, 8)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_entities(path: Path, years: range) -> None:
    """The booking entities with zone, cut-off, weekend and holidays."""
    lines = [f"default: {ENTITIES[0].name}", "entities:"]
    for code, entity in enumerate(ENTITIES):
        days = sorted(day for year in years for day in holidays(year)[code])
        lines += [
            f"  {entity.name}:", f"    country: {entity.country}", f"    zone: {entity.zone}",
            f'    cut_off: "{entity.cut_off}"', "    weekend: [sat, sun]",
            f"    holidays: [{', '.join(map(str, days))}]",
        ]  # fmt: skip
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_lists(folder: Path, start: date) -> None:
    """The named lists that the shipped rules ask for."""
    folder.mkdir(exist_ok=True)
    words = ", ".join(f'"{word}"' for word in sorted(HIGH_RISK))
    (folder / "high_risk_countries.yaml").write_text(
        f"name: high_risk_countries\nversion: 1\nas_of: {start}\n"
        f"vocabulary: country\nsource: Invented for the simulated bank; no authority's list.\nwords: [{words}]\n",
        encoding="utf-8",
    )
