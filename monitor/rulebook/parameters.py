"""Which value of a parameter applies: the slow, clear definition.

Of the rows in force at a time, the most specific wins: jurisdiction and segment, then segment, then
jurisdiction, then general; of equally specific ones the latest. Two rows of one scope from one day
do not load, so the answer is unique.
"""

from monitor.rulebook.rule import Parameter, ParameterRow


def value_in_force(
    parameter: Parameter, *, time_us: int, segment: str | None, jurisdiction: str | None
) -> ParameterRow | None:
    """The row that applies, or ``None`` if none is in force: the parameter is then unknown.

    Args:
        parameter: The parameter.
        time_us: ``booked_at`` of the payment, microseconds since 1970 UTC.
        segment: The customer's segment; ``None`` if unknown, which leaves the rows without a segment.
        jurisdiction: The booking entity's country; ``None`` likewise.

    >>> from monitor.domain.units import COUNT
    >>> from monitor.rulebook.rule import Place
    >>> row = lambda from_us, value, segment: ParameterRow(from_us, value, "law", segment, None, Place("a", 1))
    >>> limit = Parameter("limit", COUNT, "…", (row(0, 3, None), row(9, 5, None), row(0, 7, "agent")))
    >>> [value_in_force(limit, time_us=t, segment=s, jurisdiction=None).value
    ...  for t, s in ((8, None), (9, None), (9, "agent"), (9, "retail"))]
    [3, 5, 7, 5]
    """
    in_force = [
        row
        for row in parameter.rows
        if row.from_us <= time_us
        and (row.segment is None or row.segment == segment)
        and (row.jurisdiction is None or row.jurisdiction == jurisdiction)
    ]
    return max(in_force, key=_specificity, default=None)


def _specificity(row: ParameterRow) -> tuple[bool, bool, int]:
    return row.segment is not None, row.jurisdiction is not None, row.from_us
