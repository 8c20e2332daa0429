"""Looking back after a named list changed: which recorded payments would have alerted, had the words been there.

China asks for it: when a list of names is adjusted, the business relations of at least the last three years are to be
searched at once (PBC Order [2016] No. 3, article 18, as amended). This goes back as far as the history reaches.

First the history is scanned for the words that were added: columns of codes, by pyarrow, without judging. Whoever holds
a side of a payment that meets one is affected. Then the same engine judges the recorded payments of the affected twice,
with the former words and with the new ones; what only the new ones bring is a look-back alert. Its id is the one that
it would have had on its day, so that nothing is raised twice. It is marked ``lookback``, judged at the clock of the log
now, and its inputs name the list and the position of the look-back. A suppression in force at that time reaches it as
any other alert, and never that of an obligation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace as changed

from monitor.adapters.history_parts import STORED
from monitor.adapters.history_reading import HistoryReader
from monitor.app import replaying
from monitor.app.inputs import LoadedInputs, engine_inputs
from monitor.app.profiles import ProfileTimeline
from monitor.app.store import StoreFiles
from monitor.casework.control import Control
from monitor.domain.alert import Alert
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import TransactionBatch
from monitor.domain.vocabulary import MODELS_OFF
from monitor.engine.binding import NamedList, word_code
from monitor.engine.engine import Engine
from monitor.rulebook.canonical import rulebook_digest
from monitor.rulebook.plan import plan
from monitor.rulebook.rule import Membership, Name, PeerName, Rule, Rulebook
from monitor.rulebook.walk import nodes

LOOKBACK = "lookback"
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "country": ("debtor_country", "creditor_country", "goods_country"),
    "currency": ("currency",),
    "agent": ("debtor_agent", "creditor_agent", "instructing_agent"),
    "account": ("debtor_account", "creditor_account"),
    "customer": ("debtor_holder", "creditor_holder", "conductor", "on_behalf_of"),
    "device": ("device",),
    "branch": ("branch",),
    "purpose": ("purpose",),
    "entity": ("booking_entity",),
    "merchant_category": ("merchant_category",),
    "reason": ("reason",),
    "screening_list": ("screening_list",),
    "link": ("link",),
}
"""Columns of the history in which words of a vocabulary stand. Of others every payment counts as meeting the list."""
_HOLDERS, _ACCOUNTS = ("debtor_holder", "creditor_holder"), ("debtor_account", "creditor_account")
_OWN_KEYS = ("customer", "account")

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LookedBack:
    """What a look-back did."""

    name: str
    version: str
    added: tuple[str, ...]
    rules: tuple[str, ...]
    scanned: int
    met: int
    customers: int
    alerts: list[Alert]

    @property
    def summary(self) -> str:
        """One line for people."""
        shown = ", ".join(self.added[:10]) + (", ..." if len(self.added) > 10 else "")
        if not self.added:
            return f"List {self.name}, version {self.version}: no word was added, so there is nothing to look back for."
        if not self.rules:
            return f"List {self.name}, version {self.version}: {len(self.added)} words added; no rule in force uses it."
        return (
            f"List {self.name}, version {self.version}: {len(self.added)} words added ({shown}); {self.scanned} "
            f"recorded payments scanned, {self.met} meet them, {self.customers} customers affected, "
            f"{len(self.alerts)} look-back alerts by {', '.join(self.rules)}."
        )

    @property
    def facts(self) -> dict[str, object]:
        """What the journal keeps of it."""
        return {"list": self.name, "version": self.version, "words_added": len(self.added), "scanned": self.scanned,
                "met": self.met, "customers": self.customers, "alerts": len(self.alerts)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LookbackTask:
    """Everything that a look-back depends on.

    Attributes:
        loaded: The inputs in force, the new list among them.
        former: The words before.
        profiles: The profiles of the run; a fresh timeline is taken of it.
        position: The log position at which the list took effect; payments before it are looked at.
        clock_us: The clock of the log there.
        bank_snapshot: Version of the bank snapshot in force there.
        since_us: Payments booked before are passed over.
        control: The orders in force: rules that are switched off look back in shadow, suppressions hold alerts back.
    """

    files: StoreFiles
    loaded: LoadedInputs
    name: str
    former: tuple[str, ...]
    profiles: ProfileTimeline
    position: int
    clock_us: int
    bank_snapshot: int | None
    since_us: int = UNKNOWN
    control: Control = field(default_factory=lambda: Control(frozenset()))

    def run(self) -> LookedBack:
        """Scan, and judge what is affected."""
        named, used = self.loaded.lists[self.name], rules_using(self.loaded.program.rulebook, self.name)
        added = tuple(word for word in named.words if word not in set(self.former))
        ids = tuple(rule.id for rule in used)
        if not added or not used:
            return LookedBack(self.name, named.version, added, ids, 0, 0, 0, [])
        scanned, met, customers = self._scan(self._columns(used), self._codes(added))
        alerts = self._new_alerts(used, customers) if met else []
        return LookedBack(self.name, named.version, added, ids, scanned, met, len(customers), alerts)

    # Scanning -----------------------------------------------------------------------------------------

    def _vocabulary(self) -> str:
        return next(vocabulary for vocabulary, _, name in self.loaded.program.sets if name == self.name)

    def _codes(self, words: Sequence[str]) -> pa.Array:
        vocabulary, encode = self._vocabulary(), engine_inputs(self.loaded, self.files.identifiers).identifiers.code
        return pa.array(sorted({word_code(vocabulary, word, encode) for word in words}), pa.int64())

    def _columns(self, used: Sequence[Rule]) -> tuple[str, ...]:
        """Where the words can stand; none where a payment does not show them, as the field of a profile."""
        asked = [node.item for rule in used for node in _askers(rule, self.name)]
        if any(isinstance(item, Name) and item.name.startswith("profile.") for item in asked):
            return ()
        return tuple(name for name in _COLUMNS.get(self._vocabulary(), ()) if name in STORED.names)

    def _scan(self, columns: tuple[str, ...], codes: pa.Array) -> tuple[int, int, npt.NDArray[np.int64]]:
        """Payments scanned, payments that meet the words, and the holders of their sides."""
        scanned, met = 0, 0
        found, accounts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        wanted = tuple(dict.fromkeys((*columns, "booked_at_us", *_HOLDERS, *_ACCOUNTS)))
        for table in HistoryReader(self.files.folder / "history").codes(wanted, stop=self.position):
            mask = np.asarray(table.column("booked_at_us").to_numpy() >= self.since_us)
            scanned += int(mask.sum())
            if columns:
                meets = np.zeros(table.num_rows, bool)
                for name in columns:
                    meets |= pc.is_in(table.column(name).cast(pa.int64()), value_set=codes).to_numpy()
                mask &= meets
            met += int(mask.sum())
            found += [table.column(name).to_numpy()[mask].astype(np.int64) for name in _HOLDERS]
            accounts += [table.column(name).to_numpy()[mask].astype(np.int64) for name in _ACCOUNTS]
        shared, joint = self._shared()
        found.append(joint[np.isin(shared, np.concatenate(accounts))])
        holders = np.unique(np.concatenate(found))
        return scanned, met, holders[holders >= 0]

    def _shared(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Accounts and their joint holders, by any version of a profile: pairs of codes."""
        said = self.profiles.accounts.said
        account = np.repeat(said.account, np.diff(said.holder_start))
        return account.astype(np.int64), said.holder.astype(np.int64)

    # Judging ------------------------------------------------------------------------------------------

    def _new_alerts(self, used: Sequence[Rule], customers: npt.NDArray[np.int64]) -> list[Alert]:
        """The alerts that the new words bring and the former ones did not."""
        new = self.loaded.lists[self.name]
        before = {alert.alert_id for alert in self._judged(used, customers, replace(new, words=self.former))}
        return [
            self.control.look_back(self._marked(alert))
            for alert in self._judged(used, customers, new)
            if alert.alert_id not in before and alert.event_time_us >= self.since_us
        ]

    def _judged(self, used: Sequence[Rule], customers: npt.NDArray[np.int64], named: NamedList) -> Iterator[Alert]:
        """All alerts of the rules over the payments of the affected, with the given words from the beginning."""
        rulebook = Rulebook(tuple(used), rulebook_digest(iter(used)))
        lists = self.loaded.lists | {self.name: named}
        # Models ask no list, and would see the payments of the affected alone.
        loaded = replace(
            self.loaded, program=plan(rulebook), lists=lists, live=self.loaded.live - self.control.disabled.keys(),
            models=MODELS_OFF,
        )  # fmt: skip
        engine = Engine(loaded.program, engine_inputs(loaded, self.files.identifiers))
        profiles, clock_us = self.profiles.rewound(), UNKNOWN
        is_whole = any(_needs_everyone(rule) for rule in used)
        shared, joint = self._shared()
        accounts = np.unique(shared[np.isin(joint, customers)])
        for batch in replaying.batches(self.files, 0, self.position):
            for run, after_us in profiles.runs(batch, clock_us):
                clock_us = after_us
                chosen = run if is_whole else _of(run, customers, accounts)
                if len(chosen):
                    yield from engine.step(chosen, profiles.table).alerts

    def _marked(self, alert: Alert) -> Alert:
        named = {"lookback.list": self.name, "lookback.position": str(self.position)}
        return changed(
            alert,
            judged_at_us=max(self.clock_us, alert.judged_at_us),
            rulebook_digest=self.loaded.program.rulebook.digest,
            bank_snapshot=self.bank_snapshot,
            marks=(LOOKBACK, *alert.marks),
            inputs=alert.inputs | named,
        )


def rules_using(rulebook: Rulebook, name: str) -> list[Rule]:
    """The rules that ask a list."""
    return [rule for rule in rulebook.rules if _askers(rule, name)]


def _askers(rule: Rule, name: str) -> list[Membership]:
    return [node for node in nodes(rule) if isinstance(node, Membership) and node.list_name == name]


def _needs_everyone(rule: Rule) -> bool:
    """Whether what a rule sees of a customer depends on the payments of others."""
    return any(window.by not in _OWN_KEYS for window in rule.windows.values()) or any(
        isinstance(node, PeerName) or (isinstance(node, Name) and node.name.startswith("peer.")) for node in nodes(rule)
    )


def _of(batch: TransactionBatch, holders: npt.NDArray[np.int64], accounts: npt.NDArray[np.int64]) -> TransactionBatch:
    """The rows in which one of the holders, or one of the accounts, takes part."""
    mask = np.zeros(len(batch), bool)
    for names, wanted in ((_HOLDERS, holders), (_ACCOUNTS, accounts)):
        for name in names:
            mask |= np.isin(getattr(batch, name), wanted)
    return TransactionBatch(*(getattr(batch, field.name)[mask] for field in fields(TransactionBatch)))
