"""The sentences that stand beside the figures, on the terminal and on the page."""

from monitor.app.evaluate.evaluation import Evaluation
from monitor.app.evaluate.measures import BOOTSTRAPS, DRAWS
from monitor.domain.time import DAY_US, format_time

TRACK_WORDS = {
    "U": "track U: no labels",
    "D": "track D: outcomes 14 days after an alert, for what was alerted and a 0.1 % audit sample",
    "S": "track S: all labels 14 days after the row",
}


def facts(found: Evaluation) -> list[str]:
    """What the stream is."""
    stream = found.stream
    bad, rows = int(stream.is_laundering.sum()), len(stream.rows)
    stamps = "day stamps" if stream.is_by_day else "stamps within the day"
    parties = int(stream.is_party.sum()) if len(stream.is_party) else len(stream.accounts)
    return [
        f"{spaced(rows)} rows of {spaced(parties)} accounts, {day(stream.cut.first)} to {day(stream.cut.end - 1)}, "
        f"{stamps}; {spaced(bad)} laundering rows ({100 * bad / rows:.2f} %) in {len(stream.cases)} cases",
        f"{TRACK_WORDS[found.request.track]}; seed {found.request.seed}",
    ]


def conditions(found: Evaluation) -> list[str]:
    """Split, chance and intervals, in words."""
    stream, cut = found.stream, found.stream.cut
    return [
        f"Warm-up to {day(cut.thresholds - 1)}, thresholds fixed to {day(cut.scored - 1)}, scored from "
        f"{day(cut.scored)} ({len(found.truth.scored)} cases, {spaced(len(found.truth.days))} account-days), "
        f"last 20 % from {day(cut.last_fifth)}.",
        "One pass in event order: each row is scored before anything learns from it.",
        "An alerted account-day is true when the account sent or received a laundering row of a case on that day or in "
        "the three days before.",
        f"Chance is the mean of {DRAWS} seeded draws of as many account-days. Intervals are 95 %: of recall by "
        f"{BOOTSTRAPS} bootstraps over cases (seed {found.request.seed}), Wilson's where all or none "
        "were found; of conversion Wilson's.",
        f"Money is told in: {stream.units}.",
    ]


def beyond(found: Evaluation) -> list[str]:
    """What cannot be concluded, and what did not run."""
    told = []
    if found.stream.is_by_day:
        told.append("The stamps name days only: what happens within a day cannot be judged here.")
    bad = float(found.stream.is_laundering.mean())
    if bad > 0.05:
        told.append(
            f"{100 * bad:.0f} % of the rows are laundering, far more than in any bank: recall by pattern counts here, "
            "precision does not."
        )
    return told + [f"Not measured: {each}." for each in found.left_out]


def day(number: int) -> str:
    """The date of a day number.

    >>> day(0)
    '1970-01-01'
    """
    return format_time(number * DAY_US)[:10]


def spaced(number: int) -> str:
    """A whole number with thousands apart.

    >>> spaced(1234567)
    '1 234 567'
    """
    return f"{number:,}".replace(",", " ")
