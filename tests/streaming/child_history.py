"""A history worker as a process of its own: ``python -m tests.streaming.child_history GROUP LEGS IDENTITIES``."""

import os
import sys

from monitor.adapters.redis.profiles import ProfileStore
from monitor.app.settings import load_settings
from monitor.app.streaming import history
from monitor.app.streaming.cases_group import Group
from monitor.app.streaming.history import HistoryTopics, HistoryWorker

if __name__ == "__main__":
    group, legs, identities = sys.argv[1:]
    settings = load_settings(os.environ)
    # Few records at a time and a commit after each, so that kills meet all moments of writing.
    history.RECORDS_MAX = 3
    kept = ProfileStore(settings.redis.url.get_secret_value())
    HistoryWorker(
        settings, kept, topics=HistoryTopics(legs, identities), group=Group(name=group, session_seconds=6.0),
        commit_seconds=0.0,
    ).run()  # fmt: skip
