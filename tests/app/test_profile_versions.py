"""What profiles say of accounts takes effect with its version, ends with it, and is never known before."""

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from monitor.app.inputs import RunIdentifiers
from monitor.app.profiles import ProfileFile, ProfileTimeline
from monitor.app.rerun_profiles import KeptProfiles, profile_fields
from monitor.app.table_engine import UtcEntities
from monitor.domain.alert import Alert
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.time import DAY_US, HOUR_US, UNKNOWN, format_time
from monitor.engine import state
from monitor.engine.engine import Engine, EngineInputs
from monitor.engine.profiles import HOLDERS_MAX, JointHolders
from monitor.intake.identifiers import IdentifierTable
from monitor.rulebook.plan import plan
from monitor.rulebook.reference import PlainSide, PlainTransaction, ReferenceEngine
from monitor.rulebook.rule import Rule, Rulebook
from tests.engine.engine_logs import batch, state_of
from tests.rulebook.small_rules import START_US, parameter, rule, window

NUMBERS = (parameter("one", "count", ("1",)), parameter("age", "duration", ("10d",)))
CUSTOMERS, ACCOUNTS = ("C1", "C2", "C3", "C4"), ("A1", "A2", "A3")
ROLES = {"debtor": "debit", "debtor_joint": "debit", "creditor": "credit", "creditor_joint": "credit"}
SEEDS = st.integers(0, 2**32)
Profile = dict[str, Any]


def rules() -> list[Rule]:
    def made(number: int, when: str, over: str, by: str = "customer", **more: Any) -> Rule:
        one = window(over, {"n": "count()", "total": "sum(amount)"}, by=by)
        return rule(when, one, parameters=NUMBERS, rule_id=f"AML-TST-{number:03}", **more)

    return [
        made(1, "w.n >= one", "40d"),
        made(2, "profile.account_age < age and w.n >= one", "3d"),
        made(3, "known(profile.account_age) or w.n > one", "month", by="account", subject="account"),
        made(4, 'profile.account_kind == "savings" and w.n >= one', "3d"),
        made(5, "profile.is_occasional and profile.credentials_age < age and w.n >= one", "3d"),
        made(6, 'profile.screening == "possible" and profile.exemption_review_age > age and w.n >= one', "3d"),
        made(7, "w.total > profile.expected_monthly_cash", "month"),
    ]


# A log of payments and profiles, and what it says ----------------------------------------------------------------


def profiles(rng: np.random.Generator, days: int) -> list[Profile]:
    """Versions that open accounts, and add and remove accounts and holders, before and during the stream."""
    found = []
    for customer in CUSTOMERS:
        for version in range(1, 2 + int(rng.integers(0, 5))):
            recorded_us = START_US + int(rng.integers(-2, days)) * DAY_US + int(rng.integers(0, 2)) * HOUR_US
            accounts = []
            for account in rng.permutation(ACCOUNTS)[: int(rng.integers(0, 3))].tolist():
                holders = rng.permutation(CUSTOMERS)[: int(rng.integers(0, 3))].tolist()
                accounts.append({"account": account, "holders": holders})
                if rng.random() < 0.7:
                    accounts[-1]["opened_on"] = _day(rng, days)
                if rng.random() < 0.7:
                    accounts[-1]["kind"] = str(rng.choice(["savings", "loan"]))
            found.append({
                "customer": customer, "version": version, "recorded_at": format_time(recorded_us), "kind": "person",
                "accounts": accounts, **_further(rng, days),
            })  # fmt: skip
    return [found[k] for k in rng.permutation(len(found))]


def _day(rng: np.random.Generator, days: int) -> str:
    return format_time(START_US + int(rng.integers(-20, days)) * DAY_US)[:10]


def _further(rng: np.random.Generator, days: int) -> Profile:
    """What a version says of the customer, or leaves out."""
    exemption = {"granted_on": _day(rng, days)}
    if rng.random() < 0.5:
        exemption["reviewed_on"] = _day(rng, days)
    found = {
        "is_occasional": bool(rng.random() < 0.6),
        "screening": str(rng.choice(["clear", "possible"])),
        "credentials_changed_at": _day(rng, days) + "T05:00:00+01:00",
        "report_exemption": exemption,
        "expected": {"currency": "USD", "monthly_cash": f"{rng.integers(0, 900)}.50"},
    }
    return {name: value for name, value in found.items() if rng.random() < 0.7}


def payments(rng: np.random.Generator, n: int, days: int) -> list[PlainTransaction]:
    found: list[PlainTransaction] = []
    for position in range(n):
        booked_us = START_US + position * days * DAY_US // n // HOUR_US * HOUR_US
        if rng.random() < 0.1:
            booked_us -= int(rng.choice([HOUR_US, 3 * DAY_US, 36 * DAY_US]))
        debtor, creditor = _side(rng), _side(rng)
        if rng.random() < 0.5:
            debtor = PlainSide(account="X")
        status, reverses = "booked", None
        if rng.random() < 0.25:
            status, reverses = str(rng.choice(["reversed", "returned", "booked"])), f"T{rng.integers(0, position + 1)}"
        found.append(
            PlainTransaction(position, f"T{position}", booked_us, 100 + position, "USD", debtor, creditor,
                             status=status, reverses=reverses)
        )  # fmt: skip
    return found


def _side(rng: np.random.Generator) -> PlainSide:
    who, account = str(rng.choice(CUSTOMERS)), str(rng.choice([*ACCOUNTS, "A9"]))
    return PlainSide(who, account, who, country="US")


@dataclass(slots=True)
class Bank:
    """Engine, profiles and identifiers as an embedded run has them."""

    engine: Engine
    timeline: ProfileTimeline
    identifiers: RunIdentifiers
    file: ProfileFile
    alerts: list[Alert]
    outcomes: list[int]
    clock_us: int = UNKNOWN

    def feed(self, records: Sequence[PlainTransaction], cuts: Iterable[int] = ()) -> "Bank":
        edges = [0, *sorted(set(cuts) & set(range(1, len(records)))), len(records)]
        for start, stop in pairwise(edges):
            columns = batch(records[start:stop], self.identifiers)  # type: ignore[arg-type]
            for run, clock_us in self.timeline.runs(columns, self.clock_us):
                step = self.engine.step(run, self.timeline.table)
                self.alerts += step.alerts
                self.outcomes += step.outcome.tolist()
                self.clock_us = clock_us
        return self

    def said(self) -> Any:
        return self.alerts, self.outcomes, self.engine.undecided.tolist(), self.engine.hits.tolist()

    def matches(self) -> list[tuple[Any, ...]]:
        table = self.identifiers.table
        text = {table.tokens[code].tobytes().hex(): table.text(code) for code in range(len(table))}
        return [(a.position, ROLES[a.leg_role], a.source.id, text[a.subject.token]) for a in self.alerts]


def bank(path: Path, given: Iterable[Profile], kept: Sequence[Rule] | None = None) -> Bank:
    kept = rules() if kept is None else kept
    path.write_text("".join(json.dumps(each) + "\n" for each in given))
    identifiers = RunIdentifiers(IdentifierTable(b"k" * 32))
    timeline = ProfileTimeline()
    file = timeline.load(path, identifiers.table)
    assert file.refusals == []
    program = plan(Rulebook(tuple(kept), "".join(each.digest for each in kept)))
    entities = UtcEntities(identifiers)  # type: ignore[arg-type]
    inputs = EngineInputs(identifiers, entities, live=frozenset(each.id for each in kept))
    return Bank(Engine(program, inputs), timeline, identifiers, file, [], [])


# The definition, the slow and obvious way ------------------------------------------------------------------------


def in_force(given: Sequence[Profile], clock_us: int) -> list[Profile]:
    """One version of each customer, in the order in which they were recorded."""
    clock = format_time(clock_us)
    newest: dict[str, tuple[str, int, int]] = {}
    for line, each in enumerate(given):
        if each["recorded_at"] <= clock:
            order = (each["recorded_at"], each["version"], line)
            newest[each["customer"]] = max(newest.get(each["customer"], order), order)
    return [given[line] for _, _, line in sorted(newest.values())]


def accounts_then(
    given: Sequence[Profile], account: str | None, clock_us: int
) -> tuple[str | None, str | None, list[str]]:
    """The opening day, the kind and all holders of an account."""
    opened, kind, holders = None, None, []
    for each in in_force(given, clock_us):
        for named in each["accounts"]:
            if named["account"] == account:
                opened, kind = named.get("opened_on", opened), named.get("kind", kind)
                holders += [each["customer"], *named["holders"]]
    return opened, kind, list(dict.fromkeys(holders))


def said_of(given: Sequence[Profile], customer: str | None, booked_us: int, clock_us: int) -> dict[str, Any]:
    """What rules see of the customer's version in force."""
    found: dict[str, Any] = {}
    for each in in_force(given, clock_us):
        if each["customer"] == customer:
            exemption, changed = each.get("report_exemption", {}), each.get("credentials_changed_at")
            reviewed = exemption.get("reviewed_on", exemption.get("granted_on"))
            cash = each.get("expected", {}).get("monthly_cash")
            found = {
                "kind": "person",
                "is_occasional": each.get("is_occasional"),
                "screening": each.get("screening"),
                "exemption_review_age": None if reviewed is None else max(booked_us - _us(reviewed), 0),
                "credentials_age": None if changed is None else max(booked_us - _us(changed[:10] + "T04:00:00"), 0),
                "expected_monthly_cash": None if cash is None else (int(cash.replace(".", "")), "USD"),
            }
    return {name: value for name, value in found.items() if value is not None}


def _us(moment: str) -> int:
    return int(np.datetime64(moment, "us").astype(np.int64))


def with_profiles(records: Sequence[PlainTransaction], given: Sequence[Profile]) -> list[PlainTransaction]:
    found, clock_us = [], UNKNOWN
    for record in records:
        clock_us = max(clock_us, record.booked_at_us)
        found.append(
            replace(
                record,
                debtor=_known(record.debtor, record, given, clock_us),
                creditor=_known(record.creditor, record, given, clock_us),
            )
        )
    return found


def _known(side: PlainSide, record: PlainTransaction, given: Sequence[Profile], clock_us: int) -> PlainSide:
    opened, kind, holders = accounts_then(given, side.account, clock_us)
    of_account: dict[str, Any] = {} if kind is None else {"account_kind": kind}
    if opened is not None:
        of_account["account_age"] = max(record.booked_at_us - _us(opened), 0)

    def fields_of(customer: str | None) -> dict[str, Any]:
        return of_account | said_of(given, customer, record.booked_at_us, clock_us)

    side = replace(side, profile=fields_of(side.holder))
    if side.holder is None or len(holders) < 2:
        return side
    joint = [
        replace(side, holder=each, customer=each, profile=fields_of(each)) for each in holders if each != side.holder
    ]
    return replace(side, joint=tuple(joint))


# Claims ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("versions")


@settings(max_examples=40, deadline=None, print_blob=True)
@given(seed=SEEDS, days=st.sampled_from([6, 60]))
def test_the_slow_evaluator_sees_the_same_accounts_and_holders(folder: Path, seed: int, days: int):
    rng = np.random.default_rng(seed)
    given, records = profiles(rng, days), payments(rng, 60, days)
    kept = rules()
    verdicts = ReferenceEngine().judge(kept, with_profiles(records, given))
    made = bank(folder / "p.jsonl", given, kept).feed(records)
    assert made.matches() == [(v.position, v.leg_role, v.rule_id, v.subject) for v in verdicts if v.status is not None]
    undecided = [sum(v.rule_id == each.id and v.verdict == "unknown" for v in verdicts) for each in kept]
    assert made.engine.undecided.sum(axis=1).tolist() == undecided


@settings(max_examples=25, deadline=None, print_blob=True)
@given(seed=SEEDS, days=st.sampled_from([6, 60]))
def test_explaining_sees_the_profiles_that_the_log_had(folder: Path, seed: int, days: int):
    rng = np.random.default_rng(seed)
    given, records = profiles(rng, days), payments(rng, 40, days)
    kept = KeptProfiles(folder / "k.jsonl.gz")
    kept.path.write_bytes(gzip.compress("".join(json.dumps(each) + "\n" for each in given).encode()))
    kept.read(CUSTOMERS, ACCOUNTS)
    clock_us = UNKNOWN
    for record, known in zip(records, with_profiles(records, given), strict=True):
        clock_us = max(clock_us, record.booked_at_us)
        side, account = known.creditor, known.creditor.account
        found = profile_fields(
            kept.in_force(side.holder or "", clock_us),
            opened_us=kept.opened_us(account, clock_us),
            account_kind=kept.kind(account, clock_us),
            booked_at_us=record.booked_at_us,
        )
        assert found == side.profile


@settings(max_examples=25, deadline=None, print_blob=True)
@given(seed=SEEDS, days=st.sampled_from([6, 60]))
def test_any_division_says_the_same_while_accounts_and_holders_change(folder: Path, seed: int, days: int):
    rng = np.random.default_rng(seed)
    given, records = profiles(rng, days), payments(rng, 80, days)
    whole = bank(folder / "p.jsonl", given).feed(records)
    for cuts in (np.flatnonzero(rng.random(80) < 0.2).tolist(), range(80)):
        divided = bank(folder / "p.jsonl", given).feed(records, cuts)
        assert divided.said() == whole.said()
        assert state_of(divided.engine) == state_of(whole.engine)


@settings(max_examples=25, deadline=None, print_blob=True)
@given(seed=SEEDS, cut=st.integers(1, 79), days=st.sampled_from([6, 60]))
def test_what_later_versions_say_is_not_known_before(folder: Path, seed: int, cut: int, days: int):
    rng = np.random.default_rng(seed)
    given, records = profiles(rng, days), payments(rng, 80, days)
    whole = bank(folder / "p.jsonl", given).feed(records)
    clock = format_time(max(each.booked_at_us for each in records[:cut]))
    known = [each for each in given if each["recorded_at"] <= clock]
    prefix = bank(folder / "q.jsonl", known).feed(records[:cut])
    assert prefix.outcomes == whole.outcomes[:cut]
    # An alert's id depends on the numbers that this test gives to transaction ids.
    alerts = [structs.replace(alert, alert_id="") for alert in whole.alerts if alert.position < cut]
    assert [structs.replace(alert, alert_id="") for alert in prefix.alerts] == alerts


@settings(max_examples=15, deadline=None, print_blob=True)
@given(seed=SEEDS, cut=st.integers(1, 79))
def test_a_saved_state_remembers_whose_windows_a_payment_entered(folder: Path, seed: int, cut: int):
    rng = np.random.default_rng(seed)
    given, records = profiles(rng, 60), payments(rng, 80, 60)
    whole = bank(folder / "p.jsonl", given).feed(records)
    first = bank(folder / "p.jsonl", given).feed(records[:cut])
    saved = {name: np.array(array) for name, array in state.save(first.engine).items()}
    second = bank(folder / "p.jsonl", given)
    second.identifiers, second.engine.inputs, second.clock_us = first.identifiers, first.engine.inputs, first.clock_us
    state.load(second.engine, saved)
    second.timeline.advance(first.clock_us)
    second.feed(records[cut:])
    assert first.alerts + second.alerts == whole.alerts
    assert state_of(second.engine) == state_of(whole.engine)


def version(customer: str, number: int, day: int, *accounts: tuple[str, list[str]]) -> Profile:
    return {
        "customer": customer, "version": number, "recorded_at": format_time(START_US + day * DAY_US),
        "kind": "person", "accounts": [{"account": name, "holders": holders} for name, holders in accounts],
    }  # fmt: skip


def paid(position: int, day: int, who: str = "C1", account: str = "J", **more: Any) -> PlainTransaction:
    side = PlainSide(who, account, who)
    return PlainTransaction(
        position, f"T{position}", START_US + day * DAY_US, 100, "USD", PlainSide(account="X"), side, **more
    )


def counts(made: Bank) -> list[tuple[str, str]]:
    text = {made.identifiers.token(code): made.identifiers.table.text(code) for code in range(20)
            if code < len(made.identifiers.table)}  # fmt: skip
    return [(text[a.subject.token], str(a.measures["w.n"].value)) for a in made.alerts]


def test_a_reversal_reaches_those_who_held_the_account_when_the_payment_came(folder: Path):
    given = [version("C1", 1, -1, ("J", ["C2"])), version("C1", 2, 3, ("J", ["C3"]))]
    records = [
        paid(0, 0),
        paid(1, 1, "C3", "own"),
        # C2 has left and C3 has come: the payment of day 0 is taken out of the windows of C2, not of C3.
        paid(2, 4, status="reversed", reverses="T0"),
        paid(3, 5, "C2", "own"),
        paid(4, 5),
    ]
    made = bank(folder / "p.jsonl", given, rules()[:1]).feed(records)
    assert counts(made) == [("C1", "1"), ("C2", "1"), ("C3", "1"), ("C2", "1"), ("C1", "1"), ("C3", "2")]


def test_an_account_that_a_later_version_leaves_out_has_one_leg_again_and_no_age(folder: Path):
    given = [version("C1", 1, -1, ("J", ["C2"])), version("C1", 2, 2)]
    made = bank(folder / "p.jsonl", given, rules()[:1]).feed([paid(0, 0), paid(1, 2), paid(2, 3)])
    assert counts(made) == [("C1", "1"), ("C2", "1"), ("C1", "2"), ("C1", "3")]


def test_a_holder_stays_as_long_as_one_version_in_force_names_them(folder: Path):
    given = [version("C1", 1, -1, ("J", ["C2"])), version("C2", 1, -1, ("J", [])), version("C1", 2, 2, ("J", [])),
             version("C2", 2, 4)]  # fmt: skip
    made = bank(folder / "p.jsonl", given, rules()[:1]).feed([paid(0, 0), paid(1, 3), paid(2, 5)])
    assert counts(made) == [("C1", "1"), ("C2", "1"), ("C1", "2"), ("C2", "2"), ("C1", "3")]


def test_an_account_has_so_many_holders_and_the_first_named_stay(folder: Path):
    given = [version(f"H{n:03}", 1, -1, ("J", [])) for n in range(HOLDERS_MAX + 9)]
    made = bank(folder / "p.jsonl", given, rules()[:1]).feed([paid(0, 0, "H000")])
    assert made.file.accounts_over_holders_max == 1
    assert sorted(who for _, _, _, who in made.matches()) == [f"H{n:03}" for n in range(HOLDERS_MAX)]
    kept = KeptProfiles(folder / "p.jsonl.gz")
    kept.path.write_bytes(gzip.compress((folder / "p.jsonl").read_bytes()))
    kept.read([], ["J"])
    assert kept.joint_holders("J", "H000", START_US) == [f"H{n:03}" for n in range(1, HOLDERS_MAX)]


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), max_size=4), max_size=40))
def test_lists_of_joint_holders_are_what_was_put_last(changes: list[list[tuple[int, int]]]):
    joint, expected = JointHolders(), {}
    for number, change in enumerate(changes):
        lists = {account: [number * 10 + k for k in range(count)] for account, count in change if count != 1}
        accounts = np.array(list(lists), np.int32)
        holders = np.array([holder for each in lists.values() for holder in each], np.int32)
        joint.put(accounts, np.array([len(each) for each in lists.values()], np.int64), holders)
        expected |= lists
        for account in range(len(joint.start)):
            found = joint.holder[joint.start[account] : joint.stop[account]].tolist()
            assert found == expected.get(account, [])
        assert joint.live == sum(map(len, expected.values()))
        assert len(joint.holder) <= 4 * (joint.live + 64)
    codes = np.array([-1, 0, 50], np.int32)
    assert joint.counts(codes).tolist() == [0, len(expected.get(0, [])), 0]


def test_thousands_of_versions_one_by_one_cost_what_they_change(folder: Path):
    """Counted, not timed: nothing that grows with the table is copied for a version."""
    given = [version(f"C{n}", 1, -1, (f"A{n}", [f"D{n}"])) for n in range(3_000)]
    given += [version(f"C{n}", 2, n, (f"A{n}", [f"E{n}"])) for n in range(3_000)]
    made = bank(folder / "p.jsonl", given, rules()[:1])
    timeline = made.timeline
    timeline.advance(START_US - 1)
    before = (timeline.table.values, timeline.table.opened_us, timeline.accounts.ends)
    pools = set()
    for n in range(3_000):
        timeline.advance(START_US + n * DAY_US)
        pools.add(id(timeline.table.joint.holder))
    assert all(
        old is new
        for old, new in zip(
            before, (timeline.table.values, timeline.table.opened_us, timeline.accounts.ends), strict=True
        )
    )
    assert len(pools) <= 3
    code = made.identifiers.code(IdentifierKind.ACCOUNT, "A7")
    held = timeline.table.joint.holder[timeline.table.joint.start[code] : timeline.table.joint.stop[code]]
    assert [made.identifiers.table.text(int(each)) for each in held] == ["C7", "E7"]
