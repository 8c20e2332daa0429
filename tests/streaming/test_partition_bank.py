"""What partitions tell of their customers: who is heard, what is refused, and what must not stand in a record."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from monitor.adapters.kafka import bank_records
from monitor.adapters.kafka.payment_chunks import KIND as PAYMENTS
from monitor.app.inputs import rulebook_of
from monitor.app.streaming.partition import BANK, LogRecord, Partition
from monitor.rulebook.plan import plan
from monitor.rulebook.rule import Rule
from tests.rulebook.small_rules import parameter, rule, window
from tests.streaming.bank_logs import BankLogs, loaded_rules, of_random, rules

SEED = 4


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> BankLogs:
    folder = tmp_path_factory.mktemp("bank")
    return of_random(loaded_rules(folder, rules()), folder, SEED, 3).run()


def told_by(run: BankLogs, teller: int, to: int) -> list[bytes]:
    values = [each.value for each in run.logs[to] if each.kind == BANK]
    return [value for value in values if bank_records.decode(value, 3).teller == teller]


def customers(part: Partition) -> int:
    """How many customers the next snapshot would count."""
    peers = part.engine.peers
    return int(peers.told.merged(peers.histograms)[0, 0].sum())


def test_each_partition_tells_each_other_one_the_same_at_its_change_of_day(run: BankLogs):
    days = len({day for number, day in run.snapshots if number == 1})
    values = told_by(run, 1, 0)
    assert len(values) == days > 3
    assert values == told_by(run, 1, 2)
    assert told_by(run, 1, 1) == []


def test_one_partition_tells_nobody(run: BankLogs, tmp_path_factory: pytest.TempPathFactory):
    one = of_random(run.loaded, tmp_path_factory.mktemp("one"), SEED, 1)
    assert len(one.run().snapshots) > 3
    assert {each.kind for each in one.logs[0]} == {"profiles", PAYMENTS}


def test_no_customer_stands_in_what_is_told(run: BankLogs):
    """Segments stand there by word and token; no token of a customer or account does."""
    part = run.parts[1]
    body = b"".join(told_by(run, 1, 0))
    assert b"retail" in body
    assert len(part.tokens) > 100
    is_word = np.array([part.engine.inputs.identifiers.word(code) is not None for code in range(len(part.tokens))])
    assert [token for token in part.tokens.tokens[~is_word] if token.tobytes() in body] == []


def test_a_partition_that_counts_its_positions_anew_is_heard_and_its_former_life_is_not(run: BankLogs):
    values = told_by(run, 1, 0)
    first, last = (bank_records.decode(values[at], 3) for at in (0, -1))
    (anew,) = bank_records.encode(replace(first, began=7_000))
    part = run.new(0)
    heard = []
    for offset, value in enumerate((values[-1], values[0], anew, anew, values[-1])):
        assert part.step([LogRecord(offset, BANK, value)]).damaged == []
        heard.append(customers(part))
    of_first, of_last = (int(each.part.counts[each.part.places < 1888].sum()) for each in (first, last))
    assert 0 < of_first < of_last
    assert heard == [of_last, of_last, of_first, of_first, of_first]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (lambda run: told_by(run, 1, 0)[0][:-1] + b"\1", "check sum"),
        (lambda run: b"bank", "does not begin with 'AMB1'"),
        (lambda run: told_by(run, 0, 1)[0], "tells partition 0 of itself"),
    ],
)
def test_what_cannot_be_taken_in_is_told_and_changes_nothing(run: BankLogs, value: Callable[[BankLogs], bytes], says):
    part = run.new(0)
    judged = part.step([LogRecord(0, BANK, value(run)), LogRecord(1, BANK, told_by(run, 1, 0)[0])])
    assert [offset for offset, _ in judged.damaged] == [0]
    assert says in judged.damaged[0][1]
    assert customers(part) > 0
    assert part.rows == 0


def test_of_a_partition_under_other_rules_only_the_measures_of_both_are_heard(
    run: BankLogs, tmp_path_factory: pytest.TempPathFactory
):
    """While workers are restarted with other rules, what stays the same is compared with the whole bank."""
    two = parameter("two", "count", ("2",))
    new = window("4d", {"n": "count()"}, currency="EUR", parameters=(two,))
    changed = rule("w.n > peer.w.n.p90", new, parameters=(two,), rule_id="AML-TST-004")
    folder = tmp_path_factory.mktemp("changed")
    loaded = loaded_rules(folder, [changed, *rules()[1:]])
    part = BankLogs(loaded, [], [], folder, 3).new(0)
    former = run.new(0)
    for each in (part, former):
        assert each.step([LogRecord(0, BANK, told_by(run, 1, 0)[-1])]).damaged == []
    names, of_former = part.engine.peers.told.measures, former.engine.peers.told.measures
    assert len(set(names) & set(of_former)) == len(names) - 1 == 3
    heard = part.engine.peers.told.merged(part.engine.peers.histograms)
    wanted = former.engine.peers.told.merged(former.engine.peers.histograms)
    for number, name in enumerate(names):
        if name in of_former:
            assert np.array_equal(heard[:, number], wanted[:, of_former.index(name)])
            assert heard[0, number].sum() > 10
        else:
            assert not heard[:, number].any()


def test_a_measure_is_named_by_what_it_measures_in_any_rulebook():
    two = parameter("two", "count", ("2",))

    def made(number: int, over: str, where: str | None) -> Rule:
        one = window(over, {"n": "count()"}, where=where, currency="EUR", parameters=(two,))
        return rule("w.n > peer.w.n.p90", one, parameters=(two,), rule_id=f"AML-TST-{number:03}")

    windows = [("3d", None), ("4d", None), ("3d", 'direction == "credit"'), ("3d", 'direction == "debit"')]
    one, other = (
        plan(rulebook_of([made(number, *each) for number, each in enumerate(chosen)]))
        for chosen in (windows, windows[::-1])
    )
    names = [[program.name_of(rule.measures["w", "n"][0]) for rule in program.rules] for program in (one, other)]
    assert names[0] == names[1][::-1]
    assert len(set(names[0])) == len(windows)
