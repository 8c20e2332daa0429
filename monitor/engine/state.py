"""The engine's state as named arrays: what a snapshot holds, and nothing that can be derived.

Saved between two batches. A state fits a program with the same rules (:func:`layout_key`); another program measures
the history again.
"""

import json
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.engine import anomalies, remembered
from monitor.engine.engine import Engine
from monitor.engine.peers import BankSnapshot

FORMAT = 13
Arrays = dict[str, npt.NDArray[Any]]
_SPACE = ("row_of", "code_of", "clock_us", "booked_us")
_PEERS = ("last_bucket", "last_segment", "histograms", "hub_days")


def layout_key(engine: Engine, of_format: int = FORMAT) -> str:
    """Equal for engines whose state can be exchanged: the same partition of as many, the same rules by digest in the
    same windows, the same models, the same format.

    Named lists, rates and profiles are not part of it: what was measured with the former ones stays as it was.
    """
    program = engine.program
    parts = (
        [(table.by, table.filters, table.measures) for table in program.tables],
        program.peers,
        program.hub_measure,
        [rule.digest for rule in program.rulebook.rules],
        None if engine.anomalies is None else anomalies.digest(),
    )
    partition = engine.admission.ownership.partition
    told = ("money is told",) if engine.flow is not None else ()
    of_several = (partition.number, partition.count, *told) if partition.count > 1 else ()
    return sha256(repr((of_format, parts, *of_several)).encode()).hexdigest()


def save(engine: Engine) -> Arrays:
    """The state as arrays; valid until the next batch."""
    arrays: Arrays = {}
    for kind, space in enumerate(engine.admission.spaces):
        for name in _SPACE:
            arrays[f"space{kind}.{name}"] = getattr(space, name)
    counts, admitted = [space.count for space in engine.admission.spaces], engine.admission
    arrays["spaces"] = np.array([*counts, admitted.further.pairs_used, admitted.shared_used], np.int64)
    arrays["pairs"] = admitted.further.pairs
    arrays["ids"], arrays["ids.marks"] = remembered.saved(admitted.remembered)
    arrays["shared"] = admitted.shared
    arrays["codes"] = np.array([engine.admission.codes], np.int64)
    if admitted.elsewhere_us is not None:
        arrays["elsewhere_us"] = admitted.elsewhere_us
    for number, table in enumerate(engine.tables):
        arrays |= {f"table{number}.{name}": values for name, values in table.save().items()}
    peers = engine.peers
    arrays |= {f"peers.{name}": getattr(peers, name) for name in _PEERS}
    arrays["peers.segments"] = np.array(peers.segment_code, np.int64)
    arrays |= {f"bank.{name}": values for name, values in peers.told.save().items()}
    if peers.snapshot is not None:
        snapshot = peers.snapshot
        arrays["snapshot"] = np.array([snapshot.version, snapshot.position, snapshot.day, snapshot.customers], np.int64)
        arrays["snapshot.quantiles"], arrays["snapshot.hubs"] = snapshot.quantiles, snapshot.hubs
    arrays["firsts"] = engine.firsts.seen
    arrays["firsts.used"] = np.array([engine.firsts.used], np.int64)
    arrays["firsts.fields"] = np.frombuffer(json.dumps(engine.firsts.fields).encode(), np.uint8)
    rules = {rule.id: number for number, rule in enumerate(engine.program.rulebook.rules)}
    quiet = [(rules[rule], code, at) for (rule, code), at in engine.findings.last_alert_us.items()]
    arrays["quiet"] = np.array(quiet, np.int64).reshape(-1, 3)
    if engine.flow is not None:
        arrays |= {f"flow.{name}": values for name, values in engine.flow.save().items()}
    arrays |= {f"awaited.{name}": values for name, values in engine.awaited.save().items()}
    if engine.anomalies is not None:
        arrays |= {f"anomalies.{name}": values for name, values in engine.anomalies.save().items()}
    arrays |= {f"kept.{name}": values for name, values in engine.kept.save().items()}
    arrays["day"] = np.array([] if engine.day is None else [engine.day], np.int64)
    return arrays


def load(engine: Engine, arrays: Arrays) -> None:
    """Take over a state saved by an engine with the same :func:`layout_key`."""
    for kind, space in enumerate(engine.admission.spaces):
        for name in _SPACE:
            setattr(space, name, np.array(arrays[f"space{kind}.{name}"]))
        space.count = int(arrays["spaces"][kind])
    admitted = engine.admission
    admitted.further.pairs_used, admitted.shared_used = arrays["spaces"][-2:].tolist()
    admitted.further.pairs = np.array(arrays["pairs"])
    admitted.remembered = remembered.loaded(arrays["ids"], arrays["ids.marks"])
    admitted.shared = np.array(arrays["shared"])
    engine.admission.codes = int(arrays["codes"][0])
    if admitted.elsewhere_us is not None:
        admitted.elsewhere_us = np.array(arrays["elsewhere_us"])
    for number, table in enumerate(engine.tables):
        prefix = f"table{number}."
        table.load({name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)})
    peers = engine.peers
    for name in _PEERS:
        setattr(peers, name, np.array(arrays[f"peers.{name}"]))
    peers.restore_segments(arrays["peers.segments"].tolist())
    peers.told.load({name[5:]: values for name, values in arrays.items() if name.startswith("bank.")})
    if "snapshot" in arrays:
        version, position, day, customers = arrays["snapshot"].tolist()
        quantiles, hubs = np.array(arrays["snapshot.quantiles"]), np.array(arrays["snapshot.hubs"])
        peers.use(BankSnapshot(version, position, day, quantiles, hubs, customers))
    engine.firsts.seen = np.array(arrays["firsts"])
    engine.firsts.used = int(arrays["firsts.used"][0])
    engine.firsts.fields = json.loads(arrays["firsts.fields"].tobytes())
    if engine.flow is not None:
        engine.flow.load({name[5:]: values for name, values in arrays.items() if name.startswith("flow.")})
    engine.awaited.load({name[8:]: values for name, values in arrays.items() if name.startswith("awaited.")})
    if engine.anomalies is not None:
        own = {name[10:]: values for name, values in arrays.items() if name.startswith("anomalies.")}
        engine.anomalies.load(own)
    engine.kept.load({name[5:]: values for name, values in arrays.items() if name.startswith("kept.")})
    rules = engine.program.rulebook.rules
    engine.findings.last_alert_us = {(rules[rule].id, code): at for rule, code, at in arrays["quiet"].tolist()}
    engine.day = int(arrays["day"][0]) if len(arrays["day"]) else None
