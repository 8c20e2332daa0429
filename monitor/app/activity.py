"""What a subject's money did: the recorded payments in and out, and with whom.

A payment that another record took back, and the record that did, are shown and enter no sum; nor do attempted and
rejected payments, which moved nothing. Sums stay apart by currency: nothing is converted.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.app.books import ACCOUNTS, HOLDERS, Books
from monitor.domain.countries import COUNTRIES
from monitor.domain.money import CURRENCIES
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int64s
from monitor.domain.vocabulary import CHANNELS, STATUSES

SUBJECT_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "customer": HOLDERS,
    "account": ACCOUNTS,
    "counterparty": ACCOUNTS,
    "pair": HOLDERS,
    "person": (*HOLDERS, "conductor", "on_behalf_of"),
    "agent": ("debtor_agent", "creditor_agent"),
}
"""Where a subject of a kind stands in a payment; others in the column of their name."""
_COLUMNS = ("amount_minor", "currency", "channel", "status", "id_hi", "id_lo", "reverses_hi", "reverses_lo",
            *HOLDERS, *ACCOUNTS, "debtor_country", "creditor_country")  # fmt: skip
IN, OUT, OWN, OTHER = "in", "out", "own", "other"
"""Directions: to the subject, from it, between accounts of its own, and where it stands on neither side."""
BOOKED, UNDONE = "booked", "taken back"

Columns = Mapping[str, Int64s]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Movement:
    """One payment as the subject sees it. ``party`` is the number of its line among the counterparties, or -1."""

    position: int
    transaction_id: str
    booked_us: int
    direction: str
    amount_minor: int | None
    currency: str
    channel: str | None
    status: str
    other: str | None
    other_name: str | None
    other_country: str | None
    party: int

    @property
    def counts(self) -> bool:
        """Whether it moved money that is still moved."""
        return self.status == BOOKED


@dataclass(frozen=True, slots=True)
class Counterparty:
    """With whom the subject moved money of one currency; sums in minor units, ``share`` of all of that currency."""

    number: int
    other: str | None
    name: str | None
    country: str | None
    currency: str
    in_count: int
    in_minor: int
    out_count: int
    out_minor: int
    first_us: int
    last_us: int
    share: float


@dataclass(frozen=True, slots=True)
class Activity:
    """The payments of a subject within a time.

    Attributes:
        movements: The newest, oldest of them first.
        movements_total: How many there are; more than are given where the limit was reached.
        counterparties: Those of the currency with most payments first, and within it the largest share.
        counterparties_total: How many there are.
    """

    movements: tuple[Movement, ...]
    movements_total: int
    counterparties: tuple[Counterparty, ...]
    counterparties_total: int


NOTHING = Activity((), 0, (), 0)


def activity(
    books: Books, subject: bytes, kind: str, *, from_us: int, until_us: int, movements_max: int, parties_max: int
) -> Activity:
    """The payments of a subject booked at ``from_us`` or later and before ``until_us``.

    Raises:
        DamagedError: A part of the history cannot be read.
    """
    code, names = books.history.code(subject), SUBJECT_COLUMNS.get(kind, (kind,))
    if code is None:
        return NOTHING
    rows = _rows_of(books, code, names, from_us, until_us)
    lines = _in_order(_lines(rows))
    parties = [_counterparty(books, rows, key, line, number) for number, (key, line) in enumerate(lines[:parties_max])]
    number_of = {key: number for number, (key, _) in enumerate(lines[:parties_max])}
    first = max(0, len(rows) - movements_max)
    movements = [_movement(books, rows, row, number_of) for row in range(first, len(rows))]
    return Activity(tuple(movements), len(rows), tuple(parties), len(lines))


@dataclass(frozen=True, slots=True)
class _Rows:
    """The payments in time, by column, with what the subject makes of them."""

    columns: Columns
    directions: list[str]
    others: list[int]
    """The code of the other side: its holder, else its account; -1 where the payment names neither."""
    statuses: list[str]

    def __len__(self) -> int:
        return len(self.directions)

    def value(self, name: str, row: int) -> int:
        return int(self.columns[name][row])


@dataclass(slots=True)
class _Line:
    """Sums with one other side in one currency, and the rows of the first and the last payment."""

    first: int
    last: int
    in_count: int = 0
    in_minor: int = 0
    out_count: int = 0
    out_minor: int = 0
    share: float = 0.0


def _rows_of(books: Books, code: int, names: tuple[str, ...], from_us: int, until_us: int) -> _Rows:
    """The payments of a code; of a record that was repeated the first, as the engine has it."""
    wanted = tuple(dict.fromkeys((*_COLUMNS, *names)))
    parts: dict[str, list[Int64s]] = {name: [np.zeros(0, np.int64)] for name in ("position", "booked_at_us", *wanted)}
    for table in books.history.booked(wanted, from_us=from_us, until_us=until_us, stop=books.stop):
        mask = np.logical_or.reduce([table.column(name).to_numpy() == code for name in names])
        if mask.any():
            rows = table.filter(pa.array(mask))
            for name, column in parts.items():
                column.append(rows.column(name).to_numpy().astype(np.int64))
    whole = {name: np.concatenate(column) for name, column in parts.items()}
    _, first = np.unique(np.stack([whole["id_hi"], whole["id_lo"]]), axis=1, return_index=True)
    order = first[np.lexsort((whole["position"][first], whole["booked_at_us"][first]))]
    columns = {name: column[order] for name, column in whole.items()}
    directions = _directions(columns, code, names)
    return _Rows(columns, directions, _across(columns, directions).tolist(), _statuses(columns))


def _directions(columns: Columns, code: int, names: tuple[str, ...]) -> list[str]:
    """Of each row the direction, by the sides on which the subject stands."""
    nothing = np.zeros(len(columns["position"]), bool)

    def stands(side: str) -> list[bool]:
        found: Mask = np.logical_or.reduce(
            [nothing, *(columns[name] == code for name in names if name.startswith(side))]
        )
        return [bool(each) for each in found]

    words = {(True, True): OWN, (True, False): OUT, (False, True): IN, (False, False): OTHER}
    return [words[pair] for pair in zip(stands("debtor_"), stands("creditor_"), strict=True)]


def _across(columns: Columns, directions: list[str]) -> Int64s:
    is_in = np.array([each == IN for each in directions], bool)
    holder = np.where(is_in, columns["debtor_holder"], columns["creditor_holder"])
    account = np.where(is_in, columns["debtor_account"], columns["creditor_account"])
    return np.where(holder >= 0, holder, account)


def _statuses(columns: Columns) -> list[str]:
    """The status of each row, or that another row takes it back."""
    takes = zip(columns["reverses_hi"].tolist(), columns["reverses_lo"].tolist(), strict=True)
    back = {each for each in takes if each[0] != UNKNOWN}
    ids = zip(columns["id_hi"].tolist(), columns["id_lo"].tolist(), strict=True)
    return [
        UNDONE if each in back else STATUSES[code] for each, code in zip(ids, columns["status"].tolist(), strict=True)
    ]


def _lines(rows: _Rows) -> dict[tuple[int, int], _Line]:
    """Sums by the code of the other side and the currency."""
    lines: dict[tuple[int, int], _Line] = {}
    totals: dict[int, int] = {}
    for row, direction in enumerate(rows.directions):
        if direction not in (IN, OUT) or rows.statuses[row] != BOOKED:
            continue
        currency, amount = rows.value("currency", row), rows.value("amount_minor", row)
        known = 0 if amount == UNKNOWN else amount
        line = lines.setdefault((rows.others[row], currency), _Line(row, row))
        line.last = row
        if direction == IN:
            line.in_count, line.in_minor = line.in_count + 1, line.in_minor + known
        else:
            line.out_count, line.out_minor = line.out_count + 1, line.out_minor + known
        totals[currency] = totals.get(currency, 0) + known
    for (_, currency), line in lines.items():
        line.share = (line.in_minor + line.out_minor) / totals[currency] if totals[currency] else 0.0
    return lines


def _in_order(lines: dict[tuple[int, int], _Line]) -> list[tuple[tuple[int, int], _Line]]:
    """The currency with most payments first, and within it the largest share."""
    payments: dict[int, int] = {}
    for (_, currency), line in lines.items():
        payments[currency] = payments.get(currency, 0) + line.in_count + line.out_count
    return sorted(lines.items(), key=lambda each: (-payments[each[0][1]], each[0][1], -each[1].share, each[0]))


def _counterparty(books: Books, rows: _Rows, key: tuple[int, int], line: _Line, number: int) -> Counterparty:
    code, currency = key
    name, country = _other_side(books, rows, line.last)
    return Counterparty(
        number, _identifier(books, code), name, country, CURRENCIES[currency], line.in_count, line.in_minor,
        line.out_count, line.out_minor, rows.value("booked_at_us", line.first), rows.value("booked_at_us", line.last),
        line.share,
    )  # fmt: skip


def _movement(books: Books, rows: _Rows, row: int, number_of: Mapping[tuple[int, int], int]) -> Movement:
    amount, channel, position = (rows.value(name, row) for name in ("amount_minor", "channel", "position"))
    currency, other = rows.value("currency", row), rows.others[row]
    name, country = _other_side(books, rows, row)
    has_line = rows.directions[row] in (IN, OUT)
    return Movement(
        position, books.vault.transaction_id(position) or f"#{position}", rows.value("booked_at_us", row),
        rows.directions[row], None if amount == UNKNOWN else amount, CURRENCIES[currency],
        None if channel < 0 else CHANNELS[channel], rows.statuses[row], _identifier(books, other), name, country,
        number_of.get((other, currency), -1) if has_line else -1,
    )  # fmt: skip


def _identifier(books: Books, code: int) -> str | None:
    return None if code < 0 else books.identifier(books.history.tokens[code].tobytes())


def _other_side(books: Books, rows: _Rows, row: int) -> tuple[str | None, str | None]:
    """Name and country of the other side, as the payment gives them."""
    texts = books.vault.texts(rows.value("position", row))
    is_in = rows.directions[row] == IN
    country = rows.value("debtor_country" if is_in else "creditor_country", row)
    name = None if texts is None else texts.debtor_name if is_in else texts.creditor_name
    return name, None if country < 0 else COUNTRIES[country]
