"""Why an alert of the streaming shell was raised: the history of its partition in place of that of an embedded run.

The case store has the alert, the folder that all workers share has the rest: the recorded log of the partition
(``aml worker history``), the inputs by which it was judged (scoring workers) and what tokens stand for.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from monitor.adapters.block_log import DamagedError
from monitor.adapters.identity_files import KnownIdentities
from monitor.adapters.leg_history import HistoryAbsent, first_position, recorded
from monitor.adapters.sql.store import CaseStore
from monitor.app.books import Books
from monitor.app.customer import Customer, customer_at
from monitor.app.explained import Payment
from monitor.app.explaining import LOST, CannotExplain, Explained, Explainer
from monitor.app.explaining_models import payments_of
from monitor.app.model_cards import cards_in_use
from monitor.app.rerun_history import HistoryLost
from monitor.app.rerun_legs import PartitionFiles, only, partition_files, partition_of, payments_by_partition
from monitor.app.rerun_legs_models import alert_again
from monitor.app.rerunning import Evidence
from monitor.app.streaming.given import RUN_START
from monitor.app.today import InForce, Today
from monitor.domain.alert import MODEL, Alert

LEGS = "legs"
"""The topic of which the history is."""
_NOT_KEPT = (*LOST, HistoryAbsent)


def is_of_stream(store: CaseStore) -> bool:
    """Whether casework workers have written the store."""
    return any(run.startswith(RUN_START) for run in store.runs())


class StreamExplainer(Explainer):
    """A store of the streaming shell, open for explanations.

    Args:
        store: The case store; it is closed with this.
        folder: The folder that all workers share.
        key: The key of the tokens.
        topic: The topic of legs.
    """

    def __init__(self, store: CaseStore, *, folder: Path, key: bytes, topic: str = LEGS) -> None:
        self.store = store
        self._folder, self._key, self._topic = folder, key, topic
        self._identities = KnownIdentities(folder)

    def close(self) -> None:
        """Let go of all files."""
        self._identities.close()
        self.store.close()

    @contextmanager
    def books(self, position: int) -> Iterator[Books]:
        """The recorded payments of the partition in whose log a position lies.

        Raises:
            HistoryLost: There is no history of it, or it cannot be read.
        """
        try:
            with self._files(partition_of(position)) as files:
                yield _books(files)
        except (HistoryAbsent, DamagedError) as error:
            raise HistoryLost(str(error)) from error

    @contextmanager
    def all_books(self) -> Iterator[list[Books]]:
        """Those of all partitions that are recorded."""
        with ExitStack() as opened:
            yield [_books(opened.enter_context(self._files(each))) for each in recorded(self._folder, self._topic)]

    def customer(self, evidence: Evidence, *, now_us: int) -> Customer | None:
        """As :meth:`Explainer.customer`; the profiles are those that the log of the partition tells of."""
        try:
            with self._files(partition_of(int(evidence["position"]))) as files:
                return customer_at(files.placed(evidence), files.rerunner, now_us=now_us)
        except (HistoryAbsent, DamagedError) as error:
            raise HistoryLost(str(error)) from error

    def today(self, prefix: str, in_force: InForce) -> Today:
        """Not known here yet.

        Raises:
            CannotExplain: Always.
        """
        raise CannotExplain("Alerts of the workers are not judged by the rules of today yet. A replay over the "
                            "recorded payments tells:  aml replay")  # fmt: skip

    def explain_evidence(self, evidence: Evidence) -> Explained:
        """The explanation of an alert by its stored evidence; what is missing is said in ``lost``."""
        try:
            with self._files(partition_of(int(evidence["position"]))) as files:
                return self._by(files, evidence)
        except (HistoryAbsent, DamagedError) as error:
            known = self._identities.find(bytes.fromhex(evidence["subject"]["id"]))
            subject = known[1] if known else evidence["subject"]["id"]
            return Explained(evidence, subject, None, lost=(str(error),))

    def _by(self, files: PartitionFiles, evidence: Evidence) -> Explained:
        self._opened, self.rerunner, self.vault = files, files.rerunner, files.texts
        subject = files.rerunner.tokens.text(evidence["subject"]["id"]) or evidence["subject"]["id"]
        try:
            placed = files.placed(evidence)
        except LOST as error:
            payments = self._payments_named(files, evidence) if files.has(evidence) else ()
            cards = cards_in_use() if evidence["source"]["kind"] == MODEL else ()
            return Explained(evidence, subject, None, payments=payments, lost=(str(error),), cards=cards)
        explained = super().explain_evidence(placed)
        payments = explained.payments or self._payments_named(files, placed)
        return replace(explained, evidence=evidence, payments=payments)

    def _model_again(self, evidence: Evidence) -> Alert | None:
        return alert_again(self._opened, evidence)

    def _payments_named(self, files: PartitionFiles, evidence: Evidence) -> tuple[Payment, ...]:
        """The payments that the alert names, also those on a way of money in the logs of other partitions."""
        found: list[Payment] = []
        for partition, positions in payments_by_partition(evidence).items():
            some = only(evidence, positions)
            if partition == files.partition:
                found += payments_of(some, files.rerunner, files.texts)
                continue
            try:
                with self._files(partition) as others:
                    found += payments_of(some, others.rerunner, others.texts)
            except _NOT_KEPT:
                continue
        return tuple(sorted(found, key=lambda each: (each.booked_at, each.position)))

    def _files(self, partition: int) -> AbstractContextManager[PartitionFiles]:
        return partition_files(self._folder, self._topic, partition, key=self._key, identities=self._identities)


def _books(files: PartitionFiles) -> Books:
    stop = first_position(files.partition) + files.manifest.rows
    return Books(files.rerunner.history, files.rerunner.tokens, files.texts, stop)
