"""The case store: alerts, cases, journal and the run's position, committed together.

The run's side::

    with open_store(path, create=True) as store:
        store.claim_run("embedded")              # one process per run; held until close or death
        position = store.position("embedded")    # None: begin at the start
        ...
        store.commit_batch(
            [stored_alert(alert) for alert in step_alerts],
            RunPosition(run="embedded", file=0, offset=81920, log_position=4096, clock_us=...),
            counters={"records": 4096, "refused": 2},   # absolute values as of this position
            inputs=[LogInput(...)],                     # inputs recorded since the last commit
            recorded_at_us=now_us,
        )

One call is one transaction. An alert id that is already there is passed over wholly, so handing in the
same alerts again changes nothing. The result does not depend on how alerts are cut into commits, as
long as all alerts of one log position come in one call; they are taken in the order of (position, rule,
leg role, id), whatever order they come in.

The people's side is in :mod:`monitor.adapters.sql.desk` (moves, notes, views) and
:mod:`monitor.adapters.sql.queue` (lists). ``place`` is a path (SQLite) or a ``postgresql://`` URL.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa

from monitor.adapters.sql import opening
from monitor.adapters.sql.commit import CommitResult, commit
from monitor.adapters.sql.fingerprint import fingerprint
from monitor.adapters.sql.learning import order_in_force
from monitor.adapters.sql.ledger import in_chunks, root_with_hash, verify
from monitor.adapters.sql.obligations import record
from monitor.adapters.sql.opening import BUSY_SECONDS, RunMoved, StoreBusy, StoreError, StoreMissing
from monitor.adapters.sql.rows import position_of
from monitor.adapters.sql.run_lock import RunClaims
from monitor.adapters.sql.schema import alerts, log_inputs, run_counters, run_positions
from monitor.casework.evidence import StoredAlert
from monitor.casework.journal import Draft
from monitor.casework.obligations import Folded
from monitor.casework.policy import CaseworkPolicy
from monitor.casework.position import LogInput, RunPosition
from monitor.casework.verification import Verified
from monitor.domain.feed import FeedTotal

__all__ = ["CaseStore", "CommitResult", "RunMoved", "StoreBusy", "StoreError", "StoreMissing", "open_store"]


class CaseStore:
    """One open store. Use :func:`open_store`; close it, or use it in ``with``."""

    def __init__(self, engine: sa.Engine, name: str, policy: CaseworkPolicy, busy_seconds: float) -> None:
        self.engine = engine
        self.name = name
        self.policy = policy
        self._busy_seconds = busy_seconds
        self._claims = RunClaims(engine, name)

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that sees one state of the store."""
        return opening.reading(self.engine)

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """A write transaction; it waits for its turn and raises :class:`StoreBusy` when that takes too long."""
        return opening.writing(self.engine, name=self.name, busy_seconds=self._busy_seconds)

    def claim_run(self, run: str) -> None:
        """Become the one process that writes this run, until :meth:`give_up_run`, :meth:`close` or death.

        Raises:
            StoreBusy: Another living process has claimed it.
        """
        self._claims.take(run)

    def give_up_run(self, run: str) -> None:
        """End the claim on a run, so that another process can have it."""
        self._claims.give_up(run)

    def commit_batch(
        self,
        alerts: Sequence[StoredAlert],
        position: RunPosition,
        *,
        recorded_at_us: int,
        counters: Mapping[str, int] | None = None,
        inputs: Sequence[LogInput] = (),
        entries: Sequence[Draft] = (),
        is_in_order: bool = False,
        expected: int | None = None,
        totals: Sequence[tuple[str, FeedTotal]] = (),
    ) -> CommitResult:
        """Store alerts, their cases and journal entries, inputs, counters and the position in one transaction.

        Args:
            alerts: In any order; all alerts of a log position must come in the same call.
            position: Where the run stands after these alerts. A position behind the stored one (a redelivery)
                leaves position and counters as they are.
            recorded_at_us: The clock on the wall, µs UTC.
            counters: Absolute values as of ``position``, at most 10,000 names of up to 200 characters.
            inputs: Inputs at log positions; one already there is passed over.
            entries: Further entries of the journal: what the run itself did.
            is_in_order: The alerts come in the order in which they count, which several logs gave together.
            totals: Logs and totals of their feeds, as they stand; larger ones that are stored already stay.
            expected: The log position at which the run must stand, 0 before its first commit; not looked at without.

        Raises:
            RunMoved: The run does not stand at ``expected``: another process has written it. Nothing is stored.
            StoreBusy: Another writer does not finish in time.
        """
        with self.writing() as connection:
            return commit(
                connection,
                alerts,
                position,
                counters=counters or {},
                inputs=inputs,
                entries=entries,
                policy=self.policy,
                order=order_in_force(connection),
                recorded_at_us=recorded_at_us,
                is_in_order=is_in_order,
                expected=expected,
                totals=totals,
            )

    def record_obligations(self, folded: Sequence[Folded], *, run: str, recorded_at_us: int) -> None:
        """Store revisions that a reconciliation found, with their journal entries, in one transaction.

        Raises:
            ValueError: An obligation was revised since it was read; nothing is stored.
            StoreBusy: Another writer does not finish in time.
        """
        with self.writing() as connection:
            record(connection, folded, run=run, recorded_at_us=recorded_at_us)

    def position(self, run: str) -> RunPosition | None:
        """Where the run stands; ``None`` before its first commit."""
        with self.reading() as connection:
            row = connection.execute(sa.select(run_positions).where(run_positions.c.run == run)).one_or_none()
        return position_of(row) if row else None

    def runs(self) -> list[str]:
        """The names of the runs that have committed something."""
        with self.reading() as connection:
            return list(connection.execute(sa.select(run_positions.c.run).order_by(run_positions.c.run)).scalars())

    def counters(self, run: str) -> dict[str, int]:
        """The run's counters as of its position."""
        query = sa.select(run_counters.c.name, run_counters.c.value).where(run_counters.c.run == run)
        with self.reading() as connection:
            return {row.name: row.value for row in connection.execute(query.order_by(run_counters.c.name))}

    def inputs(self, run: str) -> list[LogInput]:
        """The run's inputs, in the order of the log."""
        columns = (getattr(log_inputs.c, name) for name in LogInput.__slots__)
        query = sa.select(*columns).where(log_inputs.c.run == run)
        order = (log_inputs.c.position, log_inputs.c.kind, log_inputs.c.name)
        with self.reading() as connection:
            return [LogInput(**row._mapping) for row in connection.execute(query.order_by(*order))]

    def last_alerts(self, run: str) -> list[tuple[str, str, int]]:
        """When each (rule, subject token) was last alerted, in judged time; repeats within the quiet period apart.

        Repeats are also those that were shown because nobody had seen what they repeat, and those of a look-back.
        """
        repeats = [alerts.c.evidence.not_like(f'%"marks":["{mark}"%') for mark in ("quiet", "first_shown", "lookback")]
        query = (
            sa.select(alerts.c.source_id, alerts.c.subject_token, sa.func.max(alerts.c.judged_at_us))
            .where(alerts.c.run == run, alerts.c.status != "quiet", *repeats)
            .group_by(alerts.c.source_id, alerts.c.subject_token)
        )
        with self.reading() as connection:
            return [(rule, token, judged_us) for rule, token, judged_us in connection.execute(query)]

    def evidence(self, alert_id: str) -> dict[str, Any] | None:
        """The stored evidence of an alert, identifiers as tokens; ``None`` where there is no such alert."""
        with self.reading() as connection:
            text = connection.execute(sa.select(alerts.c.evidence).where(alerts.c.alert_id == alert_id)).scalar()
        return json.loads(text) if text is not None else None

    def known_alerts(self, alert_ids: Sequence[str]) -> set[str]:
        """Those of the ids that are stored."""
        found: set[str] = set()
        with self.reading() as connection:
            for some in in_chunks(alert_ids):
                query = sa.select(alerts.c.alert_id).where(alerts.c.alert_id.in_(some))
                found.update(connection.execute(query).scalars())
        return found

    def alert_ids(self, prefix: str = "A-", *, limit: int = 100) -> list[str]:
        """Ids that begin with ``prefix``, in order, at most ``limit``."""
        query = sa.select(alerts.c.alert_id).where(alerts.c.alert_id.startswith(prefix, autoescape=True))
        with self.reading() as connection:
            return list(connection.execute(query.order_by(alerts.c.alert_id).limit(limit)).scalars())

    def fingerprint(self) -> dict[str, str]:
        """SHA-256 per table without ``recorded_at`` and hashes: equal for equal runs."""
        with self.reading() as connection:
            return fingerprint(connection)

    def verify(self, on_progress: Callable[[int], None] | None = None) -> Verified:
        """Check the whole journal against itself, its roots and the rows it speaks of."""
        with self.reading() as connection:
            return verify(connection, on_progress)

    def root_numbered(self, root_hash: str) -> int | None:
        """The number of the root with this hash (16 or more first characters); ``None`` where there is none."""
        if len(root_hash) < 16:
            return None
        with self.reading() as connection:
            return root_with_hash(connection, root_hash)

    def close(self) -> None:
        """Give up claims and connections."""
        self._claims.close()
        self.engine.dispose()

    def __enter__(self) -> "CaseStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(
    place: str | Path,
    *,
    create: bool = False,
    policy: CaseworkPolicy | None = None,
    busy_seconds: float = BUSY_SECONDS,
) -> CaseStore:
    """Open the store at a path (SQLite) or a ``postgresql://`` URL; an older schema is upgraded.

    Raises:
        StoreMissing: Nothing is there and ``create`` is false.
        StoreError: It is no store, is of a newer release, or the server cannot be reached.
        StoreBusy: Another process is writing and does not finish within ``busy_seconds``.
    """
    engine = opening.open_engine(place, create=create, busy_seconds=busy_seconds)
    url = engine.url
    name = str(url.database) if url.drivername == "sqlite" else url.render_as_string(hide_password=True)
    return CaseStore(engine, name, policy or CaseworkPolicy(), busy_seconds)
