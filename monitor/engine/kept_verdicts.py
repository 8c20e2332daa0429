"""Verdicts that lacked a profile version: what they were made of is kept, and decided again when the version is there.

Kept of each leg is its payment, what it showed and what its windows measured, until the version it lacked comes or as
many as fit came after it. Then the fields that a profile gives are filled anew and the conditions asked again. So a leg
gets the verdict that it would have had, under its first id; a rule that had matched before raises nothing again.

What was *measured* stays as it was: a payment whose customer was not known has entered the windows as it was seen, and
nobody became a joint holder by a version that was not there. Peers, rates, openings and kinds of accounts are those
known when the verdict is made again; payments that have left the windows since are not named behind it.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from monitor.domain.alert import Alert
from monitor.domain.transaction import Int64s, TransactionBatch
from monitor.engine.admission import Legs
from monitor.engine.findings import Scene
from monitor.engine.legs import build_fields, profile_columns
from monitor.engine.profiles import PROFILE_COLUMNS, ProfileTable
from monitor.engine.trails import MEASURES

if TYPE_CHECKING:
    from monitor.engine.engine import Engine

KEPT_MAX = 8_192
"""Most legs of a partition that are kept; the oldest ones go."""
_BATCH, _LEGS = TransactionBatch.__slots__, Legs.__slots__
_SHOWN = ("fields", "measures", "bounds", "periods", "leg_class", "group")

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Versions:
    """n profile versions, each once: codes of customers (n,), numbers (n,), rows of profiles (n, 21)."""

    customer: Int64s
    number: Int64s
    values: Int64s


class KeptVerdicts:
    """The legs of one engine that were judged without a version, in the order of the log."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._parts: list[Arrays] = []
        self.count = 0
        """How many legs are kept."""
        self.left_out = 0
        """How many went because others came."""
        self.decided = 0
        """How many were decided again."""

    def keep(self, scene: Scene, hits: npt.NDArray[np.int64]) -> None:
        """Keep the legs whose customer lacks a version; ``hits``, rows (leg, rule), is what was found of them."""
        lacking = scene.profiles.lacking
        codes = np.array(sorted(lacking), np.int64)
        legs = np.flatnonzero(np.isin(scene.facts.holder, codes) & (scene.legs.operation == 0))
        if not len(legs):
            return
        self.left_out += max(0, len(legs) - KEPT_MAX)
        legs = legs[-KEPT_MAX:]
        at, of = scene.legs.transaction[legs], scene.legs.where(_mask(legs, len(scene.legs)))
        customer = scene.facts.holder[legs].astype(np.int64)
        part: Arrays = {f"batch.{name}": getattr(scene.batch, name)[at] for name in _BATCH}
        part |= {f"legs.{name}": getattr(of, name) for name in _LEGS}
        part |= {name: np.array(getattr(scene, name)[legs]) for name in _SHOWN}
        part["customer"] = customer
        part["number"] = np.array([lacking[code] for code in customer.tolist()], np.int64)
        part["raised"] = np.zeros((len(legs), len(self._engine.program.rules)), np.bool_)
        is_ours = np.isin(hits[:, 0], legs)
        part["raised"][np.searchsorted(legs, hits[is_ours, 0]), hits[is_ours, 1]] = True
        self._parts.append(part)
        self.count += len(legs)
        self._let_go()

    def lacked(self) -> list[tuple[int, int]]:
        """The versions that are lacked: (customer, number), each once, ascending."""
        if not self.count:
            return []
        pairs = np.concatenate([np.column_stack((part["customer"], part["number"])) for part in self._parts])
        return [(customer, number) for customer, number in np.unique(pairs, axis=0).tolist()]

    def again(self, versions: Versions, in_force: ProfileTable) -> list[Alert]:
        """Decide the legs that lacked these versions again, and keep them no more; what is found that was not before.

        ``in_force`` says what accounts are.
        """
        found: list[Alert] = []
        order = np.lexsort((versions.number, versions.customer))
        customer = versions.customer[order]
        # Of each customer one version at a time.
        turn = np.arange(len(order)) - np.searchsorted(customer, customer)
        for number in range(int(turn.max(initial=-1)) + 1):
            chosen = order[turn == number]
            legs = self._taken(versions.customer[chosen], versions.number[chosen])
            if legs is not None:
                self.decided += len(legs["customer"])
                found += self._decided(legs, _held(versions.customer[chosen], versions.values[chosen], in_force))
        return sorted(found, key=lambda alert: alert.position)

    def save(self) -> Arrays:
        """What is kept, as arrays; nothing where nothing is."""
        return _joined(self._parts) if self.count else {}

    def load(self, arrays: Arrays) -> None:
        """Take over what :meth:`save` gave."""
        self._parts = [{name: np.array(values) for name, values in arrays.items()}] if arrays else []
        self.count = len(arrays["customer"]) if arrays else 0

    def _let_go(self) -> None:
        over = self.count - KEPT_MAX
        while over > 0:
            oldest = self._parts[0]
            going = min(over, len(oldest["customer"]))
            self._parts[0] = {name: values[going:] for name, values in oldest.items()}
            if not len(self._parts[0]["customer"]):
                self._parts.pop(0)
            over, self.count, self.left_out = over - going, self.count - going, self.left_out + going

    def _taken(self, customer: Int64s, number: Int64s) -> Arrays | None:
        """The legs that lack one of these versions, which are kept no more. Customers ascend, each once."""
        found, left = [], []
        for part in self._parts:
            at = np.minimum(np.searchsorted(customer, part["customer"]), len(customer) - 1)
            is_meant = (customer[at] == part["customer"]) & (number[at] == part["number"])
            found.append({name: values[is_meant] for name, values in part.items()})
            if not is_meant.all():
                left.append({name: values[~is_meant] for name, values in part.items()})
        self._parts, self.count = left, sum(len(part["customer"]) for part in left)
        found = [part for part in found if len(part["customer"])]
        return _joined(found) if found else None

    def _decided(self, kept: Arrays, profiles: ProfileTable) -> list[Alert]:
        engine, count = self._engine, len(kept["customer"])
        batch = TransactionBatch(**{name: kept[f"batch.{name}"] for name in _BATCH})
        legs = replace(Legs(**{name: kept[f"legs.{name}"] for name in _LEGS}), transaction=np.arange(count))
        facts = engine.facts(batch, legs, profiles)
        filled = build_fields(
            replace(engine.columns, firsts=()), batch, legs, facts, profiles, engine.inputs.rates, engine.peers.is_hub,
            engine.firsts, kept["periods"], np.zeros((count, MEASURES), np.int64),
        )  # fmt: skip
        shown = np.asfortranarray(np.where(profile_columns(engine.columns), filled, kept["fields"]))
        scene = Scene(
            batch, legs, facts, shown, kept["measures"], kept["bounds"], profiles, kept["periods"], kept["leg_class"],
            kept["group"],
        )  # fmt: skip
        hits = engine.decided_again(scene, kept["raised"])
        return engine.findings.alerts(hits, scene, is_again=True)


def _mask(rows: Int64s, count: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros(count, np.bool_)
    mask[rows] = True
    return mask


def _joined(parts: list[Arrays]) -> Arrays:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _held(customer: Int64s, values: Int64s, in_force: ProfileTable) -> ProfileTable:
    """A table that holds these versions and no others; of accounts what is in force."""
    table = ProfileTable(opened_us=in_force.opened_us, account_kind=in_force.account_kind)
    table.put(customer.astype(np.int32), values.reshape(-1, len(PROFILE_COLUMNS)))
    return table
