"""Writes golden_errors.txt anew: ``python -m tests.rulebook.write_golden_errors``.

Read the difference before you commit it: the messages are what rule authors see.
"""

from pathlib import Path

from monitor.domain.units import category
from monitor.rulebook.lists import NamedList
from monitor.rulebook.load import read_rule
from monitor.rulebook.rule import Place
from monitor.rulebook.rule_error import RuleError
from tests.rulebook.bad_rules import FILE, bad_rules

GOLDEN = Path(__file__).with_name("golden_errors.txt")
LISTS = {
    "high_risk_countries": NamedList(
        "high_risk_countries", "1", "2026-06-30", category("country").detail or "", "test", ("IR",), Place("list", 1)
    )
}


def message(text: str) -> str:
    """The message for a bad rule, or ``loads`` if it has no mistake."""
    try:
        read_rule(text, FILE, LISTS)
    except RuleError as error:
        return str(error)
    return "loads"


def golden() -> dict[str, str]:
    """The messages as written in the golden file, by the name of the mistake."""
    sections = GOLDEN.read_text(encoding="utf-8").split("\n=== ")[1:]
    return {name: body.strip("\n") for name, _, body in (section.partition("\n") for section in sections)}


def main() -> None:
    """Write every message."""
    parts = ["What each mistake in a rule file is answered with. Names are those of bad_rules.py.\n"]
    parts += [f"\n=== {name}\n{message(text)}\n" for name, text in bad_rules().items()]
    GOLDEN.write_text("".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
