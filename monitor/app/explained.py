"""What an explanation is made of: facts and numbers shown twice, parts of a condition, payments."""

from dataclasses import dataclass
from typing import Protocol

from monitor.adapters.vault import Texts
from monitor.domain.alert import Quantity


class TextsByPosition(Protocol):
    """What names payments, by log position."""

    def transaction_id(self, position: int) -> str | None:
        """The source's own id; ``None`` where none is known."""

    def texts(self, position: int) -> Texts | None:
        """Names and remittance; ``None`` where none are known."""

    def close(self) -> None:
        """Let go of the files."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One fact: as stored with the alert, and as it comes out again."""

    name: str
    stored: str
    again: str

    @property
    def is_same(self) -> bool:
        return self.stored == self.again


@dataclass(frozen=True, slots=True)
class ComparedMeasure:
    """A number of the alert twice, as quantities."""

    name: str
    stored: Quantity
    again: Quantity

    @property
    def is_same(self) -> bool:
        return self.stored == self.again


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the condition: how deep it stands, what it says, whether it holds, and on what numbers.

    ``joined`` is ``and``, ``or`` or ``not`` for a part that has parts of its own; ``actual`` and ``threshold`` are
    given for the others.
    """

    depth: int
    words: str
    text: str
    truth: str
    joined: str | None = None
    actual: Quantity | None = None
    op: str | None = None
    threshold: Quantity | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment behind the alert as the subject sees it; identifiers as the source gave them."""

    position: int
    transaction_id: str
    booked_at: str
    direction: str
    amount_minor: int | None
    currency: str
    channel: str | None
    counterparty: str | None
    counterparty_name: str | None
    counterparty_country: str | None
    is_completing: bool
    windows: tuple[str, ...]
