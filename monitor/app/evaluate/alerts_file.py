"""Alerts files: what a scorer would have alerted, with the keys of ``aml run --alerts``; and such files as scores.

One line for each account-day of the scored part: its highest score, at the first row that reached it. Written are the
best account-days up to a share that covers every budget of the protocol.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from monitor.app.evaluate.measures import chosen_best
from monitor.app.evaluate.problem import EvaluateError
from monitor.app.evaluate.running import Passed
from monitor.app.evaluate.stream import SOURCE, TARGET, Stream
from monitor.app.evaluate.truth import Truth, by_account_day
from monitor.domain.time import DAY_US, format_time, parse_time_us

WRITTEN_SHARE = 0.05


def write_alerts(path: Path, truth: Truth, passed: Passed) -> int:
    """Write the alerts of a pass; how many lines."""
    stream, days, rows = truth.stream, truth.days, truth.stream.rows
    best = by_account_day(days, passed.score)
    chosen = chosen_best(best, max(1, int(WRITTEN_SHARE * len(days))))
    place = np.full(len(days), -1, np.int64)
    with path.open("w", encoding="utf-8") as file:
        for row, side in zip(*np.nonzero(days.of_row >= 0), strict=True):
            at = days.of_row[row, side]
            if chosen[at] and place[at] < 0 and passed.score[row, side] == best[at]:
                place[at] = row
                body = {
                    "event_time": format_time(int(rows.time_us[row])),
                    "subject": {"kind": "account", "id": stream.accounts[days.account[at]]},
                    "source": {"kind": "model", "id": passed.name},
                    "score": float(best[at]),
                    "status": "new",
                    "text": passed.reasons.get((int(row), int(side)), ""),
                    "transactions": [stream.ids[row]],
                }
                file.write(json.dumps(body, ensure_ascii=False) + "\n")
    return int((place >= 0).sum())


def read_alerts(path: Path, stream: Stream) -> Passed:
    """An alerts file as the scores of a pass.

    An alert goes to its subject's row at the alert's time, of several to the last one that the alert lists. Alerts in
    shadow do not count.

    Raises:
        EvaluateError: The file is not there, or a line is no alert of this stream.
    """
    score = np.full((len(stream.rows), 2), np.nan)
    passed = Passed(f"alerts of {path.name}", score, None)
    code_of = {text: code for code, text in enumerate(stream.accounts)}
    first_of = _first_rows(stream)
    elsewhere = 0
    try:
        lines = path.open("rb")
    except OSError as error:
        raise EvaluateError(f"{path}: {error.strerror}. Name an alerts file of aml run --alerts.") from None
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    with lines:
        for number, line in enumerate(lines, 1):
            try:
                alert = decode(line)
                subject, status = alert["subject"]["id"], alert.get("status")
                time_us, value = _time_us(alert["event_time"]), float(alert.get("score") or 0)
            except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
                raise EvaluateError(
                    f"{path}:{number}: no alert: {error}. Each line has subject.id, event_time and score."
                ) from None
            if status == "shadow":
                continue
            place = first_of.get((code_of.get(subject, -1), time_us // DAY_US))
            if place is None:
                elsewhere += 1
                continue
            row, side = _row_at(stream, place, time_us, set(alert.get("transactions", ())))
            if not value <= score[row, side]:
                score[row, side] = value
                passed.reasons[row, side] = str(alert.get("text", ""))
    if elsewhere:
        stream.notes.append(
            f"{elsewhere} alerts of {path.name} are about an account on a day without any payment of it"
        )
    return passed


def _time_us(text: str) -> int:
    return parse_time_us(text if text.endswith("Z") or "+" in text else text + "Z")


def _first_rows(stream: Stream) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """The rows and sides of each account and day, in order."""
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    days = stream.days.tolist()
    for row, (source, target) in enumerate(zip(stream.rows.source.tolist(), stream.rows.target.tolist(), strict=True)):
        found.setdefault((source, days[row]), []).append((row, SOURCE))
        found.setdefault((target, days[row]), []).append((row, TARGET))
    return found


def _row_at(stream: Stream, places: list[tuple[int, int]], time_us: int, listed: set[str]) -> tuple[int, int]:
    """The subject's last listed row at the alert's time, else its first then; else its last before, or its first."""
    times = stream.rows.time_us
    then = [place for place in places if times[place[0]] == time_us]
    named = [place for place in then if stream.ids[place[0]] in listed]
    before = [place for place in places if times[place[0]] <= time_us]
    return named[-1] if named else then[0] if then else before[-1] if before else places[0]
