"""How brokers answer those who read: seldom and with much, as each answer costs both sides processor time."""

FETCH_MIN_BYTES = 1 << 20
"""Brokers answer once they have so much, or ``worker.fetch_wait_ms`` after they were asked."""
