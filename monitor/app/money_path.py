"""The payments on a way of money, from party to party, in the order in which the money went."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.app.books import Books
from monitor.app.rerun_history import Row, country_of
from monitor.domain.money import CURRENCIES
from monitor.domain.time import UNKNOWN
from monitor.domain.vocabulary import CHANNELS


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody on the way."""

    identifier: str
    name: str | None
    country: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """A payment on the way; ``source`` and ``target`` are places in the list of parties, -1 where nobody is named."""

    transaction_id: str
    booked_us: int
    source: int
    target: int
    amount_minor: int | None
    currency: str
    channel: str | None


@dataclass(frozen=True, slots=True)
class Path:
    """Parties in the order of meeting them, and the steps in time. ``missing`` payments lie in no log that is here."""

    parties: tuple[Party, ...]
    steps: tuple[Step, ...]
    missing: int


def path_of(logs: Sequence[Books], positions: Collection[int]) -> Path:
    """The payments at log positions as a way of money.

    Raises:
        DamagedError: A part of the history cannot be read.
    """
    wanted = np.array(sorted(positions), np.int64)

    def is_wanted(table: pa.Table) -> npt.NDArray[np.bool_]:
        return np.asarray(np.isin(table.column("position").to_numpy(), wanted), bool)

    found = [
        (row, books)
        for books in logs
        for row in books.history.rows(is_wanted, columns=(), stop=books.stop).to_pylist()
    ]  # fmt: skip
    found.sort(key=lambda each: (each[0]["booked_at_us"], each[0]["position"]))
    numbers: dict[bytes, int] = {}
    parties: list[Party] = []
    steps = []
    for row, books in found:
        sides = [_number(row, side, books, numbers, parties) for side in ("debtor", "creditor")]
        steps.append(_step(row, books, sides))
    return Path(tuple(parties), tuple(steps), len(wanted) - len(found))


def _number(row: Row, side: str, books: Books, numbers: dict[bytes, int], parties: list[Party]) -> int:
    token = row[f"{side}_holder"] or row[f"{side}_account"]
    if token is None:
        return -1
    if token not in numbers:
        numbers[token] = len(parties)
        texts = books.vault.texts(int(row["position"]))
        name = None if texts is None else texts.debtor_name if side == "debtor" else texts.creditor_name
        parties.append(Party(books.identifier(token), name, country_of(row, side)))
    return numbers[token]


def _step(row: Row, books: Books, sides: Sequence[int]) -> Step:
    position, amount, channel = int(row["position"]), row["amount_minor"], row["channel"]
    return Step(
        books.vault.transaction_id(position) or f"#{position}", row["booked_at_us"], sides[0], sides[1],
        None if amount == UNKNOWN else amount, CURRENCIES[row["currency"]], None if channel < 0 else CHANNELS[channel],
    )  # fmt: skip
