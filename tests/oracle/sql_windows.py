"""Window measures in SQL: a second, independent definition, run by DuckDB.

The payments become legs by a union, judged times by a running maximum, windows by a self-join of each leg with
the earlier legs of its key, and unknown by SQL's own ``NULL``. Nothing of the monitor computes here; a rule's filter is
translated to SQL text by :func:`sql_of`. Whole numbers throughout, so equality is exact.

The harness holds for streams in which every account has one holder and no record comes too late; then a holder's judged
time is the running maximum of its booking times. :mod:`tests.oracle.streams` makes such streams.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import duckdb
import pyarrow as pa

from monitor.rulebook.reference import PlainRate, PlainTransaction
from monitor.rulebook.rule import Compare, Literal, Logic, Membership, Name, Node, ParameterName, Window

Bounded = tuple[int | Fraction | None, str]
"""A number with ``exact``, ``at_least`` or ``unknown`` (then ``None``)."""
Measured = Mapping[tuple[str, str], Sequence[Bounded]]
"""By (window, measure): one value per leg, in log order, the debit of a payment before its credit."""

_PAYMENTS = pa.schema(
    {name: pa.int64() for name in ("position", "booked_us", "amount")}
    | {name: pa.string() for name in (
        "id", "currency", "channel", "purpose", "status", "reverses", "debtor_holder", "debtor_account",
        "debtor_country", "creditor_holder", "creditor_account", "creditor_country")}
)  # fmt: skip
_RATES = pa.schema({"published_us": pa.int64(), "source": pa.string(), "target": pa.string(), "above": pa.int64(),
                    "below": pa.int64()})  # fmt: skip
_LEGS = """
CREATE TABLE legs AS
WITH sides AS (
    SELECT position, 0 AS number, 'debit' AS direction, debtor_holder AS customer, debtor_account AS account,
           debtor_country AS country, coalesce(creditor_account, creditor_holder) AS counterparty,
           creditor_country AS counterparty_country FROM payments
    UNION ALL
    SELECT position, 1, 'credit', creditor_holder, creditor_account, creditor_country,
           coalesce(debtor_account, debtor_holder), debtor_country FROM payments
),
gone AS (
    SELECT o.position, min(r.position) AS gone_at FROM payments o JOIN payments r
    ON r.reverses = o.id AND r.position > o.position GROUP BY o.position
)
SELECT sides.*, p.booked_us, p.amount, p.currency, p.channel, p.purpose, p.status, gone.gone_at,
       max(p.booked_us) OVER (PARTITION BY customer ORDER BY position, number
                              ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS judged_us,
       epoch_us(date_trunc('day', make_timestamp(p.booked_us))) AS day,
       epoch_us(date_trunc('month', make_timestamp(p.booked_us))) AS month
FROM sides JOIN payments p USING (position) LEFT JOIN gone USING (position)
WHERE customer IS NOT NULL AND p.status NOT IN ('reversed', 'returned')
"""
_IN_CURRENCY = """
CREATE TABLE priced AS
SELECT * REPLACE (CASE WHEN currency = $currency THEN amount ELSE amount_by_rate END AS amount) FROM (
    SELECT legs.*,
           (SELECT (product // r.below) + CASE WHEN 2 * (product % r.below) > r.below THEN 1
                                               WHEN 2 * (product % r.below) = r.below THEN (product // r.below) % 2
                                               ELSE 0 END
            FROM (SELECT r.*, amount::HUGEINT * r.above AS product FROM rates r
                  WHERE r.source = legs.currency AND r.target = $currency AND r.published_us < legs.booked_us
                  ORDER BY r.published_us DESC LIMIT 1) r) AS amount_by_rate
    FROM legs)
"""
_MEASURES = """
WITH filtered AS (SELECT *, {where} AS passes FROM priced)
SELECT count(*) FILTER (b.passes), count(*) FILTER (b.passes IS NULL AND b.position IS NOT NULL),
       {columns}
FROM filtered a LEFT JOIN filtered b ON {inside}
GROUP BY a.position, a.number ORDER BY a.position, a.number
"""
_OF_COLUMN = (
    "count(*) FILTER (b.passes AND {c} IS NULL), sum(b.amount) FILTER (b.passes), "
    "count(DISTINCT {c}) FILTER (b.passes), "
    "list_sort(array_agg(b.amount) FILTER (b.passes AND b.amount IS NOT NULL))"
)


@dataclass(frozen=True, slots=True)
class Group:
    """What SQL says of one leg's window and one argument."""

    passed: int
    doubtful: int
    unknown: int
    total: int
    different: int
    ascending: list[int]

    def measure(self, function: str) -> Bounded:
        """The measure, with its bound."""
        bound = "at_least" if self.doubtful or (self.unknown and function != "count") else "exact"
        if function in ("count", "sum", "distinct"):
            return {"count": self.passed, "sum": self.total, "distinct": self.different}[function], bound
        if bound != "exact" or not self.ascending:
            return None, "unknown"
        n = len(self.ascending)
        middle = Fraction(self.ascending[(n - 1) // 2] + self.ascending[n // 2], 2)
        lowest, highest = self.ascending[0], self.ascending[-1]
        numbers: dict[str, int | Fraction] = {
            "min": lowest,
            "max": highest,
            "mean": Fraction(self.total, n),
            "median": middle,
        }
        return numbers[function], "exact"


def sql_measures(
    payments: Sequence[PlainTransaction],
    window: Window,
    *,
    parameters: Mapping[str, int] | None = None,
    rates: Sequence[PlainRate] = (),
) -> dict[tuple[str, str], list[Bounded]]:
    """Every measure of the window at every leg.

    Args:
        payments: The log.
        window: By ``customer`` or ``account``; sliding, or a calendar period in UTC of one booking entity.
        parameters: The value of each parameter in the filter, the same for all payments.
        rates: Rates in whole numbers of minor units of currencies with as many decimals.
    """
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        _load(connection, payments, rates, window.currency or "USD")
        columns = [_column(measure.argument) for measure in window.measures]
        where = "(status = 'booked')" if window.where is None else _filter(window.where, parameters or {})
        query = _MEASURES.format(
            where=where,
            columns=", ".join(_OF_COLUMN.format(c=f"b.{column}") for column in columns),
            inside=_inside(window),
        )
        rows = connection.execute(query).fetchall()
    measured: dict[tuple[str, str], list[Bounded]] = {}
    for number, measure in enumerate(window.measures):
        groups = [_group(row, number) for row in rows]
        measured[window.name, measure.name] = [group.measure(measure.function) for group in groups]
    return measured


def _load(
    connection: duckdb.DuckDBPyConnection,
    payments: Sequence[PlainTransaction],
    rates: Sequence[PlainRate],
    currency: str,
) -> None:
    connection.register("payments", pa.Table.from_pylist([_row(payment) for payment in payments], schema=_PAYMENTS))
    converted = [
        {"published_us": r.published_us, "source": r.source, "target": r.target, "above": r.rate.numerator,
         "below": r.rate.denominator}
        for r in rates
    ]  # fmt: skip
    connection.register("rates", pa.Table.from_pylist(converted, schema=_RATES))
    connection.execute(_LEGS)
    connection.execute(_IN_CURRENCY.replace("$currency", _quoted(currency)))


def _row(payment: PlainTransaction) -> dict[str, int | str | None]:
    row: dict[str, int | str | None] = {
        "position": payment.position, "id": payment.transaction_id, "booked_us": payment.booked_at_us,
        "amount": payment.amount_minor,
    }  # fmt: skip
    for name in ("currency", "channel", "purpose", "status", "reverses"):
        row[name] = getattr(payment, name)
    for role, side in (("debtor", payment.debtor), ("creditor", payment.creditor)):
        row |= {f"{role}_holder": side.holder, f"{role}_account": side.account, f"{role}_country": side.country}
    return row


def _column(argument: Name | None) -> str:
    return "amount" if argument is None else argument.name


def _inside(window: Window) -> str:
    """Whether leg ``b`` is inside the window at leg ``a``."""
    parts = [
        f"a.{window.by} = b.{window.by}",
        "(b.position, b.number) <= (a.position, a.number)",
        "(b.gone_at IS NULL OR b.gone_at > a.position)",
    ]
    if window.calendar is not None:
        parts.append(f"a.{window.calendar} = b.{window.calendar}")
    else:
        parts.append(f"b.judged_us > a.judged_us - {window.over_us}")
    return " AND ".join(parts)


def _filter(where: Node, parameters: Mapping[str, int]) -> str:
    text = sql_of(where, parameters)
    mentions = any(isinstance(part, Name) and part.name == "status" for part in _parts(where))
    return text if mentions else f"(status = 'booked' AND {text})"


def sql_of(node: Node, parameters: Mapping[str, int]) -> str:
    """An expression of a filter as SQL; ``NULL`` is unknown and SQL's own logic is Kleene's.

    Raises:
        ValueError: The expression holds something that the oracle does not translate.
    """
    match node:
        case Name():
            return node.name
        case ParameterName():
            return str(parameters[node.name])
        case Literal():
            return _quoted(node.value) if isinstance(node.value, str) else str(node.value)
        case Compare():
            op = {"==": "=", "!=": "<>"}.get(node.op, node.op)
            return f"({sql_of(node.left, parameters)} {op} {sql_of(node.right, parameters)})"
        case Membership(list_name=None):
            words = ", ".join(_quoted(word) for word in node.words)
            return f"({sql_of(node.item, parameters)} {'NOT ' if node.negated else ''}IN ({words}))"
        case Logic(op="not"):
            return f"(NOT {sql_of(node.parts[0], parameters)})"
        case Logic():
            return "(" + f" {node.op.upper()} ".join(sql_of(part, parameters) for part in node.parts) + ")"
    raise ValueError(f"the SQL oracle does not translate {node.text!r}")


def _parts(node: Node) -> Iterator[Node]:
    yield node
    match node:
        case Compare():
            inner: tuple[Node, ...] = (node.left, node.right)
        case Logic():
            inner = node.parts
        case Membership():
            inner = (node.item,)
        case _:
            inner = ()
    for part in inner:
        yield from _parts(part)


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"


def _group(row: tuple[object, ...], number: int) -> Group:
    passed, doubtful, *rest = row
    unknown, total, different, ascending = rest[4 * number : 4 * number + 4]
    return Group(passed, doubtful, unknown, int(total or 0), different, ascending or [])  # type: ignore[arg-type, call-overload]


def check_against_sql(
    payments: Sequence[PlainTransaction],
    windows: Sequence[Window],
    measured: Measured,
    *,
    parameters: Mapping[str, int] | None = None,
    rates: Sequence[PlainRate] = (),
) -> int:
    """Assert that ``measured`` is what SQL finds, for every window, measure and leg; returns how many were compared."""
    compared = 0
    for window in windows:
        for name, expected in sql_measures(payments, window, parameters=parameters, rates=rates).items():
            given = [(value, bound) for value, bound in measured[name]]
            assert given == expected, (
                f"{name[0]}.{name[1]} ({window.over_us or window.calendar} by {window.by}): "
                f"{_first_difference(given, expected)}"
            )
            compared += len(expected)
    return compared


def _first_difference(given: list[Bounded], expected: list[Bounded]) -> str:
    if len(given) != len(expected):
        return f"{len(given)} legs were measured, SQL knows {len(expected)}"
    leg = next(n for n, pair in enumerate(zip(given, expected, strict=True)) if pair[0] != pair[1])
    return f"leg {leg} of {len(given)} measured {given[leg]}, SQL finds {expected[leg]}"
