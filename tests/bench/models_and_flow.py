"""Models and flow in the engine: what they add to a payment, beside river and snapml on one thread in the same run.

The stream and the rules are those of the main figure. The engine also scores and learns every payment, publishes tails
each day and traces the money, although no shipped rule that reaches the bank asks for its flow. The figures are medians
over slices of a warm engine.

- river: HalfSpaceTrees with its defaults over eight numbers, scored and learned row by row (:mod:`.model_costs`).
- snapml: GraphFeaturePreprocessor with fan-in, fan-out, cycles and scatter-gather of a day over payments of
  :mod:`.flow`, in batches of 2,048, and flow tracing over the same payments.
"""

from statistics import median
from typing import Any

from monitor.domain.vocabulary import MODELS_SHADOW
from monitor.engine.flow import FlowTable
from monitor.engine.following import Following
from tests.bench import flow
from tests.bench.banks import Bank
from tests.bench.measuring import measure, warm
from tests.bench.model_costs import against_river
from tests.bench.pipeline import AlertDigest, Pipeline

GRAPH_PAYMENTS = 60_000


def models_and_flow(made: Bank, *, events: float, slices: int) -> dict[str, Any]:
    """Nanoseconds a payment of models and of flow as stages of the engine, and the peers' beside them."""
    pipeline, digest = Pipeline(made, models=MODELS_SHADOW), AlertDigest()
    table = FlowTable(tokens=lambda: pipeline.identifiers.tokens)
    pipeline.engine.flow = pipeline.engine.flow or Following(table, pipeline.engine.admission.ownership)
    chunks = made.chunks()
    warm(pipeline, chunks, digest, lambda: pipeline.reachable >= events * max(pipeline.accounts, 1))
    measured = measure(pipeline, chunks, digest, slices=slices, baselines=False)
    stages = {name: round(median(each.stages[name] for each in measured)) for name in ("models", "flow")}
    both = median(each.stages["models"] + each.stages["flow"] for each in measured)
    broken = pipeline.engine.anomalies.flags if pipeline.engine.anomalies else {"models": "are not there"}
    assert not broken, f"the models broke, so their time says nothing: {broken}"
    few = flow.stream(GRAPH_PAYMENTS, persons=GRAPH_PAYMENTS // 10)
    graph_ns = flow.snapml_ns(few)
    return {
        "accounts": pipeline.accounts,
        "stages_ns": stages,
        "models_and_flow_ns": round(both),
        "least_ns": round(min(each.stages["models"] + each.stages["flow"] for each in measured)),
        "whole_ns": round(median(each.cpu_ns for each in measured)),
        "river_ns": (river_ns := against_river()["river_ns"]),
        "river_ratio": round(river_ns / stages["models"], 1),
        "snapml_ns": round(median(graph_ns)) if graph_ns else None,
        "snapml_ratio": round(median(graph_ns) / median(flow.fast(few)[2]), 1) if graph_ns else None,
    }
