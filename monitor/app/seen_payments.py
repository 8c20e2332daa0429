"""Where a payment that has come before stands in the log, by its own id: what the duplicate filter remembers."""

import numpy as np

from monitor.engine.admission import _DAY_BITS, _POSITION, Admission
from monitor.engine.compiled import kernel as engine_kernel
from monitor.engine.hashing import find
from monitor.intake.compiled import PADDING_BYTES, address_of
from monitor.intake.compiled import kernel as intake_kernel
from monitor.intake.seal import seal_keys
from monitor.intake.siphash import hash_128


def position_of(admission: Admission, secret: bytes, transaction_id: str) -> int | None:
    """The log position of the payment with this id; ``None`` where none came, or it is forgotten by now."""
    text = transaction_id.encode()
    buffer = np.zeros(len(text) + PADDING_BYTES, np.uint8)
    buffer[: len(text)] = np.frombuffer(text, np.uint8)
    high, low = _id(buffer, len(text), seal_keys(secret))
    return position_of_id(admission, int(np.int64(np.uint64(high))), int(np.int64(np.uint64(low))))


def position_of_id(admission: Admission, high: int, low: int) -> int | None:
    """The log position of the payment with this id of 128 bits."""
    row = int(_row(admission.seen, high, low))
    return int(admission.seen[row, _POSITION]) >> _DAY_BITS if row >= 0 else None


@engine_kernel
def _row(seen, high, low):  # type: ignore[no-untyped-def]
    return find(seen, high, low)


@intake_kernel
def _id(buffer, length, keys):  # type: ignore[no-untyped-def]
    return hash_128(keys[0], keys[1], address_of(buffer), length)
