"""Going through the parts of an expression."""

from collections.abc import Iterator
from dataclasses import fields

from monitor.rulebook.rule import Node, Rule


def walk(node: Node) -> Iterator[Node]:
    """The node and all parts of it, outer before inner, left before right."""
    yield node
    for field in fields(node):
        value = getattr(node, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Node):
                yield from walk(part)


def expressions(rule: Rule) -> Iterator[Node]:
    """The condition and the filters of a rule."""
    yield rule.when
    for window in rule.windows.values():
        if window.where is not None:
            yield window.where


def nodes(rule: Rule) -> Iterator[Node]:
    """Every part of every expression of a rule."""
    for root in expressions(rule):
        yield from walk(root)
