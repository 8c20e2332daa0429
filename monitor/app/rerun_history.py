"""The payments that a verdict rests on, out of the recorded history, as the slow evaluator takes them.

A leg is judged at the latest time already judged for its keys, so the clocks of customer and account belong together:
besides the subject's own payments come those of the accounts it uses, and of the customers who use these. Identifiers
of people stay tokens; other words (purpose, branch, agent, entity) are read from the vault.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitor.adapters.history_reading import HistoryReader
from monitor.domain.countries import COUNTRIES
from monitor.domain.identifiers import PERSONAL_KINDS, IdentifierKind
from monitor.domain.money import CURRENCIES
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import GIVEN
from monitor.domain.vocabulary import CHANNELS, CLOSED, PARTY_KINDS, STATUSES
from monitor.rulebook.reference import PlainSide, PlainTransaction
from monitor.rulebook.reference.legs import LATENESS_MAX_US

KEYS_MAX = 10_000
"""Most linked customers and accounts that are followed; beyond, the re-run says so."""
_COLUMNS = ("booked_at_us", "debtor_holder", "debtor_account", "creditor_holder", "creditor_account", "conductor",
            "on_behalf_of", "device", "link",
            "debtor_agent", "creditor_agent", "id_hi", "id_lo", "reverses_hi", "reverses_lo")  # fmt: skip
_SIDES = ("debtor", "creditor")
_COLUMNS_OF_KIND = {
    "counterparty": ("debtor_account", "creditor_account"),
    "agent": ("debtor_agent", "creditor_agent"),
    "person": ("debtor_holder", "creditor_holder", "conductor", "on_behalf_of"),
}
"""Where a key of a kind stands in a payment; others in the column of their name."""
_WORDS = ("conductor", "on_behalf_of", "device", "branch", "merchant_category", "instructing_agent", "reason",
          "screening_list", "link")  # fmt: skip

Row = dict[str, Any]
Sides = Callable[[Row, str], PlainSide]


class HistoryLost(Exception):
    """The history does not hold what an alert rests on; the message says what is missing."""


@dataclass(slots=True)
class Linked:
    """The keys whose payments are needed: by kind, tokens."""

    holders: set[bytes] = field(default_factory=set)
    accounts: set[bytes] = field(default_factory=set)
    joint: set[bytes] = field(default_factory=set)
    """Accounts that a holder shares: their payments are legs of the holder too."""
    further: tuple[str, bytes] | None = None
    with_accounts: bool = False

    def count(self) -> int:
        return len(self.holders) + len(self.accounts)


def rows_of(
    reader: HistoryReader, linked: Linked, *, stop: int, joint_accounts: Callable[[set[bytes]], set[bytes]]
) -> list[Row]:
    """All payments of the linked keys before log position ``stop``, with what takes them back; ``linked`` grows.

    ``joint_accounts`` names the shared accounts of holders.

    Raises:
        HistoryLost: More than :data:`KEYS_MAX` customers and accounts are linked.
    """
    while True:
        linked.joint = joint_accounts(linked.holders)
        before = linked.count()
        rows = _read(reader, linked, stop)
        for row in rows:
            _follow(linked, row)
        if linked.count() > KEYS_MAX:
            raise HistoryLost(f"more than {KEYS_MAX} customers and accounts are linked with the subject")
        if linked.count() == before:
            return _with_reversals(reader, rows, stop)


def _with_reversals(reader: HistoryReader, rows: list[Row], stop: int) -> list[Row]:
    """The rows and those that take one of them back, in the order of the log."""
    ids = {(row["id_hi"], row["id_lo"]) for row in rows}
    found = {row["position"] for row in rows}
    back = reader.rows(lambda table: _takes_back(table, ids), columns=_COLUMNS, stop=stop).to_pylist()
    return sorted([*rows, *(row for row in back if row["position"] not in found)], key=_position)


def _position(row: Row) -> int:
    return int(row["position"])


def _read(reader: HistoryReader, linked: Linked, stop: int) -> list[Row]:
    def wanted(table: pa.Table) -> npt.NDArray[np.bool_]:
        masks = []
        for side in _SIDES:
            masks.append(_is_in(table, f"{side}_holder", linked.holders))
            accounts = linked.accounts if linked.with_accounts else set()
            masks.append(_is_in(table, f"{side}_account", accounts | linked.joint))
        if linked.further is not None:
            kind, token = linked.further
            masks += [_is_in(table, name, {token}) for name in _COLUMNS_OF_KIND.get(kind, (kind,))]
        return np.asarray(np.logical_or.reduce(masks), bool)

    return list(reader.rows(wanted, columns=_COLUMNS, stop=stop).to_pylist())


def _is_in(table: pa.Table, name: str, tokens: set[bytes]) -> npt.NDArray[np.bool_]:
    if not tokens:
        return np.zeros(len(table), bool)
    column = table.column(name)
    return np.asarray(pc.is_in(column, value_set=pa.array(sorted(tokens), column.type)).to_numpy(), bool)


def _takes_back(table: pa.Table, ids: set[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    high, low = table.column("reverses_hi").to_numpy(), table.column("reverses_lo").to_numpy()
    mask = np.zeros(len(table), bool)
    for index in np.flatnonzero(high != UNKNOWN).tolist():
        mask[index] = (int(high[index]), int(low[index])) in ids
    return mask


def _follow(linked: Linked, row: Row) -> None:
    """Add the keys whose clocks this payment ties to those already linked."""
    is_late = row["clock_us"] - row["booked_at_us"] > LATENESS_MAX_US
    for side in _SIDES:
        holder, account = row[f"{side}_holder"], row[f"{side}_account"]
        if holder is None:
            continue
        if linked.with_accounts and account is not None:
            if holder in linked.holders:
                linked.accounts.add(account)
            elif account in linked.accounts:
                linked.holders.add(holder)
        # Whether so late a record was admitted depends on the clocks of its holders.
        if is_late:
            linked.holders.add(holder)


def transactions_of(
    rows: Iterable[Row], sides: Sides, word: Callable[[bytes | None], str | None]
) -> list[PlainTransaction]:
    """The rows as plain transactions; ``sides`` makes a side, ``word`` the text or token of an identifier."""
    return [_transaction(row, sides, word) for row in rows]


def _transaction(row: Row, sides: Sides, word: Callable[[bytes | None], str | None]) -> PlainTransaction:
    def of(codes: tuple[str, ...], code: int) -> str | None:
        return None if code < 0 else codes[code]

    return PlainTransaction(
        position=row["position"],
        transaction_id=_id(row["id_hi"], row["id_lo"]),
        booked_at_us=row["booked_at_us"],
        amount_minor=None if row["amount_minor"] == UNKNOWN else row["amount_minor"],
        currency=CURRENCIES[row["currency"]],
        debtor=sides(row, "debtor"),
        creditor=sides(row, "creditor"),
        channel=of(CHANNELS, row["channel"]),
        purpose=word(row["purpose"]),
        status=STATUSES[row["status"]],
        reverses=None if row["reverses_hi"] == UNKNOWN else _id(row["reverses_hi"], row["reverses_lo"]),
        booking_entity=word(row["booking_entity"]),
        goods_country=of(COUNTRIES, row["goods_country"]),
        **{name: of(CLOSED[name], row[name]) for name in ("instrument", "wallet", "screening")},
        **{name: word(row[name]) for name in _WORDS},
    )


def _id(high: int, low: int) -> str:
    return f"{high}:{low}"


def given_of(row: Row, side: str) -> frozenset[str]:
    """Which of name, address and identification the record carries of a side."""
    carried = (name for bit, name in enumerate(GIVEN) if row["given"] >> bit & 1)
    return frozenset(name.removeprefix(f"{side}_") for name in carried if name.startswith(f"{side}_"))


def party_kind_of(row: Row, side: str) -> str | None:
    """What a side is, where the record says so."""
    code = row[f"{side}_kind"]
    return None if code < 0 else PARTY_KINDS[code]


def country_of(row: Row, side: str) -> str | None:
    """The country of a side, ISO 3166."""
    code = row[f"{side}_country"]
    return None if code < 0 else COUNTRIES[code]


def word_of(find: Callable[[str], tuple[IdentifierKind, str] | None]) -> Callable[[bytes | None], str | None]:
    """A function from a token to what rules compare: the token in hex for what identifies people, else the word.

    Raises (the function):
        HistoryLost: The vault does not know the token.
    """

    def word(token: bytes | None) -> str | None:
        if token is None:
            return None
        found = find(token.hex())
        if found is None:
            raise HistoryLost("the history holds a token that the vault does not know; they belong to different stores")
        kind, text = found
        return token.hex() if kind in PERSONAL_KINDS else text

    return word
