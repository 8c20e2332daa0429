"""Control totals of the bank: a file of CSV with a header, or of JSON lines, checked as a whole.

::

    feed,day,currency,count,sum_minor,expected_at
    cards,2026-05-04,EUR,1204332,9912004455,2026-05-05T06:00:00Z

``sum_minor`` is in minor units, whatever the status of a payment. ``day`` is the business day of the booking entity.
``expected_at`` says by when all is here; without it that is 24 hours after the end of the day in UTC. A file with a
mistake is not taken at all, so that it can be mended and given again.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from monitor.domain.feed import FEEDS_MAX, NO_FEED, ControlTotal, is_feed
from monitor.domain.money import CURRENCY_CODE
from monitor.domain.time import DAY_US, parse_time_us

NEEDED = ("feed", "day", "currency", "count", "sum_minor")
FIELDS = (*NEEDED, "expected_at")
LINES_MAX = 1_000_000
ERRORS_SHOWN = 20
_NUMBER = re.compile(r"[0-9]{1,30}")
_NUMBER_MAX = 2**63 - 1
_FIRST_DAY = date(1970, 1, 1)


class ControlTotalsError(Exception):
    """The file is wrong; the message has a line for each mistake: place, fact, remedy."""


def read_control_totals(path: Path) -> list[tuple[ControlTotal, str]]:
    """The totals of a file, each with its place (``file:line``).

    Raises:
        ControlTotalsError: Something in it is wrong; nothing of it counts.
        OSError: It cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ControlTotalsError(f"{path}: byte {error.start} is no UTF-8. Save the file as UTF-8.") from None
    found: dict[tuple[str, int, str], tuple[ControlTotal, str]] = {}
    wrong: list[str] = []
    records = _json_lines(text) if text.lstrip()[:1] == "{" else _csv_lines(text, path.name)
    for number, record in records:
        place = f"{path.name}:{number}"
        try:
            if number > LINES_MAX:
                raise ValueError(f"more than {LINES_MAX:,} lines. Divide the file")
            total = _total(record)
            before = found.setdefault((total.feed, total.day, total.currency), (total, place))
            if before[0] != total:
                raise ValueError(f"another total of this feed, day and currency stands at {before[1]}. Leave one out")
            if len({feed for feed, _, _ in found}) > FEEDS_MAX:
                raise ValueError(f"more than {FEEDS_MAX} feeds. Name feeds as the header of their records does")
        except ValueError as error:
            wrong.append(f"{place}: {error}.")
            if len(wrong) >= ERRORS_SHOWN or number > LINES_MAX:
                break
    if not found and not wrong:
        wrong.append(f"{path.name}: it holds no totals. Give one line for each feed, day and currency.")
    if wrong:
        raise ControlTotalsError(
            "\n".join([*wrong, f"Nothing of {path.name} was taken. Correct it and load it again."])
        )
    return list(found.values())


def _csv_lines(text: str, name: str) -> Iterator[tuple[int, Any]]:
    if not text.strip():
        return
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, restkey="")
    try:
        header = reader.fieldnames or []
        missing, strange = (
            [each for each in NEEDED if each not in header],
            [each for each in header if each not in FIELDS],
        )
        if missing or strange:
            fact = f"no column {', '.join(missing)}" if missing else f"an unknown column {strange[0]!r}"
            raise ControlTotalsError(f"{name}:1: {fact}. The header is  {','.join(FIELDS)}")
        for record in reader:
            if "" in record or None in record.values():
                yield reader.line_num, f"the line has not as many cells as the header, which has {len(header)}"
            else:
                yield reader.line_num, {field: value for field, value in record.items() if value != ""}
    except csv.Error as error:
        raise ControlTotalsError(f"{name}:{reader.reader.line_num}: {error}. Correct the line.") from None


def _json_lines(text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError):
            yield number, "the line is no JSON object"


def _total(record: Any) -> ControlTotal:
    """One total.

    Raises:
        ValueError: A field is missing or wrong; the message says which, the fact and the remedy.
    """
    if not isinstance(record, dict):
        raise ValueError(f"{record if isinstance(record, str) else 'the line is no JSON object'}. Correct it")
    missing, strange = [each for each in NEEDED if each not in record], [each for each in record if each not in FIELDS]
    if missing or strange:
        fact = f"no {', '.join(missing)}" if missing else f"an unknown field {strange[0]!r}"
        raise ValueError(f"{fact}. A total has {', '.join(FIELDS)}")
    feed, currency, day_text = record["feed"], record["currency"], record["day"]
    if not isinstance(feed, str) or not is_feed(feed):
        raise ValueError(f"feed {feed!r} {NO_FEED}")
    if not isinstance(currency, str) or currency not in CURRENCY_CODE:
        raise ValueError(f"currency {currency!r} is none of ISO 4217, such as EUR")
    try:
        if not isinstance(day_text, str) or len(day_text) != 10:
            raise ValueError
        day = (date.fromisoformat(day_text) - _FIRST_DAY).days
    except ValueError:
        raise ValueError(f"day {day_text!r} is no date, such as 2026-05-04") from None
    count = _whole("count", record["count"], most=_NUMBER_MAX)
    amount = _whole("sum_minor", record["sum_minor"], most=10**30)
    if count == 0 and amount:
        raise ValueError(f"sum_minor is {amount} and count is 0. Give both as the bank has them")
    expected_at_us = (day + 2) * DAY_US
    if record.get("expected_at") is not None:
        try:
            expected_at_us = parse_time_us(record["expected_at"])
        except (ValueError, TypeError):
            raise ValueError(
                f"expected_at {record['expected_at']!r} is no time with a zone, such as 2026-05-05T06:00:00Z"
            ) from None
    return ControlTotal(feed, day, currency, count, amount, expected_at_us)


def _whole(name: str, value: Any, *, most: int) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _NUMBER.fullmatch(text) or int(text) > most:
        unit = "the sum in minor units (cents of EUR)" if name == "sum_minor" else "how many payments"
        raise ValueError(f"{name} {value!r} is no whole number from 0 on. Give {unit}")
    return int(text)
