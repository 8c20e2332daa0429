"""Byte code gives any condition the truth that the definition of three truths gives it, for any values."""

import random
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.time import UNKNOWN
from monitor.domain.units import COUNT, SHARE, Kind, Unit
from monitor.engine import decide
from monitor.engine.conditions import BLOCK, Asked, Code, scratch
from monitor.engine.conversion import converted
from monitor.engine.sharing import shared
from monitor.rulebook.bytecode import FALSE, TRUE, UNDECIDED
from monitor.rulebook.codegen import ConditionCompiler
from monitor.rulebook.plan import Columns
from monitor.rulebook.reference import values
from monitor.rulebook.reference.values import Value
from monitor.rulebook.rule import (
    Arithmetic,
    Call,
    Compare,
    Literal,
    Logic,
    MeasureName,
    Membership,
    Name,
    Node,
    ParameterName,
    Rule,
)
from tests.rulebook.small_rules import parameter, rule, window

MONEY = Unit(Kind.MONEY, "USD")
CHANNEL = Unit(Kind.CATEGORY, "channel")
FLAG = Unit(Kind.BOOLEAN)
MEASURES = {"n": "count()", "total": "sum(amount)", "least": "min(amount)", "mean": "mean(amount)",
            "middle": "median(amount)"}  # fmt: skip
PARAMETERS = (parameter("limit", "USD", ("3.00",)), parameter("huge", "USD", ("90000000000000.00",)),
              parameter("few", "count", ("2",)), parameter("part", "share", ("0.375",)))  # fmt: skip
RULE: Rule = rule('channel == "cash"', window("24h", MEASURES), parameters=PARAMETERS)
WORDS = ("cash", "wire", "card")
COLUMNS_OF_MEASURES = {"n": (0, -1), "total": (1, -1), "least": (2, -1), "mean": (1, 3), "middle": (4, -1)}


@dataclass(frozen=True, slots=True)
class World:
    """Values of the leaves, as the reference has them."""

    names: dict[str, Value]


def leaf(rng: random.Random, unit: Unit) -> Node:
    if unit is COUNT:
        return rng.choice([MeasureName("w.n", COUNT, "w", "n"), ParameterName("few", COUNT, "few")])
    if unit is SHARE:
        return ParameterName("part", SHARE, "part")
    names = ["total", "least", "mean", "middle"]
    chosen = rng.choice([*names, *names, "amount", "limit", "huge"])
    if chosen == "amount":
        return Name("amount", MONEY, "amount")
    if chosen in names:
        return MeasureName(f"w.{chosen}", MONEY, "w", chosen)
    return ParameterName(chosen, MONEY, chosen)


def value_node(rng: random.Random, unit: Unit, depth: int) -> Node:
    if unit is SHARE and rng.random() < 0.7:
        inner = rng.choice([COUNT, MONEY])
        return Call("share", SHARE, "share", (value_node(rng, inner, 0), value_node(rng, inner, 0)))
    if depth > 0 and unit is not SHARE and rng.random() < 0.3:
        left, right = value_node(rng, unit, depth - 1), value_node(rng, unit, depth - 1)
        return Arithmetic("sum", unit, rng.choice("+-"), left, right)
    return leaf(rng, unit)


def condition(rng: random.Random, depth: int) -> Node:
    draw = rng.random()
    if depth > 0 and draw < 0.55:
        parts = tuple(condition(rng, depth - 1) for _ in range(rng.randint(2, 3)))
        return Logic("logic", FLAG, rng.choice(["and", "or"]), parts)
    if depth > 0 and draw < 0.7:
        return Logic("not", FLAG, "not", (condition(rng, depth - 1),))
    if draw < 0.78:
        return Membership("in", FLAG, Name("channel", CHANNEL, "channel"), ("cash", "card"), None, rng.random() < 0.5)
    if draw < 0.83:
        return Compare(
            "=", FLAG, rng.choice(["==", "!="]), Name("channel", CHANNEL, "channel"), Literal("w", CHANNEL, "wire")
        )
    if draw < 0.87:
        return Call("known", FLAG, "known", (leaf(rng, MONEY),))
    if draw < 0.9:
        return Call("multiple", FLAG, "multiple_of", (leaf(rng, MONEY), ParameterName("limit", MONEY, "limit")))
    unit = rng.choice([COUNT, MONEY, SHARE])
    comparator = rng.choice(["<", "<=", ">", ">=", "==", "!="])
    return Compare("c", FLAG, comparator, value_node(rng, unit, 1), value_node(rng, unit, 1))


def by_definition(node: Node, world: World) -> Value:
    match node:
        case Logic(op="not"):
            return values.negate(by_definition(node.parts[0], world))
        case Logic():
            parts = (by_definition(part, world) for part in node.parts)
            return values.all_of(parts) if node.op == "and" else values.any_of(parts)
        case Compare():
            return values.compare(node.op, by_definition(node.left, world), by_definition(node.right, world))
        case Membership():
            item = by_definition(node.item, world)
            return item if item.is_unknown else Value((item.value in node.words) != node.negated)
        case Arithmetic():
            operation = values.add if node.op == "+" else values.subtract
            return operation(by_definition(node.left, world), by_definition(node.right, world))
        case Call(function="known"):
            return Value(not by_definition(node.arguments[0], world).is_unknown)
        case Call(function="share"):
            return values.divide(*(by_definition(each, world) for each in node.arguments), "share")
        case Call():
            return values.multiple_of(*(by_definition(each, world) for each in node.arguments))
        case MeasureName():
            return world.names[node.measure]
        case Literal():
            return Value(node.value)
        case Name() | ParameterName():
            return world.names[node.name]
    raise AssertionError(node)


def columns_of(rng: random.Random) -> tuple[list[int], list[int], int, int]:
    """Measures, bounds, amount and channel of a leg, with large, small, unknown and bounded values."""

    def amount() -> int:
        return rng.choice([0, 1, 299, 300, 301, 600, rng.randint(0, 1000), 9 * 10**15, 4 * 10**18])

    n = rng.choice([0, 1, 2, 3, 7])
    total, count_known = rng.choice([amount(), 0, 600]), rng.choice([UNKNOWN, 1, 2, 3])
    is_bound = int(rng.random() < 0.3)
    numbers = [n, total, rng.choice([UNKNOWN, amount() // 2]), UNKNOWN if is_bound else count_known,
               rng.choice([UNKNOWN, amount() // 2])]  # fmt: skip
    return (
        numbers,
        [int(rng.random() < 0.3), is_bound, 0, 0, 0],
        rng.choice([UNKNOWN, amount()]),
        rng.choice([-1, 0, 1, 5]),
    )


def world_of(numbers: list[int], bounds: list[int], amount: int, channel: int) -> World:
    def value(number: int, over: int = 1) -> Value:
        return Value.unknown("x") if number == UNKNOWN else Value(Fraction(number, over))

    n, total, least, known, middle = numbers
    mean = Value.unknown("x") if known == UNKNOWN or bounds[1] else Value(Fraction(total, known))
    word = {-1: None, 0: "cash", 1: "wire", 5: "card"}[channel]
    names = {
        "n": Value.at_least(n) if bounds[0] else Value(n),
        "total": Value.at_least(total) if bounds[1] else Value(total),
        "least": value(least), "mean": mean, "middle": value(middle, 2), "amount": value(amount),
        "channel": Value.unknown("x") if word is None else Value(word),
        "limit": Value(300), "huge": Value(9 * 10**15), "few": Value(2), "part": Value(Fraction(Decimal("0.375"))),
    }  # fmt: skip
    return World(names)


Leg = tuple[list[int], list[int], int, int]
"""Measures, bounds, amount and channel."""


def truths_of_code(node: Node, legs: list[Leg]) -> list[int]:
    """The truths that the kernel gives the compiled condition of many legs."""
    columns = Columns()
    start, stop = ConditionCompiler(
        columns, RULE, {("w", name): at for name, at in COLUMNS_OF_MEASURES.items()}
    ).condition(node)
    instructions, operands = columns.code.arrays()
    codes = {"cash": 0, "wire": 1, "card": 5}
    fields = [
        [{"amount": amount, "channel": UNKNOWN if channel < 0 else channel}[use.name] for use in columns.fields] or [0]
        for _, _, amount, channel in legs
    ]
    constants = [int(word) if vocabulary == "" else codes[word] for vocabulary, word in columns.literals]
    sets = [sorted(codes[word] for word in words) for _, words, _ in columns.sets]
    scale = {"limit": 300, "huge": 9 * 10**15, "few": 2, "part": 375}
    given = [scale[p.name] for _, p in columns.parameters.values()]
    count = len(legs)
    code = Code(
        instructions, operands, np.array(constants or [0], np.int64), np.cumsum([0, *map(len, sets)]).astype(np.int64),
        np.array([w for s in sets for w in s] or [0], np.int64),
    )  # fmt: skip
    asked = Asked(
        np.asfortranarray(np.array(fields, np.int64)), np.array([each[0] for each in legs], np.int64),
        np.array([each[1] for each in legs], np.uint8), np.array([given or [0]], np.int64), np.zeros(count, np.int32),
        np.zeros((1, 1), np.int64), np.zeros(count, np.int32),
    )  # fmt: skip
    room, first = np.zeros((count, 2), np.int64), scratch(1)
    masks = np.zeros((count, 1), np.int64)
    decide.filter_masks(
        np.zeros(1, np.int64), np.zeros((1, 1), np.int64), shared(np.ones((1, 1), bool), np.ones(1, bool)),
        np.array([[[start, stop]]] * 2), np.zeros(count, np.int64), np.zeros(count, np.int64), code, asked, first,
        masks,
    )  # fmt: skip
    undecided, is_open = np.zeros((1, len(operands) + 1), np.int64), np.zeros(count, np.bool_)
    hits = decide.decide(
        np.zeros(count, np.int32), np.zeros(count, np.int32), shared(np.ones((1, 1), bool), np.ones(1, bool)),
        np.array([[[start, stop]]] * 2), code, asked, first, room, undecided, is_open,
    )  # fmt: skip
    found = [{0: FALSE, 1: TRUE, 2: UNDECIDED}[int(mask)] for mask in masks[:, 0]]
    assert sorted(room[:hits, 0].tolist()) == [n for n, truth in enumerate(found) if truth == TRUE]
    assert undecided.sum() == found.count(UNDECIDED)
    assert is_open.tolist() == [truth == UNDECIDED for truth in found]
    return found


def compare(seed: int) -> int:
    rng = random.Random(seed)
    node = condition(rng, 3)
    leg = columns_of(rng)
    expected = by_definition(node, world_of(*leg))
    truth = UNDECIDED if expected.is_unknown else TRUE if expected.value else FALSE
    given_truth = truths_of_code(node, [leg])[0]
    # Where numbers are too large to be computed with, the engine may not know; it may never claim otherwise.
    is_large = max(abs(number) for number in (*leg[0], leg[2]) if number != UNKNOWN) > 10**15
    if not (is_large and given_truth == UNDECIDED):
        assert given_truth == truth, f"seed {seed}: {node} over {leg}"
    return truth


@settings(max_examples=400, deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**40))
def test_any_condition_over_any_values_has_the_truth_of_the_definition(seed: int):
    compare(seed)


@settings(max_examples=60, deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**40))
def test_many_legs_at_once_have_the_truths_that_they_have_alone(seed: int):
    rng = random.Random(seed)
    node = condition(rng, 4)
    few = [columns_of(rng) for _ in range(rng.randint(2, 40))]
    alone = [truths_of_code(node, [leg])[0] for leg in few]
    # Several blocks, and legs in any order.
    places = [rng.randrange(len(few)) for _ in range(rng.choice([3, 50, BLOCK, 2 * BLOCK + 7]))]
    assert truths_of_code(node, [few[place] for place in places]) == [alone[place] for place in places]


def test_all_three_truths_occur():
    assert {compare(seed) for seed in range(60)} == {FALSE, TRUE, UNDECIDED}


@settings(max_examples=300, deadline=None, print_blob=True)
@given(
    amount=st.one_of(st.integers(0, 10**6), st.integers(0, 10**17)),
    numerator=st.integers(1, 10**12),
    denominator=st.integers(1, 10**12),
)
def test_converted_amounts_are_the_exact_product_rounded_half_to_even(amount: int, numerator: int, denominator: int):
    start = np.zeros(200, np.int64)
    start[1:] = 1
    rates = [np.array([value], np.int64) for value in (10, numerator, denominator)]
    found = [converted(amount, currency, at, 7, start, *rates) for currency, at in ((0, 11), (0, 10), (7, 0))]
    exact = round(Fraction(amount * numerator, denominator))
    assert found == [exact if exact < 2**62 else UNKNOWN, UNKNOWN, amount]


def test_a_converted_amount_that_would_round_up_to_65_bits_is_unknown():
    start = np.zeros(200, np.int64)
    start[1:] = 1
    rates = [np.array([value], np.int64) for value in (10, 253_921, 2)]
    # The product is 2^65 - 1, its half 2^64 - 1/2.
    assert converted(145_295_143_558_111, 0, 11, 7, start, *rates) == UNKNOWN
