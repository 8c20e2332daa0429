"""What a worker's log says of how it stands: whether it is ready, when that changes, and what it refused.

Refusals are added up between two looks, so a feed that breaks does not flood the log.
"""

from collections import Counter
from collections.abc import Mapping

import structlog


class Standing:
    """What the log has said.

    Args:
        log: The log of the worker (:func:`monitor.app.streaming.telling.telling`).
        refused: The event of refused records.
    """

    def __init__(self, log: structlog.typing.FilteringBoundLogger, refused: str = "records_refused") -> None:
        self._log, self._event = log, refused
        self._is_ready: bool | None = None
        self._refused: Counter[str] = Counter()

    def refused(self, reasons: Mapping[str, int]) -> None:
        """Records that were refused, by reason; they are told with the next :meth:`tell`."""
        self._refused.update(reasons)

    def tell(self, is_ready: bool, *, error: BaseException | None = None, **numbers: object) -> None:
        """Say whether the worker is ready, where that changed, and what was refused since the last call."""
        if is_ready is not self._is_ready:
            more = {} if error is None else {"error": error}
            (self._log.info if is_ready else self._log.warning)("ready" if is_ready else "not_ready", **numbers, **more)
            self._is_ready = is_ready
        for reason, records in self._refused.items():
            self._log.warning(self._event, reason=reason, records=records)
        self._refused.clear()
