"""Log lines: JSON with what an operator needs, and nothing of a customer, whatever is handed in by mistake."""

import io
import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.app.streaming.telling import KEYS, NUMBERS, telling

TOKEN = sha256(b"customer 1").hexdigest()[:32]
SECRETS = [
    TOKEN,
    "DE89370400440532013000",
    "4111 1111 1111 1111",
    "Anna Larsson",
    "anna.larsson@example.com",
    "12345678",
]


def lines_of(tell: Any) -> list[dict[str, Any]]:
    stream = io.StringIO()
    tell(telling("score", stream))
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_what_happened_where_and_when():
    (line,) = lines_of(lambda log: log.info("state_saved", partition=7, seconds=0.3, bytes=1_048_576))
    assert line.pop("at").endswith("Z")
    assert line == {"event": "state_saved", "level": "info", "worker": "score", "partition": 7, "seconds": 0.3,
                    "bytes": 1_048_576}  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("key", sorted({*KEYS, "customer", "token", "account", "iban", "name", "payload", "exc_info"}))
def test_no_identifier_leaks_under_any_key(key: str, secret: str):
    def tell(log: Any) -> None:
        log.warning("step_failed", **{key: secret})
        log.warning("step_failed", **{key: [secret, {"debtor": secret}]})
        log.warning(f"refused {secret}", partition=1)

    found = lines_of(tell)
    assert len(found) == 3
    allowed = key == "trace" and secret == TOKEN
    assert allowed or secret not in json.dumps(found)
    assert found[2]["event"] == "unnamed_event"


@given(st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=40) | st.integers() | st.binary(max_size=9)))
def test_only_keys_of_the_list_are_written(given_values: dict[str, Any]):
    values = {key: value for key, value in given_values.items() if key not in ("event", "self")}
    (line,) = lines_of(lambda log: log.info("step_done", **values))
    assert set(line) <= KEYS | {"event", "level", "at", "left_out"}
    assert line.get("left_out", 0) == sum(key not in KEYS for key in values) + sum(
        key in NUMBERS and not isinstance(value, int) for key, value in values.items()
    ) + sum(key == "error" for key in values)


def test_an_error_is_its_class_and_place_and_not_its_message():
    def tell(log: Any) -> None:
        try:
            int("4111111111111111 of Anna Larsson")
        except ValueError as error:
            log.error("step_failed", error=error, offset=812)
            log.exception("step_failed", offset=813)

    named, bare = lines_of(tell)
    assert named["error"].startswith("ValueError at test_telling.py:")
    assert named["offset"] == 812
    assert "Anna" not in json.dumps([named, bare])
    assert "4111" not in json.dumps([named, bare])


def test_details_below_information_are_not_written():
    assert lines_of(lambda log: log.debug("step_done", partition=1)) == []
