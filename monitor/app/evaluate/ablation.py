"""What each part of the product adds: alone, all parts together, and all but that one, at an equal budget."""

from dataclasses import dataclass

from monitor.app.evaluate.evaluation import Evaluation
from monitor.app.evaluate.measures import AtBudget
from monitor.app.evaluate.registry import WITHOUT


@dataclass(frozen=True, slots=True)
class Added:
    """One part at one budget."""

    part: str
    alone: AtBudget
    without: AtBudget
    together: AtBudget

    @property
    def cases(self) -> int:
        """How many more cases all parts find than all but this one; below 0 the part costs cases."""
        return self.together.recall.found - self.without.recall.found

    @property
    def conversion(self) -> float:
        """How much higher the share of true alerts is with it."""
        return (self.together.conversion.value or 0.0) - (self.without.conversion.value or 0.0)


def ablation(found: Evaluation) -> dict[str, list[Added]]:
    """By budget, what each part adds that was measured alone and left out; empty where no parts ran together."""
    by_name = {each.name: each for each in found.figures}
    whole = by_name.get("all")
    if whole is None:
        return {}
    parts = [name for name in by_name if f"{WITHOUT}{name}" in by_name]
    return (
        {
            at.name: [
                Added(part, by_name[part].budgets[place], by_name[f"{WITHOUT}{part}"].budgets[place], at)
                for part in parts
            ]
            for place, at in enumerate(whole.budgets)
        }
        if parts
        else {}
    )


def signed(points: float) -> str:
    """A difference of shares in points of a hundred.

    >>> signed(0.123), signed(-0.004), signed(0.0)
    ('+12.3', '−0.4', '0')
    """
    text = f"{abs(100 * points):.1f}"
    return "0" if text == "0.0" else ("+" if points > 0 else "−") + text
