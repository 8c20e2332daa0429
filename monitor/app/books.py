"""What the pages of a case are read from beside the store: recorded payments, and what names them.

A store of an embedded run has one history, that of the workers one for each partition of the log. Either is a
:class:`Books`; a payment between customers of two partitions stands in both, under one id.
"""

from dataclasses import dataclass

from monitor.adapters.history_reading import HistoryReader
from monitor.app.explained import TextsByPosition
from monitor.app.resolving import Tokens

HOLDERS, ACCOUNTS = ("debtor_holder", "creditor_holder"), ("debtor_account", "creditor_account")


@dataclass(frozen=True, slots=True)
class Books:
    """The recorded payments of one log before position ``stop``."""

    history: HistoryReader
    tokens: Tokens
    vault: TextsByPosition
    stop: int

    def identifier(self, token: bytes) -> str:
        """The source's own identifier; the beginning of the token where it is not known."""
        return self.tokens.text(token.hex()) or f"{token.hex()[:8]}…"
