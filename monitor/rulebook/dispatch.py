"""Which conditions a payment can meet at all, told by three facts of its leg: direction, channel, whether booked.

Most rules ask for one direction and a few channels. There are few combinations of these facts (*classes*), so what
each condition says of each class is worked out once per rulebook: true, false, or open. A leg is then judged only by
what is open in its class. That is partial evaluation of the condition with these facts known; a part that depends on
anything else, or is unknown, stays open, so no verdict changes.

A fourth fact is told after the fields are known: whether a leg is *bare*, that is, has none of the fields that most
payments come without (:data:`monitor.domain.vocabulary.SELDOM_GIVEN`). Rules about these have nothing to ask of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from monitor.domain.vocabulary import CHANNELS, DIRECTIONS, SELDOM_GIVEN
from monitor.rulebook.codegen import mentions_status
from monitor.rulebook.rule import Call, Compare, Literal, Logic, Membership, Name, Node
from monitor.rulebook.walk import walk

IS_FALSE, IS_TRUE, IS_OPEN = range(3)
CLASSES = len(DIRECTIONS) * (len(CHANNELS) + 1) * 2
"""The class of a leg is ``(direction * (channels + 1) + channel + 1) * 2 + is_booked`` with the codes of the
vocabularies, -1 for an unknown channel."""

Facts = dict[str, str | None]
_BARE = "bare"
Verdicts = npt.NDArray[np.int8]


def verdicts_by_class(node: Node | None, *, is_bare: bool = False) -> Verdicts:
    """What a condition says of each class, shape (CLASSES,): ``IS_FALSE``, ``IS_TRUE`` or ``IS_OPEN``.

    With ``is_bare``, of its legs that have no field of :data:`monitor.domain.vocabulary.SELDOM_GIVEN`. A condition that
    does not mention ``status`` is false for payments that are not booked.
    """
    of_status = node is not None and mentions_status(node)
    if node is None:
        return np.array([IS_FALSE, IS_TRUE] * (CLASSES // 2), np.int8)
    names = {part.name for part in walk(node) if isinstance(part, Name)}
    found: dict[tuple[str | None, ...], int] = {}
    verdicts = []
    for facts, is_booked in _CLASSES:
        # Classes that differ only in what the condition does not ask for have one verdict.
        asked = tuple(facts[name] for name in facts if name in names)
        if asked not in found:
            found[asked] = _verdict(node, {**facts, _BARE: None} if is_bare else facts)
        verdicts.append(found[asked] if is_booked or of_status else IS_FALSE)
    return np.array(verdicts, np.int8)


def _classes() -> Iterator[tuple[Facts, bool]]:
    for direction in DIRECTIONS:
        for channel in (None, *CHANNELS):
            yield {"direction": direction, "channel": channel}, False
            yield {"direction": direction, "channel": channel, "status": "booked"}, True


_CLASSES = tuple(_classes())


IS_PLAIN = np.array([bool(facts["channel"]) and is_booked for facts, is_booked in _CLASSES])
"""By class: a payment that is booked and whose channel is known, as nearly all are."""


def residual(node: Node | None) -> Node | None:
    """What is left to ask of a condition for plain payments of the classes that it is open to; ``None``: nothing.

    Of parts joined by *and*, those that hold in every such class are left out.
    """
    if node is None:
        return None
    is_open = (verdicts_by_class(node) != IS_FALSE) & IS_PLAIN
    parts = node.parts if isinstance(node, Logic) and node.op == "and" else (node,)
    left = [part for part in parts if not (_plain_verdicts(part)[is_open] == IS_TRUE).all()]
    if len(left) == len(parts):
        return node
    if isinstance(node, Logic) and len(left) > 1:
        return replace(node, parts=tuple(left))
    return left[0] if left else None


def _plain_verdicts(part: Node) -> Verdicts:
    """What a part of a condition says of each class; of classes that are not plain, nothing."""
    found = [_verdict(part, facts) if is_booked else IS_OPEN for facts, is_booked in _CLASSES]
    return np.array(found, np.int8)


def channels_open_to(by_class: Sequence[int]) -> frozenset[str | None]:
    """The channels, ``None`` for an unknown one, of which the condition is not false whatever the rest says."""
    channels = (None, *CHANNELS)
    return frozenset(channels[n // 2 % len(channels)] for n, verdict in enumerate(by_class) if verdict != IS_FALSE)


def _verdict(node: Node, facts: Facts) -> int:
    match node:
        case Logic(op="not"):
            return _negated(_verdict(node.parts[0], facts))
        case Logic():
            settles, otherwise = (IS_FALSE, IS_TRUE) if node.op == "and" else (IS_TRUE, IS_FALSE)
            parts = [_verdict(part, facts) for part in node.parts]
            return settles if settles in parts else IS_OPEN if IS_OPEN in parts else otherwise
        case Compare(op="==" | "!="):
            return _compared(node, facts)
        case Membership(list_name=None):
            word = _word(node.item, facts)
            return IS_OPEN if word is None else int((word in node.words) != node.negated)
        case Call(function="known", arguments=(Name() as name,)) if name.name in SELDOM_GIVEN and _BARE in facts:
            return IS_FALSE
        case Call(function="known"):
            argument = node.arguments[0]
            return int(facts[argument.name] is not None) if _is_fact(argument, facts) else IS_OPEN  # type: ignore[attr-defined]
    return IS_OPEN


def _negated(verdict: int) -> int:
    return {IS_FALSE: IS_TRUE, IS_TRUE: IS_FALSE}.get(verdict, IS_OPEN)


def _compared(node: Compare, facts: Facts) -> int:
    left, right = (_word(side, facts) for side in (node.left, node.right))
    if left is None or right is None:
        return IS_OPEN
    return int((left == right) == (node.op == "=="))


def _word(node: Node, facts: Facts) -> str | None:
    """The word that a node stands for; ``None`` where the facts do not tell, or the channel is unknown."""
    if isinstance(node, Literal):
        return node.value if isinstance(node.value, str) else None
    return facts[node.name] if isinstance(node, Name) and _is_fact(node, facts) else None


def _is_fact(node: Node, facts: Facts) -> bool:
    return isinstance(node, Name) and node.name in facts
