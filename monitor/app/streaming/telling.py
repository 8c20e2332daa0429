"""Log lines of workers: JSON, one list of allowed keys, no personal data.

    log = telling("score")
    log.info("state_saved", partition=7, seconds=0.3, bytes=1_048_576)
    log.error("step_failed", partition=7, offset=812, error=error)

A key that is not in :data:`KEYS` is left out, and the line says how many were. There is no key for free text: a value
is a number, or a word of a known form. An exception is its class and its place in the code: its message and its values
can quote a payment. So a line can say where a record lies and never what it says.
"""

import re
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, TextIO

import structlog

EVENT = re.compile(r"[a-z]+(?:_[a-z]+){0,7}")
"""What happened, in words with underlines: it is written in the code and never made from data."""
UNNAMED = "unnamed_event"
HIDDEN = "[hidden]"

NUMBERS = frozenset({
    "partition", "partitions", "offset", "position", "records", "payments", "alerts", "cases", "versions", "rows",
    "bytes", "seconds", "attempt", "port", "status",
})  # fmt: skip
"""Keys whose values are numbers or truth values."""
WORDS: dict[str, re.Pattern[str]] = {
    "topic": re.compile(r"[a-z][a-z_.-]{0,39}"),
    "reason": re.compile(r"[a-z][a-z0-9_]{1,39}"),
    "rule": re.compile(r"AML-[A-Z]{3}-[0-9]{3}|payment-ensemble"),
    "dependency": re.compile(r"kafka|redis|postgres|disk"),
    "worker": re.compile(r"intake|score|cases|profiles|history"),
    "version": re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4}){0,3}"),
    "trace": re.compile(r"[0-9a-f]{32}"),
}
"""Keys whose values are words of a known form; another form is hidden. ``trace`` is a random number."""
KEYS = NUMBERS | WORDS.keys() | {"error"}

Line = MutableMapping[str, Any]


def telling(worker: str, stream: TextIO | None = None) -> structlog.typing.FilteringBoundLogger:
    """The log of a worker, to standard error or a given stream."""
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(stream if stream is not None else sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            allowed_only,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        context_class=dict,
        worker=worker,
    )
    return logger


def allowed_only(_logger: object, _method: str, line: Line) -> Line:
    """The line with what may be written, and how many keys were left out."""
    event = line.pop("event", "")
    level = line.pop("level", "info")
    told: Line = {"event": event if isinstance(event, str) and EVENT.fullmatch(event) else UNNAMED, "level": level}
    left_out = 0
    for key, value in line.items():
        shown = _shown(key, value)
        if shown is None:
            left_out += 1
        else:
            told[key] = shown
    if left_out:
        told["left_out"] = left_out
    return told


def _shown(key: str, value: Any) -> Any:
    """What is written of a value; None to leave it out."""
    if key == "error":
        return place_of(value) if isinstance(value, BaseException) else None
    if key in NUMBERS:
        return value if isinstance(value, int | float) else None
    if key in WORDS:
        return value if isinstance(value, str) and WORDS[key].fullmatch(value) else HIDDEN
    return None


def place_of(error: BaseException) -> str:
    """Class and place of an exception, without its message.

    >>> try:
    ...     int("4111 1111 1111 1111")
    ... except ValueError as error:
    ...     place_of(error).startswith("ValueError at ")
    True
    """
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-3:]]
    return f"{type(error).__name__} at {' < '.join(reversed(places)) or 'an unknown place'}"
