"""Conditions that no payment can meet: two parts that are joined with ``and`` and exclude each other.

Looked at are comparisons of the same two things (``a < b and a >= b``), words (``channel == "cash" and channel in
["wire", "card"]``) and ``known``. A condition that is refused here is never true; one that is not may still be.
"""

from collections.abc import Iterator, Mapping

from monitor.rulebook.document import Keyed, Scalar, Tree
from monitor.rulebook.rule import Call, Compare, Literal, Logic, Membership, Node, Place, Window
from monitor.rulebook.rule_error import RuleError
from monitor.rulebook.walk import walk

_SIGNS = {
    "<": frozenset({-1}), "<=": frozenset({-1, 0}), "==": frozenset({0}), ">=": frozenset({0, 1}),
    ">": frozenset({1}), "!=": frozenset({-1, 1}),
}  # fmt: skip
"""How the left side may stand to the right one."""
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def refuse_contradictions(tree: Keyed, when: Node, windows: Mapping[str, Window]) -> None:
    """Refuse a condition or a filter with parts that exclude each other.

    Raises:
        RuleError: With the line of the second part, and both parts.
    """
    filters = tree.items.get("windows")
    for name, window in windows.items():
        own = filters.items[name] if isinstance(filters, Keyed) else None
        if window.where is not None and isinstance(own, Keyed):
            _check(window.where, own.items["where"], f"the filter of '{name}'")
    _check(when, tree.items["when"], "the condition")


def _check(root: Node, written: Tree, what: str) -> None:
    for node in walk(root):
        parts = list(_joined(node)) if isinstance(node, Logic) and node.op == "and" else []
        for index, second in enumerate(parts):
            for first in parts[:index]:
                if _exclude(first, second):
                    raise RuleError(
                        _line(written, second),
                        f"{what} is never true",
                        "Both parts must hold, and they exclude each other.",
                        "Remove one, or join them with or.",
                        f"{' '.join(first.text.split())}\n{' '.join(second.text.split())}",
                    )


def _joined(node: Logic) -> Iterator[Node]:
    for part in node.parts:
        if isinstance(part, Logic) and part.op == "and":
            yield from _joined(part)
        else:
            yield part


def _exclude(first: Node, second: Node) -> bool:
    if _is_not(first, second) or _is_not(second, first):
        return True
    if isinstance(first, Compare) and isinstance(second, Compare):
        for op, left, right in ((second.op, second.left, second.right),
                                (_MIRRORED[second.op], second.right, second.left)):  # fmt: skip
            if (_text(first.left), _text(first.right)) == (_text(left), _text(right)):
                return not _SIGNS[first.op] & _SIGNS[op]
    one, other = _words(first), _words(second)
    if one is None or other is None or one[0] != other[0]:
        return False
    (_, words, is_in), (_, others, are_in) = one, other
    if is_in and are_in:
        return not words & others
    return (is_in and words <= others) or (are_in and others <= words) if is_in != are_in else False


def _is_not(first: Node, second: Node) -> bool:
    """Whether ``second`` is ``not`` of ``first``."""
    is_negation = isinstance(second, Logic) and second.op == "not"
    asks = isinstance(first, Call) or first.unit.kind.value == "boolean"
    return is_negation and asks and isinstance(second, Logic) and _text(second.parts[0]) == _text(first)


def _words(node: Node) -> tuple[str, frozenset[str], bool] | None:
    """A part that says which words something is, or is not: (what, words, whether it is one of them)."""
    if isinstance(node, Membership) and node.list_name is None:
        return _text(node.item), frozenset(node.words), not node.negated
    if isinstance(node, Compare) and node.op in ("==", "!="):
        for item, word in ((node.left, node.right), (node.right, node.left)):
            if isinstance(word, Literal) and isinstance(word.value, str):
                return _text(item), frozenset({word.value}), node.op == "=="
    return None


def _text(node: Node) -> str:
    return "".join(node.text.split())


def _line(written: Tree, part: Node) -> Place:
    """The line on which a part begins, as far as it can be found."""
    if not isinstance(written, Scalar):
        return written.place
    begin = part.text.split("\n")[0].strip()
    for shift, line in reversed(list(enumerate(written.source.split("\n")))):
        if begin and begin in line:
            return Place(written.place.file, written.source_line + shift)
    return written.place
