"""Measuring detection on labelled streams: one protocol for rules, models, flow tracing and baselines.

``reading`` makes a stream, ``running`` shows it to scorers in event order, ``truth`` says what was laundering,
``measures`` and ``row_measures`` compare, ``page`` shows. What a scorer is, is in ``scorer``.
"""
