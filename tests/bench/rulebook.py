"""How long the rulebook takes from files to an engine's program: ``python -m tests.bench.rulebook``.

Seconds of processor time, the least of three. It asserts nothing: what other programs do meanwhile is no property of
the rules.
"""

from collections.abc import Callable
from time import process_time
from typing import Any

from monitor.app.table_engine import PlainIdentifiers
from monitor.engine.binding import NamedList, bind
from monitor.rulebook.load import load_lists, load_rules, shipped_rules
from monitor.rulebook.plan import plan
from monitor.rulebook.rule import Rulebook


def least(work: Callable[[], Any], times: int = 3) -> tuple[float, Any]:
    """The shortest processor time of several runs, and what the last gave."""
    seconds = []
    for _ in range(times):
        begin = process_time()
        result = work()
        seconds.append(process_time() - begin)
    return min(seconds), result


def main() -> None:
    """Print one line for each step."""
    folder = [shipped_rules()]
    lists, _ = load_lists(folder)
    load_s, (rules, errors) = least(lambda: load_rules(folder))
    rulebook = Rulebook(tuple(rules), "measured")
    plan_s, program = least(lambda: plan(rulebook))
    # Words only; the tokens of a run cost what its key costs.
    named = {name: NamedList(name, "measured", tuple(each.words)) for name, each in lists.items()}
    bind_s, _ = least(lambda: bind(program, encode=PlainIdentifiers().code, lists=named))
    print(f"{len(rules)} rules, {len(errors)} refused")
    for name, seconds in (("load", load_s), ("plan", plan_s), ("bind", bind_s), ("all", load_s + plan_s + bind_s)):
        print(f"{name:<5}{seconds:7.3f} s")


if __name__ == "__main__":
    main()
