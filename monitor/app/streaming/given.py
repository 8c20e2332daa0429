"""The inputs that all workers and commands of the streaming shell take from the settings."""

from monitor.app.inputs import GivenInputs
from monitor.app.settings import InputsSettings

RUN_START = "alerts-"
"""How the names of the runs of casework workers begin; the number of the partition follows."""


def given_inputs(given: InputsSettings) -> GivenInputs:
    """What verdicts depend on, as the settings name it."""
    return GivenInputs(
        given.rules, given.lists, given.rates, given.entities, given.approve_examples, given.approvals,
        models=given.models,
    )  # fmt: skip
