"""Every word of a page has its word in every language."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from monitor.adapters.sql.my_days import MyDays
from monitor.app.activity import IN, OTHER, OUT, OWN, UNDONE
from monitor.casework.access import RIGHTS
from monitor.casework.bulk import BULK_ACTS
from monitor.casework.handing import SKIP_REASONS
from monitor.casework.information import ADDRESSEES
from monitor.casework.lifecycle import MOVES, in_words
from monitor.casework.priority import SENTENCES, reasons, reasons_told
from monitor.casework.quality import FINDINGS
from monitor.casework.reasons import CLOSE_REASONS, MOVE_REASONS
from monitor.domain.case import CASE_STATES, OUTCOMES
from monitor.domain.time import DAY_US
from monitor.domain.vocabulary import RISK_RATINGS, SEVERITIES, STATUSES
from monitor.rulebook.groups import load_groups
from monitor.rulebook.load import load_rules, shipped_rules
from monitor.web.app import _INVALID, _NO_PAGE, _WORDS
from monitor.web.pages import THEMES
from monitor.web.queue import DONE, VIEWS
from monitor.web.queue_hand import NOTHING
from monitor.web.queue_views import COLUMNS
from monitor.web.words import LANGUAGES, TIMES, said, spelled, told_in, words_of
from tests.casework.alert_building import START_US
from tests.casework.test_priority import a_case

TEMPLATES = Path(str(files("monitor.web") / "templates"))
_SAID = re.compile(r"""_\(("([^"]+)"|'([^']+)')[,)]""")
_HEADS = re.compile(r'head\("[a-z]+", "([^"]+)"')


def in_templates() -> set[str]:
    """What templates say as it stands there; prefixes of a set of words end with a space."""
    found = set()
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text("utf-8")
        found |= {match[2] or match[3] for match in _SAID.finditer(text)} | set(_HEADS.findall(text))
    return found


def from_lists() -> set[str]:
    """What comes from lists of the program."""
    reasons = [each for codes in (*CLOSE_REASONS.values(), *MOVE_REASONS.values()) for each in codes.items()]
    return {
        *THEMES, *RIGHTS, *SEVERITIES, *RISK_RATINGS, *map(in_words, CASE_STATES), *_WORDS.values(),
        *(each.replace("_", " ") for each in OUTCOMES), *(meaning for _, meaning in reasons),
        *(code.replace("_", " ") for codes in CLOSE_REASONS.values() for code in codes),
        *(f"view {view}" for view in VIEWS), *(f"move {move}" for move in MOVES if move not in ("close", "propose")),
        *(move.meaning for move in MOVES.values()), IN, OUT, OWN, OTHER, UNDONE, *STATUSES[1:], *NOTHING.values(),
        *(f"bulk {act}" for act in BULK_ACTS), *(f"done {act}" for act in DONE), *SKIP_REASONS.values(),
        *(f"column {name}" for name in COLUMNS), *(f"mine {name}" for name in MyDays.__slots__),
        "It has the tag already.", "It does not have the tag.", *FINDINGS.values(),
        *ADDRESSEES.values(), "answered", "withdrawn",
        *SENTENCES, *TIMES, *typologies(), _INVALID, _NO_PAGE, "Too many requests. Wait a moment, and try again.",
    }  # fmt: skip


def typologies() -> set[str]:
    """What a case can be called: the groups of the shipped rules, and the typologies of each."""
    groups, _ = load_groups([shipped_rules()], [], is_run=True)
    rules, _ = load_rules([shipped_rules()])
    return {group.name for group in groups.groups} | {rule.typology.replace("_", " ").capitalize() for rule in rules}


def test_a_priority_and_its_times_are_said_in_the_language():
    case = a_case(dismissed_cases=2, dismissed_typologies=("structuring",))
    assert [told_in("en", each) for each in reasons_told(case, START_US)] == reasons(case, START_US)
    chinese = [told_in("zh-Hans", each) for each in reasons_told(case, START_US + 40 * DAY_US)]
    assert not [each for each in chinese if re.search("[a-z]{2}", each)]
    assert "逾期" in chinese[1]
    assert spelled("zh-Hans", "in 2d 4h") == "剩余 2天4小时"


def test_there_are_words_to_look_for():
    assert len(in_templates()) > 60
    assert {"Queue", "{n} cases", "Words, C-… or A-…", "Assignee"} <= in_templates()


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_every_word_has_one_in_the_language(language: str):
    assert in_templates() | from_lists() <= words_of(language).keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_word_takes_the_values_that_its_english_takes(language: str):
    for english, words in words_of(language).items():
        assert set(re.findall(r"{(\w+)}", english)) == set(re.findall(r"{(\w+)}", words))


def test_english_that_depends_on_its_place_is_said():
    assert said("en", "view mine") == "mine"
    assert all(said("en", f"view {view}") != f"view {view}" for view in VIEWS)
