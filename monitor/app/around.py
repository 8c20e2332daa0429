"""The money around a subject: who pays whom within two hops, as a network that fits on a page.

First come the parties with which the subject itself moves money, then those with which these do. A party of both ways,
or one that several of the first know, comes before others, since circles and fans are what an investigator looks for.
Behind a party with very many others (a shop, an employer) nothing is followed: its other payments are everybody's.
Money between two parties at two hops is not read. What does not fit is left out and counted.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitor.app.activity import BOOKED, SUBJECT_COLUMNS
from monitor.app.books import ACCOUNTS, HOLDERS, Books
from monitor.domain.countries import COUNTRIES
from monitor.domain.money import CURRENCIES
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.domain.transaction import Int64s
from monitor.domain.vocabulary import STATUSES

FIRST_MAX, SECOND_MAX = 20, 30
"""Most parties shown at one and at two hops."""
FOLLOWED_OTHERS_MAX = 50
"""A party with more others than this is not followed; a hub of flow tracing has about as many payers or payees."""
PAYMENTS_MAX = 2_000_000
"""Most payments of the parties that are read."""
_KEPT = ("position", "booked_at_us", "amount_minor", "currency", "status", "id_hi", "id_lo", "reverses_hi",
         "reverses_lo", "debtor_country", "creditor_country")  # fmt: skip
CENTRE_MAX = 5
"""Most parties as which a subject stands, such as a device that several use."""


class TooMuchMoney(Exception):
    """More payments than are read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Node:
    """A party. ``hop`` is 0 for the subject; ``others`` is with how many parties it moves money, if known."""

    number: int
    token: str
    identifier: str
    name: str | None
    country: str | None
    hop: int
    others: int | None
    is_followed: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """Money of one currency from one party to another; ``days`` are (days since 1970, payments, minor units)."""

    source: int
    target: int
    currency: str
    count: int
    amount_minor: int
    first_us: int
    last_us: int
    days: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Network:
    """What is shown, and how much is not."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    first_left_out: int
    second_left_out: int


@dataclass(slots=True)
class _Parties:
    """Parties over all logs by number; the order of meeting them."""

    tokens: list[bytes] = field(default_factory=list)
    number_of: dict[bytes, int] = field(default_factory=dict)

    def numbers(self, tokens: npt.NDArray[np.uint8], codes: Int64s) -> Int64s:
        """The number of each code of a log; -1 for no party."""
        unique, inverse = np.unique(codes, return_inverse=True)
        found = [self._number(tokens[code].tobytes()) if code >= 0 else -1 for code in unique.tolist()]
        return np.array(found, np.int64)[inverse]

    def _number(self, token: bytes) -> int:
        number = self.number_of.setdefault(token, len(self.tokens))
        if number == len(self.tokens):
            self.tokens.append(token)
        return number


@dataclass(frozen=True, slots=True)
class _Payments:
    """Payments that moved money, each once: numbers of payer and payee (-1: nobody named), and :data:`_KEPT`.

    ``own`` says where the wanted stand: 1 payer's side, 2 payee's, 4 elsewhere; added up.
    """

    payer: Int64s
    payee: Int64s
    own: Int64s
    log: Int64s
    columns: Mapping[str, Int64s]

    def of(self, mask: npt.NDArray[np.bool_]) -> "_Payments":
        columns = {name: column[mask] for name, column in self.columns.items()}
        return _Payments(self.payer[mask], self.payee[mask], self.own[mask], self.log[mask], columns)


def network(logs: Sequence[Books], subject: bytes, kind: str, *, from_us: int, until_us: int) -> Network:
    """The parties within two hops of a subject by payments booked at ``from_us`` or later and before ``until_us``.

    Args:
        logs: All logs of the bank.
        subject: The token of whom it is about.
        kind: What the subject is. A customer is a party itself; an account stands for its holder; of another kind the
            network begins with those who pay by it.

    Raises:
        TooMuchMoney: The parties have more than :data:`PAYMENTS_MAX` payments in that time.
        DamagedError: A part of the history cannot be read.
    """
    parties, span = _Parties(), (from_us, until_us)
    own = _read(logs, parties, {subject}, SUBJECT_COLUMNS.get(kind, (kind,)), span)
    centre = _centre(own)
    first, first_total = _ranked(own, centre, centre, FIRST_MAX)
    known = {parties.tokens[number] for number in (*centre, *first)}
    around = _read(logs, parties, known, (*HOLDERS, *ACCOUNTS), span)
    others = _others(around, (*centre, *first))
    followed = [number for number in first if others[number] <= FOLLOWED_OTHERS_MAX]
    second, second_total = _ranked(around, followed, (*centre, *first), SECOND_MAX)
    shown = (*centre, *first, *second)
    place = {number: at for at, number in enumerate(shown)}
    inside = around.of(
        np.isin(around.payer, shown) & np.isin(around.payee, shown) & (around.payer != around.payee)
    )  # fmt: skip
    told = _told(logs, inside)
    hops = (*[0] * len(centre), *[1] * len(first), *[2] * len(second))
    nodes = tuple(
        Node(
            at, parties.tokens[number].hex(), _identifier(logs, parties.tokens[number]), *told[number], hop,
            others.get(number), hop == 0 or number in followed,
        )
        for at, (number, hop) in enumerate(zip(shown, hops, strict=True))
    )  # fmt: skip
    return Network(nodes, _edges(inside, place), first_total - len(first), second_total - len(second))


def _read(
    logs: Sequence[Books], parties: _Parties, wanted: set[bytes], names: tuple[str, ...], span: tuple[int, int]
) -> _Payments:
    """The payments in which one of the wanted stands in one of the columns, each once."""
    parts: dict[str, list[Int64s]] = {name: [np.zeros(0, np.int64)]
                                      for name in ("payer", "payee", "own", "log", *_KEPT)}  # fmt: skip
    total = 0
    for number, books in enumerate(logs):
        codes = pa.array([code for code in map(books.history.code, sorted(wanted)) if code is not None], pa.int32())
        columns = tuple(dict.fromkeys((*_KEPT, *HOLDERS, *ACCOUNTS, *names)))
        for table in books.history.booked(columns, from_us=span[0], until_us=span[1], stop=books.stop):
            own = np.zeros(len(table), np.int64)
            for name in names:
                bit = 1 if name.startswith("debtor_") else 2 if name.startswith("creditor_") else 4
                own |= np.where(pc.is_in(table.column(name), value_set=codes).to_numpy(), bit, 0)
            rows, own = table.filter(pa.array(own > 0)), own[own > 0]
            total += len(rows)
            if total > PAYMENTS_MAX:
                raise TooMuchMoney(f"These parties have more than {PAYMENTS_MAX:,} payments in that time. Choose a "
                                   "shorter time.")  # fmt: skip
            for side, name in (("debtor", "payer"), ("creditor", "payee")):
                holder, account = rows.column(f"{side}_holder").to_numpy(), rows.column(f"{side}_account").to_numpy()
                both = np.where(holder >= 0, holder, account).astype(np.int64)
                parts[name].append(parties.numbers(books.history.tokens, both))
            parts["own"].append(own)
            parts["log"].append(np.full(len(rows), number, np.int64))
            for name in _KEPT:
                parts[name].append(rows.column(name).to_numpy().astype(np.int64))
    whole = {name: np.concatenate(column) for name, column in parts.items()}
    found = _Payments(whole.pop("payer"), whole.pop("payee"), whole.pop("own"), whole.pop("log"), whole)
    return found.of(_moved(found))


def _moved(found: _Payments) -> npt.NDArray[np.bool_]:
    """Payments that moved money which is still moved, one of each that stands in several logs."""
    columns = found.columns
    ids = list(zip(columns["id_hi"].tolist(), columns["id_lo"].tolist(), strict=True))
    takes = zip(columns["reverses_hi"].tolist(), columns["reverses_lo"].tolist(), strict=True)
    met = {each for each in takes if each[0] != UNKNOWN}
    mask: npt.NDArray[np.bool_] = columns["status"] == STATUSES.index(BOOKED)
    for row, each in enumerate(ids):
        if mask[row]:
            mask[row] = each not in met
            met.add(each)
    return mask


def _centre(own: _Payments) -> tuple[int, ...]:
    """The parties as which the subject stands in its payments."""
    found = np.concatenate([own.payer[(own.own & 1) > 0], own.payee[(own.own & 2) > 0]])
    if not len(found):
        found = own.payer
    numbers, counts = np.unique(found[found >= 0], return_counts=True)
    return tuple(numbers[np.argsort(-counts, kind="stable")][:CENTRE_MAX].tolist())


def _ranked(payments: _Payments, via: Sequence[int], known: Sequence[int], most: int) -> tuple[tuple[int, ...], int]:
    """The parties that pay or are paid by ``via`` and are not known yet: the first of them, and how many there are."""
    met: dict[int, set[int]] = {}
    ways: dict[int, set[str]] = {}
    weight: dict[int, float] = {}
    totals = _totals(payments)
    inside, before = set(via), set(known)
    rows = zip(payments.payer.tolist(), payments.payee.tolist(), payments.columns["amount_minor"].tolist(),
               payments.columns["currency"].tolist(), strict=True)  # fmt: skip
    for payer, payee, amount, currency in rows:
        for party, other, way in ((payee, payer, "to"), (payer, payee, "from")):
            if other in inside and party >= 0 and party not in before:
                met.setdefault(party, set()).add(other)
                ways.setdefault(party, set()).add(way)
                share = 0.0 if amount == UNKNOWN or not totals[currency] else amount / totals[currency]
                weight[party] = weight.get(party, 0.0) + share
    order = sorted(met, key=lambda each: (-len(met[each]), -len(ways[each]), -weight[each], each))
    return tuple(order[:most]), len(order)


def _totals(payments: _Payments) -> dict[int, int]:
    """The money of each currency."""
    amounts = np.where(payments.columns["amount_minor"] == UNKNOWN, 0, payments.columns["amount_minor"])
    return {int(code): int(amounts[payments.columns["currency"] == code].sum())
            for code in np.unique(payments.columns["currency"])}  # fmt: skip


def _others(payments: _Payments, numbers: Iterable[int]) -> dict[int, int]:
    """With how many others each party moves money."""
    found: dict[int, int] = {}
    for number in numbers:
        across = np.concatenate([payments.payee[payments.payer == number], payments.payer[payments.payee == number]])
        found[number] = len(np.unique(across[(across >= 0) & (across != number)]))
    return found


def _told(logs: Sequence[Books], payments: _Payments) -> dict[int, tuple[str | None, str | None]]:
    """Name and country of each party, as its newest payment gives them."""
    newest: dict[int, tuple[int, str]] = {}
    for row in np.argsort(payments.columns["booked_at_us"], kind="stable").tolist():
        newest[int(payments.payer[row])] = (row, "debtor")
        newest[int(payments.payee[row])] = (row, "creditor")
    found: dict[int, tuple[str | None, str | None]] = defaultdict(lambda: (None, None))
    for number, (row, side) in newest.items():
        texts = logs[int(payments.log[row])].vault.texts(int(payments.columns["position"][row]))
        country = int(payments.columns[f"{side}_country"][row])
        name = None if texts is None else texts.debtor_name if side == "debtor" else texts.creditor_name
        found[number] = (name, None if country < 0 else COUNTRIES[country])
    return found


def _edges(payments: _Payments, place: Mapping[int, int]) -> tuple[Edge, ...]:
    """One edge for each payer, payee and currency, the payments of a day together."""
    days: dict[tuple[int, int, int], dict[int, list[int]]] = {}
    times: dict[tuple[int, int, int], list[int]] = {}
    columns = payments.columns
    rows = zip(payments.payer.tolist(), payments.payee.tolist(), columns["currency"].tolist(),
               columns["booked_at_us"].tolist(), columns["amount_minor"].tolist(), strict=True)  # fmt: skip
    for payer, payee, currency, at_us, amount in rows:
        key = (place[payer], place[payee], currency)
        of_day = days.setdefault(key, {}).setdefault(at_us // DAY_US, [0, 0])
        of_day[0], of_day[1] = of_day[0] + 1, of_day[1] + (0 if amount == UNKNOWN else amount)
        span = times.setdefault(key, [at_us, at_us])
        span[0], span[1] = min(span[0], at_us), max(span[1], at_us)
    return tuple(
        Edge(
            source, target, CURRENCIES[currency], sum(count for count, _ in by_day.values()),
            sum(amount for _, amount in by_day.values()), times[source, target, currency][0],
            times[source, target, currency][1],
            tuple((day, count, amount) for day, (count, amount) in sorted(by_day.items())),
        )
        for (source, target, currency), by_day in sorted(days.items())
    )  # fmt: skip


def _identifier(logs: Sequence[Books], token: bytes) -> str:
    """What the source calls a party, as far as one of the logs knows it."""
    found = (books.tokens.text(token.hex()) for books in logs)
    return next((text for text in found if text is not None), f"{token.hex()[:8]}…")
