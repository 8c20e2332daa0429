"""A profile version takes effect exactly as docs/profile.md says, to the microsecond, however the stream is cut."""

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.app.embedded import Progress, RunSettings, run
from monitor.app.inputs import GivenInputs
from monitor.domain.time import HOUR_US, format_time, parse_time_us
from monitor.intake.lines import read_lines
from tests.app.rough_bank import THREE, rule_text
from tests.strategies.searching import further

START_US = parse_time_us("2026-05-04T00:00:00Z")
EVERY_LEG = {
    "parameters": THREE,
    "windows": "  w:\n    over: 30d\n    by: customer\n    where: >-\n      profile.risk_rating == \"high\"\n"
    "    measures: {n: count()}",
    "when": "known(status) or w.n >= few", "text": "{w.n}.",
}  # fmt: skip
"""A rule that alerts on every leg, so that each alert shows the profile in force, and what earlier ones let in."""


@dataclass(frozen=True)
class Version:
    """One line of the profiles file. ``at`` counts microseconds from the start, as the times of payments do."""

    customer: str
    number: int
    at: int
    is_high: bool

    def line(self) -> dict[str, Any]:
        return {
            "customer": self.customer, "version": self.number, "recorded_at": format_time(START_US + self.at),
            "kind": "person", "segment": f"s{self.number}-{self.at}", "risk_rating": "high" if self.is_high else "low",
        }  # fmt: skip


@dataclass(frozen=True)
class Payment:
    """One record of the log; ``status`` decides whether it is judged, its time moves the clock in any case."""

    customer: str
    at: int
    status: str = "booked"

    def line(self, number: int) -> dict[str, Any]:
        more = {"reverses": "nothing"} if self.status == "reversed" else {}
        return more | {
            "transaction_id": f"T{number}", "booked_at": format_time(START_US + self.at), "amount": "1.00",
            "currency": "USD", "creditor_customer": self.customer, "creditor_account": self.customer,
            "status": self.status,
        }  # fmt: skip


def seen_by_definition(versions: list[Version], payments: list[Payment]) -> list[tuple[Any, ...]]:
    """Position, version, segment and how many high payments at each judged payment."""
    found, clock, judged = [], -1, []
    for position, payment in enumerate(payments):
        clock = max(clock, payment.at)
        recorded = [each for each in versions if each.customer == payment.customer and each.at <= clock]
        held = max(recorded, key=lambda each: (each.at, each.number), default=None)
        if payment.status == "reversed":
            continue
        judged.append((payment.customer, None if held is None else held.is_high))
        known = [is_high for customer, is_high in judged if customer == payment.customer]
        bound = "at_least" if None in known else "exact"
        seen = (None, None) if held is None else (held.number, held.line()["segment"])
        found.append((position, *seen, str(known.count(True)), bound))
    return found


def seen_in_a_run(
    folder: Path, versions: list[Version], payments: list[Payment], cuts: list[int], chunk_bytes: int, stop_after: int
) -> list[tuple[Any, ...]]:
    """The same as a run reports it, with the log in several files, small chunks, and one stop in between."""
    (folder / "behaviour").mkdir()
    (folder / "behaviour" / "rule.yaml").write_text(rule_text(1, EVERY_LEG))
    (folder / "profiles.jsonl").write_text("".join(json.dumps(each.line()) + "\n" for each in versions))
    lines = [json.dumps(each.line(number)) + "\n" for number, each in enumerate(payments)]
    edges = [0, *sorted(set(cuts) & set(range(1, len(lines)))), len(lines)]
    files = []
    for number in range(len(edges) - 1):
        files.append(folder / f"log-{number}.jsonl")
        files[-1].write_text("".join(lines[edges[number] : edges[number + 1]]))
    seen = [0]

    def is_wanted(progress: Progress) -> bool:
        seen[0] += 1
        return seen[0] != stop_after

    def settings_of(*, resume: bool) -> RunSettings:
        inputs = GivenInputs((folder / "behaviour",), approve_examples=True)
        return RunSettings(
            tuple(map(str, files)), folder / "bank.db", inputs=inputs, profiles=folder / "profiles.jsonl",
            alerts=folder / "alerts.jsonl", resume=resume,
        )  # fmt: skip

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(read_lines.__kwdefaults__ or {}, "chunk_bytes", chunk_bytes)
        if run(settings_of(resume=False), is_wanted).is_stopped:
            run(settings_of(resume=True))
    alerts = [json.loads(line) for line in (folder / "alerts.jsonl").read_text().splitlines()]
    return [_seen(each, each["measures"]["w.n"]) for each in alerts]


def _seen(alert: dict[str, Any], count: dict[str, Any]) -> tuple[Any, ...]:
    return alert["position"], alert["profile_version"], alert["segment"], count["value"], count["bound"]


customers = st.sampled_from(["C1", "C2"])
times = st.builds(lambda hour, more: hour * HOUR_US + more, st.integers(1, 6), st.sampled_from([-1, 0, 1]))
payments_of = st.lists(
    st.builds(Payment, customers, times, st.sampled_from(["booked", "booked", "booked", "reversed"])),
    min_size=1, max_size=25,
)  # fmt: skip
versions_of = st.lists(
    st.builds(Version, customers, st.integers(1, 4), times, st.booleans()),
    max_size=12, unique_by=lambda each: (each.customer, each.number, each.at),
)  # fmt: skip
EDGE = HOUR_US
AROUND = [Payment("C1", EDGE - 1), Payment("C1", EDGE), Payment("C1", EDGE + 1)]


ANY_STREAM = given(
    versions=versions_of, payments=payments_of, cuts=st.lists(st.integers(1, 24), max_size=3),
    chunk_bytes=st.sampled_from([1, 300, 700, 100_000]), stop_after=st.integers(1, 12),
)  # fmt: skip


def check(versions: list[Version], payments: list[Payment], cuts: list[int], chunk_bytes: int, stop_after: int) -> None:
    with TemporaryDirectory() as folder:
        seen = seen_in_a_run(Path(folder), versions, payments, cuts, chunk_bytes, stop_after)
    assert seen == seen_by_definition(versions, payments)


@settings(max_examples=12, print_blob=True)
@ANY_STREAM
@example([Version("C1", 2, EDGE, True), Version("C1", 1, EDGE, False)], AROUND, [], 100_000, 0)
@example([Version("C1", 1, EDGE, True)], [Payment("C2", EDGE, "reversed"), Payment("C1", 0)], [1], 1, 1)
def test_every_payment_sees_the_version_that_was_recorded_by_the_clock_of_the_log(
    versions: list[Version], payments: list[Payment], cuts: list[int], chunk_bytes: int, stop_after: int
):
    check(versions, payments, cuts, chunk_bytes, stop_after)


@pytest.mark.slow
@settings(max_examples=further(30), print_blob=True)
@ANY_STREAM
def test_many_more_streams_see_the_version_recorded_by_the_clock(
    versions: list[Version], payments: list[Payment], cuts: list[int], chunk_bytes: int, stop_after: int
):
    check(versions, payments, cuts, chunk_bytes, stop_after)


@pytest.mark.parametrize(
    ("recorded", "expected"), [(EDGE - 1, [1, 1, 1]), (EDGE, [None, 1, 1]), (EDGE + 1, [None, None, 1])]
)
def test_a_version_recorded_at_the_very_time_of_a_payment_is_in_force_for_it(
    tmp_path: Path, recorded: int, expected: list[int | None]
):
    seen = seen_in_a_run(tmp_path, [Version("C1", 1, recorded, True)], AROUND, [], 100_000, 0)
    assert [version for _, version, *_ in seen] == expected
