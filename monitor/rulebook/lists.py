"""Named lists that rules ask with ``in list.<name>``: words of one vocabulary, a version and a source.

A list is a file of its own (``rules/lists/<name>.yaml``), because it changes on another day and by
another hand than the rules that use it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor.domain.countries import COUNTRY_CODE
from monitor.domain.fields import FIELDS
from monitor.domain.money import CURRENCY_CODE
from monitor.domain.units import Kind
from monitor.domain.vocabulary import CLOSED
from monitor.rulebook.document import Items, Keyed, Scalar, Tree, read_document
from monitor.rulebook.rule import Place
from monitor.rulebook.rule_error import RuleError

WORDS_MAX = 100_000
VOCABULARIES = frozenset(field.unit.detail for field in FIELDS.values() if field.unit.kind is Kind.CATEGORY)
_KEYS = ("name", "version", "as_of", "vocabulary", "source", "words")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class NamedList:
    """The words of a list; ``version`` and ``as_of`` are evidence of every alert that used it."""

    name: str
    version: str
    as_of: str
    vocabulary: str
    source: str
    words: tuple[str, ...]
    place: Place


def word_problem(vocabulary: str, word: str) -> str | None:
    """Why ``word`` is none of ``vocabulary``, or ``None`` if it is one.

    >>> word_problem("country", "IR") is None, word_problem("country", "QQ")
    (True, 'no country of ISO 3166-1 alpha-2')
    """
    if vocabulary in CLOSED:
        words = CLOSED[vocabulary]
        return None if word in words else f"no such {vocabulary}; the words are {' '.join(words)}"
    if vocabulary == "country":
        return None if word in COUNTRY_CODE else "no country of ISO 3166-1 alpha-2"
    if vocabulary == "currency":
        return None if word in CURRENCY_CODE else "no currency of ISO 4217"
    return None if 0 < len(word.encode("utf-8", "replace")) <= 128 else "a word has 1 to 128 bytes"


def load_list(path: Path) -> NamedList:
    """Read one list file.

    Raises:
        RuleError: The file is no list; the error names the line.
        OSError: The file cannot be read.
    """
    return read_list(path.read_bytes().decode("utf-8", "replace"), str(path))


def read_list(text: str, file: str) -> NamedList:
    """A list from its text.

    >>> text = "name: a\\nversion: 1\\nas_of: 2026-06-01\\nvocabulary: country\\nsource: s\\nwords: [IR, KP]"
    >>> read_list(text, "a.yaml").words
    ('IR', 'KP')
    """
    try:
        return _list(text, file)
    except RuleError as error:
        raise error.with_line(text) from None


def _list(text: str, file: str) -> NamedList:
    tree = read_document(text, file)
    if not isinstance(tree, Keyed):
        raise RuleError(tree.place, "a list file that is no mapping", "A list has a name and words.",
                        f"Write the keys {', '.join(_KEYS)}.")  # fmt: skip
    for key, place in tree.key_places.items():
        if key not in _KEYS:
            raise RuleError(place, f"the key '{key}' is unknown", "A list has other keys.",
                            f"The keys are {', '.join(_KEYS)}.")  # fmt: skip
    values = {key: _text(tree, key) for key in _KEYS if key != "words"}
    if not _NAME.fullmatch(values["name"]) or (file.endswith(".yaml") and Path(file).stem != values["name"]):
        raise RuleError(tree.place, f"the list is named '{values['name']}'", "Rules find a list by its file name.",
                        f"Write name: {Path(file).stem}, in small letters.")  # fmt: skip
    if values["vocabulary"] not in VOCABULARIES:
        raise RuleError(tree.key_places["vocabulary"], f"the vocabulary '{values['vocabulary']}' is unknown",
                        "The words of a list belong to the vocabulary of a field.",
                        f"The vocabularies are {', '.join(sorted(v for v in VOCABULARIES if v))}.")  # fmt: skip
    words = _words(tree, values["vocabulary"])
    return NamedList(place=tree.place, words=words, **values)


def _words(tree: Keyed, vocabulary: str) -> tuple[str, ...]:
    node: Tree | None = tree.items.get("words")
    if not isinstance(node, Items) or not node.items or len(node.items) > WORDS_MAX:
        raise RuleError(node.place if node else tree.place, "'words' is missing, empty or no list",
                        f"A list holds 1 to {WORDS_MAX} words.", "Write for example words: [IR, KP].")  # fmt: skip
    words: dict[str, None] = {}
    for item in node.items:
        word = item.text if isinstance(item, Scalar) else ""
        problem = "it stands in the list twice" if word in words else word_problem(vocabulary, word)
        if problem:
            raise RuleError(item.place, f"the word '{word[:60]}'", problem[0].upper() + problem[1:] + ".",
                            "Correct or remove it.")  # fmt: skip
        words[word] = None
    return tuple(words)


def _text(tree: Keyed, key: str) -> str:
    node = tree.items.get(key)
    if not isinstance(node, Scalar) or not node.text.strip():
        raise RuleError(node.place if node else tree.place, f"'{key}' is missing or empty",
                        "An alert states which version of which list it used.", f"Add {key}.")  # fmt: skip
    return node.text.strip()


def vocabulary_of_lists(lists: Mapping[str, NamedList]) -> dict[str, str]:
    """The vocabulary of each list by name, for the compiler."""
    return {name: each.vocabulary for name, each in lists.items()}
