"""The truth about the stream: which rows belong to which case."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from monitor.app.simulate.cast import Case
from monitor.app.simulate.names import Names
from monitor.app.simulate.rows import Rows
from monitor.app.simulate.world import CURRENCY_OF_ROW
from monitor.domain.money import format_amount
from monitor.domain.time import DAY_US, format_time

_UNIT = 100_000


def write_labels(path: Path, rows: Rows, cases: list[Case]) -> None:
    """``transaction_id,typology,case_id`` of every row that belongs to a case, in order of arrival."""
    by_number = {case.number: case for case in cases}
    lines = ["transaction_id,typology,case_id"]
    for number, case in zip(rows.number.tolist(), rows.case.tolist(), strict=True):
        lines.append(f"T{number:014d},{by_number[case].typology},{by_number[case].name}")
    path.write_text("\n".join(dict.fromkeys(lines)) + "\n", encoding="utf-8")


def write_cases(
    path: Path, rows: Rows, cases: list[Case], names: Names, rates: list[tuple[str, str, int]], first_day_us: int
) -> None:
    """``case_id,typology,accounts,first_time,last_time,transactions,amount,currency``, a line per case.

    ``accounts`` are joined by spaces, in order of appearance. ``amount`` is the sum of the rows in dollars, each
    converted at the rate of its day.
    """
    dollars = _dollars(rows, rates, first_day_us)
    lines = ["case_id,typology,accounts,first_time,last_time,transactions,amount,currency"]
    once = np.sort(np.unique(rows.number, return_index=True)[1])
    for case in cases:
        mine = once[rows.case[once] == case.number]
        mine = mine[np.argsort(rows.booked_us[mine], kind="stable")]
        codes = np.stack([rows.debtor[mine], rows.creditor[mine]], axis=1).reshape(-1).tolist()
        accounts = " ".join(names.account.text(code) for code in dict.fromkeys(codes) if code >= 0)
        times = f"{format_time(int(rows.booked_us[mine[0]]))},{format_time(int(rows.booked_us[mine[-1]]))}"
        amount = format_amount(int(dollars[mine].sum()), "USD")
        lines.append(f"{case.name},{case.typology},{accounts},{times},{len(mine)},{amount},USD")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _dollars(rows: Rows, rates: list[tuple[str, str, int]], first_day_us: int) -> npt.NDArray[np.int64]:
    """Cents of dollars of each row, rounded down, at the rate of its day (the last one after the end)."""
    amount = rows.amount.copy()
    day = (rows.booked_us - first_day_us) // DAY_US + 1
    for code, currency in enumerate(CURRENCY_OF_ROW):
        series = np.array([value for _, source, value in rates if source == currency], np.int64)
        mine = rows.currency == code
        if len(series):
            amount[mine] = amount[mine] * series[np.clip(day[mine], 0, len(series) - 1)] // _UNIT
    return amount
