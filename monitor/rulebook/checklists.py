"""``checklists.yaml``: what has to be looked at before a case of a typology is decided. It lies beside the rules::

    checklists:
      - items:                                  # without a typology: of every case
          - item: payments_seen
            en: The payments behind the alerts were looked at.
            zh-Hans: 已查看预警所涉款项。
            outcomes: [false_positive, explained, inconclusive, reported]
      - typology: Structuring
        items: ...

``item`` is a name that is never reused for another question; ``outcomes`` are the decisions that wait for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor.domain.case import OUTCOMES
from monitor.rulebook import entries
from monitor.rulebook.document import Keyed, read_document
from monitor.rulebook.rule import Place
from monitor.rulebook.rule_error import RuleError

CHECKLISTS_NAME = "checklists.yaml"
LISTS_MAX, ITEMS_MAX = 100, 20
LANGUAGES = ("en", "zh-Hans")
_WHAT, _ITEM = "a checklist", "an item of a checklist"


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One thing to look at. ``words`` is by language tag; ``outcomes`` are the decisions that wait for it."""

    item: str
    words: Mapping[str, str]
    outcomes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Checklist:
    """The items of a typology by its name; ``None``: of every case."""

    typology: str | None
    items: tuple[CheckItem, ...]


def load_checklists(file: Path, typologies: Sequence[str]) -> tuple[Checklist, ...]:
    """The lists of a file.

    Args:
        file: The file.
        typologies: The names that cases can bear; a list for another would never be seen.

    Raises:
        RuleError: The file cannot be read, or something in it is wrong; the message says where.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(
            Place(str(file), 1), "the file of checklists cannot be read", f"{error}.", "Save it as UTF-8."
        ) from None
    return read_checklists(text, str(file), typologies)


def read_checklists(text: str, file: str, typologies: Sequence[str]) -> tuple[Checklist, ...]:
    """The same from a text."""
    try:
        return _read(text, file, typologies)
    except RuleError as error:
        raise error.with_line(text) from None


def _read(text: str, file: str, typologies: Sequence[str]) -> tuple[Checklist, ...]:
    form = "checklists: and below it one entry for each"
    tree = entries.keyed(read_document(text, file), "the file of checklists", form)
    entries.only_keys(tree, ("checklists",), "the file of checklists")
    read: list[Checklist] = []
    names: set[str] = set()
    for node in entries.items(tree, "checklists", "the file of checklists", f"Write {form}.", most=LISTS_MAX):
        entry = entries.keyed(node, _WHAT, "{typology, items}")
        entries.only_keys(entry, ("typology", "items"), _WHAT)
        typology = entries.word(entry, "typology", _WHAT, typologies) if "typology" in entry.items else None
        items = tuple(
            _item(entries.keyed(each, _ITEM, "{item, en, zh-Hans, outcomes}"))
            for each in entries.items(entry, "items", _WHAT, "Write what has to be looked at.", most=ITEMS_MAX)
        )
        for each in items:
            if each.item in names:
                raise RuleError(entry.place, f"the item '{each.item}' stands there twice",
                                "A tick could not tell which was looked at.", "Rename one.")  # fmt: skip
            names.add(each.item)
        read.append(Checklist(typology, items))
    return tuple(read)


def _item(entry: Keyed) -> CheckItem:
    entries.only_keys(entry, ("item", *LANGUAGES, "outcomes"), _ITEM)
    name = entries.text(entry, "item", _ITEM, "Write a name such as payments_seen.", characters_max=60)
    if not all(letter.islower() or letter.isdigit() or letter == "_" for letter in name):
        raise RuleError(entry.items["item"].place, f"'item' is '{name}'", "A name has small letters, digits and _.",
                        "Write a name such as payments_seen.")  # fmt: skip
    words = {tag: entries.text(entry, tag, _ITEM, "Say in one sentence what was looked at.") for tag in LANGUAGES}
    outcomes = entries.texts(entry, "outcomes", _ITEM, f"Write some of: {', '.join(OUTCOMES)}.")
    if strange := [each for each in outcomes if each not in OUTCOMES]:
        raise RuleError(entry.items["outcomes"].place, f"'outcomes' has '{strange[0][:60]}'", "It is no outcome.",
                        f"Write some of: {', '.join(OUTCOMES)}.")  # fmt: skip
    return CheckItem(name, words, frozenset(outcomes))
