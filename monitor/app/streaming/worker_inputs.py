"""What verdicts depend on, as the settings of a worker name it."""

from monitor.app.inputs import GivenInputs
from monitor.app.settings import Settings


def given_inputs(settings: Settings) -> GivenInputs:
    """The files and choices that a worker was given."""
    given = settings.inputs
    return GivenInputs(
        rules=given.rules,
        lists=given.lists,
        rates=given.rates,
        entities=given.entities,
        approve_examples=given.approve_examples,
        approvals=given.approvals,
        models=given.models,
    )
