"""A YAML 1.2 text as a tree that remembers its lines.

Only what rule files need is admitted: mappings with text keys, lists and
scalars. ``true``, ``false`` and ``null`` are words of YAML 1.2; ``NO``, ``on`` and
``yes`` are texts. Whole numbers become ``int``, numbers with a point an exact
``Decimal``; there is no ``float``. Anchors, aliases and tags are refused, because a
reader of a rule must see its values where they are used. A key given twice is an error.

libyaml cuts the text into events thirty times as fast as ruamel.yaml does in Python, but it is a parser of YAML 1.1.
So it reads only characters and forms that both versions read the same, and it refuses nothing: whatever it stumbles
over, ruamel.yaml reads again and decides, with its own words for what is wrong. A file means the same with and without
libyaml; ``tests/rulebook/test_two_parsers.py`` compares them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from monitor.rulebook.rule import Place
from monitor.rulebook.rule_error import RuleError

TEXT_CHARACTERS_MAX = 262_144
"""Longest accepted file."""
DEPTH_MAX = 12
"""Deepest accepted nesting of mappings and lists."""
NODES_MAX = 20_000
_DIGITS_MAX = 30

# Where the two parsers differ, beside characters that are not printable: directives, ends of documents, and a comment
# that follows the sign of a block of text without a space.
_ONLY_IN_PYTHON = re.compile(r"\n%|\n\.\.\.|[|>][-+0-9]*#")
_OTHER_BREAK = re.compile("[\r\x85\u2028\u2029]")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_DECIMAL = re.compile(r"[-+]?[0-9]*\.[0-9]+|[-+]?[0-9]+\.")
_WORDS: dict[str, bool | None] = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
}  # fmt: skip

Value = str | int | Decimal | bool | None


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value; ``source`` is its text in the file with line breaks kept, from ``source_line`` on."""

    value: Value
    text: str
    place: Place
    source: str
    source_line: int


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: "tuple[Tree, ...]"
    place: Place


@dataclass(frozen=True, slots=True)
class Keyed:
    """A mapping with text keys, in the order of the file; ``key_places`` says where each key stands."""

    items: "dict[str, Tree]"
    key_places: dict[str, Place]
    place: Place


Tree = Scalar | Items | Keyed


def read_document(text: str, file: str, *, with_libyaml: bool = yaml.__with_libyaml__) -> Tree:
    """The tree of one YAML document.

    >>> tree = read_document("jurisdictions: [US, NO]\\nvalue: 0.90\\n", "a.yaml")
    >>> [item.value for item in tree.items["jurisdictions"].items], tree.items["value"].value
    (['US', 'NO'], Decimal('0.90'))

    ``with_libyaml`` changes the time it takes and nothing else; without the extension ruamel.yaml reads everything.

    Raises:
        RuleError: The text is no YAML, or uses what rule files do not admit.
    """
    if len(text) > TEXT_CHARACTERS_MAX:
        raise RuleError(
            Place(file, 1),
            f"the file has {len(text)} characters",
            f"At most {TEXT_CHARACTERS_MAX} are read.",
            "Split the rule, or shorten its tests.",
        )
    text = text.replace("\r\n", "\n")
    strange = _OTHER_BREAK.search(text)
    if strange:
        raise RuleError(Place(file, text.count("\n", 0, strange.start()) + 1), "a line break of another kind",
                        "YAML counts it as a line and most editors do not, so line numbers would be wrong.",
                        "Save the file with plain line breaks.", "")  # fmt: skip
    lines = text.split("\n")
    if with_libyaml and "".join(lines).isprintable() and not _ONLY_IN_PYTHON.search("\n" + text):
        try:
            tree = _Composer(yaml.parse(text, Loader=yaml.CSafeLoader), file, lines).document()
            if isinstance(tree, Keyed):  # They differ about a block of text that is the whole document.
                return tree
        except (yaml.YAMLError, ValueError, RuleError):
            pass  # The parser in Python says what is wrong, or that nothing is.
    try:
        return _Composer(YAML(typ="safe", pure=True).parse(text), file, lines).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = (mark.line if mark else 0) + 1
        snippet = lines[min(line, len(lines)) - 1].strip()[:120]
        raise RuleError(
            Place(file, line),
            f"not YAML: {error.problem or error.context}",
            "The file cannot be read from here on.",
            "Check indentation, quotes and brackets on this line and the one above.",
            snippet,
        ) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise RuleError(
            Place(file, 1),
            f"not YAML: {str(error).splitlines()[0][:120] if str(error) else type(error).__name__}",
            "The file cannot be read.",
            "Check that it is UTF-8 text without control characters.",
        ) from None


class _Composer:
    """Builds the tree from parser events."""

    def __init__(self, events: Iterator[Any], file: str, lines: list[str]) -> None:
        self._events = events
        self._file = file
        self._lines = lines
        self._nodes = 0

    def document(self) -> Tree:
        tree: Tree | None = None
        for event in self._events:
            name = type(event).__name__
            if name in ("StreamStartEvent", "StreamEndEvent", "DocumentStartEvent", "DocumentEndEvent"):
                continue
            if tree is not None:
                raise self._error(event, "a second document", "One file is one rule.", "Move it to its own file.")
            tree = self._tree(event, 1)
        if tree is None:
            raise RuleError(Place(self._file, 1), "the file is empty", "One file is one rule.",
                            "Write the rule, or delete the file.")  # fmt: skip
        return tree

    def _tree(self, event: Any, depth: int) -> Tree:
        self._admit(event, depth)
        name = type(event).__name__
        if name == "ScalarEvent":
            return self._scalar(event)
        place = self._place(event)
        if name == "SequenceStartEvent":
            items: list[Tree] = []
            while type(inner := next(self._events)).__name__ != "SequenceEndEvent":
                items.append(self._tree(inner, depth + 1))
            return Items(tuple(items), place)
        return self._mapping(place, depth)

    def _mapping(self, place: Place, depth: int) -> Keyed:
        items: dict[str, Tree] = {}
        places: dict[str, Place] = {}
        while type(event := next(self._events)).__name__ != "MappingEndEvent":
            key = self._tree(event, depth + 1)
            if not isinstance(key, Scalar) or not isinstance(key.value, str):
                raise RuleError(key.place, "a key that is not a text", "Keys are names.",
                                "Write a name, or put the key in quotes.")  # fmt: skip
            if key.value in items:
                raise RuleError(
                    key.place,
                    f"the key {_short(key.value)} is given twice",
                    f"It stands on line {places[key.value].line} already, and it is not known which one is meant.",
                    "Keep one of the two.",
                )
            items[key.value] = self._tree(next(self._events), depth + 1)
            places[key.value] = key.place
        return Keyed(items, places, place)

    def _admit(self, event: Any, depth: int) -> None:
        self._nodes += 1
        if type(event).__name__ == "AliasEvent" or event.anchor is not None:
            raise self._error(event, "an anchor or alias", "A reader must see each value where it is used.",
                              "Write the value out.")  # fmt: skip
        tag = getattr(event, "ctag", None) or getattr(event, "tag", None)
        if tag is not None and str(tag) not in ("None", "!"):
            raise self._error(event, f"the tag {_short(str(tag))}", "Rule files hold plain values only.",
                              "Remove the tag.")  # fmt: skip
        if depth > DEPTH_MAX or self._nodes > NODES_MAX:
            raise self._error(
                event,
                "the file is nested too deeply" if depth > DEPTH_MAX else "the file holds too many values",
                f"At most {DEPTH_MAX} levels and {NODES_MAX} values are read.",
                "Write the rule in the form of docs/rule-format.md.",
            )

    def _scalar(self, event: Any) -> Scalar:
        place, text = self._place(event), str(event.value)
        plain = event.style in (None, "")
        if plain and not text and isinstance(event, yaml.Event):
            raise yaml.YAMLError("the parsers differ about the line of a value that is not there")
        value: Value = _plain_value(text) if plain else text
        if plain and len(text) > _DIGITS_MAX and isinstance(value, int | Decimal):
            raise self._error(event, f"a number of {len(text)} digits", f"At most {_DIGITS_MAX} are read.",
                              "Check the value.")  # fmt: skip
        source, line = self._source(event, text)
        return Scalar(value, text, place, source, line)

    def _source(self, event: Any, text: str) -> tuple[str, int]:
        start, end = event.start_mark, event.end_mark
        if event.style in (">", "|"):
            last = end.line if end.column == 0 else end.line + 1
            return "\n".join(self._lines[start.line + 1 : max(last, start.line + 1)]).rstrip(), start.line + 2
        if event.style in (None, "") and end.line > start.line:
            first = self._lines[start.line][start.column :]
            middle = self._lines[start.line + 1 : end.line]
            return "\n".join([first, *middle, self._lines[end.line][: end.column]]).rstrip(), start.line + 1
        return text, start.line + 1

    def _place(self, event: Any) -> Place:
        return Place(self._file, event.start_mark.line + 1)

    def _error(self, event: Any, fact: str, reason: str, remedy: str) -> RuleError:
        line = self._lines[min(event.start_mark.line, len(self._lines) - 1)]
        return RuleError(self._place(event), fact, reason, remedy, line.strip()[:120])


def _plain_value(text: str) -> Value:
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _DIGITS_MAX:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return Decimal(text)
    elif _INTEGER.fullmatch(text) or _DECIMAL.fullmatch(text):
        return Decimal(0)
    return text


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
