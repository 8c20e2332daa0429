"""What a run keeps of its inputs, and how it is read back: the two sides of ``every alert can be re-run``.

A rulebook is kept as a manifest (JSON) that names the original file of each rule by the rule's digest; lists and
rates as their original files, booking entities as JSON, profiles packed below the vault. A bank snapshot is kept
as JSON: the quantiles by segment, and the hubs as tokens.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from monitor.adapters.input_archive import InputArchive, InputNotKept
from monitor.app.inputs import OVERLAY, GivenInputs, LoadedInputs
from monitor.casework.breaker import BreakerSettings
from monitor.domain.time import UNKNOWN
from monitor.engine.engine import Engine
from monitor.engine.peers import BankSnapshot
from monitor.intake.entities import Entities
from monitor.intake.rates import Rates, load_rates
from monitor.rulebook import load
from monitor.rulebook.lists import NamedList, read_list
from monitor.rulebook.plan import Program
from monitor.rulebook.rule import Approval, PeerName, Rule
from monitor.rulebook.rule_error import RuleError
from monitor.rulebook.walk import nodes


@dataclass(frozen=True, slots=True)
class KeptSnapshot:
    """A bank snapshot as it is kept.

    ``quantiles`` by segment (``""``: the whole bank) and ``RULE:peer.window.measure.p99``; a value is in the unit of
    its measure.
    """

    version: int
    quantiles: Mapping[str, Mapping[str, int]]
    hubs: frozenset[str]


def keep_input(
    archive: InputArchive, kind: str, name: str, *, loaded: LoadedInputs, given: GivenInputs, profiles: Path | None
) -> str | None:
    """Keep the content of an input; returns its name for the log of inputs, ``None`` for kinds without content."""
    match kind:
        case "rulebook":
            return _keep_rules(archive, loaded, given)
        case "approvals" if name == OVERLAY:
            return archive.keep(loaded.overlay(), ".json")
        case "approvals":
            return archive.keep(json.dumps(sorted(loaded.live)).encode(), ".json")
        case "breaker":
            return archive.keep(loaded.breaker.body.encode(), ".json")
        case "models":
            return archive.keep(loaded.models_body.encode(), ".json")
        case "list":
            return archive.keep(_list_file(given, name).read_bytes(), ".yaml")
        case "typologies":
            return archive.keep(loaded.groups.file.read_bytes(), ".yaml") if loaded.groups.file else None
        case "rates":
            return archive.keep(given.rates.read_bytes(), ".csv") if given.rates else None
        case "entities":
            return archive.keep(loaded.entities.model_dump_json().encode(), ".json")
        case "profiles":
            return archive.keep_personal(profiles) if profiles else None
    return None


def _keep_rules(archive: InputArchive, loaded: LoadedInputs, given: GivenInputs) -> str:
    rules = loaded.program.rulebook.rules
    kept: dict[str, dict[str, str]] = {rule_id: dict(entry) for rule_id, entry in loaded.kept.items()}
    for rule in rules:
        if rule.id in kept:
            continue
        path = Path(rule.place.file)
        content = archive.keep(path.read_bytes(), ".yaml")
        # Folder and name are checked when the rule is read again.
        name = f"{path.parent.name}/{path.name}"
        kept[rule.id] = {"digest": rule.digest, "file": name, "path": given.name_of(str(path)), "content": content}
    manifest = {"keys": sorted({window.by for rule in rules for window in rule.windows.values()}), "rules": kept}
    return archive.keep(json.dumps(manifest, sort_keys=True, indent=1).encode(), ".json")


def _list_file(given: GivenInputs, name: str) -> Path:
    lists, _ = load.load_lists([*(given.rules or (load.shipped_rules(),)), *given.lists])
    return Path(lists[name].place.file)


def peer_columns(program: Program) -> dict[str, int]:
    """The column of each peer quantile by rule and name, such as ``AML-FAN-001:peer.received.payers.p99``."""
    columns = {}
    for rule, plan in zip(program.rulebook.rules, program.rules, strict=True):
        for node in nodes(rule):
            if isinstance(node, PeerName):
                measure = plan.measures[node.window, node.measure][0]
                columns[f"{rule.id}:{node.text}"] = program.peers.index((measure, node.quantile))
    return columns


def keep_snapshot(
    archive: InputArchive, engine: Engine, snapshot: BankSnapshot, columns: Mapping[str, int]
) -> tuple[str, str]:
    """Keep a bank snapshot; returns its digest and its name. ``columns`` is :func:`peer_columns` of the program.

    It is not flushed to the disk one by one: a lost one is made again by measuring the history.
    """
    data = snapshot_content(engine, snapshot, columns)
    return sha256(data).hexdigest(), archive.keep(data, ".json", durable=False)


def snapshot_content(engine: Engine, snapshot: BankSnapshot, columns: Mapping[str, int]) -> bytes:
    """What is kept of a bank snapshot, JSON; the rows that it names are those of the engine as it is now."""
    token, code_of = engine.inputs.identifiers.token, engine.admission.spaces[0].code_of
    body = {
        "version": snapshot.version,
        "day": snapshot.day,
        "quantiles": _quantiles(engine, snapshot, columns),
        "hubs": sorted(token(int(code_of[row])) for row in snapshot.hubs.tolist()),
    }
    return json.dumps(body, sort_keys=True).encode()


def _quantiles(engine: Engine, snapshot: BankSnapshot, columns: Mapping[str, int]) -> dict[str, dict[str, int]]:
    words = ["", *(engine.inputs.identifiers.word(code) or "" for code in engine.peers.segment_code)]
    return {
        words[index]: {name: int(row[column]) for name, column in columns.items() if row[column] != UNKNOWN}
        for index, row in enumerate(snapshot.quantiles)
    }


# Reading back -----------------------------------------------------------------------------------------


def kept_rule(archive: InputArchive, manifest: str, rule_id: str, digest: str, lists: Mapping[str, NamedList]) -> Rule:
    """A rule as it was.

    Raises:
        InputNotKept: The rulebook does not hold it, or what is kept decides otherwise than the digest says.
    """
    entry = json.loads(archive.read(manifest))["rules"].get(rule_id)
    if entry is None:
        raise InputNotKept(f"{manifest}: the kept rulebook has no rule {rule_id}, so it is not that of this alert.")
    try:
        rule = load.read_rule(archive.read(entry["content"]).decode(), entry["file"], lists, is_kept=True)
    except RuleError as error:
        raise InputNotKept(f"{entry['content']}: the kept rule is not understood by this release: {error}") from error
    if rule.digest != digest:
        raise InputNotKept(
            f"{entry['content']}: the kept rule {rule_id} has the digest {rule.digest[:12]}, the alert {digest[:12]}. "
            "The file was changed while the run started; the rule as it was is in the bank's own records."
        )
    return rule


def kept_rules(archive: InputArchive, manifest: str, lists: Mapping[str, NamedList]) -> list[Rule]:
    """All rules of a kept rulebook as they were, ordered by id.

    Raises:
        InputNotKept: One of them is not understood, or decides otherwise than its digest says.
    """
    kept = json.loads(archive.read(manifest))["rules"]
    return [kept_rule(archive, manifest, name, kept[name]["digest"], lists) for name in sorted(kept)]


def kept_approval(archive: InputArchive, content: str, rule: Rule) -> Approval | None:
    """The bank's approval of a rule as it was in force; ``None`` where there was none for this digest."""
    for each in json.loads(archive.read(content)):
        if (each["rule"], each["digest"]) == (rule.id, rule.digest):
            return Approval(each["by"], each["on"], each["record"], is_example=False)
    return None


def kept_live(archive: InputArchive, content: str) -> frozenset[str]:
    """The ids of the rules that raised alerts, not only in shadow."""
    return frozenset(json.loads(archive.read(content)))


def kept_digests(archive: InputArchive, manifest: str) -> dict[str, str]:
    """The digest of each rule of a kept rulebook, by id."""
    return {rule_id: entry["digest"] for rule_id, entry in json.loads(archive.read(manifest))["rules"].items()}


def kept_keys(archive: InputArchive, manifest: str) -> frozenset[str]:
    """The keys of all windows of a kept rulebook: their clocks decide when a payment was judged."""
    return frozenset(json.loads(archive.read(manifest))["keys"])


def kept_list(archive: InputArchive, name: str, content: str) -> NamedList:
    """A list as it was."""
    return read_list(archive.read(content).decode("utf-8", "replace"), f"{name}.yaml")


def kept_rates(archive: InputArchive, content: str) -> Rates:
    """The rates as they were."""
    return load_rates(archive.path(content))


def kept_entities(archive: InputArchive, content: str) -> Entities:
    """The booking entities as they were."""
    return Entities.model_validate_json(archive.read(content))


def kept_breaker(archive: InputArchive, content: str) -> BreakerSettings:
    """The settings of the breaker as they were."""
    return BreakerSettings(**json.loads(archive.read(content)))


def kept_models(archive: InputArchive, content: str) -> dict[str, str]:
    """What the models did (``mode``) and were (``digest``, ``configuration``)."""
    return dict(json.loads(archive.read(content)))


def kept_snapshot(archive: InputArchive, content: str) -> KeptSnapshot:
    """A bank snapshot as it was."""
    body = json.loads(archive.read(content))
    return KeptSnapshot(int(body["version"]), body["quantiles"], frozenset(body["hubs"]))
