"""What a subject's money did, and the network around it, against plain sums over the records that went in."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.app.activity import BOOKED, IN, OUT, OWN, UNDONE, Activity, activity
from monitor.app.around import FIRST_MAX, FOLLOWED_OTHERS_MAX, SECOND_MAX, Network, network
from monitor.app.explaining import Explainer
from monitor.app.money_path import path_of
from monitor.domain.identifiers import IdentifierKind, token_of
from monitor.domain.money import parse_amount_minor
from monitor.domain.time import DAY_US, TIME_MAX_US, format_time, parse_time_us
from tests.app.rough_bank import CUSTOMERS, RoughBank, rough_bank

Record = dict[str, Any]


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RoughBank:
    made = rough_bank(tmp_path_factory.mktemp("rough"), seed=5, count=400)
    made.run()
    return made


@pytest.fixture
def records(bank: RoughBank) -> Iterator[Explainer]:
    with Explainer(bank.db) as opened:
        yield opened


def accepted(bank: RoughBank, records: Explainer) -> list[Record]:
    """The records that were accepted, each once, with ``at_us``."""
    stands = records.store.position("embedded")
    assert stands is not None
    known = {records.vault.transaction_id(position) for position in range(stands.log_position)}
    found: dict[str, Record] = {}
    for line in (bank.folder / "transactions.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["transaction_id"] in known:
            found.setdefault(record["transaction_id"], record | {"at_us": parse_time_us(record["booked_at"])})
    return list(found.values())


def seen(records: Explainer, customer: str, *, from_us: int = 0, until_us: int = TIME_MAX_US,
         most: int = 10_000) -> Activity:  # fmt: skip
    token = token_of(records.rerunner.key, IdentifierKind.CUSTOMER, customer)
    with records.books(0) as books:
        return activity(
            books, token, "customer", from_us=from_us, until_us=until_us, movements_max=most, parties_max=10_000
        )


def of_customer(record: Record, customer: str) -> str | None:
    """The direction, or ``None`` where the customer stands on neither side."""
    pays, gets = record.get("debtor_customer") == customer, record.get("creditor_customer") == customer
    return OWN if pays and gets else OUT if pays else IN if gets else None


def undone(all_of: list[Record]) -> set[str]:
    return {record["reverses"] for record in all_of if "reverses" in record}


@pytest.mark.parametrize("customer", CUSTOMERS[:4])
def test_each_payment_of_a_customer_is_there_once_with_its_direction(
    bank: RoughBank, records: Explainer, customer: str
):
    all_of = accepted(bank, records)
    expected = {
        record["transaction_id"]: (way, record["at_us"], parse_amount_minor(record["amount"], record["currency"]))
        for record in all_of
        if (way := of_customer(record, customer))
    }
    found = seen(records, customer)
    assert {m.transaction_id: (m.direction, m.booked_us, m.amount_minor) for m in found.movements} == expected
    assert found.movements_total == len(expected) > 10
    assert [m.booked_us for m in found.movements] == sorted(m.booked_us for m in found.movements)


@pytest.mark.parametrize("customer", CUSTOMERS[:4])
def test_sums_are_of_what_moved_and_is_still_moved(bank: RoughBank, records: Explainer, customer: str):
    all_of = accepted(bank, records)
    back = undone(all_of)
    sums: dict[tuple[str | None, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for record in all_of:
        way = of_customer(record, customer)
        if way not in (IN, OUT) or record.get("status", BOOKED) != BOOKED or record["transaction_id"] in back:
            continue
        side = "debtor" if way == IN else "creditor"
        line = sums[record.get(f"{side}_customer") or record.get(f"{side}_account"), record["currency"]]
        line[0 if way == IN else 2] += 1
        line[1 if way == IN else 3] += parse_amount_minor(record["amount"], record["currency"])
    found = {(c.other, c.currency): [c.in_count, c.in_minor, c.out_count, c.out_minor] for c in seen(
        records, customer).counterparties}  # fmt: skip
    assert found == dict(sums)
    assert len(found) > 5
    statuses = {movement.status for movement in seen(records, customer).movements}
    assert statuses & {UNDONE, "reversed", "returned", "attempted", "rejected"}


def test_shares_of_a_currency_add_up_to_all_of_it(records: Explainer):
    shares: dict[str, float] = defaultdict(float)
    for each in seen(records, CUSTOMERS[0]).counterparties:
        shares[each.currency] += each.share
    assert all(total == pytest.approx(1.0) for total in shares.values())
    assert len(shares) > 1


def test_a_time_takes_what_is_booked_in_it_and_a_limit_leaves_the_newest(records: Explainer):
    whole = seen(records, CUSTOMERS[0])
    first, last = whole.movements[3], whole.movements[9]
    part = seen(records, CUSTOMERS[0], from_us=first.booked_us, until_us=last.booked_us)
    assert [m.transaction_id for m in part.movements] == [
        m.transaction_id for m in whole.movements if first.booked_us <= m.booked_us < last.booked_us
    ]
    cut = seen(records, CUSTOMERS[0], most=5)
    assert [m.transaction_id for m in cut.movements] == [m.transaction_id for m in whole.movements[-5:]]
    assert cut.movements_total == whole.movements_total
    assert cut.counterparties == whole.counterparties


def test_somebody_without_payments_has_none(records: Explainer):
    assert seen(records, "nobody").movements == ()


# The network --------------------------------------------------------------------------------------------


def around(records: Explainer, customer: str, *, from_us: int = 0, until_us: int = TIME_MAX_US) -> Network:
    token = token_of(records.rerunner.key, IdentifierKind.CUSTOMER, customer)
    with records.all_books() as logs:
        return network(logs, token, "customer", from_us=from_us, until_us=until_us)


def links(all_of: list[Record]) -> dict[tuple[str, str, str], list[int]]:
    """Payer, payee and currency of what moved, with the count and the sum."""
    found: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    back = undone(all_of)
    for record in all_of:
        payer, payee = (
            record.get(f"{side}_customer") or record.get(f"{side}_account") for side in ("debtor", "creditor")
        )
        is_moved = record.get("status", BOOKED) == BOOKED and record["transaction_id"] not in back
        if is_moved and payer and payee and payer != payee:
            line = found[payer, payee, record["currency"]]
            line[0], line[1] = line[0] + 1, line[1] + parse_amount_minor(record["amount"], record["currency"])
    return dict(found)


@pytest.mark.parametrize("customer", CUSTOMERS[:3])
def test_the_network_is_that_of_the_records_within_two_hops(bank: RoughBank, records: Explainer, customer: str):
    all_of = links(accepted(bank, records))
    one = {other for payer, payee, _ in all_of for other in (payer, payee) if customer in (payer, payee)} - {customer}
    two = {other for payer, payee, _ in all_of for other in (payer, payee) if one & {payer, payee}} - one - {customer}
    found = around(records, customer)
    name = {node.number: node.identifier for node in found.nodes}
    hops = {node.identifier: node.hop for node in found.nodes}
    assert len(one) <= FIRST_MAX
    assert len(two) <= SECOND_MAX
    assert hops == {customer: 0} | dict.fromkeys(one, 1) | dict.fromkeys(two, 2)
    assert (found.first_left_out, found.second_left_out) == (0, 0)
    told = {(name[e.source], name[e.target], e.currency): [e.count, e.amount_minor] for e in found.edges}
    inner = {customer, *one}
    assert told == {
        key: line for key, line in all_of.items() if {key[0], key[1]} <= hops.keys() and {key[0], key[1]} & inner
    }
    assert all(sum(day[1] for day in e.days) == e.count and sum(day[2] for day in e.days) == e.amount_minor
               for e in found.edges)  # fmt: skip


def test_a_time_cuts_the_network(records: Explainer):
    whole = around(records, CUSTOMERS[0])
    middle = sorted(edge.first_us for edge in whole.edges)[len(whole.edges) // 2]
    part = around(records, CUSTOMERS[0], until_us=middle)
    assert 0 < sum(edge.count for edge in part.edges) < sum(edge.count for edge in whole.edges)
    assert all(edge.last_us < middle for edge in part.edges)


def test_limits_are_counted_and_behind_a_hub_nothing_is_followed(tmp_path: Path):
    made = rough_bank(tmp_path, seed=1, count=1)
    start = parse_time_us("2026-03-02T00:00:00Z")

    def paid(number: int, payer: str, payee: str, amount: int) -> Record:
        return {"transaction_id": f"N{number}", "booked_at": format_time(start + number * DAY_US // 100),
                "amount": str(amount), "currency": "USD", "channel": "wire", "debtor_account": payer,
                "creditor_customer": payee, "creditor_account": f"A-{payee}"}  # fmt: skip

    pairs = [(f"X{n}", "C1", 100 + n) for n in range(30)] + [("X0", "C2", 5)]
    pairs += [("HUB", "C1", 9_000)] + [("HUB", f"K{n}", 7) for n in range(FOLLOWED_OTHERS_MAX)]
    lines = [json.dumps(paid(number, *pair)) for number, pair in enumerate(pairs)]
    (tmp_path / "transactions.jsonl").write_text("\n".join(lines) + "\n")
    made.run()
    with Explainer(made.db) as records:
        found = around(records, "C1")
    nodes = {node.identifier: node for node in found.nodes}
    assert found.first_left_out == 31 - FIRST_MAX
    assert nodes["HUB"].hop == 1
    assert nodes["HUB"].others == FOLLOWED_OTHERS_MAX + 1
    assert not nodes["HUB"].is_followed
    assert nodes["X29"].is_followed
    assert not [each for each in nodes if each.startswith("K")]
    assert "X10" not in nodes, "of one way, those with more money stay"


# The way of money ---------------------------------------------------------------------------------------


def test_a_way_of_money_goes_from_party_to_party_in_time(bank: RoughBank, records: Explainer):
    all_of = [r for r in accepted(bank, records) if r.get("debtor_customer") and r.get("creditor_customer")][:3]
    wanted = {record["transaction_id"] for record in all_of}
    positions = {at for at in range(400) if records.vault.transaction_id(at) in wanted}
    with records.all_books() as logs:
        found = path_of(logs, positions | {10**9})
    assert found.missing == 1
    names = [party.identifier for party in found.parties]
    told = [(step.transaction_id, names[step.source], names[step.target]) for step in found.steps]
    by_time = sorted(all_of, key=lambda record: (record["at_us"], record["transaction_id"]))
    assert sorted(told) == sorted((r["transaction_id"], r["debtor_customer"], r["creditor_customer"]) for r in by_time)
    assert [step.booked_us for step in found.steps] == sorted(step.booked_us for step in found.steps)
