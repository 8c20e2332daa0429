"""What each leg shows to rules: who, where and when (:class:`LegFacts`), and the leg matrix.

The matrix has one row per leg and one column per field in use. Unknown is ``UNKNOWN``. Words and identifiers are
codes, amounts are in the currency the column names, ages are microseconds at the payment's own time.

Which column comes from where is worked out once per rulebook (:func:`plan_columns`) as numbers for one kernel, so
that a batch costs one pass and not one per field. Conversion and first occurrences have kernels of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.domain.flow import FLOW_NAMES, MOVED, RECEIVED
from monitor.domain.money import CURRENCY_CODE
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.domain.transaction import Int16s, Int32s, Int64s, TransactionBatch
from monitor.domain.vocabulary import CALENDARS, CHANNELS, DIRECTIONS, STATUSES
from monitor.engine.admission import Legs
from monitor.engine.compiled import kernel, prefetch
from monitor.engine.conversion import Rates, convert_legs, no_rates
from monitor.engine.firsts import Firsts
from monitor.engine.further_keys import CREDITOR, HOLDER
from monitor.engine.key_spaces import NEVER
from monitor.engine.profiles import COLUMN, PROFILE_COLUMNS, ProfileTable
from monitor.rulebook.plan import FieldUse

_NARROW = (
    "currency", "channel", "status", "instrument", "wallet", "screening", "goods_country", "given",
    "debtor_country", "creditor_country", "debtor_kind", "creditor_kind",
)  # fmt: skip
_CODES = (
    "purpose", "booking_entity", "conductor", "on_behalf_of", "device", "branch", "merchant_category",
    "instructing_agent", "reason", "screening_list", "link",
    "debtor_account", "creditor_account", "debtor_agent", "creditor_agent", "debtor_holder", "creditor_holder",
)  # fmt: skip
"""Columns of a batch by width; those of the two sides stand next to each other, the debtor's first."""
TIME_OF_DAY = len(CALENDARS)
"""The column of ``periods`` behind the calendar periods."""
_OWN, _OTHER = "own", "other"
_OF_SIDE = {
    "account": (_OWN, "debtor_account"),
    "country": (_OWN, "debtor_country"),
    "counterparty_country": (_OTHER, "debtor_country"),
    "counterparty_agent": (_OTHER, "debtor_agent"),
    "counterparty_kind": (_OTHER, "debtor_kind"),
}
_GIVEN_BITS = {
    **{f"{what}_given": (_OWN, bit) for bit, what in enumerate(("name", "address", "identification"))},
    **{f"counterparty_{what}_given": (_OTHER, bit) for bit, what in enumerate(("name", "address", "identification"))},
}
"""Which bit of ``given`` of the debtor answers the field, the creditor's being three further."""
_PROFILE = {
    "segment": "segment",
    "profile.segment": "segment",
    "profile.kind": "kind",
    "profile.risk_rating": "risk_rating",
    "profile.is_pep": "is_pep",
    "profile.residence": "residence",
    "profile.nationality": "nationality",
    "profile.occupation": "occupation",
    "profile.industry": "industry",
    "profile.is_occasional": "is_occasional",
    "profile.screening": "screening",
}
_PROFILE_MONEY = {
    "profile.declared_monthly_income": ("declared_monthly_income", "income_currency"),
    "profile.expected_monthly_in": ("expected_monthly_in", "expected_currency"),
    "profile.expected_monthly_out": ("expected_monthly_out", "expected_currency"),
    "profile.expected_monthly_cash": ("expected_monthly_cash", "expected_currency"),
}
(
    _NARROW_COLUMN, _CODE_COLUMN, _OWN_NARROW, _OWN_CODE, _OTHER_NARROW, _OTHER_CODE, _OF_PROFILE, _CUSTOMER,
    _DIRECTION, _COUNTERPARTY, _ACCOUNT_AGE, _RELATIONSHIP_AGE, _AGE_YEARS, _IS_HUB, _SINCE_LAST, _LATER,
    _ACCOUNT_KIND, _CREDENTIALS_AGE, _EXEMPTION_AGE, _OWN_GIVEN, _OTHER_GIVEN, _ACCOUNT_GIVEN, _TIME_OF_DAY,
    _FLOW_IN, _FLOW, _FLOW_OUT,
) = range(26)  # fmt: skip
"""Where a column comes from; ``_LATER``: another kernel writes it."""
_PROFILE_SOURCES = (
    _OF_PROFILE, _ACCOUNT_AGE, _RELATIONSHIP_AGE, _AGE_YEARS, _ACCOUNT_KIND, _CREDENTIALS_AGE, _EXEMPTION_AGE,
)  # fmt: skip
_SPECIAL = {
    "customer": _CUSTOMER,
    "direction": _DIRECTION,
    "counterparty": _COUNTERPARTY,
    "profile.account_age": _ACCOUNT_AGE,
    "profile.relationship_age": _RELATIONSHIP_AGE,
    "profile.age_years": _AGE_YEARS,
    "peer.is_hub": _IS_HUB,
    "since_last()": _SINCE_LAST,
    "profile.account_kind": _ACCOUNT_KIND,
    "profile.credentials_age": _CREDENTIALS_AGE,
    "profile.exemption_review_age": _EXEMPTION_AGE,
    "counterparty_account_given": _ACCOUNT_GIVEN,
    "time_of_day": _TIME_OF_DAY,
}
_YEAR_US = 31_556_952_000_000
"""A mean Gregorian year; full years of age are taken from it, exact to a day."""
_BOOKED = STATUSES.index("booked")
_CREDIT, _DEBIT = DIRECTIONS.index("credit"), DIRECTIONS.index("debit")
_ACCOUNTS, _HOLDERS = _CODES.index("debtor_account"), _CODES.index("debtor_holder")
_SEGMENT, _SINCE, _BORN = COLUMN["segment"], COLUMN["customer_since_us"], COLUMN["birth_us"]
_CREDENTIALS, _REVIEWED = COLUMN["credentials_changed_us"], COLUMN["exemption_reviewed_us"]
_GIVEN = _NARROW.index("given")
_PROFILE_WIDTH = len(PROFILE_COLUMNS)
_AHEAD, _NEAR, _LINE = 16, 8, 8
_BLOCK = 64
"""Legs that are filled field by field before the next ones: their rows stay in the first cache."""

Narrow = tuple[Int16s, ...]
Wide = tuple[Int32s, ...]


class LegFacts(NamedTuple):
    """Who a leg is about, where and when it was booked, as columns of length m.

    ``holder`` is the customer: of a holder leg the holder itself, of others the side's own. ``holder_row`` is its row
    among the holders, -1 for other legs; ``segment`` the index of the peer group, ``combination`` the row of
    parameters.
    """

    booked_us: Int64s
    is_booked: npt.NDArray[np.bool_]
    entity: Int32s
    holder: Int32s
    holder_row: Int64s
    profile_row: Int32s
    segment_code: Int64s
    segment: Int32s
    jurisdiction: Int32s
    combination: Int32s

    @classmethod
    def of_length(cls, count: int) -> "LegFacts":
        """Room for ``count`` legs."""
        wide, narrow = np.empty((3, count), np.int64), np.empty((6, count), np.int32)
        return cls(
            wide[0], np.empty(count, np.bool_), narrow[0], narrow[1], wide[1], narrow[2], wide[2], narrow[3], narrow[4],
            narrow[5],
        )  # fmt: skip


class Scopes(NamedTuple):
    """What turns words of a leg into indexes; arrays by code, -1 where a code has no index yet."""

    segment_index: Int32s
    """Peer group by code of a segment."""
    jurisdiction_index: Int32s
    """Jurisdiction by code of a booking entity; 0: one that no rule names."""
    segment_scope: Int32s
    """Segment by code as parameters know it; 0 for others, also beyond the end."""
    breaks_us: Int64s
    """When values of parameters begin, ascending."""
    jurisdictions: int
    """How many jurisdictions parameters know, with 0 for any other; the index behind them is the unknown one."""


@kernel
def _describe(
    transaction: Int64s, side: Int32s, kind: Int32s, row: Int64s, booked_us: Int64s, status: Int16s,
    booking_entity: Int32s, debtor_holder: Int32s, creditor_holder: Int32s, code_of: Int32s, profile_row_of: Int32s,
    profiles: npt.NDArray[np.int64], scopes: Scopes, facts: LegFacts,
) -> bool:  # fmt: skip
    """Fill ``facts``; false where a segment or an entity has no index yet."""
    unnumbered = 0
    for i in range(len(transaction)):
        if i + _AHEAD < len(transaction) and kind[i + _AHEAD] == HOLDER:
            code = code_of[row[i + _AHEAD]]
            if code < len(profile_row_of):
                prefetch(profile_row_of, np.int64(code))
        if i + _NEAR < len(transaction) and kind[i + _NEAR] == HOLDER:
            code = code_of[row[i + _NEAR]]
            if code < len(profile_row_of) and profile_row_of[code] >= 0:
                for line in range(0, _PROFILE_WIDTH, _LINE):
                    prefetch(profiles, profile_row_of[code] * _PROFILE_WIDTH + line)
        at = transaction[i]
        facts.booked_us[i], facts.is_booked[i], facts.entity[i] = (
            booked_us[at],
            status[at] == _BOOKED,
            booking_entity[at],
        )
        if kind[i] == HOLDER:
            facts.holder[i], facts.holder_row[i] = code_of[row[i]], row[i]
        else:
            facts.holder[i], facts.holder_row[i] = debtor_holder[at] if side[i] == 0 else creditor_holder[at], -1
        holder, profile = facts.holder[i], np.int32(-1)
        if 0 <= holder < len(profile_row_of):
            profile = profile_row_of[holder]
        facts.profile_row[i] = profile
        segment = profiles[profile, _SEGMENT] if profile >= 0 else np.int64(UNKNOWN)
        facts.segment_code[i], facts.segment[i], scope = segment, 0, 0
        if segment >= 0:
            index = scopes.segment_index[segment] if segment < len(scopes.segment_index) else np.int32(-1)
            unnumbered += int(index < 0)
            facts.segment[i] = index
            scope = int(scopes.segment_scope[segment]) if segment < len(scopes.segment_scope) else 0
        entity, jurisdiction = facts.entity[i], np.int64(scopes.jurisdictions)
        if entity >= 0:
            index = scopes.jurisdiction_index[entity] if entity < len(scopes.jurisdiction_index) else np.int32(-1)
            unnumbered += int(index < 0)
            jurisdiction = np.int64(index)
        facts.jurisdiction[i] = jurisdiction
        known = 0 if jurisdiction == scopes.jurisdictions else jurisdiction
        period = len(scopes.breaks_us)
        while period > 0 and scopes.breaks_us[period - 1] > facts.booked_us[i]:
            period -= 1
        facts.combination[i] = (scope * scopes.jurisdictions + known) * (len(scopes.breaks_us) + 1) + period
    return unnumbered == 0


def describe(
    batch: TransactionBatch, legs: Legs, code_of: Int32s, profiles: ProfileTable, scopes: Scopes, facts: LegFacts
) -> bool:
    """Fill ``facts``; false where a segment or an entity has no index yet: number it and call again.

    Args:
        batch: The transactions.
        legs: Their legs.
        code_of: Customer code by row of the holders.
        profiles: The profiles in force.
        scopes: What turns words into indexes.
        facts: Out.
    """
    return bool(
        _describe(
            legs.transaction, legs.side, legs.kind, legs.row, batch.booked_at_us, batch.status, batch.booking_entity,
            batch.debtor_holder, batch.creditor_holder, code_of, profiles.row_of, profiles.values, scopes, facts,
        )
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """Where the columns of the leg matrix come from."""

    steps: Int32s
    """(source, column of the source) for each column, shape (fields, 2)."""
    money: tuple[tuple[int, str, tuple[int, int]], ...]
    """(column, target currency, profile columns of amount and currency; -1, -1: the payment's own)."""
    firsts: tuple[tuple[int, str, int], ...]
    """(column, name, column of the argument), the arguments behind the fields where no rule uses them otherwise."""
    width: int


def plan_columns(uses: tuple[FieldUse, ...]) -> ColumnPlan:
    """The columns of the leg matrix for the fields of a program."""
    wanted = list(uses)
    arguments = {}
    for use in uses:
        if use.name.startswith("first_seen("):
            argument = FieldUse(use.name.removeprefix("first_seen(").removesuffix(")"))
            if argument not in wanted:
                wanted.append(argument)
            arguments[use] = wanted.index(argument)
    money, steps = [], []
    for column, use in enumerate(wanted):
        if use.name == "amount" or use.name in _PROFILE_MONEY:
            assert use.currency is not None
            names = _PROFILE_MONEY.get(use.name)
            money.append((column, use.currency, (COLUMN[names[0]], COLUMN[names[1]]) if names else (-1, -1)))
        steps.append((_LATER, 0) if use in arguments or use.currency is not None else _source(use.name))
    firsts = tuple((uses.index(use), use.name, argument) for use, argument in arguments.items())
    return ColumnPlan(np.array(steps, np.int32).reshape(-1, 2), tuple(money), firsts, max(len(wanted), 1))


def profile_columns(plan: ColumnPlan) -> npt.NDArray[np.bool_]:
    """Which columns of the leg matrix a profile gives, shape (width,)."""
    found: npt.NDArray[np.bool_] = np.zeros(plan.width, np.bool_)
    found[: len(plan.steps)] = np.isin(plan.steps[:, 0], _PROFILE_SOURCES)
    found[[column for column, _, (amount, _) in plan.money if amount >= 0]] = True
    return found


def _source(name: str) -> tuple[int, int]:
    if name in _SPECIAL:
        return _SPECIAL[name], 0
    if name in FLOW_NAMES:
        source = _FLOW_IN if name in RECEIVED else _FLOW if name in MOVED else _FLOW_OUT
        return source, FLOW_NAMES.index(name)
    if name in _GIVEN_BITS:
        which, bit = _GIVEN_BITS[name]
        return (_OWN_GIVEN if which is _OWN else _OTHER_GIVEN), bit
    if name in _PROFILE:
        return _OF_PROFILE, COLUMN[_PROFILE[name]]
    if name in _OF_SIDE:
        which, column = _OF_SIDE[name]
        if column in _NARROW:
            return (_OWN_NARROW if which is _OWN else _OTHER_NARROW), _NARROW.index(column)
        return (_OWN_CODE if which is _OWN else _OTHER_CODE), _CODES.index(column)
    return (_NARROW_COLUMN, _NARROW.index(name)) if name in _NARROW else (_CODE_COLUMN, _CODES.index(name))


@kernel
def _fill(
    steps: Int32s, transaction: Int64s, side: Int32s, judged_us: Int64s, before_us: Int64s, narrow: Narrow, codes: Wide,
    facts: LegFacts, profiles: npt.NDArray[np.int64], opened_us: Int64s, account_kind: Int64s, is_hub: Int64s,
    periods: npt.NDArray[np.int64], flow: npt.NDArray[np.int64], matrix: npt.NDArray[np.int64],
) -> None:  # fmt: skip
    """Write all columns but the later ones."""
    accounts_0, accounts_1 = codes[_ACCOUNTS], codes[_ACCOUNTS + 1]
    holders_0, holders_1 = codes[_HOLDERS], codes[_HOLDERS + 1]
    for first in range(0, len(transaction), _BLOCK):
        stop = min(first + _BLOCK, len(transaction))
        for f in range(len(steps)):
            source, column = steps[f, 0], steps[f, 1]
            if source == _NARROW_COLUMN:
                narrow_0 = narrow[column]
                for i in range(first, stop):
                    value = np.int64(narrow_0[transaction[i]])
                    matrix[i, f] = value if value != -1 else UNKNOWN
            elif source == _CODE_COLUMN:
                code_0 = codes[column]
                for i in range(first, stop):
                    value = np.int64(code_0[transaction[i]])
                    matrix[i, f] = value if value != -1 else UNKNOWN
            elif source in (_OWN_NARROW, _OTHER_NARROW):
                narrow_0, narrow_1, own = narrow[column], narrow[column + 1], 0 if source == _OWN_NARROW else 1
                for i in range(first, stop):
                    value = np.int64(narrow_0[transaction[i]] if side[i] == own else narrow_1[transaction[i]])
                    matrix[i, f] = value if value != -1 else UNKNOWN
            elif source in (_OWN_CODE, _OTHER_CODE):
                code_0, code_1, own = codes[column], codes[column + 1], 0 if source == _OWN_CODE else 1
                for i in range(first, stop):
                    value = np.int64(code_0[transaction[i]] if side[i] == own else code_1[transaction[i]])
                    matrix[i, f] = value if value != -1 else UNKNOWN
            elif source == _OF_PROFILE:
                for i in range(first, stop):
                    profile = facts.profile_row[i]
                    matrix[i, f] = profiles[profile, column] if profile >= 0 else UNKNOWN
            elif source in (_FLOW_IN, _FLOW, _FLOW_OUT):
                for i in range(first, stop):
                    is_hidden = source != _FLOW and (side[i] == CREDITOR) != (source == _FLOW_IN)
                    matrix[i, f] = UNKNOWN if is_hidden else flow[transaction[i], column]
            elif source == _COUNTERPARTY:
                for i in range(first, stop):
                    at, is_creditor = transaction[i], side[i] == CREDITOR
                    value = np.int64(accounts_0[at] if is_creditor else accounts_1[at])
                    if value == -1:
                        value = np.int64(holders_0[at] if is_creditor else holders_1[at])
                    matrix[i, f] = value if value != -1 else UNKNOWN
            elif source != _LATER:
                for i in range(first, stop):
                    at, value, profile = transaction[i], np.int64(UNKNOWN), facts.profile_row[i]
                    if source == _CUSTOMER:
                        value = np.int64(facts.holder[i]) if facts.holder[i] != -1 else np.int64(UNKNOWN)
                    elif source == _DIRECTION:
                        value = np.int64(_CREDIT if side[i] == CREDITOR else _DEBIT)
                    elif source == _ACCOUNT_AGE:
                        account = accounts_1[at] if side[i] == CREDITOR else accounts_0[at]
                        if 0 <= account < len(opened_us) and opened_us[account] != UNKNOWN:
                            value = max(facts.booked_us[i] - opened_us[account], np.int64(0))
                    elif source == _RELATIONSHIP_AGE:
                        if profile >= 0 and profiles[profile, _SINCE] != UNKNOWN:
                            value = max(facts.booked_us[i] - profiles[profile, _SINCE], np.int64(0))
                    elif source == _AGE_YEARS:
                        if profile >= 0 and profiles[profile, _BORN] != UNKNOWN:
                            value = (facts.booked_us[i] - profiles[profile, _BORN]) // _YEAR_US
                    elif source == _ACCOUNT_KIND:
                        account = accounts_1[at] if side[i] == CREDITOR else accounts_0[at]
                        if 0 <= account < len(account_kind):
                            value = account_kind[account]
                    elif source == _CREDENTIALS_AGE:
                        if profile >= 0 and profiles[profile, _CREDENTIALS] != UNKNOWN:
                            value = max(facts.booked_us[i] - profiles[profile, _CREDENTIALS], np.int64(0))
                    elif source == _EXEMPTION_AGE:
                        if profile >= 0 and profiles[profile, _REVIEWED] != UNKNOWN:
                            value = max(facts.booked_us[i] - profiles[profile, _REVIEWED], np.int64(0))
                    elif source in (_OWN_GIVEN, _OTHER_GIVEN):
                        shift = 3 if (side[i] == CREDITOR) == (source == _OWN_GIVEN) else 0
                        value = np.int64(narrow[_GIVEN][at] >> (column + shift)) & 1
                    elif source == _ACCOUNT_GIVEN:
                        value = np.int64((accounts_0[at] if side[i] == CREDITOR else accounts_1[at]) >= 0)
                    elif source == _TIME_OF_DAY:
                        value = periods[i, TIME_OF_DAY]
                    elif source == _IS_HUB:
                        if facts.holder_row[i] >= 0:
                            value = is_hub[facts.holder_row[i]]
                    elif source == _SINCE_LAST and before_us[i] != NEVER:
                        value = judged_us[i] - before_us[i]
                    matrix[i, f] = value


def build_fields(
    plan: ColumnPlan,
    batch: TransactionBatch,
    legs: Legs,
    facts: LegFacts,
    profiles: ProfileTable,
    rates: Mapping[str, Rates],
    is_hub: Int64s,
    firsts: Firsts,
    periods: npt.NDArray[np.int64],
    flow: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """The leg matrix, shape (legs, plan.width), column by column in memory: conditions read it so.

    ``is_hub`` is 1, 0 or ``UNKNOWN`` by row of the holders; ``periods`` are the calendar periods and the time of day of
    each leg, shape (legs, 5); ``flow`` is what tracing measured of each transaction of the batch.
    """
    matrix = np.empty((plan.width, len(legs)), np.int64).T
    narrow = tuple(getattr(batch, name) for name in _NARROW)
    codes = tuple(getattr(batch, name) for name in _CODES)
    _fill(plan.steps, legs.transaction, legs.side, legs.judged_us, legs.before_us, narrow, codes, facts,
          profiles.values, profiles.opened_us, profiles.account_kind, is_hub, periods, flow, matrix)  # fmt: skip
    for column, target, columns in plan.money:
        into = rates.get(target) or no_rates(CURRENCY_CODE[target])
        convert_legs(into, batch, legs.transaction, facts.booked_us, facts.profile_row, profiles.values, columns,
                     matrix[:, column])  # fmt: skip
    for column, name, argument in plan.firsts:
        firsts.fill(name, legs, facts.is_booked, matrix[:, argument], matrix[:, column])
    return matrix


def classes_of(side: Int32s, channel: Int16s, status: Int16s) -> Int64s:
    """The class of each leg as :mod:`monitor.rulebook.dispatch` counts them."""
    direction = np.where(side == CREDITOR, _CREDIT, _DEBIT)
    found: Int64s = (direction * (len(CHANNELS) + 1) + channel.astype(np.int64) + 1) * 2 + (status == _BOOKED)
    return found


def day_of(time_us: Int64s) -> Int64s:
    """Days since 1970, UTC."""
    return time_us // DAY_US
