"""``aml refused --topic`` at a real broker: what was refused is listed and sent again once, as what it was."""

import json
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Message
from typer.testing import CliRunner

from monitor.adapters.kafka import refused_records
from monitor.adapters.kafka.outbox import Outbox
from monitor.adapters.kafka.refused_records import RefusedPayment
from monitor.adapters.kafka.refused_topic import RETRIED_FROM
from monitor.adapters.quarantine import Quarantine
from monitor.cli import app
from monitor.domain.refusal import Reason, Refusal
from tests.streaming.intake_topics import TopicsHere

pytestmark = pytest.mark.kafka


def refusal(number: int, reason: str, original: bytes, content: str = "") -> RefusedPayment:
    return RefusedPayment(1, number, f"in:1:{number}", reason, "at byte 3", original, content)


@pytest.fixture
def here(kafka_bootstrap: str) -> TopicsHere:
    return TopicsHere.make(kafka_bootstrap)


def refuse(here: TopicsHere, *refused: RefusedPayment) -> None:
    outbox: Outbox[int] = Outbox(here.client)
    for number, each in enumerate(refused):
        value, headers = refused_records.encode(each)
        outbox.send(here.topics.refused, value, key=each.key, headers=headers, partition=number % 2)
    outbox.flush()


def aml(here: TopicsHere, command: str, *words: str, status: int = 0) -> str:
    env = {"COLUMNS": "140", "NO_COLOR": "1", "AML_KAFKA_BOOTSTRAP": here.bootstrap}
    into = ("--into", here.topics.transactions) if command == "retry" else ()
    result = CliRunner().invoke(app, ["refused", command, "--topic", here.topics.refused, *into, *words], env=env)
    assert result.exit_code == status, result.output
    return result.output


def sent(here: TopicsHere) -> list[Message]:
    return here.all_of(here.topics.transactions)


def test_counts_by_reason_with_what_to_do_then_the_first_records(here: TopicsHere):
    assert aml(here, "list") == f"Nothing was refused in topic {here.topics.refused}.\n"
    refuse(
        here, refusal(0, "not_json", b"{\x1b[2J"), refusal(1, "too_late", b"{}"), refusal(2, "not_json", b"\xff"),
        refusal(3, "decoder_failed", b"boom"), refusal(4, "not_json", b"[["),
    )  # fmt: skip
    said = aml(here, "list", "--limit", "2").splitlines()
    assert said[0].startswith("      3 not_json: The line is no JSON.")
    assert {line.split()[1] for line in said[1:3]} == {"too_late:", "decoder_failed:"}
    assert said[3:5] == ["    0:0 in:1:0  not_json: at byte 3", "        {\\x1b[2J"]
    assert said[-1] == "2 of 5 shown. --limit 0 shows all, --json with all bytes."
    found = [json.loads(line) for line in aml(here, "list", "--json", "--reason", "not_json").splitlines()]
    assert [each.get("original", each.get("original_base64")) for each in found] == ["{\x1b[2J", "/w==", "[["]


def test_each_is_sent_again_once_with_its_bytes_and_what_they_are(here: TopicsHere):
    refuse(
        here, refusal(0, "not_json", b"{\xff"), refusal(1, "entity_unknown", b"<a/>", "iso20022"),
        refusal(2, "entity_unknown", b"{}"), refusal(3, "not_json", b"[["),
    )  # fmt: skip
    assert aml(here, "retry", "--reason", "entity_unknown").splitlines() == [
        f"      2 entity_unknown: sent into {here.topics.transactions}"
    ]
    headers = {message.value(): dict(message.headers() or []) for message in sent(here)}
    assert {value: each.get("content") for value, each in headers.items()} == {b"<a/>": b"iso20022", b"{}": None}
    assert headers[b"{}"][RETRIED_FROM].startswith(here.topics.refused.encode() + b":")
    assert aml(here, "retry", "--reason", "entity_unknown").startswith("Nothing to send: ")
    assert aml(here, "retry") == f"      2 not_json: sent into {here.topics.transactions}\n"
    assert aml(here, "retry").startswith("Nothing to send: ")
    assert Counter(message.value() for message in sent(here)) == Counter([b"<a/>", b"{}", b"{\xff", b"[["])
    assert aml(here, "list").count("(sent again)") == 4


def test_what_is_refused_after_a_retry_can_be_sent_again(here: TopicsHere):
    refuse(here, refusal(0, "not_json", b"1"), refusal(1, "not_json", b"2"))
    aml(here, "retry")
    refuse(here, refusal(2, "not_json", b"3"))
    aml(here, "retry", "--reason", "too_late")
    assert aml(here, "retry") == f"      1 not_json: sent into {here.topics.transactions}\n"
    assert sorted(message.value() or b"" for message in sent(here)) == [b"1", b"2", b"3"]


def test_a_record_longer_than_brokers_take_is_kept_by_its_beginning_and_not_sent_again(here: TopicsHere):
    refuse(here, refusal(0, "too_long", b"x" * 1_040_000))
    (stored,) = here.all_of(here.topics.refused)
    kept = refused_records.decode(stored.value(), stored.headers() or [])
    assert kept is not None
    assert (kept.cut_from, len(kept.original)) == (1_040_000, 980_000)
    assert "1 were left out: they are longer than a record may be" in aml(here, "retry")
    assert sent(here) == []


def test_records_of_other_kinds_are_passed_over(here: TopicsHere):
    outbox: Outbox[int] = Outbox(here.client)
    for kind in (b"refused_profile", b"refused"):  # The second is an alert that casework refused: it has no source.
        outbox.send(here.topics.refused, b"x", headers=[("kind", kind), ("format", b"1"), ("topic", b"alerts")])
    outbox.flush()
    assert aml(here, "list").startswith("Nothing was refused")
    assert aml(here, "retry").startswith("Nothing to send: ")


def test_a_damaged_record_a_missing_topic_and_wrong_words_are_said(here: TopicsHere, tmp_path: Path):
    assert "no-such is no reason" in aml(here, "list", "--reason", "no-such", status=2).replace("'", "")
    assert "Give --out FILE" in aml(here, "retry", "--out", str(tmp_path / "x"), status=2)
    outbox: Outbox[int] = Outbox(here.client)
    outbox.send(here.topics.refused, b"x", headers=[("kind", b"refused"), ("format", b"2"), ("source_partition", b"0")])
    outbox.flush()
    assert "the record is damaged (format '2' of a refused record" in aml(here, "list", status=2)
    env = {"AML_KAFKA_BOOTSTRAP": here.bootstrap}
    result = CliRunner().invoke(app, ["refused", "list", "--topic", "no-such-topic"], env=env)
    assert (result.exit_code, "topic no-such-topic is not there" in result.output) == (2, True)


def test_a_store_is_listed_as_before_and_knows_its_reasons_only(tmp_path: Path):
    quarantine = Quarantine(tmp_path / "a.data")
    quarantine.append([Refusal(7, "a.jsonl:8", Reason.NOT_JSON, "at byte 3", b"{\x1b}")], refused_at="now")
    quarantine.close()
    words = ["refused", "list", "--db", str(tmp_path / "a.db"), "--reason"]
    result = CliRunner().invoke(app, [*words, "not_json"])
    assert result.output.splitlines()[1:] == ["      7 a.jsonl:8  not_json: at byte 3", "        {\\x1b}"]
    assert CliRunner().invoke(app, [*words, "decoder_failed"]).exit_code == 2
