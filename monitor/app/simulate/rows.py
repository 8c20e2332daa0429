"""Columns of simulated payments: the skeleton that behaviour decides, and the dressed rows that are written.

A *skeleton* says who pays whom how much on which day and of which kind. It is the
same for licit and injected payments, and everything else of a row (time of day, channel, purpose,
text, cents, device, branch, conductor) is drawn afterwards by one function for all of them.
That is how an injected row comes to look like any other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Int16s = npt.NDArray[np.int16]
Int8s = npt.NDArray[np.int8]

NOBODY = -1


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Payments of one day before dressing, columns of length n.

    Accounts are codes of the population, ``-1`` for none. ``amount`` is in cents of the model's dollars; the
    spread of the kind multiplies it where ``form`` is 0, it stands as it is where ``form`` is 1, and is cut to whole
    thousands where it is 2. ``case`` is the case's number, ``-1`` for licit.
    """

    kind: Int8s
    debtor: Int32s
    creditor: Int32s
    amount: Int64s
    form: Int8s
    case: Int32s

    def __len__(self) -> int:
        return len(self.kind)

    @classmethod
    def of(
        cls, kind: int, debtor: npt.NDArray[np.integer], creditor: npt.NDArray[np.integer],
        amount: npt.NDArray[np.integer],
    ) -> "Skeleton":  # fmt: skip
        """Payments of one kind."""
        n = len(debtor)
        return cls(np.full(n, kind, np.int8), debtor.astype(np.int32), creditor.astype(np.int32),
                   amount.astype(np.int64), np.zeros(n, np.int8), np.full(n, NOBODY, np.int32))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rows:
    """Dressed payments, columns of length n. Times are microseconds UTC, amounts minor units of the currency.

    ``delivered_us`` orders the files: it is ``received_us``, later for a repeated delivery. ``number`` is the
    transaction id's number, ``reverses`` that of another row or ``-1``. ``conductor`` is a customer code.
    """

    number: Int64s
    booked_us: Int64s
    received_us: Int64s
    delivered_us: Int64s
    debtor: Int32s
    creditor: Int32s
    amount: Int64s
    currency: Int8s
    channel: Int8s
    purpose: Int8s
    text: Int8s
    entity: Int8s
    status: Int8s
    reverses: Int64s
    conductor: Int32s
    device: Int32s
    branch: Int16s
    case: Int32s

    def __len__(self) -> int:
        return len(self.number)

    def map(self, change: Callable[[npt.NDArray[np.generic]], npt.NDArray[np.generic]]) -> "Rows":
        """The rows with every column changed alike, such as by a selection."""
        return Rows(*(change(getattr(self, name)) for name in self.__slots__))  # type: ignore[arg-type]


def joined_rows(parts: Sequence[Rows]) -> Rows:
    """All rows of ``parts``, in order."""
    return Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in Rows.__slots__))


def joined_skeletons(parts: Sequence[Skeleton]) -> Skeleton:
    """All payments of ``parts``, in order."""
    return Skeleton(*(np.concatenate([getattr(part, name) for part in parts]) for name in Skeleton.__slots__))
