"""The same stream through honest plain Python: how much faster the engine is, and whether both say the same."""

import csv
import time
from collections import Counter
from fractions import Fraction
from statistics import median

from monitor.domain.alert import Alert
from monitor.domain.time import parse_time_us
from tests.bench.banks import Bank
from tests.bench.measuring import SLICE_CHUNKS, slices_of
from tests.bench.pipeline import TEN_RULES, Pipeline
from tests.bench.plain_python import PlainMonitor
from tests.bench.plain_records import profiles_of
from tests.bench.plain_rules import RULES

Said = tuple[str, str, str, str]
"""(rule, subject, transaction id, status)."""


class PlainDiffers(AssertionError):
    """The engine and plain Python do not raise the same alerts."""


def plain_monitor(bank: Bank, pipeline: Pipeline) -> PlainMonitor:
    """Plain Python over the same rules, parameters, rates, lists, entities and profiles."""
    with (bank.folder / "rates.csv").open() as file:
        rates = [
            (parse_time_us(row["published_at"]), row["source"], row["target"], Fraction(row["rate"]))
            for row in csv.DictReader(file)
        ]
    with (bank.folder / "profiles.jsonl").open("rb") as lines:
        profiles, opened_us = profiles_of(lines)
    loaded = pipeline.loaded
    return PlainMonitor(
        rulebook=loaded.program.rulebook, live=loaded.live, entities=loaded.entities,
        lists={name: frozenset(one.words) for name, one in loaded.lists.items()}, rates=rates, profiles=profiles,
        opened_us=opened_us,
    )  # fmt: skip


def against_plain_python(bank: Bank, *, payments: int) -> dict[str, float]:
    """The beginning of a bank's stream through both, slice by slice in turn.

    Returns:
        ``ratio``, the median over slices; nanoseconds a payment of both; alerts compared.

    Raises:
        PlainDiffers: The alerts are not the same.
    """
    pipeline = Pipeline(bank, rules=TEN_RULES)
    plain = plain_monitor(bank, pipeline)
    ours: list[Said] = []
    theirs: list[Said] = []
    engine_ns, plain_ns = [], []
    size = min(SLICE_CHUNKS, max(1, payments // 16_000))
    for parts in slices_of(bank.chunks(), size):
        before, alerts, ids = pipeline.position, [], []
        start = time.thread_time()
        for part in parts:
            decoded, found = pipeline.run(part)
            alerts += found
            ids.append(decoded.texts.transaction_id)
        taken = time.thread_time() - start
        count = pipeline.position - before
        names = dict(enumerate((name for column in ids for name in column.to_pylist()), before))
        ours += [_said(alert, pipeline, names) for alert in alerts]
        start = time.thread_time()
        for part in parts:
            theirs += plain.run((part.lines or b"").splitlines())
        plain_ns.append((time.thread_time() - start) / count * 1e9)
        engine_ns.append(taken / count * 1e9)
        if pipeline.position >= payments:
            break
    compared = _compare(ours, theirs)
    return {
        "ratio": round(median(p / e for p, e in zip(plain_ns, engine_ns, strict=True)), 1),
        "plain_ns": round(median(plain_ns)),
        "engine_ns": round(median(engine_ns)),
        "payments": pipeline.position,
        "alerts_compared": compared,
    }


def _said(alert: Alert, pipeline: Pipeline, names: dict[int, str]) -> Said:
    subject = pipeline.identifiers.text(pipeline.identifiers.code_of_token(bytes.fromhex(alert.subject.token)))
    return alert.source.id, subject, names[alert.position], alert.status


def _compare(ours: list[Said], theirs: list[Said]) -> int:
    """How many alerts both raised, of the rules that plain Python covers."""
    mine, plain = Counter(said for said in ours if said[0] in RULES), Counter(theirs)
    if mine != plain:
        raise PlainDiffers(
            f"the engine and plain Python differ: {sum(mine.values())} and {sum(plain.values())} alerts.\n"
            f"only the engine:    {list((mine - plain).elements())[:5]}\n"
            f"only plain Python:  {list((plain - mine).elements())[:5]}\n"
            "One of them is wrong: replay one of these with tests/oracle, which has the definitions."
        )
    if not mine:
        raise PlainDiffers("no alerts were compared: the sample is too short to prove anything")
    return len(ours)
