"""Sentences kept apart from the values in them, so that a reader's language can be chosen later."""

from collections.abc import Mapping
from typing import NamedTuple


class Told(NamedTuple):
    """A sentence with ``{name}`` for each of its values; a value can be a sentence, a list of them, or a number."""

    text: str
    values: Mapping[str, object]


def told(text: str, **values: object) -> Told:
    """A sentence with its values."""
    return Told(text, values)


def english(sentence: Told) -> str:
    """The sentence in English.

    >>> english(told("{a}, {b}.", a=told("{n} rules", n=2), b="x"))
    '2 rules, x.'
    """
    return sentence.text.format(**{name: _plain(value) for name, value in sentence.values.items()})


def _plain(value: object) -> object:
    return english(value) if isinstance(value, Told) else value
