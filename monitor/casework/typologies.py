"""The name and the score of a case: the typology group that its rules speak for most.

Each rule of a group gives its weight of what is still missing to certainty. So weights add up with diminishing effect,
however many rules there are, and the score stays below 1::

    score = 1 - (1 - w1)(1 - w2)...        over the group's rules that the case holds, each once

The heaviest rule counts first, equals in the order of the file; what a rule *gave* is what it added, so the parts sum
up to the score. The case bears the name of the group with the highest score among those that reach their threshold;
equals by the order of the file. A case that reaches none has no name and is called by its rules' own typologies.
"""

from collections.abc import Collection, Sequence

from monitor.domain.case import CaseTypology
from monitor.rulebook.groups import TypologyGroup

_DECIMALS = 6


def scored_by(group: TypologyGroup, rules: Collection[str]) -> CaseTypology:
    """Score of a case with these rules under one group, and what each rule gave."""
    held = sorted((rule for rule in group.weights if rule in rules), key=lambda rule: -group.weights[rule])
    parts, left = [], 1.0
    for rule in held:
        parts.append((rule, round(left * group.weights[rule], _DECIMALS)))
        left *= 1 - group.weights[rule]
    return CaseTypology(group.name, round(1 - left, _DECIMALS), tuple(parts))


def named(groups: Sequence[TypologyGroup], rules: Collection[str]) -> CaseTypology | None:
    """The typology of a case with these rules, or ``None`` if no group reaches its threshold."""
    best = None
    for group in groups:
        scored = scored_by(group, rules)
        if scored.score >= group.threshold and (best is None or scored.score > best.score):
            best = scored
    return best


def agreement(typology: CaseTypology | None) -> float:
    """What the rules after the heaviest gave: how far several rules say the same, 0 for a rule alone."""
    return 0.0 if typology is None else round(sum(gave for _, gave in typology.parts[1:]), _DECIMALS)
