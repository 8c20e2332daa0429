"""The methods that an evaluation compares, by name, and what the ablation leaves out.

A method is made by a function of its :class:`~monitor.app.evaluate.scorer.Setting` and of where the records are. To
plug one in, add it to :data:`PARTS` (a part of the product: it takes part in the ablation),
:data:`LEARNERS` or :data:`BASELINES`.
"""

from collections.abc import Callable, Mapping

from monitor.app.evaluate.baselines.graph_boosting import GraphBoosting
from monitor.app.evaluate.baselines.half_space_trees import HalfSpaceTrees
from monitor.app.evaluate.baselines.row_boosting import RowBoosting
from monitor.app.evaluate.flow_scorer import FlowScorer
from monitor.app.evaluate.learned_order import LearnedOrder
from monitor.app.evaluate.learned_scorer import Learned
from monitor.app.evaluate.models_scorer import ModelsScorer
from monitor.app.evaluate.rules_scorer import RulesInputs, RulesScorer
from monitor.app.evaluate.scorer import TRACKS, Scorer, Setting
from monitor.app.evaluate.together import Together

Maker = Callable[[Setting, RulesInputs], Scorer]

PARTS: Mapping[str, Maker] = {
    "rules": RulesScorer,
    "models": lambda setting, given: ModelsScorer(setting),
    "flow": lambda setting, given: FlowScorer(setting),
}
"""The parts of the product, each alone."""

LEARNERS: Mapping[str, Maker] = {
    "learned": lambda setting, given: Learned(setting),
}
"""What the product learns from labels alone: no part of the ablation, which holds for every track."""

BASELINES: Mapping[str, Maker] = {
    "row-boosting": lambda setting, given: RowBoosting(setting),
    "half-space-trees": lambda setting, given: HalfSpaceTrees(setting),
    "graph-boosting": lambda setting, given: GraphBoosting(setting),
}
"""What others do."""

TRACKS_OF: Mapping[str, tuple[str, ...]] = {
    "learned": Learned.tracks,
    "row-boosting": RowBoosting.tracks,
    "half-space-trees": HalfSpaceTrees.tracks,
    "graph-boosting": GraphBoosting.tracks,
}
"""The tracks of the methods that cannot take part in all."""


WITHOUT = "all but "
"""How the figures of all parts but one are named."""


def methods(parts: Mapping[str, Maker] = PARTS, track: str | None = None) -> dict[str, Maker]:
    """Every method by name: each part alone, all together, all but one, learners and baselines.

    With a track only the parts that can take part in it run together. In D what has evidence gets an order learned
    from decisions.
    """
    found = {name: _ordered(maker) for name, maker in parts.items()}
    joint = {name: maker for name, maker in parts.items() if track is None or track in TRACKS_OF.get(name, TRACKS)}
    if len(joint) > 1:
        found["all"] = _together("all", list(joint.values()))
    if len(joint) > 2:
        for name in joint:
            rest = [maker for other, maker in joint.items() if other != name]
            found[f"all-but-{name}"] = _together(f"{WITHOUT}{name}", rest)
    return found | dict(LEARNERS) | dict(BASELINES)


def _together(name: str, makers: list[Maker]) -> Maker:
    return _ordered(lambda setting, given: Together(name, [make(setting, given) for make in makers], seed=setting.seed))


def _ordered(maker: Maker) -> Maker:
    def made(setting: Setting, given: RulesInputs) -> Scorer:
        scorer = maker(setting, given)
        return LearnedOrder(scorer) if setting.track == "D" else scorer

    return made
