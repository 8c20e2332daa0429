"""What every test shares: the profile of hypothesis, and one line for each reason to skip."""

import os
from collections import Counter

import pytest
from hypothesis import settings

settings.register_profile("ci", print_blob=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out and why: one line a reason."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        place = report.longrepr
        reasons[str(place[2]).removeprefix("Skipped: ") if isinstance(place, tuple) else str(place)] += 1
    for reason, tests in sorted(reasons.items()):
        terminalreporter.write_line(f"skipped {tests}: {reason}")
