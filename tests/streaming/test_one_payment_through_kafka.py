"""One payment of which several messages of ISO 20022 tell is judged once, from the brokers to the cases."""

import json
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from typer.testing import CliRunner

from monitor.adapters.kafka.alert_records import decode
from monitor.adapters.kafka.legs_log import kind_of
from monitor.adapters.kafka.refused_topic import RefusedTopic
from monitor.adapters.kafka.topics import TopicAdmin
from monitor.cli import app
from tests.intake.iso20022.messages import Payment, entry, order, returned, settlement, status
from tests.streaming.committed import committed
from tests.streaming.intake_topics import TopicsHere
from tests.streaming.test_feeds_through_kafka import SECONDS, Workers, said, working

pytestmark = pytest.mark.kafka

PAYMENT = replace(Payment(), amount="25000.00", debtor="", customer="C1")
"""A wire without the name of its originator: a rule asks for it on both sides, once in thirty days."""
TOLD = (order(PAYMENT), settlement(PAYMENT), entry(PAYMENT), status(PAYMENT, "ACSC"))
"""What tells of it; only the settlement books it."""
LATER = replace(PAYMENT, at="2026-05-05T09:00:00Z")


def left(here: TopicsHere, topic: str, group: str) -> int:
    """Records of a topic that a group has not committed."""
    reader = Consumer({**here.client, "group.id": group, "enable.auto.commit": "false", "log_level": "0"})
    places = [TopicPartition(topic, number) for number in range(TopicAdmin(here.client).partitions()[topic])]
    try:
        done = [max(each.offset, 0) for each in committed(reader, places)]
        return sum(reader.get_watermark_offsets(each, 20)[1] for each in places) - sum(done)
    finally:
        reader.close()


def wait_until_done(here: TopicsHere) -> None:
    """Wait until each worker has committed all that the one before it has given."""
    name, until = here.topics.transactions, time.monotonic() + SECONDS
    pairs = ((name, "intake"), (here.topics.legs, "score"), (f"{name}-alerts", "cases"))
    while any(left(here, topic, f"{name}-{group}") for topic, group in pairs):
        assert time.monotonic() < until
        time.sleep(0.5)


def send(here: TopicsHere, messages: Sequence[bytes], start: int = 0) -> None:
    """Each message to another partition than the one before."""
    for number, message in enumerate(messages):
        here.send([message], headers=[("content", b"iso20022")], partition=(start + number) % 3)


def totals(workers: Workers) -> dict[str, tuple[int, int]]:
    """Payments and repeats by the day that they were booked on, of what was judged."""
    rows = [json.loads(each) for each in said(workers.database, "show", "--json")[1].splitlines()]
    return {each["day"]: (each["payments"], each["repeated"]) for each in rows if each["payments"]}


def cases(workers: Workers) -> list[tuple[list[str], int, int]]:
    """Of each case its rules, its alerts and those of a quiet period."""
    done = CliRunner().invoke(
        app, ["cases", "list", "--as-of", "latest", "--json"], env={"AML_DB": str(workers.database)}
    )
    rows = [json.loads(each) for each in done.output.splitlines()]
    return [(each["rules"], each["alerts"], each["alerts_quiet"]) for each in rows]


def test_an_order_a_settlement_an_entry_and_a_status_in_any_order_are_one_judged_payment_and_a_return_takes_it_back(
    kafka_bootstrap: str, tmp_path: Path
):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    here = TopicsHere.make(kafka_bootstrap)
    messages = [*TOLD, *TOLD]  # Each is delivered twice.
    random.Random(seed).shuffle(messages)
    on_both_sides = [(["AML-TRN-001"], 1, 0)] * 2
    with working(here, tmp_path, approve_examples=True) as workers:
        send(here, messages[:5])
        time.sleep(2)
        for each in ("intake", "score", "cases"):
            workers.kill(each)
        send(here, messages[5:], start=5)
        wait_until_done(here)
        assert totals(workers) == {"2026-05-04": (1, 1)}
        assert cases(workers) == on_both_sides
        refused = list(RefusedTopic(here.client, here.topics.refused).read())
        assert [each.payment.reason for each in refused] == ["evidence_only"] * 6
        assert {each.payment.original for each in refused} == {TOLD[0], TOLD[2], TOLD[3]}
        # A return and a rejection of the same payment are judged, each of them once; the case does not change.
        send(here, [returned(LATER), status(LATER), returned(LATER)])
        wait_until_done(here)
        assert totals(workers) == {"2026-05-04": (1, 1), "2026-05-05": (2, 1)}
        assert cases(workers) == on_both_sides
        sent = [
            each for each in here.all_of(f"{here.topics.transactions}-alerts") if kind_of(each.headers()) == "alerts"
        ]
        assert len({alert.alert_id for each in sent for alert in decode(each.value())}) == 2
