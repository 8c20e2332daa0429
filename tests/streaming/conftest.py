"""The alerts of a simulated bank, once for all tests of this folder."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from monitor.app.inputs import LoadedInputs, load_inputs
from monitor.domain.alert import Alert
from monitor.intake.lines import read_lines
from tests.app.embedded_stores import KEY, simulated
from tests.streaming.alert_stream import judged, multiplied

BANKS = 8


@dataclass(frozen=True)
class Bank:
    """Steps of alerts, and the inputs they come from; ``embedded`` is the store of the run that judged one bank."""

    embedded: Path
    judged: list[list[Alert]]
    steps: list[list[Alert]]
    inputs: dict[str, Any]
    loaded: LoadedInputs


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """Alerts of a simulated bank, and those of eight that are like it."""
    folder = tmp_path_factory.mktemp("bank")
    source = simulated(folder / "simulated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "AML_TOKEN_KEY", KEY)
        patch.setitem(read_lines.__kwdefaults__, "chunk_bytes", 40_000)
        steps = judged(source, folder / "embedded")
    inputs = {"rates": str(source.rates), "entities": str(source.entities), "approve_examples": True, "models": "off"}
    return Bank(folder / "embedded" / "bank.db", steps, multiplied(steps, BANKS), inputs, load_inputs(source.inputs()))
