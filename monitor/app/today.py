"""Would the rules of today still alert? An alert's rule in the version in force now, at the same payment.

The slow evaluator judges as a look-back does: the payments, the customer's profile and the bank snapshot are those of
the payment's moment, while rule, parameters, lists, rates and approvals are the last that the log took up. So a
difference comes from what the bank has changed since, and not from what the customer has done since.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from monitor.adapters.sql.orders import orders, taken_up
from monitor.adapters.sql.store import CaseStore
from monitor.app import kept_inputs
from monitor.app.embedded import RUN
from monitor.app.explained import Part
from monitor.app.kept_inputs import kept_models
from monitor.app.rerun_inputs import InputsThen
from monitor.app.rerunning import Evidence, Rerun, Rerunner
from monitor.casework.control import Control
from monitor.casework.orders import Order
from monitor.casework.position import LogInput
from monitor.domain.alert import MODEL
from monitor.domain.time import TIME_MAX_US
from monitor.domain.vocabulary import MODELS_LIVE, MODELS_OFF

YES, NO, UNDECIDED, HIDDEN, GONE = "yes", "no", "undecided", "hidden", "gone"
"""It would alert; the condition is false; a value is missing; it would hold and nobody would see it; there is no such
rule any more."""
END_OF_LOG = str(2**62)


@dataclass(frozen=True, slots=True)
class Changed:
    """What is another than it was at the alert."""

    what: str
    then: str
    now: str


@dataclass(frozen=True, slots=True)
class Today:
    """The answer, why, what has changed, and the condition of today part by part."""

    answer: str
    why: tuple[str, ...]
    changed: tuple[Changed, ...] = ()
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class InForce:
    """What decides today: the log of inputs, and the orders that it took up. ``digest`` is of all of it."""

    noted: Sequence[LogInput]
    control: Control
    clock_us: int
    digest: str

    @classmethod
    def of(cls, store: CaseStore) -> "InForce":
        """As the log stands now."""
        noted, stands, at = store.inputs(RUN), store.position(RUN), taken_up(store, RUN)
        control = Control(frozenset())
        known = sorted((each for each in orders(store) if each.order_id in at), key=lambda each: at[each.order_id])
        for each in known:
            control.take(each)
        body = repr([(each.kind, each.name, each.position, each.digest) for each in noted])
        body += repr([(each.order_id, at[each.order_id]) for each in known])
        clock_us = stands.clock_us if stands else 0
        return cls(noted, control, clock_us, sha256(body.encode()).hexdigest())


def by_inputs_of_now(evidence: Evidence, rerunner: Rerunner) -> Rerunner:
    """One that knows the inputs of today, and of the bank only what was measured before the payment."""
    position = int(evidence["position"])
    noted = [each for each in rerunner.noted if each.kind != "bank_snapshot" or each.position <= position]
    return replace(rerunner, noted=noted)


def as_of_now(evidence: Evidence, rerunner: Rerunner) -> Evidence | None:
    """The alert as if the inputs of today had judged it; ``None`` where its rule is not in force any more.

    Raises:
        InputNotKept: The rulebook of today is lost.
    """
    looking_back = evidence | {"inputs": evidence["inputs"] | {"lookback.position": END_OF_LOG}}
    then = InputsThen.of(rerunner.archive, rerunner.noted, looking_back)
    digest = kept_inputs.kept_digests(rerunner.archive, then.rulebook()).get(evidence["source"]["id"])
    if digest is None:
        return None
    return looking_back | {"source": evidence["source"] | {"digest": digest}}


def gone(evidence: Evidence) -> Today:
    """The answer where the rule is not in force any more."""
    return Today(GONE, (f"Rule {evidence['source']['id']} is not in the rulebook of today.",))


def of_models(evidence: Evidence, in_force: InForce, rerunner: Rerunner) -> Today:
    """The answer for an alert of the anomaly models: whether they are the same, and whether they are heard."""
    noted = [each for each in in_force.noted if (each.kind, each.name) == ("models", "models")]
    if not noted or not noted[-1].content:
        return Today(NO, ("The anomaly models are switched off.",))
    kept = kept_models(rerunner.archive, noted[-1].content)
    if kept["mode"] == MODELS_OFF:
        return Today(NO, ("The anomaly models are switched off.",))
    then, now = str(evidence["source"]["digest"]), kept["digest"]
    if then != now:
        changed = Changed("models", then[:12], now[:12])
        return Today(UNDECIDED, ("The models are others now. They learn from every payment of the bank, so what they "
                                 "would have raised is told by a replay only:  aml replay",), (changed,))  # fmt: skip
    if kept["mode"] != MODELS_LIVE:
        return Today(HIDDEN, ("The models are the same; they run in shadow now, so nobody would see it.",))
    hidden = _hidden(evidence, in_force)
    same = "The models are the same as then, and raise the same at this payment."
    return Today(HIDDEN if hidden else YES, (same, *hidden))


def answer(evidence: Evidence, again: Rerun, in_force: InForce, rerunner: Rerunner, parts: Sequence[Part],
           changed: Sequence[Changed]) -> Today:  # fmt: skip
    """The answer for an alert of a rule, from what came out again by the inputs of today."""
    verdict = again.recomputed.verdict
    if verdict.verdict == "unknown":
        missing = verdict.missing or "a value"
        return Today(UNDECIDED, (f"The condition of today cannot be decided: {missing} is not known.",), tuple(changed),
                     tuple(parts))  # fmt: skip
    if verdict.verdict == "false":
        failing = [part.words for part in parts if part.truth == "false" and part.joined is None]
        return Today(NO, tuple(f"This does not hold: {words}." for words in failing), tuple(changed), tuple(parts))
    hidden = _hidden(evidence, in_force)
    live = InputsThen(rerunner.archive, in_force.noted, int(END_OF_LOG), is_lookback=True).live([again.rule])
    if again.rule.id not in live:
        hidden = ("The rule is not approved, so it runs in shadow and nobody would see the alert.", *hidden)
    why = ("The condition of today holds.", *hidden)
    return Today(HIDDEN if hidden else YES, why, tuple(changed), tuple(parts))


def changes(then: Rerun | None, now: Rerun) -> tuple[Changed, ...]:
    """What is another in the rule: version, condition, and the parameters in force for this customer."""
    if then is None:
        return ()
    found = [
        Changed("version", str(then.rule.version), str(now.rule.version)),
        Changed("condition", then.rule.when.text, now.rule.when.text),
        *(Changed(f"window {name}", _window(then, name), _window(now, name))
          for name in sorted({*then.rule.windows, *now.rule.windows})),
    ]  # fmt: skip
    before, after = _parameters(then), _parameters(now)
    found += [Changed(name, before.get(name, "–"), after.get(name, "–")) for name in sorted({*before, *after})]
    return tuple(each for each in found if each.then != each.now)


def _window(again: Rerun, name: str) -> str:
    window = again.rule.windows.get(name)
    if window is None:
        return "–"
    where = window.where.text if window.where is not None else "all"
    return f"{window.calendar or window.over_us} by {window.by}: {where}"


def _parameters(again: Rerun) -> Mapping[str, str]:
    rows = again.recomputed.verdict.parameters
    return {name: f"{row.value} {again.rule.parameters[name].unit}" for name, row in rows.items() if row is not None}


def _hidden(evidence: Evidence, in_force: InForce) -> tuple[str, ...]:
    """Why nobody would see the alert by the orders of today."""
    found = []
    if evidence["source"]["id"] in in_force.control.disabled:
        found.append("The rule or model is switched off by an order.")
    if any(_reaches(order, evidence, in_force.clock_us) for order in in_force.control.suppressions.values()):
        found.append("A suppression is in force for it.")
    return tuple(found)


def _reaches(order: Order, evidence: Mapping[str, Any], now_us: int) -> bool:
    """Whether a suppression would be meant for the alert, were it raised now."""
    scope = (
        (order.rule, evidence["source"]["id"]),
        (order.typology, evidence["typology"]),
        (order.subject_kind, evidence["subject"]["kind"]),
        (order.subject_token, evidence["subject"]["id"]),
        (order.segment, evidence["segment"]),
    )
    is_now = (order.from_us or 0) <= now_us < (order.until_us or TIME_MAX_US)
    return is_now and all(wanted is None or wanted == given for wanted, given in scope)


def is_of_models(evidence: Evidence) -> bool:
    """Whether the alert is one of the anomaly models."""
    return bool(evidence["source"]["kind"] == MODEL)
