"""Where a payment that has come before stands in the log, by its own id: what the duplicate filter remembers."""

import numpy as np

from monitor.domain.time import UNKNOWN
from monitor.engine.admission import Admission
from monitor.intake.compiled import PADDING_BYTES, address_of, kernel
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
    position = int(admission.positions_of(np.array([[high, low]], np.int64))[0])
    return None if position == UNKNOWN else position


@kernel
def _id(buffer, length, keys):  # type: ignore[no-untyped-def]
    return hash_128(keys[0], keys[1], address_of(buffer), length)
