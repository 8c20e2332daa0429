"""The words of ``--models``."""

from enum import StrEnum

from monitor.domain.vocabulary import MODELS_LIVE, MODELS_OFF, MODELS_SHADOW


class ModelMode(StrEnum):
    """What the anomaly models do."""

    OFF = MODELS_OFF
    SHADOW = MODELS_SHADOW
    LIVE = MODELS_LIVE
