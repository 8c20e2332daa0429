"""A partition without profiles, for tests; blocked or at fault where a test says so, or as long as a file is there."""

import os

from monitor.app.profiles import ProfileTimeline
from monitor.app.streaming.partition import Blocked


class NoProfiles(ProfileTimeline):
    """Takes announcements and puts nothing in force."""

    degraded: frozenset[bytes] = frozenset()
    awaited = 0

    def __init__(self, _tokens: object = None) -> None:
        super().__init__()
        self.is_blocked = False
        self.applied: list[bytes] = []

    def apply(self, value):
        if self.is_blocked or os.path.exists(os.environ.get("AML_TEST_BLOCKED_WHILE", "")):
            raise Blocked("Redis does not answer")
        if os.path.exists(os.environ.get("AML_TEST_RAISES_WHILE", "")):
            raise ZeroDivisionError("4111 1111 1111 1111")
        self.applied.append(value)

    def save(self):
        return {}

    def load(self, arrays):
        pass
