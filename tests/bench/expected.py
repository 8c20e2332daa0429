"""The alerts that the quick bank must raise: a faster wrong answer fails here.

``expected.json`` holds digests of the stream, of the rules and of the alerts (ids, states and texts in order, under
a fixed token key). ``--update REASON`` records new ones; the reason stays in the file and in the commit.
"""

import json
from pathlib import Path
from typing import Any

from tests.bench.banks import Bank, Plan
from tests.bench.pipeline import AlertDigest, Pipeline

EXPECTED = Path(__file__).with_name("expected.json")
QUICK = Plan(customers=2_000, days=24, seed=620_417)


class AlertsDiffer(AssertionError):
    """The alerts are not those that were recorded."""


def alerts_of(bank: Bank) -> dict[str, Any]:
    """What the whole stream of a bank leads to, and what it came from."""
    pipeline, digest = Pipeline(bank), AlertDigest()
    for chunk in bank.chunks():
        digest.add(pipeline.run(chunk)[1])
    return {
        "seed": bank.plan.seed,
        "payments": pipeline.position,
        "alerts": digest.count,
        "new": digest.new,
        "stream": bank.digest(),
        "rules": pipeline.loaded.program.rulebook.digest,
        "alerts_hash": digest.hex(),
    }


def check(found: dict[str, Any], *, update: str | None) -> None:
    """Compare with what was recorded, or record.

    Raises:
        AlertsDiffer: Something else came out; the message says whether the stream or the rules are others too.
    """
    if update is not None:
        EXPECTED.write_text(json.dumps({"reason": update, **found}, indent=2) + "\n")
        return
    wanted = json.loads(EXPECTED.read_text())
    if all(wanted[name] == value for name, value in found.items()):
        return
    causes = [name for name in ("stream", "rules") if wanted[name] != found[name]]
    why = (
        f"The {' and the '.join(causes)} changed since, so other alerts are no surprise: look at them"
        if causes
        else "Stream and rules are the same, so the engine judges differently: find out why"
    )
    raise AlertsDiffer(
        f"{EXPECTED.name}: {wanted['alerts']} alerts with hash {wanted['alerts_hash'][:16]} are recorded, "
        f"{found['alerts']} with {found['alerts_hash'][:16]} were raised. {why}, then record them with "
        '--update "the reason".'
    )
