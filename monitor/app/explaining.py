"""Why an alert was raised, and whether the same comes out again.

The stored evidence stands on one side; on the other the rule as it was, computed by the slow evaluator over the
recorded history with the inputs as they were. Every number is shown twice, and what differs is named. An alert of the
anomaly models is raised again by fresh models over that history.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from monitor.adapters.block_log import DamagedError
from monitor.adapters.input_archive import InputNotKept
from monitor.adapters.sql.store import CaseStore, open_store
from monitor.adapters.vault import PlainVault, Texts
from monitor.app.backtest.problem import BacktestError
from monitor.app.books import Books
from monitor.app.comparing import (
    as_stored,
    differences_of,
    measures_of,
    negated,
    parameters_of,
    positions_of,
    rating_of,
    row_words,
    truth_of,
    word,
    words_named,
)
from monitor.app.courses import Course, Peer, courses, peers, quantity_of
from monitor.app.customer import Customer, customer_at
from monitor.app.embedded import RUN
from monitor.app.explained import Compared, ComparedMeasure, Part, Payment, TextsByPosition
from monitor.app.explaining_models import facts_again, payments_of
from monitor.app.model_cards import Card, cards_in_use
from monitor.app.money_path import Path as MoneyPath
from monitor.app.money_path import path_of
from monitor.app.rerun_flow import flow_names
from monitor.app.rerun_history import HistoryLost, Row
from monitor.app.rerun_models import alert_again
from monitor.app.rerunning import Evidence, Rerun, Rerunner
from monitor.app.resolving import open_tokens, stored_token_key
from monitor.app.store import data_folder
from monitor.app.today import (
    InForce,
    Today,
    answer,
    as_of_now,
    by_inputs_of_now,
    changes,
    gone,
    is_of_models,
    of_models,
)
from monitor.casework.told import PERSON
from monitor.domain.alert import MODEL, REEVALUATED, Alert, Quantity, alert_id
from monitor.domain.time import format_time
from monitor.domain.units import Kind
from monitor.engine.sentences import fill
from monitor.rulebook.reference import PlainLeg
from monitor.rulebook.rule import Call, Compare, Literal, Logic, Membership, Node, Rule
from monitor.rulebook.worded import in_words

LOST = (InputNotKept, HistoryLost, DamagedError, BacktestError)
"""What keeps an alert from being computed again; each says why."""


class AlertUnknown(Exception):
    """No alert, or more than one, has this id; the message says what to do."""


class CannotExplain(Exception):
    """The store has no history beside it; the message says where explanations work."""


@dataclass(frozen=True, slots=True)
class Explained:
    """Everything that ``aml explain`` shows. ``again`` is ``None`` where nothing could be computed again.

    ``lost`` says what could not be re-run, ``differences`` what came out otherwise; the alert is confirmed where
    both are empty.
    """

    evidence: Evidence
    subject: str
    rule: Rule | None
    facts: tuple[Compared, ...] = ()
    measures: tuple[ComparedMeasure, ...] = ()
    parts: tuple[Part, ...] = ()
    payments: tuple[Payment, ...] = ()
    differences: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()
    """Of an alert of the anomaly models: what they are. Such an alert has no rule."""
    courses: tuple[Course, ...] = ()
    """How the numbers came to their thresholds, if that was asked for."""
    peers: tuple[Peer, ...] = ()
    path: MoneyPath | None = None
    """The way of the money, of a rule that follows it."""

    @property
    def is_same(self) -> bool:
        return not self.differences and not self.lost


class Explainer:
    """A store of alerts, open for explanations. Nothing is written; a run may go on meanwhile.

    ``store`` has the alerts, ``rerunner`` and ``vault`` what the alert in hand is computed again from.
    """

    store: CaseStore
    rerunner: Rerunner
    vault: TextsByPosition
    points_max: int = 0
    """Most points of a course of an explanation; 0 for none."""

    def __init__(self, db: str | Path) -> None:
        """Open the store of an embedded run.

        Raises:
            CannotExplain: There is no history or no key beside the database.
            StoreError: The database cannot be opened.
        """
        folder = data_folder(Path(db)) if "://" not in str(db) else None
        key = stored_token_key(folder) if folder else None
        self.store = open_store(db)
        if folder is None or key is None or not (folder / "vault" / "identifiers.blocks").exists():
            self.store.close()
            raise CannotExplain(
                f"{db}: there is no history beside this store, so nothing can be computed again. Give --db the "
                "database of the run, with its .data folder next to it."
            )
        self.db = Path(db)
        self.vault = PlainVault(folder / "vault", read_only=True)
        self.rerunner = Rerunner(folder, key, open_tokens(folder, key), self.store.inputs(RUN))

    def __enter__(self) -> "Explainer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all files."""
        self.vault.close()
        self.store.close()

    @contextmanager
    def books(self, position: int) -> Iterator[Books]:
        """The recorded payments of the log in which a position lies."""
        stands = self.store.position(RUN)
        stop = 0 if stands is None else stands.log_position
        yield Books(self.rerunner.history, self.rerunner.tokens, self.vault, stop)

    @contextmanager
    def all_books(self) -> Iterator[list[Books]]:
        """Those of all logs of the bank."""
        with self.books(0) as only:
            yield [only]

    def alert_id(self, prefix: str) -> str:
        """The one alert whose id begins so.

        Raises:
            AlertUnknown: There is none, or there are several.
        """
        given = prefix if prefix.startswith("A-") else f"A-{prefix}"
        found = self.store.alert_ids(given.upper(), limit=4)
        if len(found) == 1:
            return found[0]
        if not found:
            raise AlertUnknown(f"{prefix}: no alert has this id. aml cases show CASE lists the alerts of a case.")
        shown = ", ".join(each[:12] for each in found[:3])
        raise AlertUnknown(f"{prefix}: several alerts begin so: {shown}, ... Give more characters.")

    def explain(self, prefix: str) -> Explained:
        """The explanation of an alert, given by its id or a unique beginning of it.

        Raises:
            AlertUnknown: There is no such alert, or there are several.
        """
        evidence = self.store.evidence(self.alert_id(prefix))
        assert evidence is not None
        return self.explain_evidence(evidence)

    def explain_evidence(self, evidence: Evidence) -> Explained:
        """The explanation of an alert by its stored evidence."""
        if evidence["source"]["kind"] == PERSON:
            raise CannotExplain("A person told it: nothing was measured, and there is nothing to compute again.")
        subject = self.rerunner.tokens.text(evidence["subject"]["id"]) or evidence["subject"]["id"]
        if evidence["source"]["kind"] == MODEL:
            return self._explain_model(evidence, subject)
        rule = None
        try:
            rule = self.rerunner.rule(evidence)
            again = self.rerunner.rerun(evidence)
        except LOST as error:
            return Explained(evidence, subject, rule, lost=(str(error),))
        return self._compare(evidence, subject, again)

    def customer(self, evidence: Evidence, *, now_us: int) -> Customer | None:
        """Who an alert is about: the profile as it was then and as it is at ``now_us``; ``None`` without a customer.

        Raises:
            InputNotKept, HistoryLost, DamagedError: Something that it depends on is lost (:data:`LOST`).
        """
        return customer_at(evidence, self.rerunner, now_us=now_us)

    def in_force(self) -> InForce:
        """What decides today."""
        return InForce.of(self.store)

    def today(self, prefix: str, in_force: InForce) -> Today:
        """Whether the rules of today would still raise an alert, and why or why not.

        Raises:
            AlertUnknown: There is no such alert, or there are several.
            InputNotKept, HistoryLost, DamagedError: Something that it depends on is lost (:data:`LOST`).
        """
        evidence = self.store.evidence(self.alert_id(prefix))
        assert evidence is not None
        if is_of_models(evidence):
            return of_models(evidence, in_force, self.rerunner)
        rerunner = by_inputs_of_now(evidence, self.rerunner)
        now = as_of_now(evidence, rerunner)
        if now is None:
            return gone(evidence)
        again = rerunner.rerun(now)
        parts = self._parts(again, again.recomputed.rule.when, 0)
        return answer(evidence, again, in_force, self.rerunner, parts, changes(self._then(evidence), again))

    def _then(self, evidence: Evidence) -> Rerun | None:
        """The alert by the inputs of its moment; ``None`` where they are lost."""
        try:
            return self.rerunner.rerun(evidence)
        except LOST:
            return None

    def _explain_model(self, evidence: Evidence, subject: str) -> Explained:
        """An alert of the anomaly models, raised again from the history."""
        cards = cards_in_use()
        try:
            payments = payments_of(evidence, self.rerunner, self.vault)
            facts, measures = facts_again(evidence, self._model_again(evidence))
        except LOST as error:
            return Explained(evidence, subject, None, lost=(str(error),), cards=cards)
        differences = tuple(differences_of(facts, measures))
        return Explained(evidence, subject, None, facts, measures, (), payments, differences, cards=cards)

    def _model_again(self, evidence: Evidence) -> Alert | None:
        """What fresh models raise at the alert's payment."""
        return alert_again(self.db, evidence)

    def _compare(self, evidence: Evidence, subject: str, again: Rerun) -> Explained:
        measures = tuple(measures_of(evidence, again))
        facts = tuple(self._facts(evidence, again, {each.name: each.again for each in measures}))
        differences = differences_of(facts, measures)
        parts = tuple(self._parts(again, again.recomputed.rule.when, 0))
        payments = tuple(self._payments(evidence, again))
        return Explained(
            evidence, subject, again.rule, facts, measures, parts, payments, tuple(differences),
            courses=courses(again, points_max=self.points_max) if self.points_max else (), peers=peers(again),
            path=self._path(evidence, again),
        )  # fmt: skip

    # Facts --------------------------------------------------------------------------------------------

    def _facts(self, evidence: Evidence, again: Rerun, measures: dict[str, Quantity]) -> list[Compared]:
        verdict, leg, row = again.recomputed.verdict, again.recomputed.leg, again.rows[int(evidence["position"])]
        source, profile = evidence["source"], again.profile
        parameters = parameters_of(again)
        positions = positions_of(again)
        sentence = fill(again.rule.alert.text, measures, parameters, words_named(again))
        identity = alert_id(
            rule=again.rule.id, digest=again.rule.digest, subject_token=again.subject,
            transaction=(row["id_hi"], row["id_lo"]), leg_role=evidence["leg_role"],
        )  # fmt: skip
        stored = evidence["parameters"]
        found = [
            Compared("the condition", "true", verdict.verdict),
            Compared("alert id", evidence["alert_id"], identity),
            Compared("rule digest", source["digest"], again.rule.digest),
            Compared("rule version", str(source["version"]), str(again.rule.version)),
            Compared("sentence", evidence["text"], sentence),
            Compared("event time", evidence["event_time"], format_time(leg.transaction.booked_at_us)),
            Compared("judged at", evidence["judged_at"], format_time(leg.judged_us)),
            Compared("amount", f"{evidence['amount_minor']} {evidence['currency']}",
                     f"{leg.transaction.amount_minor} {leg.transaction.currency}"),
            Compared("profile version", word(evidence["profile_version"]),
                     word(profile.version if profile else None)),
            Compared("segment", word(evidence["segment"]), word(profile.segment if profile else None)),
            Compared("risk rating", word(evidence["risk_rating"]), word(rating_of(again))),
            Compared("bank snapshot", word(evidence["bank_snapshot"]), word(again.bank_snapshot)),
            Compared("transactions", " ".join(evidence["transactions"]), " ".join(map(str, positions))),
        ]  # fmt: skip
        marks = set(evidence["marks"])
        if marks & {"lookback", REEVALUATED}:
            # Judged later than the payment, by the bank of that moment.
            found = [each for each in found if each.name not in ("judged at", "bank snapshot")]
        if REEVALUATED in marks:
            # Payments that had left a window since are not named behind it (ADR 0036).
            found = [each for each in found if each.name != "transactions"]
        for name in sorted({*stored, *parameters}):
            again_row = row_words(as_stored(parameters[name])) if name in parameters else "none in force"
            found.append(Compared(name, row_words(stored[name]) if name in stored else "none in force", again_row))
        return found

    # Condition ----------------------------------------------------------------------------------------

    def _parts(self, again: Rerun, node: Node, depth: int) -> list[Part]:
        truth = truth_of(again.recomputed.value(node))
        if isinstance(node, Logic):
            below = [part for child in node.parts for part in self._parts(again, child, depth + 1)]
            if node.op == "not" and len(below) == 1:
                below[0] = negated(below[0], node, truth, depth)
                return below
            head = Part(depth, in_words(node, inner=True), node.text, truth, node.op)
            return [head, *below]
        words = in_words(node, inner=True)
        if isinstance(node, Compare):
            left, right = self._quantity(again, node.left), self._quantity(again, node.right)
            is_plain = isinstance(node.right, Literal)
            return [Part(depth, words, node.text, truth, None, left, node.op, None if is_plain else right)]
        if isinstance(node, Membership):
            return [Part(depth, words, node.text, truth, None, self._quantity(again, node.item))]
        if isinstance(node, Call) and node.arguments:
            return [Part(depth, words, node.text, truth, None, self._quantity(again, node.arguments[0]))]
        return [Part(depth, words, node.text, truth)]

    def _quantity(self, again: Rerun, node: Node) -> Quantity:
        value = again.recomputed.value(node)
        quantity = quantity_of(value, node.unit)
        if quantity.value is None or node.unit.kind is not Kind.CATEGORY or len(quantity.value) != 32:
            return quantity
        return Quantity(self._text(quantity.value), quantity.unit)

    def _text(self, token: str) -> str:
        try:
            return self.rerunner.tokens.text(token) or token
        except ValueError:
            return token

    def _path(self, evidence: Evidence, again: Rerun) -> MoneyPath | None:
        if not flow_names(again.rule):
            return None
        with self.all_books() as logs:
            return path_of(logs, {int(each) for each in evidence["transactions"]})

    # Payments -----------------------------------------------------------------------------------------

    def _payments(self, evidence: Evidence, again: Rerun) -> list[Payment]:
        behind = again.recomputed.behind()
        wanted = {*map(int, evidence["transactions"]), *positions_of(again)}
        own = again.recomputed.leg
        legs = [
            leg
            for leg in again.recomputed.run.history.legs
            if leg.position in wanted and leg.keys.items() & own.keys.items()
        ]
        found = {leg.position: self._payment(leg, own, again.rows, behind) for leg in legs}
        return [found[position] for position in sorted(found)]

    def _payment(
        self, leg: PlainLeg, own: PlainLeg, rows: dict[int, Row], behind: dict[str, tuple[int, ...]]
    ) -> Payment:
        transaction = leg.transaction
        texts = self.vault.texts(leg.position) or Texts(None, None, None)
        return Payment(
            position=leg.position,
            transaction_id=self.vault.transaction_id(leg.position) or f"#{leg.position}",
            booked_at=format_time(transaction.booked_at_us),
            direction="in" if leg.role == "credit" else "out",
            amount_minor=transaction.amount_minor,
            currency=transaction.currency,
            channel=transaction.channel,
            counterparty=self._text(leg.counterparty) if leg.counterparty else None,
            counterparty_name=texts.debtor_name if leg.role == "credit" else texts.creditor_name,
            counterparty_country=leg.other.country,
            is_completing=leg.position == own.position,
            windows=tuple(name for name, positions in behind.items() if leg.position in positions),
        )
