"""The text of an expression as it stands in the file, and the way from a part of it back to its line."""

import ast
import re
from dataclasses import dataclass

from monitor.rulebook.document import Scalar
from monitor.rulebook.rule import Place
from monitor.rulebook.rule_error import RuleError

CHARACTERS_MAX = 4_000
"""Longest accepted expression."""
NODES_MAX = 400
"""Most parts of an expression."""
_BRACKETS_MAX = 24
_QUOTED = re.compile(r'"[^"\n]*"|\'[^\'\n]*\'')
_CHARACTERS = {
    "=": ("One = means nothing here.", "Write == to compare."),
    "#": ("A condition has no comments.", "Say why in the description, or in a parameter's meaning."),
}
_OTHER_CHARACTER = (
    "Names have the letters a to z, digits, _ and points; words stand in quotes.",
    "Remove it, or close the quotes before it.",
)


@dataclass(frozen=True, slots=True)
class Source:
    """``text`` keeps its line breaks; ``line`` is that of its first character."""

    file: str
    line: int
    text: str

    @classmethod
    def of(cls, text: str, file: str = "rule", line: int = 1) -> "Source":
        """An expression that is not from a file."""
        return cls(file, line, text)

    @classmethod
    def at(cls, scalar: Scalar) -> "Source":
        """The expression in a scalar, with the line breaks it has in the file."""
        return cls(scalar.place.file, scalar.source_line, scalar.source)

    @property
    def flat(self) -> str:
        """The text on one line, every character where it was."""
        return self.text.replace("\n", " ").replace("\r", " ").replace("\t", " ")

    def span(self, tree: ast.expr) -> tuple[int, int]:
        """First and one past the last character of a part."""
        flat = self.flat
        shift = len(flat) - len(flat.lstrip(" "))
        line = flat[shift:].encode()
        start = len(line[: tree.col_offset].decode()) + shift
        end = len(line[: tree.end_col_offset or len(line)].decode()) + shift
        return start, end

    def segment(self, tree: ast.expr) -> str:
        """The text of a part on one line, with single spaces."""
        start, end = self.span(tree)
        return " ".join(self.flat[start:end].split())

    def error(self, tree: ast.expr, fact: str, reason: str, remedy: str, snippet: str = "") -> RuleError:
        """The error at a part: its line, and the line's text with the part underlined."""
        start, end = self.span(tree)
        return self.error_at(start, end, fact, reason, remedy, snippet)

    def error_at(self, start: int, end: int, fact: str, reason: str, remedy: str, snippet: str = "") -> RuleError:
        """The error at characters ``start`` to ``end``."""
        line = self.line + self.text.count("\n", 0, start)
        return RuleError(Place(self.file, line), fact, reason, remedy, snippet or self._underlined(start, end))

    def _underlined(self, start: int, end: int) -> str:
        first = self.text.rfind("\n", 0, start) + 1
        last = self.text.find("\n", start)
        row = self.text[first : last if last >= 0 else len(self.text)].rstrip()
        shift = len(row) - len(row.lstrip())
        column = start - first - shift
        width = max(1, min(end - start, len(row.lstrip()) - column))
        if len(row) > 120:
            return self.text[start:end].replace("\n", " ")[:120]
        return row.lstrip() + "\n" + " " * column + "^" * width


def parse(source: Source) -> ast.expr:
    """Python's tree of the text.

    Raises:
        RuleError: Too long, characters that rules do not have, or no expression.
    """
    flat = source.flat
    if len(flat) > CHARACTERS_MAX:
        raise source.error_at(0, 1, f"an expression of {len(flat)} characters",
                              f"At most {CHARACTERS_MAX} are read.", "Split the rule.", flat[:60] + " ...")  # fmt: skip
    _admit_characters(source, flat)
    shift = len(flat) - len(flat.lstrip(" "))
    try:
        return ast.parse(flat.strip(), mode="eval").body
    except SyntaxError as error:
        at = max(0, min(shift + (error.offset or 1) - 1, len(flat) - 1))
        raise source.error_at(at, at + 1, f"not an expression: {error.msg}",
                              "The text cannot be read from here on.",
                              "Check brackets, quotes and the words and, or, not before this "
                              "place.") from None  # fmt: skip
    except (ValueError, RecursionError, MemoryError) as error:
        raise source.error_at(0, 1, f"not an expression: {type(error).__name__}", "The text cannot be read.",
                              "Write it shorter and with fewer brackets.", flat[:60]) from None  # fmt: skip


def _admit_characters(source: Source, flat: str) -> None:
    outside = _QUOTED.sub(lambda match: " " * len(match.group()), flat)
    depth = 0
    for at, character in enumerate(outside):
        if not character.isascii() or (character in "#\\\"'`;@=!:{}" and not _is_comparison(outside, at)):
            raise source.error_at(at, at + 1, f"the character {character!r} in an expression",
                                  *_CHARACTERS.get(character, _OTHER_CHARACTER))  # fmt: skip
        depth += (character in "([") - (character in ")]")
        if depth > _BRACKETS_MAX:
            raise source.error_at(at, at + 1, "brackets within brackets", f"At most {_BRACKETS_MAX} levels are read.",
                                  "Split the rule, or name a window for the inner part.")  # fmt: skip
    for match in _QUOTED.finditer(flat):
        if "\\" in match.group() or not match.group().isprintable():
            raise source.error_at(match.start(), match.end(), "an escape or control character in a word",
                                  "A word is compared letter by letter.",
                                  "Write the word as it is in the data.")  # fmt: skip


def _is_comparison(text: str, at: int) -> bool:
    """Whether ``=`` or ``!`` here is part of ``== != <= >=``."""
    if text[at] == "!":
        return text[at + 1 : at + 2] == "="
    return text[at] == "=" and (text[at + 1 : at + 2] == "=" or text[at - 1 : at] in ("=", "!", "<", ">"))
