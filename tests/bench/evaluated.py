"""A short evaluation on a simulated bank: what each method finds there, with chance beside it.

Rules alone and river's HalfSpaceTrees, where it is installed, on a bank whose seed nobody has tuned against; recall per
typology is in ``bench.json``.
"""

from pathlib import Path
from typing import Any

from monitor.app.evaluate.evaluation import EvaluateRequest, evaluate
from monitor.app.evaluate.figures_json import evaluation_json
from monitor.app.evaluate.registry import BASELINES, PARTS, methods
from monitor.app.simulate import simulate

CUSTOMERS, DAYS, SEED = 1_200, 60, 731_220
LEFT_OUT = ("row-boosting", "graph-boosting")
"""What learns from labels alone: with labels after 14 days a bank of 60 days is too short."""


def evaluated(root: Path) -> dict[str, Any]:
    """The figures on track U at 0.1 % of the account-days and the other budgets."""
    folder = root / f"evaluated-{CUSTOMERS}-{DAYS}-{SEED}"
    if not (folder / "manifest.json").exists():
        simulate(customers=CUSTOMERS, days=DAYS, seed=SEED, out=folder, file_format="json")
    makers = {name: maker for name, maker in methods(PARTS).items() if name not in LEFT_OUT}
    assert makers.keys() & BASELINES.keys(), "no baseline is left to compare with"
    return evaluation_json(evaluate(EvaluateRequest(folder), makers=makers))
