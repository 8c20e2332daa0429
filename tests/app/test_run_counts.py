"""Of any file at all, every record is judged, refused with its bytes, or a duplicate; a run never ends by a record."""

import base64
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from monitor.app.embedded import RunSettings, run
from monitor.app.inputs import GivenInputs
from monitor.cli import app
from monitor.domain.time import MINUTE_US, format_time, parse_time_us
from tests.app.rough_bank import RULES, rule_text

START_US = parse_time_us("2026-05-04T00:00:00Z")


def good(number: int, *, minute: int = 0, amount: str = "1.00") -> dict[str, Any]:
    return {
        "transaction_id": f"T{number}", "booked_at": format_time(START_US + (minute or number) * MINUTE_US),
        "creditor_customer": "C1", "creditor_account": "A1", "amount": amount, "currency": "USD",
    }  # fmt: skip


def _mutated(number: int, at: int, byte: int, how: str) -> bytes:
    line = bytearray(json.dumps(good(number)).encode())
    at %= len(line)
    line[at : at + (how != "insert")] = b"" if how == "remove" else bytes([byte])
    return bytes(line)


numbers = st.integers(0, 12)
good_lines = st.builds(lambda number: json.dumps(good(number)).encode(), numbers)
lines = st.one_of(
    good_lines,
    good_lines,
    st.builds(lambda number: json.dumps(good(number, amount="2.00")).encode(), numbers),
    st.builds(lambda number: json.dumps(good(number, minute=-60 * 24 * 60)).encode(), numbers),
    st.builds(
        _mutated, numbers, st.integers(0, 200), st.integers(0, 255), st.sampled_from(["put", "insert", "remove"])
    ),
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"",
            b" ",
            b"\x0c",
            b"\t\r",
            b" " * 65_537,
            b"{}",
            b"[]",
            b"null",
            b"\xef\xbb\xbf",
            b"{" * 30,
            b'{"transaction_id":"' + b"x" * 66_000,
        ]
    ),
)
files = st.builds(
    lambda parts, end: b"\n".join(parts) + end, st.lists(lines, max_size=25), st.sampled_from([b"", b"\n"])
)


@settings(max_examples=15, print_blob=True)
@given(data=files)
@example(b"\n".join([b"", json.dumps(good(0)).encode(), b"\x0c", json.dumps(good(0, amount="2.00")).encode()]))
@example(b"\n".join([json.dumps(good(0)).encode(), json.dumps(good(0, amount="2.00")).encode(), b"\x00"]))
@example(b"\n".join([json.dumps(good(1)).encode(), b"\xff", json.dumps(good(1)).encode(), b"{}", b"", b"\x1f"]))
def test_read_is_judged_and_refused_and_duplicates_and_each_refused_record_is_listed_with_its_bytes(data: bytes):
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "behaviour").mkdir()
        (folder / "behaviour" / "rule.yaml").write_text(rule_text(1, RULES[0]))
        (folder / "in.jsonl").write_bytes(data)
        inputs = GivenInputs((folder / "behaviour",), approve_examples=True)
        done = run(RunSettings((str(folder / "in.jsonl"),), folder / "bank.db", inputs=inputs))
        answered = CliRunner().invoke(app, ["refused", "list", "--db", str(folder / "bank.db"), "--json"])
        assert answered.exit_code == 0, answered.output
        refused = [json.loads(line) for line in answered.stdout.split("\n")[:-1]]
        counts = done.counts
        assert done.records == counts["judged"] + counts["refused"] + counts["duplicates"]
        assert len(refused) == counts["refused"]
        positions = [each["position"] for each in refused]
        assert positions == sorted(set(positions))
        assert set(positions) <= set(range(done.records))
        given_lines = data.split(b"\n")
        for each in refused:
            number = int(each["place"].removeprefix(f"{folder}/in.jsonl:"))
            original = _bytes_of(each)
            expected = given_lines[number - 1]
            assert original == expected or _is_cut(original, expected) or _without_mark(expected) == original, each
        sure = {line for line in given_lines if _is_good(line)}
        assert counts["judged"] >= min(len(sure), 1)
        assert not sure & {
            _bytes_of(each) for each in refused if each["reason"] not in ("duplicate_differs", "too_late")
        }


def _bytes_of(refused: dict[str, Any]) -> bytes:
    found = refused.get("original")
    return found.encode() if found is not None else base64.b64decode(refused["original_base64"])


def _is_cut(original: bytes, expected: bytes) -> bool:
    """A record above 64 KiB is kept with its beginning."""
    return len(expected) > 65_536 and expected.startswith(original) and len(original) == 65_536


def _without_mark(line: bytes) -> bytes:
    return line.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\r")


def _is_good(line: bytes) -> bool:
    return line in {json.dumps(good(number)).encode() for number in range(13)}
