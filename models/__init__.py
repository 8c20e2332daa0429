"""Online anomaly models and their cards.

A model knows numbers, not money: it imports nothing of ``monitor``. It scores before it learns, says that it is not
ready while it warms up, and gives reasons. :mod:`models.contract` says what each model promises.
"""
