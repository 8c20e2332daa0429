"""An alert's rule computed again by the slow evaluator, from recorded history and kept inputs alone.

The engine and its state have no part in it. Reads only, so it works beside a run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.adapters.history_reading import HistoryReader
from monitor.adapters.input_archive import InputArchive
from monitor.app import kept_inputs
from monitor.app.inputs import OVERLAY
from monitor.app.rerun_flow import flow_names, traced_again
from monitor.app.rerun_history import (
    HistoryLost,
    Linked,
    Row,
    country_of,
    given_of,
    party_kind_of,
    rows_of,
    transactions_of,
    word_of,
)
from monitor.app.rerun_inputs import InputsThen, plain_inputs, with_tokens
from monitor.app.rerun_profiles import ProfileVersions, profile_fields
from monitor.app.resolving import Tokens
from monitor.casework.position import LogInput
from monitor.domain.identifiers import IdentifierKind, token_of
from monitor.domain.money import CURRENCIES
from monitor.intake.profiles import ProfileRecord
from monitor.rulebook.reference import PlainLeg, PlainSide, Recomputed, ReferenceEngine, kind_of, legs_of
from monitor.rulebook.reference.flow import Found
from monitor.rulebook.reference.legs import HOLDER, PAIR, PERSON
from monitor.rulebook.rule import Rule

_ROLES = {"debtor": "debit", "creditor": "credit"}
_JOINT = "_joint"

Evidence = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rerun:
    """What the slow evaluator found at the alert's leg. ``rule`` is as it was written, with words for identifiers."""

    rule: Rule
    recomputed: Recomputed
    subject: str
    """Token of whom the alert is about, as computed again."""
    rows: dict[int, Row]
    profile: ProfileRecord | None
    bank_snapshot: int | None


@dataclass(slots=True)
class Rerunner:
    """The files of one store, for any number of alerts."""

    folder: Path
    key: bytes
    tokens: Tokens
    noted: list[LogInput]
    history: HistoryReader = field(init=False)
    archive: InputArchive = field(init=False)
    rules: dict[tuple[str, str, int], Rule] = field(default_factory=dict)
    """Rules as read from the archive, by manifest, id and the position of their lists."""
    is_owned: Callable[[str], bool] | None = None
    """Which holders are at home in the log; all without it."""

    def __post_init__(self) -> None:
        self.history, self.archive = HistoryReader(self.folder / "history"), InputArchive(self.folder)

    def then(self, evidence: Evidence) -> InputsThen:
        """The inputs by which the alert was judged."""
        return InputsThen.of(self.archive, self.noted, evidence)

    def profiles(self, then: InputsThen) -> Sequence[tuple[int, ProfileVersions | None]]:
        """From which position on which profiles held."""
        return then.profiles()

    def rule(self, evidence: Evidence) -> Rule:
        """The rule as it was.

        Raises:
            InputNotKept: It was not kept, or is not what the alert was raised by.
        """
        then = self.then(evidence)
        source, manifest = evidence["source"], then.rulebook()
        lists_at = max((n.position for n in then.noted if n.kind == "list" and n.position <= then.position), default=0)
        key = (manifest, source["id"], lists_at)
        if key not in self.rules:
            self.rules[key] = kept_inputs.kept_rule(
                self.archive, manifest, source["id"], source["digest"], then.lists()
            )
        return self._approved(self.rules[key], then)

    def _approved(self, rule: Rule, then: InputsThen) -> Rule:
        """The rule with the bank's own approval, if one was in force."""
        overlay = then.content("approvals", OVERLAY)
        own = kept_inputs.kept_approval(self.archive, overlay, rule) if overlay is not None else None
        return rule if own is None else replace(rule, approval=own)

    def rerun(self, evidence: Evidence) -> Rerun:
        """Compute the alert's rule again.

        Raises:
            InputNotKept: An input that it depends on is lost.
            HistoryLost: The payment is not in the history, or was not judged.
            DamagedError: A part of the history cannot be read.
        """
        position = int(evidence["position"])
        then, rule = self.then(evidence), self.rule(evidence)
        people = People(self, then)
        linked = self._linked(
            evidence, rule, with_accounts="account" in kept_inputs.kept_keys(self.archive, then.rulebook())
        )
        rows = rows_of(self.history, linked, stop=position + 1, joint_accounts=people.accounts_of)
        people.read(rows, None if linked.further else linked.holders)
        word = word_of(self.tokens.find)
        transactions = transactions_of(rows, lambda row, side: people.side(row, side, word), word)
        keys = {"account"} if linked.with_accounts else set()
        legs = legs_of(transactions, keys | {kind_of(rule)}, is_owned=self.is_owned)
        currencies = {CURRENCIES[row["currency"]] for row in rows} | people.currencies()
        inputs = plain_inputs(then, rule, currencies=currencies, token=self.token)
        leg = _leg(legs, evidence, rule, self.token)
        if flow_names(rule):
            until_us = max(int(row["booked_at_us"]) for row in rows)
            inputs = replace(inputs, traced=self._traced(position, until_us))
        recomputed = ReferenceEngine().at(with_tokens(rule, self.token), leg, legs, inputs)
        subject = recomputed.verdict.subject or ""
        if leg.kind == "agent" and subject != evidence["subject"]["id"]:
            subject = self.token(IdentifierKind.AGENT, subject)
        by_position = {int(row["position"]): row for row in rows}
        snapshot = then.last("bank_snapshot", "bank")
        profile = people.profile(by_position[position], leg.own.holder)
        return Rerun(rule, recomputed, subject, by_position, profile, int(snapshot.version) if snapshot else None)

    def token(self, kind: IdentifierKind, text: str) -> str:
        """The token of an identifier, hex."""
        return token_of(self.key, kind, text).hex()

    def name(self, token: bytes) -> str | None:
        """What profiles call who has the token; ``None`` where nobody is known by it."""
        return self.tokens.text(token.hex())

    def names(self, tokens: set[bytes], kind: IdentifierKind) -> set[str]:
        """The same of those that are of a kind."""
        found = (self.tokens.find(token.hex()) for token in tokens)
        return {text for each, text in (one for one in found if one) if each is kind}

    def token_of_name(self, kind: IdentifierKind, name: str) -> str:
        """The token, in hex, of whom profiles call so."""
        return self.token(kind, name)

    def _traced(self, position: int, until_us: int) -> dict[int, Found]:
        return traced_again(self.history, stop=position + 1, until_us=until_us)

    def _linked(self, evidence: Evidence, rule: Rule, *, with_accounts: bool) -> Linked:
        """The keys of the alert's leg, with which the search begins."""
        position, subject = int(evidence["position"]), bytes.fromhex(evidence["subject"]["id"])
        kind = kind_of(rule)
        if kind == PAIR:
            return Linked(holders={subject}, with_accounts=with_accounts)
        if kind == PERSON:
            return Linked(holders={subject}, further=(kind, subject), with_accounts=with_accounts)
        if kind != HOLDER:
            return Linked(further=(kind, subject), with_accounts=with_accounts)
        row = self.row(position)
        role = str(evidence["leg_role"])
        side = role.removesuffix(_JOINT)
        if role.endswith(_JOINT):
            return Linked(holders={subject}, with_accounts=with_accounts)
        if row[f"{side}_holder"] is None:
            raise HistoryLost(
                f"the payment at position {position} has no holder as {role}; it is another than was judged"
            )
        account = row[f"{side}_account"]
        accounts = {account} if with_accounts and account is not None else set()
        return Linked(holders={row[f"{side}_holder"]}, accounts=accounts, with_accounts=with_accounts)

    def row(self, position: int) -> Row:
        """The payment at a position.

        Raises:
            HistoryLost: The history does not hold it.
        """

        def is_it(table: pa.Table) -> np.ndarray[Any, np.dtype[np.bool_]]:
            return np.asarray(table.column("position").to_numpy() == position, bool)

        rows = self.history.rows(is_it, columns=(), stop=position + 1).to_pylist()
        if not rows:
            raise HistoryLost(f"the history does not hold the payment at position {position}")
        return dict(rows[0])


def _leg(legs: list[PlainLeg], evidence: Evidence, rule: Rule, token: Callable[[IdentifierKind, str], str]) -> PlainLeg:
    role, kind, subject = str(evidence["leg_role"]), kind_of(rule), evidence["subject"]["id"]
    is_joint = role.endswith(_JOINT)
    for leg in legs:
        is_first = leg.own is leg.transaction.debtor or leg.own is leg.transaction.creditor
        if kind in (PAIR, PERSON):
            is_role = leg.role == _ROLES[role.removesuffix(f"_{kind}")]
        else:
            is_role = kind != HOLDER or (leg.role == _ROLES[role.removesuffix(_JOINT)] and is_first != is_joint)
        if not (leg.position == int(evidence["position"]) and leg.kind == kind and is_role):
            continue
        named = leg.subject(rule.alert.subject)
        # Banks are no people: rules ask lists about their words, so the history gives the word and the alert the token.
        is_bank = kind == "agent" and named is not None and token(IdentifierKind.AGENT, named) == subject
        if named == subject or is_bank:
            return leg
    raise HistoryLost(
        f"the payment at position {evidence['position']} has no leg of the subject as {role} in the history; "
        "it was refused, or the record differs from the one that was judged"
    )


@dataclass(slots=True)
class People:
    """Profiles, opening times and joint holders as of each payment."""

    files: Rerunner
    then: InputsThen
    kept: Sequence[tuple[int, ProfileVersions | None]] = field(init=False)
    known: set[bytes] | None = None

    def __post_init__(self) -> None:
        self.kept = self.files.profiles(self.then)

    def accounts_of(self, holders: set[bytes]) -> set[bytes]:
        """Accounts that these holders share with others or hold, by the profiles; tokens."""
        names = self.files.names(holders, IdentifierKind.CUSTOMER)
        found = {account for _, kept in self.kept if kept for account in kept.accounts_of(names)}
        return {bytes.fromhex(self.files.token_of_name(IdentifierKind.ACCOUNT, account)) for account in found}

    def read(self, rows: list[Row], holders: set[bytes] | None) -> None:
        """Read the profiles of the holders (of everyone with ``None``) and the accounts of the payments."""
        self.known = holders
        everyone = {row[f"{side}_holder"] for row in rows for side in _ROLES} - {None}
        accounts = {row[f"{side}_account"] for row in rows for side in _ROLES} - {None}
        wanted = everyone if holders is None else holders
        customers = self.files.names(wanted, IdentifierKind.CUSTOMER)
        for _, kept in self.kept:
            if kept is not None:
                kept.read(customers, self.files.names(accounts, IdentifierKind.ACCOUNT))

    def side(self, row: Row, side: str, word: Callable[[bytes | None], str | None]) -> PlainSide:
        """One side of a payment with what was known of its holder then."""
        holder, account = row[f"{side}_holder"], word(row[f"{side}_account"])
        joint = () if holder is None else tuple(self._joint(row, side, holder))
        return PlainSide(
            holder=word(holder),
            account=account,
            customer=word(holder),
            country=country_of(row, side),
            agent=word(row[f"{side}_agent"]),
            kind=party_kind_of(row, side),
            given=given_of(row, side),
            joint=joint,
            profile=self._fields(row, side, holder),
        )

    def profile(self, row: Row, holder: str | None) -> ProfileRecord | None:
        """The version in force of a holder (token in hex) at a payment."""
        kept, name = self._at(row), self._name(bytes.fromhex(holder)) if holder else None
        return kept.in_force(name, row["clock_us"]) if kept and name else None

    def currencies(self) -> set[str]:
        """Currencies in which customers declared anything."""
        codes = {
            code
            for _, kept in self.kept
            if kept
            for versions in kept.versions.values()
            for version in versions
            for code in (version.profile.income_currency, version.profile.expected_currency)
        }
        return {CURRENCIES[code] for code in codes if code >= 0}

    def _joint(self, row: Row, side: str, holder: bytes) -> list[PlainSide]:
        kept, account = self._at(row), self._name(row[f"{side}_account"])
        if kept is None or account is None:
            return []
        token = row[f"{side}_account"].hex()
        found = []
        for text in kept.joint_holders(account, self._name(holder) or "", row["clock_us"]):
            other = self.files.token_of_name(IdentifierKind.CUSTOMER, text)
            profile = self._fields(row, side, bytes.fromhex(other))
            found.append(
                PlainSide(
                    holder=other,
                    account=token,
                    customer=other,
                    country=country_of(row, side),
                    given=given_of(row, side),
                    profile=profile,
                )
            )
        return found

    def _fields(self, row: Row, side: str, holder: bytes | None) -> dict[str, Any]:
        kept = self._at(row)
        if kept is None or holder is None or (self.known is not None and holder not in self.known):
            return {}
        account = self._name(row[f"{side}_account"])
        opened_us, kind = kept.opened_us(account, row["clock_us"]), kept.kind(account, row["clock_us"])
        profile = kept.in_force(self._name(holder) or "", row["clock_us"])
        return dict(profile_fields(profile, opened_us=opened_us, account_kind=kind, booked_at_us=row["booked_at_us"]))

    def _at(self, row: Row) -> ProfileVersions | None:
        held = [kept for first, kept in self.kept if first <= row["position"]]
        return held[-1].at(row["position"]) if held and held[-1] else None

    def _name(self, token: bytes | None) -> str | None:
        return None if token is None else self.files.name(token)
