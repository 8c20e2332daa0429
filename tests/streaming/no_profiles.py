"""A partition without profiles, for tests; blocked where a test says so."""

from monitor.app.profiles import ProfileTimeline
from monitor.app.streaming.partition import Blocked


class NoProfiles(ProfileTimeline):
    """Takes announcements and puts nothing in force."""

    degraded: frozenset[bytes] = frozenset()

    def __init__(self, _tokens: object = None) -> None:
        super().__init__()
        self.is_blocked = False
        self.applied: list[bytes] = []

    def apply(self, value):
        if self.is_blocked:
            raise Blocked("Redis does not answer")
        self.applied.append(value)

    def save(self):
        return {}

    def load(self, arrays):
        pass
