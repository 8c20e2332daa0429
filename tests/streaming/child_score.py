"""A scoring worker as a process of its own: ``python -m tests.streaming.child_score GROUP LEGS ALERTS REFUSED``.

Without profiles, or with those of Redis where ``AML_TEST_PROFILES`` is ``redis``.
"""

import os
import sys
from typing import Any

from monitor.adapters.redis.profiles import ProfileStore
from monitor.app.settings import load_settings
from monitor.app.streaming.announced_profiles import AnnouncedProfiles
from monitor.app.streaming.scoring import ScoringWorker
from monitor.app.streaming.scoring_outbox import ScoringTopics
from tests.streaming.no_profiles import NoProfiles

if __name__ == "__main__":
    group, legs, alerts, refused = sys.argv[1:]
    settings = load_settings(os.environ)
    new_profiles: Any = NoProfiles
    if os.environ.get("AML_TEST_PROFILES") == "redis":
        kept = ProfileStore(settings.redis.url.get_secret_value())

        def new_profiles(tokens: Any) -> AnnouncedProfiles:
            return AnnouncedProfiles(kept, tokens, wait_seconds=settings.worker.profile_wait_seconds)

    ScoringWorker(settings, new_profiles, topics=ScoringTopics(legs, alerts, refused), group=group).run()
