"""Every model as the suite of checks sees it: how it is made, and what it is given before it can be ready."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from river import anomaly

from models.bursts import Bursts
from models.combination import Combination
from models.contract import Family, Input, Model
from models.half_space_trees import HalfSpaceTrees
from models.new_edges import NewEdges
from models.own_past import OwnPast
from models.peers import Peers
from models.rare import Rare
from models.river_adapter import RiverDetector
from tests.models.model_streams import FEATURES, Stream, stream

INPUTS = (
    Input("amount_log", unit="ln minor units", family=Family.AMOUNT),
    Input("payments_log", unit="ln payments", family=Family.RATE),
    Input("share_cash", unit="share", family=Family.CHANNEL),
)
assert tuple(each.name for each in INPUTS) == FEATURES


@dataclass(frozen=True)
class Case:
    """A model under test."""

    name: str
    make: Callable[[], Any]
    prepare: Callable[[Any], None] = lambda _: None
    """Puts in force what a bank snapshot would."""
    rows: int = 4000
    """How many rows make it ready, and then some."""

    def made(self) -> Model:
        model: Model = self.make()
        return model

    def ready(self, columns: Stream) -> Model:
        model = self.made()
        self.prepare(model)
        model.learn_many(columns)
        self.prepare(model)
        return model


def peers() -> Peers:
    return Peers(INPUTS, segments=4)


def peer_snapshot() -> Any:
    measured = peers()
    measured.learn_many(stream(3000, seed=99))
    return measured.publish()


CASES = (
    Case("peers", peers, lambda model: model.use(model.publish()), 3000),
    Case(
        "half-space trees",
        lambda: HalfSpaceTrees(INPUTS, trees=10, height=6, window=500, seed=5),
        lambda model: model.use(peer_snapshot()),
    ),
    Case("half-space trees, not scaled", lambda: HalfSpaceTrees(INPUTS, trees=5, window=300, is_scaled=False)),
    Case("own past", lambda: OwnPast(keys_max=500)),
    Case("rare", lambda: Rare(keys_max=500, log2_blocks=10)),
    Case("new edges", lambda: NewEdges(keys_max=3000, remembered=8, log2_blocks=10)),
    Case("bursts", lambda: Bursts(log2_width=10)),
    Case(
        "combination",
        lambda: Combination(INPUTS, (2.0, 1.0, 1.0), segments=4),
        lambda model: model.use(model.publish()),
        3000,
    ),
    Case(
        "river half-space trees",
        lambda: RiverDetector(
            lambda: anomaly.HalfSpaceTrees(
                n_trees=5, height=6, window_size=150, limits=dict.fromkeys(FEATURES, (-1, 15)), seed=7
            ),
            INPUTS,
            warm_up=150,
        ),
        rows=700,
    ),
    Case(
        "river LODA",
        lambda: RiverDetector(lambda: anomaly.LODA(n_random_cuts=20, seed=7), INPUTS, warm_up=100),
        rows=500,
    ),
)
