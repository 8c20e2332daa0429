"""What only the engine can refuse: payments that differ from one of the same id, and those that come too late."""

from monitor.domain.refusal import Reason
from monitor.engine import admitting

REASONS = {admitting.DIFFERS: Reason.DUPLICATE_DIFFERS, admitting.TOO_LATE: Reason.TOO_LATE}
"""The reason of each outcome of admission that refuses a payment."""
DETAILS = {
    Reason.DUPLICATE_DIFFERS: "transaction_id: seen before with other content",
    Reason.TOO_LATE: "booked_at: more than 35 days before the latest payment of its customer",
}
