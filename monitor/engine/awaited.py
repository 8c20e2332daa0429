"""Legs of payees whose money is not known yet, because the payer lives in another partition.

Such a leg enters windows and is judged by all other rules when its payment comes. Of the rules about the flow of money
it keeps its columns, where one of them is not false whatever the money: about these it is asked when the message of
the payer's partition has come (:mod:`monitor.engine.following`), with its windows and its profile as they were.

At most :data:`LEGS_MAX` legs wait. Beyond that the oldest are asked without the money, which is unknown then and
counted so. A payment that the payer's partition refuses is never heard of, and its legs wait until then.
"""

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from monitor.domain.flow import FLOW_NAMES, PAID
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int32s, Int64s, TransactionBatch
from monitor.engine.admission import Legs
from monitor.engine.findings import Scene
from monitor.engine.flow import Traced
from monitor.engine.following import Heard
from monitor.engine.legs import LegFacts
from monitor.engine.profiles import ProfileTable
from monitor.rulebook.plan import FieldUse

LEGS_MAX = 16_384
Arrays = dict[str, npt.NDArray[Any]]
_OF_LEGS = ("fields", "measures", "bounds", "periods", "leg_class")


class Awaited:
    """The legs of one partition that wait, oldest first.

    Args:
        fields: The columns of the leg matrix.
    """

    def __init__(self, fields: tuple[FieldUse, ...]) -> None:
        names = [use.name for use in fields]
        heard = [name for name in FLOW_NAMES if name in names and name not in PAID]
        self._columns = [names.index(name) for name in heard]
        self._sources = [FLOW_NAMES.index(name) for name in heard]
        self._held: list[Arrays] = []

    def __len__(self) -> int:
        return sum(len(held["group"]) for held in self._held)

    def hold(self, scene: Scene, legs: Int64s, group: Int32s) -> None:
        """Keep the columns of legs, by row; ``group`` is the group of rules that each is asked about later."""
        if not len(legs):
            return
        at, profile = scene.legs.transaction[legs], scene.facts.profile_row[legs]
        values = np.full((len(legs), scene.profiles.values.shape[1]), UNKNOWN, np.int64)
        values[profile >= 0] = scene.profiles.values[profile[profile >= 0]]
        held: Arrays = {"group": group, "profile": values, "has_profile": profile >= 0}
        held |= {name: getattr(scene, name)[legs] for name in _OF_LEGS}
        held |= {f"batch.{name}": getattr(scene.batch, name)[at] for name in TransactionBatch.__slots__}
        held |= {f"legs.{name}": getattr(scene.legs, name)[legs] for name in Legs.__slots__}
        held |= {f"facts.{name}": getattr(scene.facts, name)[legs] for name in LegFacts._fields}
        self._held.append(held)

    def answered(self, heard: Heard) -> tuple[Scene | None, npt.NDArray[np.bool_]]:
        """The legs of the payments that were heard of, which wait no longer, and which of the payments these are."""
        if not self._held or not len(heard.ids):
            return None, np.zeros(len(heard.ids), np.bool_)
        held = self._merged()
        own, ids = _keys(np.column_stack((held["batch.id_hi"], held["batch.id_lo"]))), _keys(heard.ids)
        is_told = np.isin(own, ids)
        self._held = [{name: values[~is_told] for name, values in held.items()}]
        if not is_told.any():
            return None, np.zeros(len(ids), np.bool_)
        order = np.argsort(ids)
        rows = order[np.searchsorted(ids[order], own[is_told])]
        told, traced = {name: values[is_told] for name, values in held.items()}, heard.traced
        told["fields"][:, self._columns] = traced.measures[rows][:, self._sources]
        of_legs = Traced(traced.records.rows(rows), traced.measures[rows], traced.about[rows], traced.hubs[:0])
        return _scene(told, of_legs), np.isin(ids, own)

    def too_many(self) -> Scene | None:
        """The oldest legs where more wait than may, which wait no longer."""
        beyond = len(self) - LEGS_MAX
        if beyond <= 0:
            return None
        held = self._merged()
        self._held = [{name: values[beyond:] for name, values in held.items()}]
        return _scene({name: values[:beyond] for name, values in held.items()}, None)

    def save(self) -> Arrays:
        """What waits, as arrays; nothing where nothing does."""
        return self._merged() if len(self) else {}

    def load(self, arrays: Arrays) -> None:
        """Take over what :meth:`save` gave."""
        self._held = [{name: np.array(values) for name, values in arrays.items()}] if arrays else []

    def _merged(self) -> Arrays:
        if len(self._held) > 1:
            names = self._held[0]
            self._held = [{name: np.concatenate([each[name] for each in self._held]) for name in names}]
        return self._held[0]


def _scene(held: Arrays, traced: Traced | None) -> Scene:
    """Legs that waited as what they were judged on, each with a payment of its own."""
    rows, profiles = np.arange(len(held["group"]), dtype=np.int64), ProfileTable()
    profiles.values = held["profile"]
    facts = {name: held[f"facts.{name}"] for name in LegFacts._fields}
    facts["profile_row"] = np.where(held["has_profile"], rows, -1).astype(np.int32)
    legs = {name: held[f"legs.{name}"] for name in Legs.__slots__} | {"transaction": rows}
    return Scene(
        batch=TransactionBatch(**{name: held[f"batch.{name}"] for name in TransactionBatch.__slots__}),
        legs=Legs(**legs),
        facts=LegFacts(**facts),
        fields=np.asfortranarray(held["fields"]),
        measures=np.ascontiguousarray(held["measures"]),
        bounds=np.ascontiguousarray(held["bounds"]),
        profiles=profiles,
        periods=held["periods"],
        leg_class=held["leg_class"],
        group=held["group"],
        traced=traced,
    )


def _keys(ids: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Ids of two words as values that can be compared, shape (n,)."""
    return cast(npt.NDArray[Any], np.ascontiguousarray(ids).view("V16").reshape(-1))
