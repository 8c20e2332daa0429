"""A scoring worker as a process of its own: ``python -m tests.streaming.child_score GROUP LEGS ALERTS REFUSED``."""

import os
import sys

from monitor.app.settings import load_settings
from monitor.app.streaming.scoring import ScoringWorker
from monitor.app.streaming.scoring_outbox import ScoringTopics
from tests.streaming.no_profiles import NoProfiles

if __name__ == "__main__":
    group, legs, alerts, refused = sys.argv[1:]
    topics = ScoringTopics(legs, alerts, refused)
    ScoringWorker(load_settings(os.environ), NoProfiles, topics=topics, group=group).run()
