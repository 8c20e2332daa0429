"""The cards of the models that raise alerts: what each is for, what it is not for, and what it does not see."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

import models
from monitor.engine.anomalies import configuration
from monitor.intake.yaml_files import read_model

FOLDER = Path(models.__file__).parent / "cards"


class Card(BaseModel):
    """What of a card is shown; measured figures stay in the file."""

    model_config = ConfigDict(extra="ignore")

    model: str
    version: int
    status: str
    owner: str
    purpose: str
    data: str
    not_for: str
    limits: list[str]


def cards_in_use() -> tuple[Card, ...]:
    """The cards of the members of the configuration, and of their combination."""
    ensemble = json.loads(configuration())["ensemble"]
    names = [
        *((each["model"], each["version"]) for each in ensemble["members"]),
        ("combination", ensemble["combination"]),
    ]
    return tuple(read_model(FOLDER / f"{name}-v{version}.yaml", Card) for name, version in names)
