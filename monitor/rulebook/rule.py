"""A rule as loaded and checked: plain values, every expression typed.

The loader makes these; the planner, the reference evaluator, the test runner and the
explanation read them. Nothing here computes.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from monitor.domain.deadline import Deadline
from monitor.domain.units import Unit

ANY = "any"
"""The jurisdiction of a rule that applies to every booking entity."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file and a line, for messages."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


# Expressions -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression. ``text`` is its source; ``unit`` what its value is."""

    text: str
    unit: Unit


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A field of :data:`monitor.domain.fields.FIELDS`. Money carries the currency it is read in."""

    name: str


@dataclass(frozen=True, slots=True)
class MeasureName(Node):
    """``window.measure`` of the same rule."""

    window: str
    measure: str


@dataclass(frozen=True, slots=True)
class PeerName(Node):
    """``peer.window.measure.p99``: the segment's quantile of the measure in the bank snapshot in force."""

    window: str
    measure: str
    quantile: str


@dataclass(frozen=True, slots=True)
class ParameterName(Node):
    """A parameter of the same rule; its value depends on segment, jurisdiction and time."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A word of a category or ``true``/``false``. Numbers do not occur in the logic.

    The one exception is a literal ``0`` or ``1`` count next to a measure, which the loader admits.
    """

    value: str | bool | int


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """``left op right`` with op one of ``< <= > >= == !=``."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Membership(Node):
    """``item in ["a", "b"]`` or ``item in list.name``; ``negated`` for ``not in``."""

    item: Node
    words: tuple[str, ...]
    list_name: str | None
    negated: bool


@dataclass(frozen=True, slots=True)
class Logic(Node):
    """``and`` / ``or`` over two or more parts; ``not`` over one."""

    op: str
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """``left + right`` or ``left - right``."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``share ratio multiple_of since_last first_seen known``."""

    function: str
    arguments: tuple[Node, ...]


# The rule --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reference:
    """What a source says, in one sentence, and when someone last read it."""

    cite: str
    says: str
    read: str


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """One value with the scope and the day (00:00 UTC) from which it holds.

    ``value`` is in the unit of the parameter: minor units for money, microseconds for a duration,
    a whole number for a count, an exact decimal for a share, a word for a category.
    """

    from_us: int
    value: int | Decimal | str
    cite: str
    segment: str | None
    jurisdiction: str | None
    place: Place


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that a compliance officer may move."""

    name: str
    unit: Unit
    meaning: str
    rows: tuple[ParameterRow, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """``count() sum(x) min(x) max(x) mean(x) median(x) distinct(x)``."""

    name: str
    function: str
    argument: Name | None
    unit: Unit


@dataclass(frozen=True, slots=True)
class Window:
    """A window of the rule: length or calendar period, key, currency, filter and measures.

    Exactly one of ``over_us`` (sliding, ``(t - over_us, t]``) and ``calendar`` (``day``, ``month``) is set.
    """

    name: str
    over_us: int | None
    calendar: str | None
    by: str
    currency: str | None
    where: Node | None
    measures: tuple[Measure, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class AlertText:
    """Who the alert is about, how long it stays quiet, and the sentence with ``{names}``."""

    subject: str
    quiet_us: int
    text: str


@dataclass(frozen=True, slots=True)
class Approval:
    """Who approved, when, by which record. ``is_example``: shipped with the product, not the bank's own."""

    by: str
    on: str
    record: str
    is_example: bool


@dataclass(frozen=True, slots=True)
class TableTest:
    """An inline test: rows over time, the verdict expected of each, and what surrounds them."""

    name: str
    start_us: int
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    lists: dict[str, tuple[str, ...]]
    peers: dict[str, str]
    hubs: tuple[str, ...]
    jurisdiction: str | None
    place: Place
    rates: dict[str, str] = field(default_factory=dict)
    """Units of the rule's currency for one unit of another, as decimals, published a day before ``start``."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule file."""

    id: str
    title: str
    typology: str
    kind: str
    status: str
    version: int
    severity: str
    jurisdictions: tuple[str, ...]
    description: str
    references: tuple[Reference, ...]
    false_positives: tuple[str, ...]
    blind_spots: tuple[str, ...]
    parameters: dict[str, Parameter]
    windows: dict[str, Window]
    when: Node
    alert: AlertText
    approval: Approval | None
    tests: tuple[TableTest, ...]
    codes: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    equivalent: dict[str, str] = field(default_factory=dict)
    """Mutants that change no verdict, by name, each with its reason."""
    author: str | None = None
    """Who wrote it, where it says so; never who approves it."""
    deadline: Deadline | None = None
    """Until when an obligation has to be filed; ``None`` for suspicions. It decides no verdict: not in the digest."""
    digest: str = ""
    """SHA-256, hex, over what decides: parameters, windows, when, alert, jurisdictions, severity."""
    place: Place = Place("", 0)
    owner: str | None = None
    """Who answers for the rule, and is told when its breaker opens."""


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All rules in force, ordered by id, with one digest over theirs."""

    rules: tuple[Rule, ...]
    digest: str
