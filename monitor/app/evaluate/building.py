"""From columns of text and numbers in the order of a file to a stream in event order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from monitor.app.evaluate.problem import EvaluateError
from monitor.app.evaluate.stream import Bools, Cut, Floats, Int32s, Int64s, Rows, Stream
from monitor.domain.time import DAY_US

DAYS_MIN = 10
"""Fewest days of a stream: below, a fifth of the time is less than two days."""


@dataclass(slots=True)
class Columns:
    """A labelled stream as read, in the order of the file. ``""`` stands for a side or a label that is not given."""

    ids: Sequence[str]
    time_us: Int64s
    source: Sequence[str]
    target: Sequence[str]
    amount: Floats
    currency: Sequence[str]
    kind: Sequence[str]
    is_laundering: Bools
    typology: Sequence[str]
    case: Sequence[str]
    rates: Mapping[str, float] = field(default_factory=dict)
    """Units of the common currency for one unit of each; empty where the data bring no rates."""
    common_currency: str = ""
    notes: list[str] = field(default_factory=list)


SAME_UNIT = 2.0
"""Currencies whose median payments differ by no more than this factor are taken for one unit."""


def build(name: str, columns: Columns) -> Stream:
    """The stream in event order: by time, then by id as text.

    Raises:
        EvaluateError: There are too few rows, days or cases, or an id occurs twice.
    """
    _check(name, columns)
    ids = np.array(columns.ids, dtype=object)
    order = np.lexsort((_ranks(columns.ids), columns.time_us))
    time_us = columns.time_us[order]
    source_texts, target_texts = ([side[row] for row in order.tolist()] for side in (columns.source, columns.target))
    sides = [text for pair in zip(source_texts, target_texts, strict=True) for text in pair]
    codes, accounts = coded(sides)
    currency, currencies = coded([columns.currency[row] for row in order.tolist()])
    kind, kinds = coded([columns.kind[row] for row in order.tolist()])
    case, cases, typology_of_case, pattern, patterns = _labels(columns, order)
    amount = columns.amount[order]
    value, units = _values(columns, amount, currency, currencies, time_us)
    rows = Rows(
        np.arange(len(order)), time_us, codes[0::2], codes[1::2], amount, value, currency.astype(np.int16),
        kind.astype(np.int16),
    )  # fmt: skip
    return Stream(
        name=name,
        rows=rows,
        is_laundering=columns.is_laundering[order],
        case=case,
        cases=cases,
        typology_of_case=typology_of_case,
        pattern=pattern,
        patterns=patterns,
        ids=ids[order].tolist(),
        accounts=accounts,
        currencies=currencies,
        kinds=kinds,
        units=units,
        is_by_day=bool((time_us % DAY_US == 0).all()),
        cut=Cut.of(int(time_us[0]) // DAY_US, int(time_us[-1]) // DAY_US),
        is_party=np.array([account != "" for account in accounts], np.bool_),
        notes=list(columns.notes),
    )


def coded(texts: Sequence[str]) -> tuple[Int32s, list[str]]:
    """Codes in order of first appearance, and the texts by code.

    >>> codes, texts = coded(["b", "a", "b"])
    >>> codes.tolist(), texts
    ([0, 1, 0], ['b', 'a'])
    """
    found: dict[str, int] = {}
    codes = np.fromiter((found.setdefault(text, len(found)) for text in texts), np.int32, len(texts))
    return codes, list(found)


def _check(name: str, columns: Columns) -> None:
    if not len(columns.ids):
        raise EvaluateError(f"{name}: no rows. Name a labelled stream; docs/evaluating.md has the columns.")
    if len(set(columns.ids)) != len(columns.ids):
        seen: set[str] = set()
        twice = next(text for text in columns.ids if text in seen or seen.add(text))  # type: ignore[func-returns-value]
        raise EvaluateError(
            f"{name}: the id {twice!r} occurs twice. Rows are ordered by time and id, so ids must differ; give each "
            "row an id of its own."
        )
    first, last = (int(each) // DAY_US for each in (columns.time_us.min(), columns.time_us.max()))
    if last - first + 1 < DAYS_MIN:
        raise EvaluateError(
            f"{name}: {last - first + 1} days from first to last row. The protocol cuts the time into fifths and needs "
            f"at least {DAYS_MIN} days; take a longer stretch."
        )
    cut = Cut.of(first, last)
    late = columns.is_laundering & (columns.time_us >= cut.scored * DAY_US)
    if not late.any():
        raise EvaluateError(
            f"{name}: no laundering row in the last 60 % of the time, which are scored. Check the column "
            "is_laundering, or take another stretch."
        )


def _ranks(texts: Sequence[str]) -> Int64s:
    """The place of each text among all, in order of code points; equal texts share one."""
    return np.unique(np.array(texts, dtype=np.str_), return_inverse=True)[1].astype(np.int64)


def _labels(columns: Columns, order: Int64s) -> tuple[Int32s, list[str], list[str], Int32s, list[str]]:
    """Cases and patterns in event order. A case bears the typology of its last row, by day and then place in the file.

    A row that is not laundering belongs to no case, whatever its columns say.
    """
    case_texts = ["" if not bad else text for text, bad in zip(columns.case, columns.is_laundering, strict=True)]
    by_day = np.lexsort((np.arange(len(order)), columns.time_us // DAY_US)).tolist()
    typology = {case_texts[row]: columns.typology[row] or "no name" for row in by_day if case_texts[row]}
    cases = sorted(typology)
    number_of = {case: number for number, case in enumerate(cases)} | {"": -1}
    case = np.fromiter((number_of[text] for text in case_texts), np.int32, len(case_texts))[order]
    words = [
        (text or "no name") if bad else "" for text, bad in zip(columns.typology, columns.is_laundering, strict=True)
    ]
    patterns = sorted(set(words) - {""})
    place_of = {word: number for number, word in enumerate(patterns)} | {"": -1}
    pattern = np.fromiter((place_of[word] for word in words), np.int32, len(words))[order]
    return case, cases, [typology[each] for each in cases], pattern, patterns


def _values(
    columns: Columns, amount: Floats, currency: Int32s, currencies: list[str], time_us: Int64s
) -> tuple[Floats, str]:
    """Amounts in one unit: by rates where the data bring them, else by the median payment of the warm-up.

    A currency whose median payment is within :data:`SAME_UNIT` of that of the commonest one counts as the same unit.
    Generators write amounts without regard to the currency, and a scale of what happened to be bought would then part
    a payment from the one that hands it on.
    """
    if len(currencies) == 1:
        return amount, currencies[0]
    if columns.rates:
        missing = [each for each in currencies if each not in columns.rates]
        if missing:
            raise EvaluateError(
                f"no rate from {', '.join(missing)} into {columns.common_currency}; add it to the rates."
            )
        return amount * np.array([columns.rates[each] for each in currencies])[currency], columns.common_currency
    cut = Cut.of(int(time_us[0]) // DAY_US, int(time_us[-1]) // DAY_US)
    is_warm_up = time_us < cut.thresholds * DAY_US
    seen = [amount[is_warm_up & (currency == code)] for code in range(len(currencies))]
    typical = np.array([float(np.median(each)) if len(each) else 0.0 for each in seen])
    main = typical[int(np.argmax([len(each) for each in seen]))] or 1.0
    scale = np.divide(main, typical, out=np.ones(len(typical)), where=typical > 0)
    scale[(scale >= 1 / SAME_UNIT) & (scale <= SAME_UNIT)] = 1.0
    name = currencies[int(np.argmax([len(each) for each in seen]))]
    return amount * scale[currency], f"{name}, others by their median payment in the warm-up where it differs twofold"
