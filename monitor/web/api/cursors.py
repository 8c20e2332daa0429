"""Cursors: where the next page of the queue begins, as text that is opaque to who holds it.

It holds the time by which the first page was ordered, so that all pages have one order. It gives nothing: filters,
role and the wall are those of the request that bears it.
"""

import base64
import binascii
from dataclasses import dataclass

import msgspec

from monitor.adapters.sql.queue import Place
from monitor.web.api.problems import Kind, Refused

CURSOR_MAX = 400
_BAD = Kind(
    422, "bad-cursor", "The cursor is not one of these pages",
    "A cursor goes with the order and the filters of the page that gave it.",
    "Begin without a cursor, and hand back 'next_cursor' as it is.",
)  # fmt: skip


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Behind which case the page begins; ``filters`` is a digest of what was asked for."""

    order: str
    filters: str
    now_us: int
    key: float
    due_at_us: int
    case_id: str

    @property
    def place(self) -> Place:
        """The place in the queue."""
        return Place(self.key if self.order == "priority" else int(self.key), self.due_at_us, self.case_id)


@dataclass(frozen=True, slots=True)
class Asked:
    """Order and digest of the filters of a request."""

    order: str
    filters: str


def written(cursor: Cursor) -> str:
    """A cursor as text."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode().rstrip("=")


def read(text: str, asked: Asked) -> Cursor:
    """The cursor of a text. Raises :class:`Refused` where it is none, or one of other pages."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.msgpack.decode(data, type=Cursor)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise Refused(_BAD, "The cursor cannot be read.", place="query.cursor") from None
    if (cursor.order, cursor.filters) != (asked.order, asked.filters):
        raise Refused(_BAD, "The cursor is of another order or other filters.", place="query.cursor")
    limits = (cursor.now_us, cursor.due_at_us)
    if not all(abs(each) < 2**62 for each in limits) or cursor.key != cursor.key or abs(cursor.key) > 2**62:
        raise Refused(_BAD, "The cursor holds numbers that no page gave.", place="query.cursor")
    return cursor
