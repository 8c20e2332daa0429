"""Online anomaly models and their cards. Empty in this release.

A model knows numbers, not money: it imports nothing of ``monitor``. It scores before it learns, says that it is not
ready while it warms up, and gives reasons.
"""
