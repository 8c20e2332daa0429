"""Why an alert of the streaming shell was raised: the history of its partition in place of that of an embedded run.

The case store has the alert, the folder that all workers share has the rest: the recorded log of the partition
(``aml worker history``), the inputs by which it was judged (scoring workers) and what tokens stand for.
"""

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from monitor.adapters.block_log import DamagedError
from monitor.adapters.identity_files import KnownIdentities
from monitor.adapters.leg_history import HistoryAbsent
from monitor.adapters.sql.store import CaseStore
from monitor.app.explained import Payment
from monitor.app.explaining import LOST, Explained, Explainer
from monitor.app.explaining_models import payments_of
from monitor.app.model_cards import cards_in_use
from monitor.app.rerun_legs import PartitionFiles, only, partition_files, partition_of, payments_by_partition
from monitor.app.rerun_legs_models import alert_again
from monitor.app.rerunning import Evidence
from monitor.app.streaming.given import RUN_START
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
