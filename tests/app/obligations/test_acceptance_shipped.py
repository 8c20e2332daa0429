"""The shipped obligation rules on the cases that a regulator would try first: ``aml run`` on a file, and what is owed.

One stream holds all cases, each with customers of its own, so that no case can pass because nothing else was there.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from monitor.adapters.sql.obligations import list_obligations, revisions_of
from monitor.adapters.sql.store import open_store
from monitor.app.obligation_payments import reported_payments
from monitor.app.resolving import open_resolver
from monitor.cli import app
from monitor.domain.obligation import Obligation

ENTITIES = """\
default: NY
entities:
  NY: {country: US, zone: America/New_York, cut_off: "17:00", weekend: [sat, sun], holidays: [2026-05-25]}
  BJ: {country: CN, zone: Asia/Shanghai, weekend: [sat, sun], holidays: [2026-05-01]}
  TO: {country: CA, zone: America/Toronto, static_24h_start: "09:00", weekend: [sat, sun]}
  MU: {country: IN, zone: Asia/Kolkata, weekend: [sun]}
  SY: {country: AU, zone: Australia/Sydney, weekend: [sat, sun]}
"""
RATES = """\
published_at,source,target,rate
2026-03-02T08:00:00Z,USD,CNY,7.00
2026-05-06T08:00:00Z,USD,CNY,4.00
2026-05-08T08:00:00Z,USD,CNY,8.00
"""
PROFILES = [
    {"customer": "JOINT-1", "version": 1, "recorded_at": "2026-01-01T00:00:00Z", "kind": "person",
     "accounts": [{"account": "A-JOINT-1", "opened_on": "2020-01-01", "holders": ["JOINT-2", "JOINT-3"]}]},
]  # fmt: skip
NY, BJ, TO, MU, SY = (
    {"booking_entity": entity, "currency": currency, "channel": "cash"}
    for entity, currency in (("NY", "USD"), ("BJ", "CNY"), ("TO", "CAD"), ("MU", "INR"), ("SY", "AUD"))
)
Place = dict[str, str]


@dataclass(slots=True)
class Stream:
    """Payments with times that need not ascend; they are sent in the order of the calls."""

    records: list[dict[str, Any]] = field(default_factory=list)

    def put(self, customer: str, at: str, amount: str, place: Place, *, way: str = "in", **more: str) -> None:
        ours = "creditor" if way == "in" else "debtor"
        self.records.append(
            {"transaction_id": more.pop("id", f"T{len(self.records)}"), "booked_at": at, "amount": amount,
             f"{ours}_customer": customer, f"{ours}_account": f"A-{customer}"} | place | more
        )  # fmt: skip


def stream() -> Stream:
    """Every case below, in the order in which the bank sends it."""
    put = (s := Stream()).put
    four_may = "2026-05-04T03:00:00Z"
    # China: the limit in yuan, the limit in dollars at the dated rate, and what Article 7 exempts.
    put("CN-BELOW", four_may, "49999.99", BJ)
    put("CN-AT", four_may, "50000.00", BJ)
    put("CN-OUT-AT", four_may, "50000.00", BJ, way="out")
    put("CN-IN-AND-OUT", four_may, "60000.00", BJ, id="CN-IN")
    put("CN-IN-AND-OUT", four_may, "70000.00", BJ, way="out", id="CN-OUT")
    put("CN-BOTH-BELOW", four_may, "30000.00", BJ)
    put("CN-BOTH-BELOW", four_may, "30000.00", BJ, way="out")
    put("EXAMPLE-GARRISON", four_may, "500000.00", BJ)
    put("CN-TERM-DEPOSIT", four_may, "500000.00", BJ, purpose="CN7_TERM_DEPOSIT_RENEWAL")
    put("CN-OTHER-PURPOSE", four_may, "500000.00", BJ, purpose="SALA")
    put("CN-RATE-BEFORE", "2026-05-05T03:00:00Z", "40000.00", BJ)
    usd = BJ | {"currency": "USD"}
    seven_may = "2026-05-07T03:00:00Z"
    put("CN-USD-BELOW", seven_may, "9999.99", usd)
    put("CN-USD-AT", seven_may, "10000.00", usd)
    put("CN-EQUIVALENT-BELOW", seven_may, "39999.96", BJ)
    put("CN-EQUIVALENT-AT", seven_may, "40000.00", BJ)
    put("CN-RATE-LATER", "2026-05-08T03:00:00Z", "40000.00", BJ)
    put("CN-RATE-NEXT", "2026-05-09T03:00:00Z", "40000.00", BJ)
    # United States: more than, not at; in and out apart; one person however it takes part.
    monday = "2026-05-04T14:00:00Z"
    put("US-IN-OUT", monday, "6000.00", NY)
    put("US-IN-OUT", monday, "6000.00", NY, way="out")
    put("US-AT", monday, "10000.00", NY)
    put("US-ABOVE", monday, "10000.01", NY)
    for n in range(3):
        put("US-BRANCHES", f"2026-05-04T1{4 + n}:00:00Z", "4000.00", NY, branch=f"B{n}", id=f"B{n}")
    put("US-DEFAULT", monday, "10000.01", {"currency": "USD", "channel": "cash"})
    put("US-PERSON", monday, "4000.00", NY, id="AS-HOLDER")
    put("US-SHOP", monday, "4000.00", NY, conductor="US-PERSON", id="AS-CONDUCTOR")
    put("US-CLERK", monday, "4000.00", NY, on_behalf_of="US-PERSON", id="ON-BEHALF")
    put("US-LATE", monday, "9000.00", NY, id="IN-TIME")
    put("US-LATE", "2026-05-05T14:00:00Z", "500.00", NY, id="NEXT-DAY")
    put("US-LATE", "2026-05-04T15:00:00Z", "2000.00", NY, id="CAME-LATE")
    put("US-TOO-LATE", monday, "9000.00", NY, id="EARLY")
    put("US-TOO-LATE", "2026-06-20T14:00:00Z", "10.00", NY, id="CLOCK")
    put("US-TOO-LATE", monday, "2000.00", NY, id="REFUSED")
    # Canada: fixed 24 hours from 09:00 in Toronto (13:00Z), by holder, conductor and on-behalf-of person.
    for key, more in (("HOLDER", {}), ("CONDUCTOR", {"conductor": "CA-C"}), ("BEHALF", {"on_behalf_of": "CA-B"})):
        for n, at in enumerate(("2026-05-04T12:59:00Z", "2026-05-04T13:00:00Z", "2026-05-05T12:59:00Z")):
            put("CA-HOLDER" if key == "HOLDER" else f"CA-{key}-{n}", at, "5000.00", TO, id=f"{key}-{n}", **more)
    wire = TO | {"channel": "wire"}
    put("CA-WIRE", "2026-05-04T14:00:00Z", "12000.00", wire, id="CA-IN", debtor_country="FR")
    put("CA-WIRE", "2026-05-04T15:00:00Z", "15000.00", wire, way="out", id="CA-OUT", creditor_country="FR")
    # India: a calendar month, in and out apart.
    put("IN-MONTH", "2026-05-03T06:00:00Z", "600000.00", MU, id="IN-1")
    put("IN-MONTH", "2026-05-10T06:00:00Z", "1000000.01", MU, way="out", id="OUT-1")
    put("IN-MONTH", "2026-05-30T06:00:00Z", "400000.01", MU, id="IN-2")
    put("IN-AT", "2026-05-03T06:00:00Z", "600000.00", MU)
    put("IN-AT", "2026-05-30T06:00:00Z", "400000.00", MU)
    put("IN-NEXT-MONTH", "2026-05-30T06:00:00Z", "600000.00", MU)
    put("IN-NEXT-MONTH", "2026-06-01T06:00:00Z", "600000.00", MU)
    # Australia: each transaction by itself, once however many hold the account.
    put("JOINT-1", "2026-05-04T02:00:00Z", "10000.00", SY, id="AU-JOINT")
    put("JOINT-1", "2026-05-04T02:01:00Z", "12000.00", SY, way="out", id="AU-JOINT-OUT")
    put("AU-BELOW", "2026-05-04T02:00:00Z", "9999.99", SY)
    return s


@dataclass(frozen=True, slots=True)
class Owed:
    rule: str
    subject: str | None
    period: str
    direction: str
    total: str | None
    payments: tuple[str, ...]
    due_on: str


def aml(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200", "NO_COLOR": "1"})
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bank")
    for name, rows in (("payments.jsonl", stream().records), ("profiles.jsonl", PROFILES)):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "entities.yaml").write_text(ENTITIES)
    (folder / "rates.csv").write_text(RATES)
    status, output = aml(
        "run", folder / "payments.jsonl", "--profiles", folder / "profiles.jsonl", "--rates", folder / "rates.csv",
        "--entities", folder / "entities.yaml", "--db", folder / "bank.db", "--approve-examples", "--no-progress",
    )  # fmt: skip
    assert status == 0, output
    return folder / "bank.db"


def recorded(db: Path) -> list[Obligation]:
    with open_store(db) as store, store.reading() as connection:
        return list_obligations(connection)


def owed(db: Path, prefix: str) -> set[Owed]:
    """What stands of the subjects whose name begins so."""
    find = open_resolver(db)
    return {
        Owed(
            each.rule_id, find(each.subject.token), each.period, each.direction,
            each.measures[each.total].value if each.total else None,
            tuple(payment.transaction_id for payment in reported_payments(str(db), each.transactions)), each.due_on,
        )
        for each in recorded(db)
        if str(find(each.subject.token)).startswith(prefix)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("customer", "periods"),
    [
        ("CN-BELOW", []), ("CN-AT", ["2026-05-04"]), ("CN-OUT-AT", ["2026-05-04"]), ("CN-BOTH-BELOW", []),
        ("CN-USD-BELOW", []), ("CN-USD-AT", ["2026-05-07"]),
        ("CN-EQUIVALENT-BELOW", []), ("CN-EQUIVALENT-AT", ["2026-05-07"]),
        ("CN-RATE-BEFORE", []), ("CN-RATE-LATER", ["2026-05-08"]), ("CN-RATE-NEXT", []),
        ("EXAMPLE-GARRISON", []), ("CN-TERM-DEPOSIT", []), ("CN-OTHER-PURPOSE", ["2026-05-04"]),
        ("US-IN-OUT", []), ("US-AT", []), ("US-ABOVE", ["2026-05-04"]),
        ("US-DEFAULT", ["2026-05-04"]), ("US-SHOP", []), ("US-CLERK", []),
        ("IN-AT", []), ("IN-NEXT-MONTH", []), ("AU-BELOW", []), ("CA-CONDUCTOR", []), ("CA-BEHALF", []),
    ],
)  # fmt: skip
def test_the_limits_of_the_law(db: Path, customer: str, periods: list[str]):
    assert [each.period for each in owed(db, customer)] == periods


def test_a_dollar_equivalent_names_the_rate_that_it_was_taken_at(db: Path):
    find = open_resolver(db)
    found = {find(each.subject.token): each for each in recorded(db)}
    assert found["CN-RATE-LATER"].inputs["rate CNY/USD"] == "2026-05-06T08:00:00Z"
    assert found["CN-RATE-LATER"].measures["in_usd.total"].value == "10000.00"


def test_in_and_out_of_one_day_have_their_own_total_measures_and_payments(db: Path):
    assert owed(db, "CN-IN-AND-OUT") == {
        Owed("AML-LCT-050", "CN-IN-AND-OUT", "2026-05-04", "in", "60000.00", ("CN-IN",), "2026-05-11"),
        Owed("AML-LCT-050", "CN-IN-AND-OUT", "2026-05-04", "out", "70000.00", ("CN-OUT",), "2026-05-11"),
    }
    shown = {each.direction: set(each.measures) for each in recorded(db) if each.rule_id == "AML-LCT-050"}
    assert shown == {
        "in": {"in_cny.payments", "in_cny.total", "in_usd.total"},
        "out": {"out_cny.payments", "out_cny.total", "out_usd.total"},
    }


def test_three_branches_make_one_report(db: Path):
    assert owed(db, "US-BRANCHES") == {
        Owed("AML-LCT-001", "US-BRANCHES", "2026-05-04", "in", "12000.00", ("B0", "B1", "B2"), "2026-05-19")
    }


def test_a_person_adds_up_as_holder_conductor_and_on_behalf_of(db: Path):
    assert owed(db, "US-PERSON") == {
        Owed("AML-LCT-001", "US-PERSON", "2026-05-04", "in", "12000.00",
             ("AS-HOLDER", "AS-CONDUCTOR", "ON-BEHALF"), "2026-05-19")
    }  # fmt: skip


def test_a_late_record_of_yesterday_counts_for_yesterday(db: Path):
    assert owed(db, "US-LATE") == {
        Owed("AML-LCT-001", "US-LATE", "2026-05-04", "in", "11000.00", ("IN-TIME", "CAME-LATE"), "2026-05-19")
    }


def test_canada_adds_up_fixed_hours_by_three_keys(db: Path):
    for rule, subject, key in (("AML-LCT-010", "CA-HOLDER", "HOLDER"), ("AML-LCT-011", "CA-C", "CONDUCTOR"),
                               ("AML-LCT-012", "CA-B", "BEHALF")):  # fmt: skip
        found = {each for each in owed(db, subject) if each.subject == subject}
        assert {(each.rule, each.period, each.total, each.payments) for each in found} == {
            (rule, "2026-05-04", "10000.00", (f"{key}-1", f"{key}-2"))
        }


def test_a_canadian_transfer_in_and_one_out_are_two_reports(db: Path):
    assert {(each.rule, each.direction, each.total, each.payments) for each in owed(db, "CA-WIRE")} == {
        ("AML-LTT-010", "in", "12000.00", ("CA-IN",)),
        ("AML-LTT-010", "out", "15000.00", ("CA-OUT",)),
    }


def test_india_adds_up_a_month_in_each_direction(db: Path):
    assert owed(db, "IN-MONTH") == {
        Owed("AML-LCT-030", "IN-MONTH", "2026-05", "in", "1000000.01", ("IN-1", "IN-2"), "2026-06-15"),
        Owed("AML-LCT-030", "IN-MONTH", "2026-05", "out", "1000000.01", ("OUT-1",), "2026-06-15"),
    }


def test_a_payment_of_a_joint_account_is_reported_once_and_in_the_first_holders_name(db: Path):
    found = {each for each in owed(db, "JOINT") if each.rule == "AML-LCT-020"}
    assert {(each.subject, each.payments) for each in found} == {
        ("JOINT-1", ("AU-JOINT",)),
        ("JOINT-1", ("AU-JOINT-OUT",)),
    }
    single = [each for each in recorded(db) if each.rule_id == "AML-LCT-020"]
    assert {(each.state, each.revision) for each in single} == {("owed", 1)}
    with open_store(db) as store:
        assert store.verify().findings == ()
        with store.reading() as connection:
            assert all(len(revisions_of(connection, each.obligation_id)) == 1 for each in single)
            query = "SELECT count(*) FROM journal WHERE action = 'obligation_met_again'"
            assert connection.exec_driver_sql(query).scalar_one() == 2 * len(single)


@pytest.mark.parametrize("day", ["2026-05-05", "2026-05-07", "2026-05-08", "2026-05-30"])
def test_the_independent_computation_agrees(db: Path, day: str):
    status, output = aml("obligations", "reconcile", "--date", day, "--db", db)
    assert status == 0, output


def test_a_record_that_came_too_late_is_all_that_reconciliation_finds(db: Path):
    status, output = aml("obligations", "reconcile", "--date", "2026-05-04", "--json", "--db", db)
    *differences, _ = map(json.loads, output.splitlines())
    assert status == 1
    assert [(each["difference"], each["rule"], each["subject"]["id"]) for each in differences] == [
        ("missing", "AML-LCT-001", "US-TOO-LATE")
    ]
