"""A payment goes to the home of each of its keys, once, and a record that takes another back goes everywhere."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.app.table_engine import PlainIdentifiers
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.partitions import Partition, home_of
from monitor.engine.further_keys import AGENT, CONDUCTOR, COUNTERPARTY, DEVICE, KEY_KINDS, LINK, ON_BEHALF_OF, PERSON
from monitor.engine.ownership import destinations
from monitor.rulebook.reference import PlainSide, PlainTransaction
from tests.oracle.engine_run import batch_of
from tests.rulebook.small_rules import paid_in

PARTITIONS = 1_000_003
"""So many that no two of a few identifiers share a home."""
CUSTOMER, ACCOUNT = IdentifierKind.CUSTOMER, IdentifierKind.ACCOUNT
OURS, OUTSIDE = PlainSide("C1", "C1-1", "C1", agent="OURBANK"), PlainSide(account="X1", agent="THEIRBANK")
PAID = replace(
    paid_in(0, "0h"), channel="cash", debtor=OUTSIDE, creditor=OURS, conductor="P1", on_behalf_of="Q1", device="D1",
    link="L1",
)  # fmt: skip


def goes_to(payment: PlainTransaction, *kinds: int, partitions: int = PARTITIONS) -> list[int]:
    identifiers = PlainIdentifiers()
    found = destinations(batch_of([payment], identifiers), identifiers.tokens, kinds, partitions)
    assert set(found.row.tolist()) <= {0}
    return found.partition.tolist()


def homes(*identifiers: tuple[IdentifierKind, str]) -> list[int]:
    table = PlainIdentifiers()
    for kind, text in identifiers:
        table.code(kind, text)
    return sorted(home_of(table.tokens, PARTITIONS).tolist())


def test_a_payment_goes_to_the_home_of_its_holder_and_to_no_other_where_rules_ask_for_holders_only() -> None:
    assert goes_to(PAID) == homes((CUSTOMER, "C1"))


@pytest.mark.parametrize(
    ("kind", "further"),
    [
        (CONDUCTOR, [(CUSTOMER, "P1")]),
        (ON_BEHALF_OF, [(CUSTOMER, "Q1")]),
        (COUNTERPARTY, [(ACCOUNT, "X1")]),
        (DEVICE, [(IdentifierKind.DEVICE, "D1")]),
        (PERSON, [(CUSTOMER, "P1"), (CUSTOMER, "Q1")]),
        (LINK, [(IdentifierKind.LINK, "L1")]),
        (AGENT, [(IdentifierKind.AGENT, "THEIRBANK")]),
        (KEY_KINDS.index("pair"), []),
    ],
)
def test_and_to_the_homes_of_the_further_kinds_that_rules_ask_for(
    kind: int, further: list[tuple[IdentifierKind, str]]
) -> None:
    assert goes_to(PAID, kind) == homes((CUSTOMER, "C1"), *further)


def test_persons_are_keys_in_cash_only() -> None:
    assert goes_to(replace(PAID, channel="wire"), PERSON) == homes((CUSTOMER, "C1"))


def test_two_customers_are_two_homes_and_two_keys_in_one_home_are_one() -> None:
    between = replace(PAID, debtor=PlainSide("C2", "C2-1", "C2"))
    assert goes_to(between) == homes((CUSTOMER, "C1"), (CUSTOMER, "C2"))
    assert goes_to(between, CONDUCTOR, DEVICE, partitions=1) == [0]


def test_an_account_is_the_holder_where_the_source_names_no_customers() -> None:
    assert goes_to(replace(PAID, creditor=PlainSide("A9", "A9"))) == homes((CUSTOMER, "A9"))


def test_what_takes_another_back_goes_to_all_partitions() -> None:
    assert goes_to(replace(PAID, status="returned", reverses="T7"), partitions=5) == [0, 1, 2, 3, 4]


def test_rows_of_a_batch_keep_their_homes_apart() -> None:
    identifiers = PlainIdentifiers()
    batch = batch_of([PAID, replace(PAID, creditor=PlainSide("C2", "C2-1", "C2"))], identifiers)
    found = destinations(batch, identifiers.tokens, (CONDUCTOR,), PARTITIONS)
    assert found.row.tolist() == [0, 0, 1, 1]
    both = [homes((CUSTOMER, "C1"), (CUSTOMER, "P1")), homes((CUSTOMER, "C2"), (CUSTOMER, "P1"))]
    assert found.partition.reshape(2, 2).tolist() == both


def test_a_home_is_the_first_eight_bytes_of_the_token_as_a_big_endian_number() -> None:
    tokens = np.frombuffer(b"\xff" * 8 + b"\x00" * 8 + b"\x00" * 7 + b"\x09" + b"\xff" * 8, np.uint8).reshape(-1, 16)
    assert home_of(tokens, 7).tolist() == [(2**64 - 1) % 7, 2]
    assert home_of(tokens[:0], 7).tolist() == []


def test_partitions_are_counted_from_0() -> None:
    assert (Partition(3, 4).number, Partition().count) == (3, 1)
    with pytest.raises(ValueError, match="partition 4 of 4"):
        Partition(4, 4)
