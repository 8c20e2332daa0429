"""The bank's control totals: both forms of a file, and what is said of one that is wrong."""

import json
from pathlib import Path

import pytest

from monitor.domain.feed import ControlTotal
from monitor.domain.time import DAY_US, parse_time_us
from monitor.intake.control_totals import ControlTotalsError, read_control_totals

HEADER = "feed,day,currency,count,sum_minor,expected_at"
MAY_4 = 20_577
GOOD = {"feed": "cards", "day": "2026-05-04", "currency": "EUR", "count": 3, "sum_minor": 700}


def read(folder: Path, text: str | bytes) -> list[tuple[ControlTotal, str]]:
    path = folder / "totals.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_control_totals(path)


def test_csv_and_json_lines_say_the_same(tmp_path: Path):
    at = "2026-05-05T06:00:00Z"
    csv = read(tmp_path, f"\ufeff{HEADER}\r\ncards,2026-05-04,EUR,3,700,{at}\r\nwires-in,2026-05-05,JPY,0,0,\r\n")
    lines = [GOOD | {"expected_at": at}, GOOD | {"feed": "wires-in", "day": "2026-05-05", "currency": "JPY", "count": 0,
                                                 "sum_minor": 0}]  # fmt: skip
    found = read(tmp_path, "\n\n".join(map(json.dumps, lines)))
    assert [total for total, _ in csv] == [total for total, _ in found]
    assert csv[0] == (ControlTotal("cards", MAY_4, "EUR", 3, 700, parse_time_us(at)), "totals.txt:2")
    assert csv[1] == (ControlTotal("wires-in", MAY_4 + 1, "JPY", 0, 0, (MAY_4 + 3) * DAY_US), "totals.txt:3")
    assert [place for _, place in found] == ["totals.txt:1", "totals.txt:3"]


def test_sums_can_be_longer_than_64_bits(tmp_path: Path):
    ((total, _),) = read(tmp_path, json.dumps(GOOD | {"sum_minor": 10**25}))
    assert total.amount_minor == 10**25


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("feed", "Cards", "feed 'Cards' can be no name of a feed: a small letter"),
        ("feed", "acc-12345", "feed 'acc-12345' can be no name"),
        ("day", "04.05.2026", "day '04.05.2026' is no date, such as 2026-05-04"),
        ("day", "2026-02-30", "day '2026-02-30' is no date"),
        ("currency", "EURO", "currency 'EURO' is none of ISO 4217"),
        ("count", -1, "count -1 is no whole number from 0 on. Give how many payments"),
        ("count", True, "count True is no whole number"),
        ("count", 2**63, "count 9223372036854775808 is no whole number"),
        (
            "sum_minor",
            "7.00",
            "sum_minor '7.00' is no whole number from 0 on. Give the sum in minor units (cents of EUR)",
        ),
        ("sum_minor", 7.5, "sum_minor 7.5 is no whole number"),
        ("count", 0, "sum_minor is 700 and count is 0"),
        ("expected_at", "2026-05-05 06:00", "expected_at '2026-05-05 06:00' is no time with a zone"),
        ("expected_at", 5, "expected_at 5 is no time"),
        ("total", 5, "an unknown field 'total'. A total has feed, day, currency, count, sum_minor, expected_at"),
    ],
)
def test_a_wrong_field_is_named_with_its_place_and_nothing_is_taken(
    tmp_path: Path, field: str, value: object, said: str
):
    with pytest.raises(ControlTotalsError) as error:
        read(tmp_path, "\n".join(map(json.dumps, [GOOD, GOOD | {"day": "2026-05-05", field: value}])))
    first, last = str(error.value).splitlines()
    assert first.startswith(f"totals.txt:2: {said}")
    assert last == "Nothing of totals.txt was taken. Correct it and load it again."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "totals.txt: it holds no totals."),
        (HEADER, "totals.txt: it holds no totals."),
        ("feed,day,currency,count\n", "totals.txt:1: no column sum_minor. The header is  feed,day"),
        (f"{HEADER},note\n", "totals.txt:1: an unknown column 'note'"),
        (f"{HEADER}\ncards,2026-05-04,EUR,3\n", "totals.txt:2: the line has not as many cells as the header"),
        (f"{HEADER}\ncards,2026-05-04,EUR,3,1,,7\n", "totals.txt:2: the line has not as many cells as the header"),
        (f'{HEADER}\n"cards,2026', "totals.txt:2: unexpected end of data"),
        ('{"feed": "cards"', "totals.txt:1: the line is no JSON object. Correct it."),
        (json.dumps(GOOD) + "\n[]", "totals.txt:2: the line is no JSON object. Correct it."),
        (json.dumps(GOOD) + "\n{}", "totals.txt:2: no feed, day, currency, count, sum_minor. A total has"),
        (b"\xff", "byte 0 is no UTF-8. Save the file as UTF-8."),
        (
            "\n".join(map(json.dumps, [GOOD, GOOD, GOOD | {"count": 4}])),
            "totals.txt:3: another total of this feed, day and currency stands at totals.txt:1. Leave one out.",
        ),
    ],
)
def test_a_file_that_is_wrong_says_where_and_why(tmp_path: Path, text: str | bytes, said: str):
    with pytest.raises(ControlTotalsError) as error:
        read(tmp_path, text)
    assert said in str(error.value)


def test_each_mistake_is_told_up_to_a_limit(tmp_path: Path):
    with pytest.raises(ControlTotalsError) as error:
        read(tmp_path, "\n".join(json.dumps(GOOD | {"day": str(number)}) for number in range(50)))
    assert len(str(error.value).splitlines()) == 21
