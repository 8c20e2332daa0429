"""The real engine behind the inline tables of rules: one payment at a time, profiles as the row states them."""

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from monitor.domain.alert import Alert
from monitor.domain.countries import COUNTRY_CODE
from monitor.domain.identifiers import TOKEN_BYTES, IdentifierKind, token_of
from monitor.domain.money import CURRENCIES, CURRENCY_CODE, DECIMALS, parse_amount_minor
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.domain.transaction import Bytes16, Int32s, Int64s, TransactionBatch
from monitor.domain.units import Kind
from monitor.domain.vocabulary import CHANNELS, CLOSED, STATUSES
from monitor.engine.binding import NamedList
from monitor.engine.conversion import Rates
from monitor.engine.engine import Engine, EngineInputs
from monitor.engine.peers import BankSnapshot
from monitor.engine.profiles import COLUMN, PROFILE_COLUMNS, ProfileTable
from monitor.rulebook.plan import plan
from monitor.rulebook.rule import Rule, Rulebook, TableTest
from monitor.rulebook.testing import TableRow, table_currency, table_rows

_CODED = {"kind": "customer_kind", "risk_rating": "risk_rating", "screening": "screening"}
_IDENTIFIED = {
    "segment": IdentifierKind.SEGMENT,
    "occupation": IdentifierKind.OCCUPATION,
    "industry": IdentifierKind.INDUSTRY,
}
_MONEY = {
    "declared_monthly_income": "income_currency",
    "expected_monthly_in": "expected_currency",
    "expected_monthly_out": "expected_currency",
    "expected_monthly_cash": "expected_currency",
}
_SINCE = {"credentials_age": "credentials_changed_us", "exemption_review_age": "exemption_reviewed_us"}
_OWN_WORDS = {"merchant_category": IdentifierKind.MERCHANT_CATEGORY, "instructing_agent": IdentifierKind.AGENT,
              "reason": IdentifierKind.REASON, "screening_list": IdentifierKind.SCREENING_LIST,
              "link": IdentifierKind.LINK}  # fmt: skip
_CLOSED_WORDS = ("instrument", "wallet", "screening")
_LAST_DAY = np.iinfo(np.int64).max
"""No day comes after it, so that a table never publishes a bank snapshot of its own."""


@dataclass(slots=True)
class PlainIdentifiers:
    """Identifiers in a dictionary, for tests and tables; the token is the text itself in hex."""

    codes: dict[tuple[IdentifierKind, str], int] = field(default_factory=dict)
    texts: list[tuple[IdentifierKind, str]] = field(default_factory=list)

    def code(self, kind: IdentifierKind, text: str) -> int:
        key = (kind, text)
        if key not in self.codes:
            self.codes[key] = len(self.texts)
            self.texts.append(key)
        return self.codes[key]

    def token(self, code: int) -> str:
        return self.texts[code][1].encode().hex()

    @property
    def tokens(self) -> Bytes16:
        tokens = b"".join(token_of(b"", kind, text) for kind, text in self.texts)
        return np.frombuffer(tokens, np.uint8).reshape(-1, TOKEN_BYTES)

    def kind(self, code: int) -> IdentifierKind:
        return self.texts[code][0]

    def word(self, code: int) -> str | None:
        return self.texts[code][1]


@dataclass(frozen=True, slots=True)
class UtcEntities:
    """Every entity in one country, with days and months of UTC and no holidays."""

    identifiers: PlainIdentifiers

    def country(self, code: int) -> str | None:
        word = self.identifiers.word(code) if code >= 0 else None
        return word.removeprefix("entity-") if word else None

    def periods(self, entity: Int32s, time_us: Int64s) -> npt.NDArray[np.int64]:
        day = time_us // DAY_US
        months = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + 1970 * 12
        return np.column_stack((day, months, day, day, time_us - day * DAY_US))


class TableEngine:
    """Verdicts of the engine for a table, as :class:`monitor.rulebook.testing.RuleEngine` asks for them."""

    def verdicts(self, rule: Rule, test: TableTest) -> list[str]:
        """``.``, ``alert``, ``quiet`` or ``undecided`` for each row, from a fresh start."""
        return [_word(alerts, undecided) for alerts, undecided in self.said(rule, test)]

    def said(self, rule: Rule, test: TableTest) -> list[tuple[list[Alert], int]]:
        """For each row its alerts, and how many of its legs were undecided, from a fresh start."""
        return _Play(rule, test).said()


def _word(alerts: list[Alert], undecided: int) -> str:
    if alerts:
        return "alert" if alerts[0].status == "new" else "quiet"
    return "undecided" if undecided else "."


class _Play:
    """One table played on a fresh engine."""

    def __init__(self, rule: Rule, test: TableTest) -> None:
        self.rule, self.test = rule, test
        self.identifiers, self.profiles = PlainIdentifiers(), ProfileTable()
        lists = {name: NamedList(name, "test", words) for name, words in test.lists.items()}
        program = plan(Rulebook((rule,), rule.digest))
        inputs = EngineInputs(
            self.identifiers, UtcEntities(self.identifiers), lists=lists, rates=_rates(rule, test),
            live=frozenset({rule.id}),
        )  # fmt: skip
        self.engine = Engine(program, inputs)

    def said(self) -> list[tuple[list[Alert], int]]:
        return [self._said(number, row) for number, row in enumerate(table_rows(self.rule, self.test))]

    def _said(self, number: int, row: TableRow) -> tuple[list[Alert], int]:
        batch = self._batch(number, row)
        self._put_profile(row)
        self._put_snapshot()
        undecided = int(self.engine.undecided.sum())
        step = self.engine.step(batch, self.profiles)
        return step.alerts, int(self.engine.undecided.sum()) - undecided

    def _code(self, kind: IdentifierKind, text: str | None) -> int:
        return -1 if text is None else self.identifiers.code(kind, text)

    def _batch(self, number: int, row: TableRow) -> TransactionBatch:
        own, other = ("creditor", "debtor") if row.word("direction") != "debit" else ("debtor", "creditor")
        word = row.word
        country, other_country = word("country"), word("counterparty_country")
        columns: dict[str, int] = {
            "position": number,
            "booked_at_us": row.booked_at_us,
            "received_at_us": UNKNOWN,
            "id_hi": 1,
            "id_lo": self._code(IdentifierKind.PURPOSE, f"id {row.transaction_id}") + 1,
            "digest": number,
            "amount_minor": UNKNOWN if row.amount_minor is None else row.amount_minor,
            "currency": CURRENCY_CODE[word("currency") or "USD"],
            "channel": CHANNELS.index(word("channel") or "") if word("channel") else -1,
            "status": STATUSES.index(word("status") or "booked"),
            "purpose": self._code(IdentifierKind.PURPOSE, word("purpose")),
            f"{own}_holder": self._code(IdentifierKind.CUSTOMER, word("customer")),
            f"{own}_account": self._code(IdentifierKind.ACCOUNT, word("account")),
            f"{own}_country": COUNTRY_CODE[country] if country else -1,
            f"{own}_agent": -1,
            f"{other}_holder": -1,
            f"{other}_account": self._code(IdentifierKind.ACCOUNT, word("counterparty")),
            f"{other}_country": COUNTRY_CODE[other_country] if other_country else -1,
            f"{other}_agent": self._code(IdentifierKind.AGENT, word("counterparty_agent")),
            "booking_entity": self._code(IdentifierKind.ENTITY, f"entity-{row.jurisdiction or ''}"),
            "reverses_hi": 1 if row.reverses else UNKNOWN,
            "reverses_lo": self._code(IdentifierKind.PURPOSE, f"id {row.reverses}") + 1 if row.reverses else UNKNOWN,
            "conductor": self._code(IdentifierKind.CUSTOMER, word("conductor")),
            "on_behalf_of": self._code(IdentifierKind.CUSTOMER, word("on_behalf_of")),
            "device": self._code(IdentifierKind.DEVICE, word("device")),
            "branch": self._code(IdentifierKind.BRANCH, word("branch")),
            "goods_country": COUNTRY_CODE[word("goods_country") or ""] if word("goods_country") else -1,
            f"{own}_kind": -1,
            f"{other}_kind": CLOSED["party_kind"].index(word("counterparty_kind") or "")
            if word("counterparty_kind")
            else -1,
            "given": _given(row, own_is_debtor=own == "debtor"),
            **{name: self._code(kind, word(name)) for name, kind in _OWN_WORDS.items()},
            **{name: CLOSED[name].index(word(name) or "") if word(name) else -1 for name in _CLOSED_WORDS},
        }
        types = TransactionBatch.__annotations__
        return TransactionBatch(
            **{name: _column(columns[name], str(types[name])) for name in TransactionBatch.__slots__}
        )

    def _put_profile(self, row: TableRow) -> None:
        values = np.full((1, len(PROFILE_COLUMNS)), UNKNOWN, np.int64)
        values[0, COLUMN["version"]] = 1
        account = self._code(IdentifierKind.ACCOUNT, row.word("account"))
        if account >= 0:
            self._put_account(row, account)
        for name, value in row.fields.items():
            part = name.removeprefix("profile.")
            if name == "profile.relationship_age":
                values[0, COLUMN["customer_since_us"]] = row.booked_at_us - int(str(value))
            elif name == "profile.age_years":
                values[0, COLUMN["birth_us"]] = row.booked_at_us - (int(str(value)) * 31_556_952 + 86_400) * 1_000_000
            elif part in _SINCE:
                values[0, COLUMN[_SINCE[part]]] = row.booked_at_us - int(str(value))
            elif not name.startswith("profile."):
                continue
            elif part in _IDENTIFIED:
                values[0, COLUMN[part]] = self.identifiers.code(_IDENTIFIED[part], str(value))
            elif part in _CODED:
                values[0, COLUMN[part]] = CLOSED[_CODED[part]].index(str(value))
            elif part in ("residence", "nationality"):
                values[0, COLUMN[part]] = COUNTRY_CODE[str(value)]
            elif part in ("is_pep", "is_occasional"):
                values[0, COLUMN[part]] = int(bool(value))
            elif part in _MONEY and isinstance(value, tuple):
                values[0, COLUMN[part]], values[0, COLUMN[_MONEY[part]]] = value[0], CURRENCY_CODE[value[1]]
        holder = self._code(IdentifierKind.CUSTOMER, row.word("customer"))
        self.profiles.put(np.array([holder], np.int32), values)

    def _put_account(self, row: TableRow, account: int) -> None:
        """Opening and kind of the row's account; unknown where the row does not state them."""
        age, kind = row.fields.get("profile.account_age"), row.word("profile.account_kind")
        opened = UNKNOWN if age is None else row.booked_at_us - int(str(age))
        code = UNKNOWN if kind is None else CLOSED["account_kind"].index(kind)
        self.profiles.put_accounts(np.array([account], np.int32), np.array([opened]), np.array([code]))

    def _put_snapshot(self) -> None:
        """The peers and hubs of the test hold throughout; without any, there is no snapshot."""
        peers, engine = self.engine.peers, self.engine
        engine.day = _LAST_DAY
        if not self.test.peers and not self.test.hubs:
            return
        quantiles = np.full((1, max(len(peers.peers), 1)), UNKNOWN, np.int64)
        for name, text in self.test.peers.items():
            window, measure, quantile = name.removeprefix("peer.").split(".")
            column = engine.program.rules[0].measures[window, measure][0]
            if (column, quantile) in peers.peers:
                quantiles[0, peers.peers.index((column, quantile))] = self._peer_value(window, measure, text)
        holders = engine.admission.spaces[0]
        hubs = [holders.row_for(self.identifiers.code(IdentifierKind.CUSTOMER, name)) for name in self.test.hubs]
        peers.make_room(holders.count + 1)
        peers.use(BankSnapshot(1, 0, 0, quantiles, np.array(hubs, np.int32)))

    def _peer_value(self, window: str, measure: str, text: str) -> int:
        unit = next(m.unit for m in self.rule.windows[window].measures if m.name == measure)
        return parse_amount_minor(text, unit.detail or "USD") if unit.kind is Kind.MONEY else int(Decimal(text))


def _rates(rule: Rule, test: TableTest) -> dict[str, Rates]:
    """The rates that the test states, published a day before it begins; opposite pairs are read from them."""
    home = table_currency(rule)
    pairs = {(source, home): Fraction(rate) for source, rate in test.rates.items()}
    pairs |= {(home, source): 1 / rate for (source, _), rate in pairs.items()}
    return {target: _into(target, pairs, test.start_us - DAY_US) for target in {target for _, target in pairs} | {home}}


def _into(target: str, pairs: dict[tuple[str, str], Fraction], published_us: int) -> Rates:
    start, numerator, denominator = [0], [], []
    for code, source in enumerate(CURRENCIES):
        if (source, target) in pairs:
            rate = pairs[source, target] * Fraction(10) ** (DECIMALS[CURRENCY_CODE[target]] - DECIMALS[code])
            numerator.append(rate.numerator)
            denominator.append(rate.denominator)
        start.append(len(numerator))
    return Rates(
        CURRENCY_CODE[target], np.array(start), np.full(len(numerator), published_us, np.int64),
        np.array(numerator, np.int64), np.array(denominator, np.int64),
    )  # fmt: skip


def _given(row: TableRow, *, own_is_debtor: bool) -> int:
    """The bits of ``given`` as the row's truths state them."""
    bits = 0
    for bit, what in enumerate(("name", "address", "identification")):
        for name, is_debtor in ((f"{what}_given", own_is_debtor), (f"counterparty_{what}_given", not own_is_debtor)):
            if row.fields.get(name) is True:
                bits |= 1 << (bit if is_debtor else bit + 3)
    return bits


def _column(value: int, type_name: str) -> npt.NDArray[np.signedinteger]:
    for name, dtype in (("Int64s", np.int64), ("Int32s", np.int32), ("Int16s", np.int16)):
        if name in type_name:
            return np.array([value], dtype)
    types = {"int64": np.int64, "int32": np.int32, "int16": np.int16}
    return np.array([value], next(dtype for name, dtype in types.items() if name in type_name))
