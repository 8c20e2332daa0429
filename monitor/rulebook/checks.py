"""The parts of a rule that are not logic: identity, sources, parameters, alert, approval.

Each function reads one part of the file and returns it checked, or raises
:class:`~monitor.rulebook.rule_error.RuleError` with the line, the reason and the remedy.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from monitor.domain.countries import COUNTRY_CODE
from monitor.domain.deadline import DEADLINE_DAYS_MAX, DEADLINE_KINDS, Deadline
from monitor.domain.fields import FIELDS
from monitor.domain.money import AMOUNT_MINOR_MAX, CURRENCY_CODE, parse_amount_minor
from monitor.domain.units import COUNT, DURATION, SHARE, Kind, Unit, category, money
from monitor.domain.vocabulary import SUBJECT_KINDS
from monitor.rulebook import entries
from monitor.rulebook.document import Keyed, Scalar, Tree
from monitor.rulebook.lists import VOCABULARIES, word_problem
from monitor.rulebook.names import did_you_mean
from monitor.rulebook.rule import ANY, AlertText, Approval, Parameter, ParameterRow, Place, Reference, Window
from monitor.rulebook.rule_error import RuleError
from monitor.rulebook.template import FILL_IN
from monitor.rulebook.typologies import TYPOLOGIES

PARAMETERS_MAX = 32
ROWS_MAX = 64
"""Most values of one parameter."""
ALERT_CHARACTERS_MAX = 500
NAME_CHARACTERS_MAX = 200
SHARE_DECIMALS_MAX = 6
_ID = re.compile(r"AML-([A-Z]{3})-[0-9]{3}")
_FILE = re.compile(r"[a-z][a-z0-9_]*\.yaml")
_HOLE = re.compile(r"\{([^{}]*)\}")
_PARAMETER_KEYS = ("unit", "meaning", "values")
_ROW_KEYS = ("from", "value", "cite", "segment", "jurisdiction")


def identity(tree: Keyed, file: str) -> tuple[str, str]:
    """The id and the typology; the folder and the letters of the id must agree with it."""
    rule_id = entries.text(tree, "id", "the rule", "Write for example id: AML-STR-001.")
    place = tree.items["id"].place
    match = _ID.fullmatch(rule_id)
    if not match:
        raise RuleError(place, f"the id is '{rule_id[:60]}'", "Alerts cite it for years, so its form is fixed.",
                        "Write AML-, three capitals of the typology and three digits: AML-STR-001.")  # fmt: skip
    typology = entries.word(tree, "typology", "the rule", TYPOLOGIES)
    letters = TYPOLOGIES[typology][0]
    if match.group(1) != letters:
        raise RuleError(place, f"the id {rule_id} in the typology {typology}", f"Its letters are {letters}.",
                        f"Write AML-{letters}-{rule_id[-3:]}, or change the typology.")  # fmt: skip
    _check_path(tree, Path(file), typology)
    return rule_id, typology


def _check_path(tree: Keyed, path: Path, typology: str) -> None:
    if not path.parent.name:
        return
    if path.parent.name != typology:
        raise RuleError(tree.items["typology"].place, f"the typology is {typology}, the folder {path.parent.name}",
                        "A rule is found by its typology.",
                        f"Move the file to {typology}/, or change the typology.")  # fmt: skip
    if not _FILE.fullmatch(path.name):
        raise RuleError(tree.place, f"the file is named '{path.name[:80]}'",
                        "The name is the title's short form: small letters, digits and _, ending in .yaml.",
                        "Rename it, for example cash_below_reporting_threshold.yaml.")  # fmt: skip


def jurisdictions(tree: Keyed) -> tuple[str, ...]:
    """Countries of booking entities, or ``any``."""
    remedy = "Write for example jurisdictions: [US, GB], or [any]."
    read = entries.texts(tree, "jurisdictions", "the rule", remedy, most=len(COUNTRY_CODE))
    place = tree.items["jurisdictions"].place
    for each in read:
        if each not in COUNTRY_CODE and each != ANY:
            raise RuleError(place, f"the jurisdiction '{each[:40]}'", "It is no country of ISO 3166-1 alpha-2.", remedy)
    if len(set(read)) < len(read) or (ANY in read and len(read) > 1):
        raise RuleError(place, "jurisdictions that repeat each other", "Each country counts once, and any is all.",
                        remedy)  # fmt: skip
    return read


def references(tree: Keyed) -> tuple[Reference, ...]:
    """The sources, each with what it says and when it was read."""
    form = "cite, says and read for each source"
    read = []
    for item in entries.items(tree, "references", "the rule", f"Write {form}.", most=32):
        entry = entries.keyed(item, "a reference", form)
        entries.only_keys(entry, ("cite", "says", "read"), "a reference")
        cite = entries.text(entry, "cite", "a reference", "Name the source so that it can be found.")
        says = entries.text(entry, "says", "a reference", "Say in one sentence what the source says.")
        read.append(Reference(cite, says, entries.day(entry, "read", "a reference")))
    return tuple(read)


def false_positives(tree: Keyed) -> tuple[str, ...]:
    """How to recognise one and what to do; "unknown" is refused."""
    remedy = "Say how to recognise one and what to do about it."
    read = entries.texts(tree, "false_positives", "the rule", remedy)
    for each in read:
        if re.fullmatch(r"(unknown|none|n/?a|tbd|-)\W*", each.lower()) or len(each.split()) < 4:
            raise RuleError(tree.items["false_positives"].place, f"'{each[:60]}' under false_positives",
                            "Every rule has innocent hits, and the analyst must know them.", remedy)  # fmt: skip
    return read


def equivalent(tree: Keyed) -> dict[str, str]:
    """Mutants that change no verdict, each with its reason."""
    if "equivalent" not in tree.items:
        return {}
    entry = entries.keyed(tree.items["equivalent"], "'equivalent'", "the mutant's name and the reason")
    return {name: entries.text(entry, name, "equivalent", "Say why no payment can tell.") for name in entry.items}


def parameters(tree: Keyed, applies_to: tuple[str, ...]) -> dict[str, Parameter]:
    """The parameters with their rows in minor units, microseconds, counts, shares or words."""
    if "parameters" not in tree.items:
        return {}
    form = "a name, and under it unit, meaning and values"
    entry = entries.keyed(tree.items["parameters"], "'parameters'", form)
    if len(entry.items) > PARAMETERS_MAX:
        raise RuleError(entry.place, f"{len(entry.items)} parameters", f"At most {PARAMETERS_MAX} are read.",
                        "Split the rule.")  # fmt: skip
    read = {}
    for key, node in entry.items.items():
        place = entry.key_places[key]
        entries.name(key, place, "parameter")
        if key in FIELDS or key in ("profile", "peer", "list", "flow", "model", "true", "false"):
            raise RuleError(place, f"the parameter is named '{key}'", "That name means something else in the logic.",
                            f"Write for example {key}_limit.")  # fmt: skip
        read[key] = _parameter(key, entries.keyed(node, f"the parameter '{key}'", form), applies_to)
    return read


def _parameter(name: str, tree: Keyed, applies_to: tuple[str, ...]) -> Parameter:
    what = f"the parameter '{name}'"
    entries.only_keys(tree, _PARAMETER_KEYS, what)
    unit = _unit(tree, what)
    meaning = entries.text(tree, "meaning", what, "Say in one sentence what the value decides.")
    rows: list[ParameterRow] = []
    seen: dict[tuple[int, str | None, str | None], Place] = {}
    remedy = "Write rows such as {from: 2026-01-01, value: 3, cite: CR-131}."
    for item in entries.items(tree, "values", what, remedy, most=ROWS_MAX):
        row = _row(entries.keyed(item, f"a value of {what}", "{from: ..., value: ..., cite: ...}"), unit, what)
        scope = (row.from_us, row.segment, row.jurisdiction)
        if scope in seen:
            raise RuleError(row.place, f"two values of '{name}' for one day and scope",
                            f"The row on line {seen[scope].line} is equally specific, and it is not known which one "
                            "applies.", "Keep one, or give one a segment, a jurisdiction or a later date.")  # fmt: skip
        if row.jurisdiction is not None and ANY not in applies_to and row.jurisdiction not in applies_to:
            raise RuleError(row.place, f"a value of '{name}' for {row.jurisdiction}",
                            f"The rule applies to {', '.join(applies_to)} only.",
                            f"Add {row.jurisdiction} to jurisdictions, or remove the row.")  # fmt: skip
        seen[scope] = row.place
        rows.append(row)
    return Parameter(name, unit, meaning, tuple(rows))


def _unit(tree: Keyed, what: str) -> Unit:
    value = entries.text(tree, "unit", what, "Write a currency, count, share, duration or a vocabulary.")
    if value in CURRENCY_CODE:
        return money(value)
    plain = {"count": COUNT, "share": SHARE, "duration": DURATION}
    if value in plain:
        return plain[value]
    if value in VOCABULARIES:
        return category(value)
    known = ["count", "share", "duration", "USD", "EUR", "GBP", *sorted(each for each in VOCABULARIES if each)]
    raise RuleError(tree.items["unit"].place, f"the unit '{value[:40]}' of {what}",
                    "A unit is a currency, count, share, duration or the vocabulary of a field.",
                    did_you_mean(value, known))  # fmt: skip


def _row(tree: Keyed, unit: Unit, what: str) -> ParameterRow:
    entries.only_keys(tree, _ROW_KEYS, f"a value of {what}")
    day = entries.day(tree, "from", f"a value of {what}")
    from_us = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1_000_000
    cite = entries.text(tree, "cite", f"a value of {what}", "Name the law, record or source that the value rests on.")
    segment = entries.text(tree, "segment", what, "Name a segment.") if "segment" in tree.items else None
    country = entries.text(tree, "jurisdiction", what, "Name a country.") if "jurisdiction" in tree.items else None
    if country is not None and country not in COUNTRY_CODE:
        raise RuleError(tree.items["jurisdiction"].place, f"the jurisdiction '{country[:40]}'",
                        "It is no country of ISO 3166-1 alpha-2.", "Write for example US.")  # fmt: skip
    node = entries.need(tree, "value", f"a value of {what}", f"Write a {unit.kind.value}.")
    return ParameterRow(from_us, _value(node, unit, what), cite, segment, country, tree.place)


def _value(node: Tree, unit: Unit, what: str) -> int | Decimal | str:
    if not isinstance(node, Scalar):
        raise RuleError(node.place, f"a value of {what} is no single value", "One row holds one value.",
                        "Write one row per value.")  # fmt: skip
    value, text = node.value, node.text
    if unit.kind is Kind.DURATION:
        return entries.duration_us(text, node.place, f"a value of {what}", least=0)
    if unit.kind is Kind.CATEGORY:
        problem = word_problem(unit.detail or "", text)
        if problem:
            raise RuleError(node.place, f"the word '{text[:40]}' as a value of {what}", problem.capitalize() + ".",
                            "Correct the word.")  # fmt: skip
        return text
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _no_number(node, unit, what, "It is no plain number.")
    if unit.kind is Kind.COUNT:
        if not isinstance(value, int) or not 0 <= value <= 10**9:
            raise _no_number(node, unit, what, "It is no whole number from 0 to a thousand million.")
        return value
    if unit.kind is Kind.SHARE:
        share = Decimal(value)
        decimals = -int(share.as_tuple().exponent)
        if not 0 <= share <= 10_000 or decimals > SHARE_DECIMALS_MAX:
            raise _no_number(node, unit, what, f"It is not between 0 and 10000 with at most {SHARE_DECIMALS_MAX} "
                             "decimals.")  # fmt: skip
        return share
    return _amount(node, unit, what)


def _amount(node: Scalar, unit: Unit, what: str) -> int:
    try:
        amount = parse_amount_minor(node.text.lstrip("+"), unit.detail or "")
    except ValueError as error:
        raise _no_number(node, unit, what, f"{error}.".replace("'", "")) from None
    if not 0 <= amount <= AMOUNT_MINOR_MAX:
        raise _no_number(node, unit, what, "It is negative or above 10^17 minor units.")
    return amount


def _no_number(node: Scalar, unit: Unit, what: str, reason: str) -> RuleError:
    examples = {Kind.COUNT: "3", Kind.SHARE: "0.90", Kind.MONEY: "10000.00"}
    return RuleError(node.place, f"'{node.text[:40]}' as a value of {what}", reason,
                     f"Write for example value: {examples[unit.kind]}.")  # fmt: skip


def alert(
    tree: Keyed, parameters: Mapping[str, Parameter], windows: Mapping[str, Window], *, is_obligation: bool
) -> AlertText:
    """Subject, quiet period and sentence; every name in braces must exist."""
    form = "subject, quiet and text"
    entry = entries.keyed(entries.need(tree, "alert", "the rule", f"Write {form}."), "'alert'", form)
    entries.only_keys(entry, ("subject", "quiet", "text"), "alert")
    subject = entries.word(entry, "subject", "alert", SUBJECT_KINDS)
    keys = {window.by for window in windows.values()} or {"customer"}
    fitting = {"customer", "account"} if keys <= {"customer", "account"} else keys
    if keys == {"pair"}:
        fitting = {"customer"}
    if subject not in fitting:
        raise RuleError(entry.items["subject"].place, f"the subject is the {subject}, the windows are by "
                        f"{' and '.join(sorted(keys))}", "The numbers in the alert would not be the subject's.",
                        f"Write subject: {' or '.join(sorted(fitting))}.")  # fmt: skip
    quiet_us = 0
    if is_obligation and "quiet" in entry.items and entries.duration(entry, "quiet", "alert", least=0):
        raise RuleError(entry.items["quiet"].place, "a quiet period in an obligation",
                        "What the law wants reported is never held back.", "Remove quiet.")  # fmt: skip
    if not is_obligation:
        quiet_us = entries.duration(entry, "quiet", "alert", least=0)
    remedy = "Write the sentence that the analyst sees, with {names} of the numbers."
    sentence = entries.text(entry, "text", "alert", remedy, characters_max=ALERT_CHARACTERS_MAX)
    _check_sentence(sentence, entry.items["text"].place, parameters, windows)
    return AlertText(subject, quiet_us, sentence)


def _check_sentence(
    sentence: str, place: Place, parameters: Mapping[str, Parameter], windows: Mapping[str, Window]
) -> None:
    known = [*parameters, *(name for name, field in FIELDS.items() if field.name != "status")]
    known += [f"{window.name}.{measure.name}" for window in windows.values() for measure in window.measures]
    for hole in _HOLE.findall(sentence):
        if hole not in known:
            raise RuleError(place, f"'{{{hole[:60]}}}' in the alert's text is unknown",
                            "Only numbers that the rule measures or is given can be shown.",
                            did_you_mean(hole, known), f"{{{hole[:60]}}}")  # fmt: skip
    if "{" in _HOLE.sub("", sentence) or "}" in _HOLE.sub("", sentence):
        raise RuleError(place, "a brace without its partner in the alert's text", "Braces hold names.",
                        "Write {name}.")  # fmt: skip


def filled_in(text: str, file: str, status: str) -> None:
    """Refuse a rule that is no draft and has places of its template left."""
    if status == "draft" or FILL_IN not in text:
        return
    line = text.count("\n", 0, text.index(FILL_IN)) + 1
    raise RuleError(Place(file, line), f"a rule with status {status} and a place to fill in",
                    "The template's words are still there.",
                    "Write what belongs here, or status: draft.")  # fmt: skip


def author(tree: Keyed) -> str | None:
    """Who wrote the rule, if it says so."""
    if "author" not in tree.items:
        return None
    return entries.text(tree, "author", "the rule", "Name the person or office.", characters_max=NAME_CHARACTERS_MAX)


def is_same_person(first: str, second: str | None) -> bool:
    """Whether two names are one, however they are written.

    >>> is_same_person("Ada  LOVELACE", "ada lovelace"), is_same_person("Ada", None)
    (True, False)
    """
    return second is not None and "".join(first.split()).casefold() == "".join(second.split()).casefold()


def approval(tree: Keyed, status: str, author: str | None) -> Approval | None:
    """Who approved, or ``None``; an active rule needs one, by someone other than its author."""
    node = tree.items.get("approval")
    if node is None:
        if status == "active":
            raise RuleError(tree.items["status"].place, "an active rule without approval",
                            "Someone answers for what analysts are shown.",
                            "Add approval: {by: ..., on: 2026-03-24, record: CR-118}, or write "
                            "status: shadow.")  # fmt: skip
        return None
    if isinstance(node, Scalar) and node.text == "EXAMPLE":
        return Approval("EXAMPLE", "", "", is_example=True)
    form = "{by: ..., on: 2026-03-24, record: CR-118}, or EXAMPLE"
    entry = entries.keyed(node, "'approval'", form)
    entries.only_keys(entry, ("by", "on", "record"), "approval")
    by = entries.text(entry, "by", "approval", "Name the person or office.", characters_max=NAME_CHARACTERS_MAX)
    record = entries.text(entry, "record", "approval", "Name the record of the decision.")
    if is_same_person(by, author):
        raise RuleError(entry.items["by"].place, f"'{by}' approves the rule and is its author",
                        "Two persons answer for what analysts are shown.",
                        "Let someone else approve it.")  # fmt: skip
    return Approval(by, entries.day(entry, "on", "approval"), record, is_example=False)


def deadline(tree: Keyed, *, is_obligation: bool) -> Deadline | None:
    """Until when an obligation has to be filed; needed there, and meaningless in a suspicion."""
    form = "{days: 15, kind: calendar, after: period, cite: ...}"
    node = tree.items.get("deadline")
    if not is_obligation:
        if node is not None:
            raise RuleError(node.place, "a deadline in a suspicion", "Only what the law wants reported has a day by "
                            "which it must be filed.", "Remove deadline, or write kind: obligation.")  # fmt: skip
        return None
    if node is None:
        raise RuleError(tree.items["kind"].place, "an obligation without a deadline",
                        "Who files it must see by when the law wants it.", f"Add deadline: {form}.")  # fmt: skip
    entry = entries.keyed(node, "'deadline'", form)
    entries.only_keys(entry, ("days", "kind", "after", "cite"), "deadline")
    kind = entries.word(entry, "kind", "deadline", DEADLINE_KINDS)
    if "after" in entry.items:
        entries.word(entry, "after", "deadline", ("period",))
    most = 28 if kind == "day_of_next_month" else DEADLINE_DAYS_MAX
    days = entries.whole(entry, "days", "deadline", least=1, most=most)
    return Deadline(days, kind, entries.text(entry, "cite", "deadline", "Name the law that sets the deadline."))
