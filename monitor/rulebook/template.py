"""The file that ``aml rules new`` writes: every entry is there, it loads as a draft, and its tests fail.

What an author must think about is marked with :data:`FILL_IN`; the loader lets a draft have such marks and refuses
them in any other status. The verdicts of the tests are wrong on purpose, so that nobody takes a template for a rule.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from textwrap import fill

from monitor.rulebook.typologies import TYPOLOGIES

FILL_IN = "FILL IN"
EUROPEAN_UNION = (
    "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV", "LT", "LU", "MT",
    "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE",
)  # fmt: skip
PACKS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "us": (("US",), "USD", "United States"),
    "cn": (("CN",), "CNY", "China"),
    "eu": (EUROPEAN_UNION, "EUR", "European Union"),
    "ca": (("CA",), "CAD", "Canada"),
    "au": (("AU",), "AUD", "Australia"),
    "in": (("IN",), "INR", "India"),
    "general": (("any",), "USD", "everywhere"),
}
"""The folders below ``rules/``: countries of the booking entities, currency, name."""
OWN_FROM = 500
"""Numbers below are the product's, from here on the bank's, so that a later release never takes an id of the bank."""
_NUMBER_MAX = 999
_TITLE = re.compile(r"[A-Za-z][^\n\"{}\\]*")


class NoTemplate(Exception):
    """There is no template for what was asked; the message says why."""


@dataclass(frozen=True, slots=True)
class NewRule:
    """An id, the file's name below its pack, and its text."""

    rule_id: str
    file: str
    text: str

    def places(self) -> list[tuple[int, str]]:
        """Lines to fill in, with their text."""
        return [(n, line.strip()) for n, line in enumerate(self.text.split("\n"), 1) if FILL_IN in line]


def new_rule(
    typology: str, title: str, *, pack: str, taken: Collection[str], day: str, is_own: bool = False
) -> NewRule:
    """A draft for a rule.

    Args:
        typology: One of :data:`~monitor.rulebook.typologies.TYPOLOGIES`.
        title: One line that says what happens.
        pack: One of :data:`PACKS`.
        taken: Every id that was ever given away.
        day: Today, such as 2026-11-24.
        is_own: The rule is the bank's and no part of the product.

    Raises:
        NoTemplate: A word is unknown, the title makes no file name, or the typology has no number left.
    """
    if typology not in TYPOLOGIES:
        raise NoTemplate(f"There is no typology '{typology}'. There are: {', '.join(TYPOLOGIES)}.")
    if pack not in PACKS:
        raise NoTemplate(f"There is no pack '{pack}'. There are: {', '.join(PACKS)}.")
    words = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
    if not _TITLE.fullmatch(title) or len(title) > 100 or not words[:1].isalpha():
        raise NoTemplate("The title is one line of at most 100 characters that begins with a letter, without quotes "
                         'and braces, such as "Cash in many branches".')  # fmt: skip
    letters = TYPOLOGIES[typology][0]
    free = (f"AML-{letters}-{n:03}" for n in range(OWN_FROM if is_own else 1, _NUMBER_MAX + 1))
    rule_id = next((each for each in free if each not in taken), None)
    if rule_id is None:
        raise NoTemplate(f"All numbers of AML-{letters} are taken.")
    return NewRule(rule_id, f"{pack}/{typology}/{words}.yaml", _text(rule_id, typology, title, pack, day))


def _text(rule_id: str, typology: str, title: str, pack: str, day: str) -> str:
    countries, currency, _ = PACKS[pack]
    where = fill(f"jurisdictions: [{', '.join(countries)}]", 100, subsequent_indent="  ")
    return _TEMPLATE.format(
        rule_id=rule_id, typology=typology, title=f'"{title}"' if re.search(r"[:#'&*!|>%@`,\[\]]", title) else title,
        where=where, currency=currency, day=day, mark=FILL_IN,
    )  # fmt: skip


_TEMPLATE = """\
# yaml-language-server: $schema=../../rule.schema.json
id: {rule_id}
title: {title}
typology: {typology}
kind: suspicion
status: draft
version: 1
author: {mark} who writes this rule; someone else approves it
severity: medium
{where}

description: >-
  {mark} what happens, in two or three sentences that a new analyst understands.

references:
  - cite: {mark} the law, guidance or record that the rule rests on
    says: {mark} what it says, in one sentence of your own.
    read: {day}

false_positives:
  - {mark} how to recognise an innocent hit, and what to do about it.

blind_spots:
  - {mark} what the rule misses, and which rule sees it.

# {mark} the regulator's word; 925 is a payment without apparent purpose. See docs/rule-format.md.
codes: {{fincen_sar: 925}}

parameters:
  total_above:
    unit: {currency}
    meaning: {mark} what the value decides.
    values:
      - {{from: 2026-01-01, value: 10000.00, cite: {mark} where the value comes from}}

windows:
  seen:
    over: 24h
    by: customer
    where: direction == "credit"
    measures: {{payments: count(), total: sum(amount)}}

# {mark} the condition. It is looked at for every booked payment.
when: >-
  direction == "credit"
  and seen.total > total_above

alert:
  subject: customer
  quiet: 24h
  text: >-
    {{seen.payments}} payments in 24 hours, together {{seen.total}}.

# An active rule needs approval: {{by: ..., on: ..., record: ...}} by someone who is not its author.

tests:
  - name: "{mark}: the payment that takes the day over the limit; its verdict is wrong on purpose"
    start: 2026-05-04
    table: |
      at      customer  direction  amount    expect
      0h      C1        credit     10000.00  alert
      1h      C1        credit         0.01  .
  - name: "{mark}: a payment on each side of every value, window and quiet period"
    start: 2026-05-04
    table: |
      at      customer  direction  amount    expect
      0h      C1        credit         0.01  alert
"""
