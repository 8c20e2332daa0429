"""Every metric of the streaming shell: its name and unit, its labels and their limits, the promise it serves.

Names begin with ``aml_`` and end with the unit; totals end with ``_total``. This module is data. What is counted is
kept by :class:`monitor.app.streaming.book.Book` and recorded by :mod:`monitor.app.streaming.recording`; what stands in
the case store is read by :mod:`monitor.app.streaming.store_metrics`. ``docs/metrics.md`` is printed by
``python -m monitor.metrics_page``.

No label holds a token, a name or an account number: a value that its label does not allow, and every value beyond the
label's limit, is counted as ``other``. Cases are not counted by outcome, because who may read a board may not read
whether a suspicion was reported.
"""

import re
from dataclasses import dataclass

OTHER = "other"
"""The value of a label that is not allowed, or one too many."""
COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"

DELAY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds, from 0.5 ms."""
STATE_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0)
"""Seconds that state takes to be saved or restored; a million accounts come back within 30 s."""

WORKERS = ("intake", "score", "cases", "profiles", "history")
CLOCKS = ("event", "broker", "wall")
DEPENDENCIES = ("kafka", "redis", "postgres", "disk", "snapshots", "inputs")
"""``snapshots`` and ``inputs`` are the two places that scoring writes to: the states of its partitions, and what
explains alerts; each has its own success. ``disk`` is that of the other workers."""
OUTCOMES = ("judged", "duplicate", "differs", "too_late", "taken_back")
"""Of a payment at admission, in the order of the codes of :mod:`monitor.engine.admission`."""
AGES = ("1d", "3d", "7d", "30d", "older")
"""At most so old, and older than the one before."""
DUES = ("over", "1d", "3d", "7d", "later")
"""Due in the past, within so long and not sooner, or later."""
STATES = ("open", "assigned", "in_review", "escalated", "pending_approval", "snoozed", "closed")

_SECRET = re.compile(r"[0-9a-fA-F]{16}|[0-9]{5}")
"""What looks like a token or an account number."""


@dataclass(frozen=True, slots=True)
class Label:
    """What a label may say: a pattern for the whole value, and how many different values a process keeps."""

    pattern: str
    values_max: int
    meaning: str

    def allows(self, value: str) -> bool:
        """Whether the value may be shown.

        >>> LABELS["rule"].allows("AML-STR-001"), LABELS["reason"].allows("9f86d081884c7d659a2feaa0c55ad015")
        (True, False)
        """
        return re.fullmatch(self.pattern, value) is not None and _SECRET.search(value) is None


def _one_of(words: tuple[str, ...], meaning: str) -> Label:
    return Label("|".join(words), len(words), meaning)


LABELS = {
    "worker": _one_of(WORKERS, "kind of worker"),
    "clock": _one_of(CLOCKS, "since when: the payment was booked, the broker had the record, the process had it"),
    "dependency": _one_of(DEPENDENCIES, "what the worker needs"),
    "outcome": _one_of(OUTCOMES, "what admission said of a payment"),
    "status": _one_of(("new", "quiet", "shadow", "suppressed"), "what happens to an alert"),
    "result": _one_of(("hit", "miss"), "whether it was there"),
    "state": _one_of(STATES, "where a case stands; closed is one, whatever the outcome"),
    "age": _one_of(AGES, "at most so old, and older than the value before"),
    "due": _one_of(DUES, "due in the past, within so long and not sooner, or later"),
    "partition": Label("[0-9]{1,4}", 4096, "number of a partition of the topic that the worker reads"),
    "reason": Label("[a-z][a-z0-9_]{1,39}", 64, "why a record is refused (docs/transaction.md)"),
    "rule": Label("AML-[A-Z]{3}-[0-9]{3}|payment-ensemble", 1000, "id of a rule, or of the anomaly models"),
    "source": Label("[a-z][a-z0-9_-]{0,23}", 200, "name of a feed of the bank"),
    "signal": Label("combined score|[a-z-]{1,32}: [a-z ]{1,40}", 64, "a signal of the anomaly models"),
    "model": Label("[a-z][a-z0-9-]{1,39}", 32, "id of a model"),
}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``help`` ends with the unit; ``promise`` is what it is watched for."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    promise: str
    buckets: tuple[float, ...] = ()


# Is it keeping up?
READY = Metric(
    "aml_worker_ready", GAUGE, ("worker",),
    "1 when the worker has its partitions and has caught up, else 0.",
    "Somebody works on each partition.",
)  # fmt: skip
RECORDS_IN = Metric(
    "aml_records_in_total", COUNTER, ("worker",),
    "What a worker took in: payments (intake, score, history), alerts (cases), profile versions (profiles); number.",
    "What comes in goes out.",
)  # fmt: skip
RECORDS_OUT = Metric(
    "aml_records_out_total", COUNTER, ("worker",),
    "What a worker passed on: payments to partitions (intake), alerts (score), alerts stored (cases), profile versions "
    "(profiles), payments made durable (history); number.",
    "What comes in goes out.",
)  # fmt: skip
BUSY = Metric(
    "aml_busy_seconds_total", COUNTER, ("worker",),
    "Time a worker spent on work rather than waiting for it; seconds. A rate of 1 is a worker that has no time left.",
    "There is room for a peak: at most 0.8 in any five minutes.",
)  # fmt: skip
DELAY = Metric(
    "aml_delay_seconds", HISTOGRAM, ("worker", "clock"),
    "Until the worker was done with a record, from three starts: event (the payment was booked; each payment or alert "
    "counts), broker (the broker had the record that the worker read), wall (the process had it); seconds. Done: the "
    "brokers have what it led to (intake, profiles), it is handed to them (score), it is stored (cases). Clocks that "
    "disagree count as 0.",
    "From broker to done: 99.9 % below 100 ms per worker at half load.",
    DELAY_BUCKETS,
)  # fmt: skip
LAG = Metric(
    "aml_lag_records", GAUGE, ("worker", "partition"),
    "Records of the partition that wait to be read; number.",
    "Lag does not grow.",
)  # fmt: skip
DEGRADED = Metric(
    "aml_partition_degraded", GAUGE, ("worker", "partition"),
    "1 while the partition judges without the profiles it should have, else 0. Its alerts carry a mark.",
    "Degraded is never silent.",
)  # fmt: skip
PAUSED = Metric(
    "aml_partition_paused", GAUGE, ("worker", "partition"),
    "1 while the partition waits for something it needs, else 0.",
    "Waiting is never silent, and nothing is lost meanwhile.",
)  # fmt: skip
DEPENDENCY_UP = Metric(
    "aml_dependency_up", GAUGE, ("worker", "dependency"),
    "1 while the worker reaches what it needs, else 0, as of its last attempt.",
    "A dependency that is gone is seen within a minute.",
)  # fmt: skip
QUARANTINED = Metric(
    "aml_quarantined_total", COUNTER, ("worker",),
    "Messages of our own topics that could not be read and were put aside with their bytes; number.",
    "A poisoned message stops nobody and is kept.",
)  # fmt: skip

# Is it judging well?
REFUSED = Metric(
    "aml_refused_total", COUNTER, ("reason",),
    "Records refused, by reason; number. Each is kept with its bytes in the topic refused.",
    "Read = judged + refused + duplicates.",
)  # fmt: skip
OUTCOME = Metric(
    "aml_payments_total", COUNTER, ("outcome",),
    "Payments that reached admission, by outcome; number. A payment counts once in each partition that it reached.",
    "Read = judged + refused + duplicates.",
)  # fmt: skip
LATE = Metric(
    "aml_late_total", COUNTER, (),
    "Payments judged late, at the clock of their customer; number.",
    "Late is counted and marked.",
)  # fmt: skip
LEGS = Metric(
    "aml_legs_total", COUNTER, (),
    "Legs judged: a payment seen from one key; number.",
    "Load by partition can be compared.",
)  # fmt: skip
ALERTS = Metric(
    "aml_alerts_total", COUNTER, ("rule", "status"),
    "Alerts stored for the first time, by rule; number. new: an analyst sees it. quiet: repeated within the quiet "
    "period. shadow: on trial. suppressed: by a recorded order.",
    "No rule floods the queue or falls silent unseen.",
)  # fmt: skip
HITS = Metric(
    "aml_rule_hits_total", COUNTER, ("rule",),
    "Conditions that held, by rule; number.",
    "No rule floods the queue or falls silent unseen.",
)  # fmt: skip
UNDECIDED = Metric(
    "aml_rule_undecided_total", COUNTER, ("rule",),
    "Verdicts that were neither true nor false, because a field was missing, by rule; number.",
    "Unknown is not false.",
)  # fmt: skip
RULE_ERRORS = Metric(
    "aml_rule_errors_total", COUNTER, ("rule",),
    "Alerts that were made without their rule, because it raised, and are marked so; number.",
    "A rule that raises is never silently clean.",
)  # fmt: skip
RULES_LEFT_OUT = Metric(
    "aml_rules_left_out", GAUGE, (),
    "Mistakes in rules, lists, approvals and typologies when the worker started: what they concern was left out; "
    "number.",
    "A rule that does not judge is never silently clean.",
)  # fmt: skip
STEP_ERRORS = Metric(
    "aml_step_errors_total", COUNTER, (),
    "Steps of a partition that raised as a whole; it waits and is tried again from its last state; number.",
    "A payment that cannot be judged is never passed over.",
)  # fmt: skip
WITHOUT_PROFILE = Metric(
    "aml_without_profile_total", COUNTER, (),
    "Alerts judged without the customer's profile, and marked so; number.",
    "No profile means unknown, not innocent.",
)  # fmt: skip

# Are data and models fresh?
PROFILE_READS = Metric(
    "aml_profile_cache_requests_total", COUNTER, ("result",),
    "Profiles asked for, by whether Redis had them; number.",
    "99 % of profiles come from the cache.",
)  # fmt: skip
PROFILE_SECONDS = Metric(
    "aml_profile_cache_seconds", HISTOGRAM, (),
    "One request for the profiles of a step; seconds.",
    "99 % below 10 ms.",
    DELAY_BUCKETS,
)  # fmt: skip
PROFILES_AWAITED = Metric(
    "aml_profiles_awaited", GAUGE, (),
    "Profile versions that the log announced and that could not be read yet; number.",
    "A profile holds from its place in the log.",
)  # fmt: skip
STALENESS = Metric(
    "aml_profile_staleness_seconds", GAUGE, (),
    "How long the partition that waits longest has been waiting for announced profile versions without a break, 0 "
    "without any; seconds.",
    "A profile holds from its place in the log.",
)  # fmt: skip
LEGS_AGAIN = Metric(
    "aml_legs_judged_again_total", COUNTER, (),
    "Legs judged again because a profile version came that had been missing; number.",
    "A profile that comes later is judged by.",
)  # fmt: skip
LEGS_LEFT_OUT = Metric(
    "aml_legs_left_out_total", COUNTER, (),
    "Legs judged without a profile version and not judged again, because more waited for one than are kept; number.",
    "A profile that comes later is judged by.",
)  # fmt: skip
PROFILES_WRITTEN = Metric(
    "aml_profiles_written_timestamp_seconds", GAUGE, (),
    "When the profile loader last wrote a profile version to Redis; Unix time in seconds.",
    "The bank's profiles arrive daily.",
)  # fmt: skip
FEED_LAST = Metric(
    "aml_feed_last_record_timestamp_seconds", GAUGE, ("source",),
    "When the last record of a feed came in; Unix time in seconds.",
    "A feed that stops is seen.",
)  # fmt: skip
FEED_LIMIT = Metric(
    "aml_feed_silent_after_seconds", GAUGE, ("source",),
    "How long a feed may be silent, as configured; seconds.",
    "A feed that stops is seen.",
)  # fmt: skip
CONTROL_RECORDS = Metric(
    "aml_control_difference_records", GAUGE, ("source",),
    "Payments counted less those of the bank's control totals, on the day of the last 35 that differs most; number.",
    "Nothing is lost between the bank and us.",
)  # fmt: skip
CONTROL_SUMS = Metric(
    "aml_control_differing_sums", GAUGE, ("source",),
    "Currencies whose number is the bank's and whose sum is not, on the day of the last 35 with most of them; number.",
    "Nothing is lost between the bank and us.",
)  # fmt: skip
CONTROL_MISSING = Metric(
    "aml_control_missing_days", GAUGE, ("source",),
    "Days of the last 35 that are over and for which a control total or its feed has not come; number.",
    "Nothing is lost between the bank and us.",
)  # fmt: skip
RATES = Metric(
    "aml_rates_timestamp_seconds", GAUGE, (),
    "When the newest exchange rate in use was published; Unix time in seconds.",
    "Amounts are compared at rates of the last business day.",
)  # fmt: skip
BANK_SNAPSHOT = Metric(
    "aml_bank_snapshot_timestamp_seconds", GAUGE, (),
    "Start of the day (UTC) of the bank snapshot in force in the slowest partition; Unix time in seconds.",
    "Peers are those of yesterday.",
)  # fmt: skip
STABILITY = Metric(
    "aml_model_stability_index", GAUGE, ("signal",),
    "Population stability index of a signal, last 7 days against the 28 before, the highest of the partitions; a "
    "number of at least 0. Below 0.1 stable, above 0.25 shifted. Absent before there are 35 days.",
    "Models know the payments they judge.",
)  # fmt: skip
FROZEN = Metric(
    "aml_model_frozen", GAUGE, ("model",),
    "Partitions in which the model is frozen and says nothing; number.",
    "A model that says nothing says so.",
)  # fmt: skip
MODELS_READY = Metric(
    "aml_model_ready_partitions", GAUGE, (),
    "Partitions whose models have seen enough to raise alerts; number.",
    "A model that says nothing says so.",
)  # fmt: skip
MODELS = Metric(
    "aml_model_partitions", GAUGE, (),
    "Partitions that run the models; number.",
    "A model that says nothing says so.",
)  # fmt: skip
SAVE_SECONDS = Metric(
    "aml_state_save_seconds", HISTOGRAM, (),
    "Saving the state of one partition; seconds.",
    "State is never older than two intervals of saving.",
    STATE_BUCKETS,
)  # fmt: skip
RESTORE_SECONDS = Metric(
    "aml_state_restore_seconds", HISTOGRAM, (),
    "Restoring one partition: its snapshot and the log behind it; seconds.",
    "A million accounts are back within 30 s.",
    STATE_BUCKETS,
)  # fmt: skip
STATE_BYTES = Metric(
    "aml_state_bytes", GAUGE, ("partition",),
    "Size of the last saved state; bytes.",
    "At most 1 KiB per active account and 48 bytes per event.",
)  # fmt: skip
SAVED_AT = Metric(
    "aml_state_saved_timestamp_seconds", GAUGE, ("partition",),
    "When all that the partition knew was last saved; Unix time in seconds.",
    "State is never older than two intervals of saving.",
)  # fmt: skip

# Can alerts be explained?
HISTORY_ROWS = Metric(
    "aml_history_records", GAUGE, ("partition",),
    "Rows of the partition's log that are recorded and durable: payments, and records about money; number. An alert "
    "can be explained once its row is among them.",
    "Every alert can be explained, also when the topic has forgotten its payments.",
)  # fmt: skip
IDENTITIES_LAG = Metric(
    "aml_history_identities_lag_records", GAUGE, (),
    "Records of identities that wait to be read by this worker; number.",
    "An explanation names accounts, not tokens.",
)  # fmt: skip
VERSIONS_NOT_RECORDED = Metric(
    "aml_history_versions_absent_total", COUNTER, (),
    "Announced profile versions that Redis did not hold when they were to be recorded; number.",
    "Every alert can be explained, also when the topic has forgotten its payments.",
)  # fmt: skip

# Is the queue healthy?
ALERTS_STORED = Metric(
    "aml_alerts_stored_total", COUNTER, (),
    "Alerts stored for the first time; number.",
    "Each alert is stored once.",
)  # fmt: skip
ALERTS_KNOWN = Metric(
    "aml_alerts_known_total", COUNTER, (),
    "Alerts that came again and were passed over; number.",
    "Each alert is stored once.",
)  # fmt: skip
CASES_OPENED = Metric(
    "aml_cases_opened_total", COUNTER, (),
    "Cases opened; number.",
    "The queue can be worked off.",
)  # fmt: skip
CASES = Metric(
    "aml_cases", GAUGE, ("state",),
    "Cases by state; number.",
    "The queue can be worked off.",
)  # fmt: skip
CASE_AGES = Metric(
    "aml_case_backlog", GAUGE, ("age",),
    "Open cases that do not sleep, by age since the first alert; number.",
    "The queue can be worked off.",
)  # fmt: skip
ALERT_AGES = Metric(
    "aml_alert_backlog", GAUGE, ("age",),
    "Alerts of open cases, by age since they were judged; number.",
    "The queue can be worked off.",
)  # fmt: skip
UNASSIGNED = Metric(
    "aml_cases_unassigned", GAUGE, (),
    "Open cases that nobody has taken; number.",
    "Each case has somebody.",
)  # fmt: skip
OLDEST_UNASSIGNED = Metric(
    "aml_cases_oldest_unassigned_seconds", GAUGE, (),
    "Age of the oldest open case that nobody has taken, 0 without any; seconds.",
    "Each case has somebody within three days.",
)  # fmt: skip
CASES_DUE = Metric(
    "aml_cases_due", GAUGE, ("due",),
    "Open cases by the time that is left; number.",
    "No case is decided after its due date.",
)  # fmt: skip
OBLIGATIONS_DUE = Metric(
    "aml_obligations_due", GAUGE, ("due",),
    "Obligations that are owed, by the time until their last day is over; number. Those past their day are left out: "
    "the store does not hold yet which were filed.",
    "Each report is filed in time.",
)  # fmt: skip
STORE_SECONDS = Metric(
    "aml_store_read_seconds", GAUGE, (),
    "Reading these figures from the case store; seconds.",
    "Below 0.5 s, at most once in 15 s.",
)  # fmt: skip
STORE_UP = Metric(
    "aml_store_readable", GAUGE, (),
    "1 when the case store answered the last time it was asked for figures, else 0.",
    "A dependency that is gone is seen within a minute.",
)  # fmt: skip

METRICS = tuple(each for each in list(globals().values()) if isinstance(each, Metric))
"""All of them, in the order of this module."""
