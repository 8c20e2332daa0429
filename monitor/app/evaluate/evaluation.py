"""An evaluation from a labelled stream to figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monitor.app.evaluate.alerts_file import read_alerts, write_alerts
from monitor.app.evaluate.measures import AtBudget, Judge, false_at_true
from monitor.app.evaluate.problem import EvaluateError
from monitor.app.evaluate.reading import parties_beside, read_stream
from monitor.app.evaluate.registry import TRACKS_OF, Maker, methods
from monitor.app.evaluate.row_measures import RowFigures, row_figures
from monitor.app.evaluate.rules_scorer import RulesInputs
from monitor.app.evaluate.running import Passed, run
from monitor.app.evaluate.scorer import TRACKS, Setting
from monitor.app.evaluate.stream import Floats, Stream
from monitor.app.evaluate.truth import Truth, by_account_day

BUDGETS = (0.001, 0.005, 0.01)
ALERTS_A_DAY = 20


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """What is asked. ``only`` names methods; empty means all that the track allows."""

    place: Path
    track: str = "U"
    budget: float = 0.001
    seed: int = 1
    only: tuple[str, ...] = ()
    parties: Path | None = None
    rules: tuple[Path, ...] = ()
    alerts: tuple[Path, ...] = ()
    """Alerts files that are measured beside the methods."""
    alerts_out: Path | None = None
    """A folder for the alerts of each method."""


@dataclass(slots=True)
class Figures:
    """What one method showed."""

    name: str
    seconds: float
    rows_per_second: float | None
    budgets: list[AtBudget]
    threshold: AtBudget | None
    rows: RowFigures
    queue: tuple[int | None, int | None] = (None, None)
    """False alerts before 90 % of the true ones, in the untrained order and in the learned one (track D)."""


@dataclass(slots=True)
class Evaluation:
    """All methods on one stream and track."""

    stream: Stream
    truth: Truth
    request: EvaluateRequest
    figures: list[Figures] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Methods that did not run, each with the reason."""


def evaluate(
    request: EvaluateRequest,
    *,
    makers: dict[str, Maker] | None = None,
    on_method: Callable[[str], None] = lambda name: None,
    on_progress: Callable[[int], None] = lambda rows: None,
    on_measured: Callable[[Figures], None] = lambda figures: None,
) -> Evaluation:
    """Run the protocol.

    Args:
        request: What is asked.
        makers: The methods by name; without them all that the track allows.
        on_method: Called with the name of each method that begins.
        on_progress: Called with the rows that it was shown so far.
        on_measured: Called with its figures.

    Raises:
        EvaluateError: The data or the request cannot be evaluated.
    """
    makers = methods(track=request.track) if makers is None else makers
    if request.track not in TRACKS:
        raise EvaluateError(f"--track {request.track}: there are the tracks {', '.join(TRACKS)}.")
    if not 0 < request.budget < 1:
        raise EvaluateError(f"--budget {request.budget}: give a share of the account-days, such as 0.001.")
    unknown = [name for name in request.only if name not in makers]
    if unknown:
        raise EvaluateError(f"--only {', '.join(unknown)}: no such method. There are {', '.join(makers)}.")
    stream = read_stream(request.place, request.parties or parties_beside(request.place))
    found = Evaluation(stream, Truth.of(stream), request)
    judge = Judge(found.truth, seed=request.seed)
    setting, given = Setting(stream, request.track, request.seed), RulesInputs.of(request.place, request.rules)
    for path in request.alerts:
        found.figures.append(figures_of(judge, read_alerts(path, stream), request))
    for name in request.only or ([] if request.alerts else makers):
        if request.track not in TRACKS_OF.get(name, TRACKS):
            found.left_out.append(
                f"{name}: learns from labels alone, and track {request.track} gives it none or too few"
            )
            continue
        on_method(name)
        try:
            scorer = makers[name](setting, given)
        except EvaluateError as error:
            if request.only:
                raise
            found.left_out.append(f"{name}: {error}")
            continue
        passed = run(
            scorer, stream, request.track, budget=request.budget, seed=request.seed, on_progress=on_progress
        )  # fmt: skip
        found.figures.append(figures_of(judge, passed, request))
        on_measured(found.figures[-1])
        if request.alerts_out is not None:
            request.alerts_out.mkdir(parents=True, exist_ok=True)
            write_alerts(request.alerts_out / f"{name}.jsonl", found.truth, passed)
    return found


def figures_of(judge: Judge, passed: Passed, request: EvaluateRequest) -> Figures:
    """The figures of one pass."""
    budgets = sorted({*BUDGETS, request.budget})
    return Figures(
        name=passed.name,
        seconds=passed.seconds,
        rows_per_second=len(judge.stream.rows) / passed.seconds if passed.seconds else None,
        budgets=[*(judge.at_budget(passed.score, each) for each in budgets), judge.a_day(passed.score, ALERTS_A_DAY)],
        threshold=judge.at_threshold(passed.score, request.budget),
        rows=row_figures(judge.truth, passed.score, has_labels=request.track == "S", seed=request.seed),
        queue=_queue(judge, passed, request) if passed.order is not None else (None, None),
    )


def _queue(judge: Judge, passed: Passed, request: EvaluateRequest) -> tuple[int | None, int | None]:
    """Of what the fixed threshold alerts: false account-days before 90 % of the true ones, in both orders."""
    truth = judge.truth
    best = by_account_day(truth.days, passed.score)
    made = judge.at_threshold(passed.score, request.budget)
    if made is None or made.cutoff is None or passed.order is None:
        return None, None
    chosen = best >= made.cutoff
    orders: Sequence[Floats] = (best, by_account_day(truth.days, passed.order))
    one, other = (false_at_true(order[chosen], truth.is_true[chosen]) for order in orders)
    return one, other
