"""Which row of a parameter applies to a leg."""

from monitor.rulebook.reference.inputs import PlainInputs
from monitor.rulebook.reference.legs import PlainLeg
from monitor.rulebook.rule import Parameter, ParameterRow


def row_in_force(parameter: Parameter, leg: PlainLeg, inputs: PlainInputs) -> ParameterRow | None:
    """The row for the leg's segment, jurisdiction and booking time; ``None`` where none is in force.

    A row that names a segment or a jurisdiction applies there only. Of the rows in force the most specific wins:
    both, then segment, then jurisdiction, then neither; among equally specific ones the latest start.
    """
    segment = leg.own.profile.get("segment")
    jurisdiction = inputs.entity(leg.transaction.booking_entity).jurisdiction
    in_force = [
        row
        for row in parameter.rows
        if row.from_us <= leg.transaction.booked_at_us
        and row.segment in (None, segment)
        and row.jurisdiction in (None, jurisdiction)
    ]
    return max(in_force, key=_rank, default=None)


def _rank(row: ParameterRow) -> tuple[bool, bool, int]:
    return row.segment is not None, row.jurisdiction is not None, row.from_us
