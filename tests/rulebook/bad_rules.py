"""One good rule, and many ways to spoil it: each edit is one mistake that a rule author makes."""

GOOD = """\
id: AML-STR-900
title: Cash deposits below a limit
typology: structuring
kind: suspicion
status: active
version: 1
severity: high
jurisdictions: [US, GB]

description: >-
  A customer pays in cash several times in a day.

references:
  - cite: 31 CFR 1010.311
    says: Large currency transactions are reported.
    read: 2026-08-20

false_positives:
  - A cash business. Give it its own segment.

blind_spots:
  - Deposits spread over several customers.

codes: {fincen_sar: 114}

parameters:
  total_above:
    unit: USD
    meaning: Total that makes the pattern worth an alert.
    values:
      - {from: 2026-01-01, value: 10000.00, cite: CR-1}
      - {from: 2026-01-01, segment: agent, value: 50000.00, cite: CR-1}
  deposits_min:
    unit: count
    meaning: Fewest deposits.
    values:
      - {from: 2026-01-01, value: 2, cite: CR-1}
  age_max:
    unit: duration
    meaning: Only accounts younger than this.
    values:
      - {from: 2026-01-01, value: 90d, cite: CR-1}
  part_min:
    unit: share
    meaning: Part of all money in that is cash.
    values:
      - {from: 2026-01-01, value: 0.50, cite: CR-1}

windows:
  cash:
    over: 24h
    by: customer
    where: channel == "cash" and direction == "credit"
    measures: {deposits: count(), total: sum(amount), places: distinct(branch)}
  received:
    over: 24h
    by: customer
    where: direction == "credit"
    measures: {total: sum(amount)}

when: >-
  channel == "cash" and direction == "credit"
  and cash.total > total_above
  and cash.deposits >= deposits_min
  and profile.account_age < age_max
  and share(cash.total, received.total) >= part_min

alert:
  subject: customer
  quiet: 24h
  text: >-
    {cash.deposits} cash deposits, together {cash.total}.

approval: {by: Head of Financial Crime, on: 2026-03-24, record: CR-1}

tests:
  - name: two deposits above the total raise an alert
    start: 2026-05-04
    table: |
      at  customer  channel  account_age  direction  amount    expect
      0h  C1        cash     30d          credit      9000.00  .
      1h  C1        cash     30d          credit      9000.00  alert
"""

FILE = "rules/structuring/cash_below_a_limit.yaml"

WHEN = GOOD[GOOD.index("when: >-") : GOOD.index("\nalert:")]


def with_when(condition: str) -> str:
    """The good rule with another condition, on the line of the old one."""
    return GOOD.replace(WHEN, f"when: >-\n  {condition}\n")


EDITS: dict[str, tuple[str, str]] = {
    # The file
    "a key is misspelt": ("severity: high", "severty: high"),
    "a key is given twice": ("version: 1\n", "version: 1\nversion: 2\n"),
    "a tab indents": ("  - cite: 31 CFR 1010.311", "\t- cite: 31 CFR 1010.311"),
    "an anchor": ("jurisdictions: [US, GB]", "jurisdictions: &j [US, GB]"),
    "a tag": ("version: 1", "version: !!python/object:os.system 1"),
    "a second document": ("approval: {by", "---\napproval: {by"),
    "a comma without quotes": ("value: 2, cite: CR-1}", "value: 2, cite: CR-1, to be calibrated}"),
    # Identity
    "an id of another form": ("id: AML-STR-900", "id: STR-9"),
    "an id of another typology": ("id: AML-STR-900", "id: AML-PAS-900"),
    "an unknown typology": ("typology: structuring", "typology: strukturing"),
    "letters of another typology": ("typology: structuring", "typology: pass_through"),
    "no title": ("title: Cash deposits below a limit\n", ""),
    "an unknown kind": ("kind: suspicion", "kind: suspicious"),
    "an unknown status": ("status: active", "status: live"),
    "a version that is no number": ("version: 1", "version: one"),
    "a severity of another scale": ("severity: high", "severity: urgent"),
    "a country that does not exist": ("[US, GB]", "[US, UK]"),
    "any beside a country": ("[US, GB]", "[any, GB]"),
    "no description": ("description: >-\n  A customer pays in cash several times in a day.", "description: ''"),
    "a place to fill in": ("A customer pays in cash several times in a day.", "FILL IN what happens."),
    # Sources
    "a reference without a date": ("    read: 2026-08-20\n", ""),
    "a date that does not exist": ("read: 2026-08-20", "read: 2026-02-30"),
    "false positives unknown": ("A cash business. Give it its own segment.", "Unknown"),
    # Codes
    "no code": ("codes: {fincen_sar: 114}\n\n", ""),
    "codes without a code": ("codes: {fincen_sar: 114}", "codes: {}"),
    "a code of another authority": ("{fincen_sar: 114}", "{austrac: 114}"),
    "a subtype that the FinCEN SAR does not have": ("{fincen_sar: 114}", "{fincen_sar: [114, 115]}"),
    "a subtype twice": ("{fincen_sar: 114}", "{fincen_sar: [114, 114]}"),
    "a name too long to be registered": ("{fincen_sar: 114}", f"{{pbc_stcr: {'AML-' * 9}}}"),
    "a large-value code that does not exist": ("{fincen_sar: 114}", '{pbc_crcd: "0505"}'),
    # Parameters
    "an unknown unit": ("unit: USD", "unit: dollars"),
    "a value without a source": ("value: 2, cite: CR-1}", "value: 2}"),
    "more decimals than the currency": ("value: 10000.00", "value: 10000.001"),
    "a count with a point": ("value: 2,", "value: 2.5,"),
    "a share as text": ("value: 0.50", "value: 50%"),
    "a duration as a number": ("value: 90d", "value: 90"),
    "two values of one day and scope": ("segment: agent, value", "value"),
    "a row for another jurisdiction": ("segment: agent,", "jurisdiction: NO,"),
    "a parameter named like a field": ("  part_min:\n", "  amount:\n"),
    # Windows
    "a length of another form": ("over: 24h", "over: 24 hours"),
    "an unknown party": ("by: customer\n    where: channel", "by: household\n    where: channel"),
    "windows of two parties": ("by: customer\n    where: channel", "by: device\n    where: channel"),
    "a share above its limit": ("unit: USD", "unit: share"),
    "an unknown measure": ("count()", "total()"),
    "a measure of nothing": ("sum(amount), places", "sum(), places"),
    "a sum of words": ("sum(amount), places", "sum(branch), places"),
    "different amounts": ("distinct(branch)", "distinct(amount)"),
    "a window in a filter": ('where: direction == "credit"', "where: cash.total > total_above"),
    "a window that looks at itself": ('where: direction == "credit"', "where: received.total > total_above"),
    "a filter that is never true": ('where: direction == "credit"',
                                    'where: direction == "credit" and direction == "debit"'),
    "a value that is another parameter": ("value: 2, cite", "value: total_above, cite"),
    # Alert and approval
    "another subject": ("subject: customer", "subject: device"),
    "a name in the text that is unknown": ("together {cash.total}", "together {cash.totl}"),
    "a brace without its partner": ("together {cash.total}", "together {cash.total"),
    "no quiet period": ("  quiet: 24h\n", ""),
    "active without approval": ("approval: {by: Head of Financial Crime, on: 2026-03-24, record: CR-1}\n", ""),
    "an approval without a record": (", record: CR-1}", "}"),
    "an author who approves": ("version: 1\n", "version: 1\nauthor: head of  financial crime\n"),
    "an author without a name": ("version: 1\n", "version: 1\nauthor: ''\n"),
    # Tests
    "a row with a cell too few": ("9000.00  alert", "9000.00"),
    "an unknown column": ("account_age  direction", "account_old  direction"),
    "a word that is no channel": ("1h  C1        cash ", "1h  C1        csh "),
    "a verdict of another language": ("9000.00  alert", "9000.00  alarm"),
    "no row expects an alert": ("9000.00  alert", "9000.00  ."),
    "an amount with too many decimals": ("9000.00  alert", "9000.001  alert"),
}  # fmt: skip

DEADLINES = {
    "a deadline of another kind": "{days: 15, kind: working, cite: A law}",
    "a deadline of no days": "{days: 0, kind: calendar, cite: A law}",
    "a day that not every month has": "{days: 31, kind: day_of_next_month, cite: A law}",
    "a deadline without a source": "{days: 15, kind: calendar}",
    "a deadline after something else": "{days: 15, kind: business, after: knowledge, cite: A law}",
}
"""Deadlines of an obligation, each with one mistake."""

CONDITIONS: dict[str, str] = {
    "a count compared with money": "cash.deposits > total_above",
    "money compared with a count": "cash.total >= deposits_min",
    "a duration compared with a share": "profile.account_age < part_min",
    "a number in the logic": "cash.total > 10000",
    "a field that is misspelt": "amout > total_above",
    "a measure that is misspelt": "cash.totl > total_above",
    "a window that is unknown": "wires.total > total_above",
    "a word of another vocabulary": 'channel == "credit"',
    "a country that is no country": 'counterparty_country == "UK"',
    "a word without quotes": "channel == cash_channel",
    "words that are ordered": 'channel > "cash"',
    "fields of two vocabularies": "counterparty == branch",
    "a chain": "deposits_min <= cash.deposits <= deposits_min",
    "one equals sign": 'channel = "cash"',
    "a call of Python": "__import__(channel)",
    "an unknown function": "shares(cash.total, received.total) > part_min",
    "a measure in the condition": "count() > deposits_min",
    "too few arguments": "share(cash.total) > part_min",
    "a share of words": "share(channel, channel) > part_min",
    "multiplied": "cash.total * deposits_min > total_above",
    "an attribute of a call": "first_seen(counterparty).real",
    "a lambda": "(lambda: amount)() > total_above",
    "a subscript": "cash[0] > total_above",
    "no condition": "cash.total",
    "an amount joined with and": 'channel == "cash" and cash.total',
    "a bracket that stays open": "(cash.total > total_above",
    "a comment": "cash.total > total_above # why",
    "an escape": r'channel == "\x63ash"',
    "a fullwidth letter": "ａmount > total_above",
    "a list that is unknown": "counterparty_country in list.bad_countries",
    "a list of another vocabulary": "channel in list.high_risk_countries",
    "a list that stands alone": "list.high_risk_countries",
    "a peer of an unknown quantile": "cash.total > peer.cash.total.p42",
    "a name that is reserved": "model.score > deposits_min",
    "known of a parameter": "known(total_above)",
    "first seen of an amount": "first_seen(amount)",
    "a field as a list": "channel in counterparty",
    "true compared": "peer.is_hub == profile.is_pep",
    "a word alone": '"cash"',
    "two words compared": '"cash" == "cash"',
    "a sum of money and a count": "cash.total + cash.deposits > total_above",
    "two words at once": 'channel == "cash" and cash.total > total_above and channel in ["wire", "card"]',
    "more and at most": "cash.total > total_above and total_above >= cash.total",
    "known and not known": 'known(counterparty) and (direction == "credit" and not known(counterparty))',
    "a word and not that word": 'direction == "credit" and (channel != "cash" and channel == "cash" or peer.is_hub)',
    "brackets within brackets": "(" * 40 + "peer.is_hub" + ")" * 40,
    "an expression that is too long": " and ".join(["peer.is_hub"] * 500),
    "an expression that is too deep": "not " * 40 + "peer.is_hub",
}


def bad_rules() -> dict[str, str]:
    """Every spoiled rule by the name of its mistake."""
    spoiled = {}
    for name, (old, new) in EDITS.items():
        assert GOOD.count(old) >= 1, f"{name}: the good rule has no {old!r}"
        spoiled[name] = GOOD.replace(old, new, 1)
    # Two currencies and no currency of the window: the second money parameter makes the sum ambiguous.
    spoiled["two currencies"] = GOOD.replace("unit: share", "unit: EUR")
    spoiled["another folder"] = GOOD.replace("typology: structuring", "typology: pass_through").replace("STR", "PAS")
    obligation = GOOD.replace("kind: suspicion", "kind: obligation").replace("  quiet: 24h\n", "")
    spoiled["an obligation without a deadline"] = obligation
    for name, deadline in DEADLINES.items():
        spoiled[name] = f"{obligation}deadline: {deadline}\n"
    spoiled["a deadline in a suspicion"] = GOOD + "deadline: {days: 15, kind: calendar, cite: A law}\n"
    spoiled["a file of one list"] = "- " + GOOD.split("\n")[0]
    spoiled["an empty file"] = "\n"
    return spoiled | {name: with_when(condition) for name, condition in CONDITIONS.items()}
