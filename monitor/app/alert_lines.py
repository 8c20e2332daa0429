"""The file of ``--alerts``: one line of JSON an alert, with the source's own identifiers, cut back at a resume."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from monitor.app.store import StoreFiles
from monitor.domain.alert import Alert, alert_to_json


class AlertLines:
    """The file, open behind its last committed byte; nothing for no path."""

    def __init__(self, path: Path | None, committed_bytes: int) -> None:
        self._file = None
        if path is not None:
            self._file = path.open("r+b" if committed_bytes else "w+b")
            self._file.truncate(committed_bytes)
            self._file.seek(committed_bytes)

    def write(self, alerts: Sequence[Alert], files: StoreFiles) -> int:
        """Append alerts and flush them to the disk; the bytes written in all."""
        if self._file is None:
            return 0
        for alert in alerts:
            body = alert_to_json(
                alert,
                subject_id=files.subject(alert.subject.token),
                transaction_ids=files.transaction_ids(alert.transactions),
            )
            self._file.write(msgspec.json.encode(body) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
