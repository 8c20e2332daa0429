"""A second, slow and obvious evaluator of the rule language.

It computes every verdict from its definition: for each leg and window it walks over the key's earlier legs and
keeps those inside. It shares no code with the compiler and the engine, so that each can find the other's
mistakes, and it serves three purposes: the oracle of the engine's tests, the runner of the tables inside rule
files, and the recomputation behind ``aml explain``.

Numbers are exact: whole minor units, whole microseconds, fractions. ``docs/windows.md`` states the
contract that it follows. The cost is quadratic in the legs of a key; nothing here is for the stream.
"""

from monitor.rulebook.reference.evaluator import Recomputed, ReferenceEngine, Verdict, kind_of
from monitor.rulebook.reference.inputs import BankSnapshot, PlainEntity, PlainInputs, PlainRate
from monitor.rulebook.reference.legs import PlainLeg, legs_of
from monitor.rulebook.reference.transactions import PlainSide, PlainTransaction
from monitor.rulebook.reference.values import Value

__all__ = [
    "BankSnapshot",
    "PlainEntity",
    "PlainInputs",
    "PlainLeg",
    "PlainRate",
    "PlainSide",
    "PlainTransaction",
    "Recomputed",
    "ReferenceEngine",
    "Value",
    "Verdict",
    "kind_of",
    "legs_of",
]
