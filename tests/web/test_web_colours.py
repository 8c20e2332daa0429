"""Text stands out from what is behind it in both themes: at least 4.5 to 1 (WCAG 2.2, 1.4.3)."""

import re
from importlib.resources import files

import pytest

CSS = (files("monitor.web") / "static" / "workbench.css").read_text("utf-8")
BEDS = ("page", "card", "hover", "chosen")
PAIRS = [
    *((ink, bed) for ink in ("ink", "dim") for bed in BEDS),
    *((ink, bed) for ink in ("link", "red", "amber", "green", "blue") for bed in ("page", "card", "hover", "chosen")),
    ("top-ink", "top"), ("main-ink", "main"),
    *((ink, f"{ink}-bed") for ink in ("red", "amber", "green", "blue")),
]  # fmt: skip
THEMES = re.findall(r":root[^{]*\{([^}]*--page[^}]*)\}", CSS)


def colours(theme: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", theme))


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21.

    >>> contrast("#000000", "#ffffff")
    21.0
    """
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_light_and_dark_are_there_and_both_ways_to_dark_are_the_same():
    light, auto, dark = map(colours, THEMES)
    assert auto == dark != light
    assert light.keys() == dark.keys()


@pytest.mark.parametrize("theme", range(len(THEMES)))
@pytest.mark.parametrize(("ink", "bed"), PAIRS)
def test_text_stands_out(theme: int, ink: str, bed: str):
    found = colours(THEMES[theme])
    assert contrast(found[ink], found[bed]) >= 4.5
