"""Pages about rules for examiners: one HTML file for each rule and an index; nothing is loaded from a network.

A page says why the rule exists, which values are in force on a day and since when, what the condition says in words,
what the tests prove, what the rule was before, what regulators call it, where it errs, and who approved it. It is made
from the rule file, the lock and the approvals alone, so two people with the same files get the same pages.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from monitor.cli.rule_tables import counted
from monitor.domain.time import format_time
from monitor.rulebook.codes import PBC_LARGE_VALUE
from monitor.rulebook.coverage import data_needed, pack_of
from monitor.rulebook.explain import explain_rule
from monitor.rulebook.lock import Lock, LockedState
from monitor.rulebook.rule import ANY, Parameter, ParameterRow, Rule, TableTest
from monitor.rulebook.template import PACKS
from monitor.rulebook.testing import TestResult
from monitor.rulebook.typologies import TYPOLOGIES
from monitor.rulebook.worded import duration_in_words, value_in_words

_CODES = {
    "fincen_sar": "Subtype in the FinCEN SAR",
    "goaml_indicator": "Indicator in goAML",
    "pbc_stcr": "Name at the monitoring centre of the People's Bank of China",
    "pbc_crcd": "Kind of large-value transaction, People's Bank of China",
}
_STATUS = {
    "draft": "Draft: only its tests run.",
    "shadow": "On trial: its matches are recorded and nobody is alerted.",
    "active": "Active.",
    "retired": "Retired: it judges nothing and is kept for old alerts.",
}
_EXAMPLE = {"active": "Though active, it runs in shadow and alerts nobody until the bank approves it."}
_TIGHT = 14
"""Cells of at most so many characters, such as dates and ids, are not broken."""
_STYLE = """
:root { --ink: #1c2430; --soft: #5b6675; --line: #d8dee6; --paper: #fff; --tint: #f4f6f9; --accent: #0b5cad;
  --warn: #8a5200; --warn-tint: #fff4e0; --good: #17663a; --bad: #a4231d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa5b4; --line: #364152; --paper: #151b24;
  --tint: #1e2632; --accent: #78b4f5; --warn: #f0bd6c; --warn-tint: #33280f; --good: #74cf98; --bad: #f28b82; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; color: var(--ink); background: var(--paper);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .2rem 0 .4rem; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .5rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p, ul { margin: .4rem 0; max-width: 48rem; } ul { padding-left: 1.2rem; }
a { color: var(--accent); } .soft { color: var(--soft); } .id { font-weight: 600; color: var(--soft); }
.facts { display: flex; flex-wrap: wrap; gap: .4rem; margin: .8rem 0; padding: 0; list-style: none; }
.facts li { background: var(--tint); border: 1px solid var(--line); border-radius: 1rem; padding: .1rem .7rem; }
.example { background: var(--warn-tint); border-left: 4px solid var(--warn); padding: .6rem .9rem; margin: 1rem 0; }
.example strong { color: var(--warn); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; margin: .4rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; white-space: nowrap; } td.number { text-align: right; white-space: nowrap; }
code, .test td, .test th { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; font-size: .85rem; }
.test td { white-space: nowrap; padding-top: .15rem; padding-bottom: .15rem; }
pre { background: var(--tint); border: 1px solid var(--line); padding: .7rem .9rem; overflow-x: auto;
  font-size: .85rem; }
.now td.number { font-weight: 600; } .past td { color: var(--soft); } .tight { white-space: nowrap; }
.alert { color: var(--bad); font-weight: 700; } .quiet, .undecided { color: var(--warn); }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 700; }
@media print { body { max-width: none; padding: 0; font-size: 11pt; } h2 { break-after: avoid; }
  tr { break-inside: avoid; } }
"""


def rule_page(
    rule: Rule, *, text: str, states: Sequence[LockedState], results: Sequence[TestResult], day: str, day_us: int
) -> str:
    """The page of one rule.

    Args:
        rule: The rule, with the bank's own approval if there is one.
        text: Its condition and windows as written in the file.
        states: What the lock remembers of it, oldest first.
        results: What came out of its tests.
        day: The day whose values are shown, such as 2026-11-24.
        day_us: Its beginning, microseconds UTC.
    """
    explanation = explain_rule(rule, time_us=day_us, segment=None, jurisdiction=None)
    parts = [
        f'<p class="soft"><a href="index.html">All rules</a> · {escape(_pack_name(rule))} · '
        f"{escape(rule.typology.replace('_', ' '))}</p>",
        f'<p class="id">{rule.id}</p><h1>{escape(rule.title)}</h1>',
        _facts(rule),
        _approval(rule),
        f"<p>{escape(rule.description)}</p>",
        "<h2>Why</h2>",
        _table(("source", "what it says", "last read"), ((r.cite, r.says, r.read) for r in rule.references)),
        f"<h2>Values in force on {escape(day)}</h2>",
        _values(rule, day_us),
        "<h2>What it looks for</h2>",
        f"<p>{escape(explanation.paragraph.removeprefix(rule.description).strip())}</p>",
        _windows(explanation.windows),
        f"<p>The analyst reads:</p><blockquote>{escape(rule.alert.text)}</blockquote>",
        "<details><summary>As written in the rule file</summary>" + f"<pre>{escape(text)}</pre></details>",
        _deadline(rule),
        "<h2>Data that it needs</h2>",
        f"<p>{', '.join(f'<code>{escape(name)}</code>' for name in data_needed(rule))}</p>",
        "<h2>Innocent hits, and what to do</h2>" + _list(rule.false_positives),
        "<h2>What it does not see</h2>" + _list(rule.blind_spots),
        "<h2>What regulators call it</h2>",
        _table(("code", "value"), ((_CODES[key], _code_words(key, value)) for key, value in rule.codes.items())),
        "<h2>History</h2>",
        _history(rule, states),
        f"<h2>Tests</h2><p>{_test_words(results)}</p>",
        *(_test(test, result) for test, result in zip(rule.tests, results, strict=True)),
    ]
    if rule.equivalent:
        parts += ["<h3>Changes that no payment can tell apart</h3>", _table(("change", "why"), rule.equivalent.items())]
    return _document(f"{rule.id} {rule.title}", parts)


def index_page(rules: Sequence[Rule], *, day: str, rulebook: str, lock: Lock) -> str:
    """The index: every rule by pack and typology, and the ids that are taken and have no rule any more."""
    active = [rule for rule in rules if rule.status == "active"]
    examples = sum(bool(rule.approval and rule.approval.is_example) for rule in active)
    parts = [
        "<h1>The rules of the transaction monitor</h1>",
        f'<p class="soft">As of {escape(day)}. {counted(len(rules), "rule")}, '
        f"{sum(rule.kind == 'obligation' for rule in rules)} of them obligations of the law. Digest of the rulebook: "
        f"<code>{rulebook[:16]}</code>.</p>",
    ]
    if examples:
        parts.append(
            f'<p class="example"><strong>EXAMPLE</strong>: {examples} of {len(active)} active rules are approved by '
            "the product only. They run in shadow until the bank approves them.</p>"
        )
    for pack, (_, _, name) in {**PACKS, "": ((), "", "Others")}.items():
        own = [rule for rule in rules if (pack_of(rule) if pack_of(rule) in PACKS else "") == pack]
        if own:
            parts += [f"<h2>{escape(name[0].upper() + name[1:])}</h2>", _index_table(own)]
    gone = [rule_id for rule_id in sorted(lock) if rule_id not in {rule.id for rule in rules}]
    if gone:
        parts.append(f"<h2>Ids that are taken and have no rule</h2><p>{', '.join(gone)}</p>")
    return _document("Rules", parts)


def _index_table(rules: Sequence[Rule]) -> str:
    rows = []
    for typology in TYPOLOGIES:
        for rule in rules:
            if rule.typology == typology:
                rows.append(
                    f"<tr><td>{escape(typology.replace('_', ' '))}</td>"
                    f'<td class="tight"><a href="{rule.id}.html">{rule.id}</a></td>'
                    f"<td>{escape(rule.title)}</td><td>{rule.kind}</td><td>{rule.severity}</td>"
                    f"<td>{rule.status} {rule.version}</td><td>{escape(_short_approval(rule))}</td></tr>"
                )
    head = ("typology", "id", "what happens", "kind", "severity", "status, version", "approved by")
    return _rows_table(head, rows)


def _facts(rule: Rule) -> str:
    where = "every booking entity" if ANY in rule.jurisdictions else ", ".join(rule.jurisdictions)
    facts = (rule.kind, f"severity {rule.severity}", where, f"version {rule.version}", f"digest {rule.digest[:12]}")
    return '<ul class="facts">' + "".join(f"<li>{escape(fact)}</li>" for fact in facts) + "</ul>"


def _approval(rule: Rule) -> str:
    author = f" Written by {escape(rule.author)}." if rule.author else ""
    if rule.approval is None:
        return f"<p>{_STATUS[rule.status]} Not approved.{author}</p>"
    if rule.approval.is_example:
        return (
            f'<p class="example"><strong>EXAMPLE</strong>: approved by the product only, which counts for nothing in a '
            f"bank. {_EXAMPLE.get(rule.status, _STATUS[rule.status])}{author}</p>"
        )
    it = rule.approval
    return (
        f"<p>{_STATUS[rule.status]} Approved by <strong>{escape(it.by)}</strong> on {escape(it.on)}, record "
        f"<strong>{escape(it.record)}</strong>.{author}</p>"
    )


def _deadline(rule: Rule) -> str:
    if rule.deadline is None:
        return ""
    it = rule.deadline
    days = counted(it.days, f"{it.kind} day") + " after the end of the period"
    if it.kind == "day_of_next_month":
        days = f"day {it.days} of the month after"
    return f"<h2>Until when it is filed</h2><p>By {escape(days)}. {escape(it.cite)}.</p>"


def _short_approval(rule: Rule) -> str:
    if rule.approval is None:
        return "nobody"
    return "EXAMPLE" if rule.approval.is_example else f"{rule.approval.by}, {rule.approval.record}"


def _values(rule: Rule, day_us: int) -> str:
    if not rule.parameters:
        return "<p>The rule has no value to set.</p>"
    rows = []
    for parameter in rule.parameters.values():
        what = f"{escape(parameter.name)}<br><span class='soft'>{escape(parameter.meaning)}</span>"
        for row in sorted(parameter.rows, key=lambda r: (r.segment or "", r.jurisdiction or "", r.from_us)):
            state = _state(parameter, row, day_us)
            scope = ", ".join(each for each in (row.segment, row.jurisdiction) if each) or "everyone"
            cells = (f"<td>{what}</td>"
                     f"<td class='number'>{escape(value_in_words(row.value, parameter.unit))}</td>"
                     f"<td>{escape(scope)}</td><td class='tight'>{format_time(row.from_us)[:10]}</td>"
                     f"<td class='tight'>{state}</td>"
                     f"<td>{escape(row.cite)}</td>")  # fmt: skip
            what = f"<span class='soft'>{escape(parameter.name)}</span>"
            rows.append(f"<tr class='{'now' if state == 'in force' else 'past'}'>{cells}</tr>")
    return _rows_table(("parameter", "value", "for", "from", "", "source"), rows)


def _state(parameter: Parameter, row: ParameterRow, day_us: int) -> str:
    """Whether a row is the one of its scope that holds on a day."""
    scope = (row.segment, row.jurisdiction)
    begun = [each.from_us for each in parameter.rows
             if (each.segment, each.jurisdiction) == scope and each.from_us <= day_us]  # fmt: skip
    if row.from_us > day_us:
        return "to come"
    return "in force" if row.from_us == max(begun) else "replaced"


def _windows(windows: Iterable[tuple[str, str, tuple[tuple[str, str], ...]]]) -> str:
    rows = [(f"{name}.{measure}", meaning, sentence) for name, sentence, own in windows for measure, meaning in own]
    return _table(("measured", "what it is", "over"), rows) if rows else ""


def _history(rule: Rule, states: Sequence[LockedState]) -> str:
    if not states:
        return "<p>The lock does not know the rule yet: aml rules lock.</p>"
    rows = [(s.since, str(s.version), s.status, s.digest[:12]) for s in states]
    table = _table(("since", "version", "status", "digest"), rows)
    if (states[-1].version, states[-1].digest, states[-1].status) != (rule.version, rule.digest, rule.status):
        table += '<p class="bad">The file has changed since: aml rules lock.</p>'
    quiet = f"Further matches stay quiet for {duration_in_words(rule.alert.quiet_us)}. " if rule.alert.quiet_us else ""
    return table + f'<p class="soft">{quiet}Values change on the days given above; each change has its source.</p>'


def _code_words(key: str, value: str | tuple[str, ...]) -> str:
    words = (value,) if isinstance(value, str) else value
    return ", ".join(f"{word} ({PBC_LARGE_VALUE[word]})" if key == "pbc_crcd" else word for word in words)


def _test_words(results: Sequence[TestResult]) -> str:
    failed = sum(not result.passed for result in results)
    words = f"{counted(len(results), 'test')}, {counted(sum(result.rows for result in results), 'payment')}. "
    if failed:
        return words + f'<span class="bad">{counted(failed, "test")} failed when this page was made.</span>'
    return words + '<span class="good">Every verdict came out as stated when this page was made.</span>'


def _test(test: TableTest, result: TestResult) -> str:
    missed = {miss.row: miss.given for miss in result.misses}
    rows = []
    for index, row in enumerate(test.rows):
        cells = [f"<td>{escape(row[column])}</td>" for column in test.columns[:-1]]
        verdict = row[test.columns[-1]]
        given = f' <span class="bad">given: {escape(missed[index])}</span>' if index in missed else ""
        style = verdict if verdict in ("alert", "quiet", "undecided") else "soft"
        cells.append(f'<td class="{style}">{escape(verdict if verdict != "." else "no match")}{given}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head = (*test.columns[:-1], "verdict")
    begins = f"From {format_time(test.start_us)[:10]}, 00:00 UTC"
    around = "".join(
        f"; {name} {', '.join(values)}"
        for name, values in (*test.lists.items(), ("hubs", test.hubs)) if values
    )  # fmt: skip
    around += "".join(f"; {name} {value}" for name, value in (*test.peers.items(), *test.rates.items()))
    return (
        f"<h3>{escape(test.name[0].upper() + test.name[1:])}</h3><p class='soft'>{escape(begins + around)}</p>"
        + _rows_table(head, rows, style="test")
    )


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def cell(words: str) -> str:
        style = ' class="tight"' if len(words) <= _TIGHT else ""
        return f"<td{style}>{escape(words)}</td>"

    return _rows_table(head, [f"<tr>{''.join(map(cell, cells))}</tr>" for cells in rows])


def _rows_table(head: Sequence[str], rows: Sequence[str], *, style: str = "") -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = f"<thead><tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="wide"><table class="{style}">{body}</table></div>'


def _pack_name(rule: Rule) -> str:
    pack = pack_of(rule)
    return PACKS[pack][2] if pack in PACKS else pack


def _document(title: str, parts: Sequence[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def logic_text(text: str) -> str:
    """Windows and condition as they stand in the rule file.

    >>> logic_text("id: X\\nwindows:\\n  a:\\n    over: 1h\\n\\nwhen: b\\n\\nalert:\\n  text: c\\n")
    'windows:\\n  a:\\n    over: 1h\\n\\nwhen: b'
    """
    kept, is_inside = [], False
    for line in text.split("\n"):
        if line[:1].isalpha():
            is_inside = line.startswith(("windows:", "when:"))
        if is_inside:
            kept.append(line)
    return "\n".join(kept).strip()


def pages(
    rules: Sequence[Rule],
    *,
    texts: Mapping[str, str],
    lock: Lock,
    results: Mapping[str, Sequence[TestResult]],
    rulebook: str,
    day: str,
    day_us: int,
) -> dict[str, str]:
    """All pages by file name. ``texts`` are the rule files by id, ``results`` those of their tests."""
    made = {"index.html": index_page(rules, day=day, rulebook=rulebook, lock=lock)}
    for rule in rules:
        made[f"{rule.id}.html"] = rule_page(
            rule, text=logic_text(texts[rule.id]), states=lock.get(rule.id, ()), results=results[rule.id], day=day,
            day_us=day_us,
        )  # fmt: skip
    return made
