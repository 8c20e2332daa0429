"""Reading one entry of a rule file: present, of the right form, within its limit, or an error with its line."""

import re
from collections.abc import Iterable, Sequence
from datetime import date

from monitor.domain.time import parse_duration_us
from monitor.rulebook.document import Items, Keyed, Scalar, Tree
from monitor.rulebook.names import did_you_mean
from monitor.rulebook.rule import Place
from monitor.rulebook.rule_error import RuleError

TEXT_MAX = 1_000
"""Longest text of one entry, in characters."""
DURATION_US_MAX = 3 * 366 * 86_400_000_000
"""Longest length of time, three years."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def keyed(tree: Tree, what: str, form: str) -> Keyed:
    """``tree`` as a mapping."""
    if isinstance(tree, Keyed):
        return tree
    raise RuleError(tree.place, f"{what} is no mapping", "It has names and values.", f"Write {form}.")


def only_keys(tree: Keyed, known: Sequence[str], what: str) -> None:
    """Refuse keys that mean nothing, so that a misspelt one is never passed over."""
    for key, place in tree.key_places.items():
        if key not in known and " " in key:
            raise RuleError(place, f"the key '{key[:60]}' is unknown in {what}", "Keys are single words.",
                            "A comma inside {...} begins a new key: put a text that has commas in quotes.")  # fmt: skip
        if key not in known:
            raise RuleError(place, f"the key '{key[:60]}' is unknown in {what}",
                            "A key that means nothing would be passed over in silence.",
                            did_you_mean(key, list(known)))  # fmt: skip


def need(tree: Keyed, key: str, what: str, remedy: str) -> Tree:
    """The entry of ``key``."""
    node = tree.items.get(key)
    if node is None or (isinstance(node, Scalar) and node.text == "" and node.value is None):
        place = node.place if node is not None else tree.place
        raise RuleError(place, f"'{key}' is missing in {what}" if node is None else f"'{key}' is empty in {what}",
                        "It must be given.", remedy, "")  # fmt: skip
    return node


def text(tree: Keyed, key: str, what: str, remedy: str, *, characters_max: int = TEXT_MAX) -> str:
    """A text that is not empty, with spaces and line breaks folded."""
    node = need(tree, key, what, remedy)
    if not isinstance(node, Scalar):
        raise RuleError(node.place, f"'{key}' is no text in {what}", "It holds several values.", remedy)
    return folded(node, f"'{key}' in {what}", remedy, characters_max=characters_max)


def folded(node: Scalar, what: str, remedy: str, *, characters_max: int = TEXT_MAX) -> str:
    """The text of a scalar on one line."""
    value = " ".join(node.text.split())
    if not value:
        raise RuleError(node.place, f"{what} is empty", "It must be given.", remedy)
    if len(value) > characters_max:
        raise RuleError(node.place, f"{what} has {len(value)} characters", f"At most {characters_max} are read.",
                        "Shorten it.")  # fmt: skip
    if not value.isprintable():
        raise RuleError(node.place, f"{what} holds a control character", "It would not be readable.", "Remove it.")
    return value


def word(tree: Keyed, key: str, what: str, words: Iterable[str]) -> str:
    """A text that is one of ``words``."""
    known = list(words)
    value = text(tree, key, what, f"Write one of: {', '.join(known)}.")
    if value not in known:
        raise RuleError(tree.items[key].place, f"'{key}' is '{value[:60]}' in {what}",
                        f"The words are: {', '.join(known)}.", _offer(value, known))  # fmt: skip
    return value


def whole(tree: Keyed, key: str, what: str, *, least: int, most: int) -> int:
    """A whole number within limits."""
    node = need(tree, key, what, f"Write a whole number from {least}.")
    value = node.value if isinstance(node, Scalar) else None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RuleError(node.place, f"'{key}' is no whole number from {least} to {most}", "It counts something.",
                        f"Write for example {key}: {least}.")  # fmt: skip
    return value


def day(tree: Keyed, key: str, what: str) -> str:
    """A date in the form 2026-05-04."""
    value = text(tree, key, what, "Write a date such as 2026-05-04.")
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
            raise ValueError
        read = date.fromisoformat(value)
        if not 1970 <= read.year < 2100:
            raise ValueError
    except ValueError:
        raise RuleError(tree.items[key].place, f"'{key}' is '{value[:60]}' in {what}",
                        "It is no date between 1970 and 2099.",
                        "Write a date such as 2026-05-04.") from None  # fmt: skip
    return value


def duration(tree: Keyed, key: str, what: str, *, least: int = 1) -> int:
    """A length of time such as 24h, in microseconds."""
    value = text(tree, key, what, "Write a length of time such as 24h or 7d.")
    return duration_us(value, tree.items[key].place, f"'{key}' in {what}", least=least)


def duration_us(value: str, place: Place, what: str, *, least: int = 1) -> int:
    """Microseconds of a length of time within limits."""
    try:
        length = parse_duration_us(value) if len(value) <= 40 else DURATION_US_MAX + 1
    except ValueError:
        raise RuleError(place, f"{what} is '{value[:60]}'", "It is no length of time.",
                        "Write days, hours, minutes, largest first: 24h, 7d, 1d12h.") from None  # fmt: skip
    if not least <= length <= DURATION_US_MAX:
        raise RuleError(place, f"{what} is '{value[:60]}'", "Lengths go from 1s to three years.",
                        "Write for example 24h or 7d.")  # fmt: skip
    return length


def items(tree: Keyed, key: str, what: str, remedy: str, *, most: int) -> tuple[Tree, ...]:
    """A list with at least one entry."""
    node = need(tree, key, what, remedy)
    if not isinstance(node, Items) or not 1 <= len(node.items) <= most:
        raise RuleError(node.place, f"'{key}' is no list of 1 to {most} entries in {what}", "Each entry counts.",
                        remedy)  # fmt: skip
    return node.items


def texts(tree: Keyed, key: str, what: str, remedy: str, *, most: int = 32) -> tuple[str, ...]:
    """A list of texts."""
    read = []
    for node in items(tree, key, what, remedy, most=most):
        if not isinstance(node, Scalar):
            raise RuleError(node.place, f"an entry of '{key}' is no text", "Each entry is a sentence or a word.",
                            remedy)  # fmt: skip
        read.append(folded(node, f"an entry of '{key}'", remedy))
    return tuple(read)


def name(value: str, place: Place, what: str) -> str:
    """A name of small letters, digits and _."""
    if not _NAME.fullmatch(value):
        raise RuleError(place, f"the {what} is named '{value[:60]}'",
                        "Names have small letters, digits and _, begin with a letter and have at most 64.",
                        "Write for example total_above.")  # fmt: skip
    return value


def _offer(value: str, known: list[str]) -> str:
    offer = did_you_mean(value, known)
    return offer if offer.startswith("Did") else "Write one of them."
