"""A partition without profiles, for tests; blocked or at fault where a test says so, or as long as a file is there."""

import os

from monitor.app.profiles import ProfileTimeline
from monitor.app.streaming.partition import Blocked


class NoProfiles(ProfileTimeline):
    """Takes announcements and puts nothing in force."""

    is_degraded = False
    awaited = 0

    def __init__(self, _tokens: object = None) -> None:
        super().__init__()
        self.is_blocked = False
        self.applied: list[bytes] = []
        self.pending: list[tuple[bytes, int]] = []

    def apply(self, value, offset):
        if self.is_blocked or os.path.exists(os.environ.get("AML_TEST_BLOCKED_WHILE", "")):
            raise Blocked("Redis does not answer")
        if os.path.exists(os.environ.get("AML_TEST_RAISES_WHILE", "")):
            raise ZeroDivisionError("4111 1111 1111 1111")
        self.applied.append(value)
        return []

    def go_without(self, value):
        pass

    def take_decided(self):
        return []

    def arrive(self, value):
        return []

    def fetch(self, versions):
        return []

    def save(self):
        return {}

    def load(self, arrays):
        pass
