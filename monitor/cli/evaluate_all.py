"""Many labelled streams and tracks, one after the other.

Each result is written as soon as it is there. One that fails, for whatever reason, is named and does not take the
others with it; one that is there and unchanged is not measured again.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from monitor.app.evaluate.evaluation import EvaluateRequest, Evaluation, evaluate
from monitor.app.evaluate.kept import Kept, fingerprint
from monitor.app.evaluate.problem import EvaluateError
from monitor.app.evaluate.reading import passed_over
from monitor.cli.backtest_options import MISTAKES as OF_INPUTS
from monitor.cli.backtest_options import NOT_POSSIBLE
from monitor.cli.evaluate_progress import in_words, showing

MISTAKES = (EvaluateError, *OF_INPUTS)
"""What a user can mend: told in words, without a stack trace."""
SOME_FAILED = 1


def evaluate_all(
    data: Path,
    requests: list[EvaluateRequest],
    out: Path | None,
    *,
    show: Callable[[Evaluation, Path | None], None],
    show_kept: Callable[[dict[str, Any]], None],
) -> int:
    """Measure every request.

    Args:
        data: Where the streams are; results are named by their place below it.
        requests: A stream and a track each; alerts go into a folder of their own below ``alerts_out``.
        out: The folder of the results; without it nothing is kept.
        show: Called with each evaluation and its page.
        show_kept: Called with the figures of each that did not change.

    Returns:
        The exit status: 0, 1 where some were not measured, 2 where none was.
    """
    console, begun, failed = Console(stderr=True, highlight=False, soft_wrap=True), time.monotonic(), list[str]()
    if left := passed_over(data, [each.place for each in requests]) if data.is_dir() else []:
        console.print(f"No labelled stream, passed over: {', '.join(str(each.relative_to(data)) for each in left)}")
    for number, request in enumerate(requests, 1):
        name = f"{name_of(request.place, data)}-{request.track}"
        console.print(f"{number} of {len(requests)}: {name}", style="bold")
        since = time.monotonic()
        try:
            kept = Kept.at(out, name) if out is not None else None
            mine = replace(request, alerts_out=request.alerts_out and request.alerts_out / name)
            mark = fingerprint(mine) if kept is not None else ""
            if kept is not None and (figures := kept.unchanged(mark, mine)) is not None:
                show_kept(figures)
                console.print(f"  unchanged since it was measured: {kept.page}")
                continue
            found = _measured(mine)
            if kept is not None:
                kept.write(found, mark)
            show(found, None if kept is None else kept.page)
        except Exception as error:
            if not isinstance(error, MISTAKES):
                console.print_exception()
            failed.append(f"{name}: {words_of(error)}")
            console.print(Text(f"  not measured: {words_of(error)}"), style="red")
        else:
            now = time.monotonic()
            console.print(f"  measured in {in_words(now - since)}; {in_words(now - begun)} in all")
    console.print(f"{len(requests) - len(failed)} of {len(requests)} are there.", style="bold")
    for line in failed:
        console.print(Text(f"not measured: {line}"), style="red")
    return 0 if not failed else NOT_POSSIBLE if len(failed) == len(requests) else SOME_FAILED


def _measured(request: EvaluateRequest) -> Evaluation:
    with showing(request, leaves_lines=True) as watch:
        return evaluate(request, on_method=watch.method, on_progress=watch.progress, on_measured=watch.measured)


def name_of(place: Path, data: Path) -> str:
    """What the results of a stream are called: its place below the folder, without the ending.

    >>> name_of(Path("all/tide/one_tx.csv.gz"), Path("all"))
    'tide-one_tx'
    """
    parts = place.relative_to(data).parts or (place.name,)
    last = parts[-1]
    for ending in (".gz", ".csv"):
        last = last.removesuffix(ending)
    return "-".join([*parts[:-1], last])


def words_of(error: Exception) -> str:
    """One message about an error."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    return str(error) or type(error).__name__
