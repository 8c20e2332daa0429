"""Refused customer profiles in topic ``refused``: as refused payments, but of kind ``refused_profile``.

These records are mended in the source of profiles and are not sent again.
"""

from monitor.adapters.kafka import refused_records
from monitor.adapters.kafka.refused_records import Headers, RefusedPayment
from monitor.domain.refusal import Refusal

KIND = "refused_profile"


def encode(refusal: Refusal, *, partition: int, offset: int) -> tuple[bytes, Headers]:
    """Value and headers of a record, for a profile that stood there in topic ``profiles``."""
    refused = RefusedPayment(
        partition, offset, refusal.place, refusal.reason.value, refusal.detail, refusal.original
    )  # fmt: skip
    return refused_records.encode(refused, kind=KIND)
