"""What wires and card payments carry besides: names, addresses, identifications, merchant categories.

Nothing is drawn: each follows from the account by a fixed scramble, so that a party has one name for ever, and all else
of a payment is what it was before there were any. Licit and injected payments carry the same.
"""

import numpy as np
import numpy.typing as npt

from monitor.app.simulate.draws import Int64s, mixed, remainder
from monitor.app.simulate.names import Table, table_of
from monitor.app.simulate.population import Population
from monitor.domain.vocabulary import CHANNELS

_GIVEN_NAMES = ("Ada", "Amir", "Anna", "Ben", "Carmen", "Chidi", "Dana", "Elif", "Emma", "Farid", "Grace",
                "Hana", "Igor", "Ines", "Jonas", "Kofi", "Lena", "Luis", "Mei", "Nora", "Olav", "Priya", "Rosa",
                "Tomás")  # fmt: skip
_FAMILY_NAMES = ("Abara", "Berg", "Castro", "Demir", "Eze", "Fischer", "García", "Haddad", "Ivanov", "Jensen", "Kim",
                 "Larsen", "Moreau", "Nguyen", "Okafor", "Patel", "Quinn", "Rossi", "Silva", "Tanaka", "Usman",
                 "Vasquez", "Wang", "Yilmaz")  # fmt: skip
_TRADES = ("Bakery", "Books", "Cars", "Electric", "Foods", "Freight", "Furniture", "Metals", "Paper", "Seafood",
           "Textiles", "Timber", "Tools", "Travel", "Wines", "Works")  # fmt: skip
_STREETS = ("Bridge Street", "Church Road", "Garden Lane", "Harbour Road", "High Street", "Mill Lane", "Park Avenue",
            "School Street", "Station Road", "Storgata")  # fmt: skip
MERCHANT_CATEGORIES = ("4111", "4121", "4814", "5311", "5411", "5541", "5651", "5732", "5812", "5814", "5912", "5942",
                       "7011", "7832", "8011", "8999")  # fmt: skip
"""Everyday trades of ISO 18245; no gambling, no money orders, no crypto-assets."""

_PEOPLE = [f"{given} {family}" for given in _GIVEN_NAMES for family in _FAMILY_NAMES]
_FIRMS = [f"{family} {trade} Ltd" for family in _FAMILY_NAMES for trade in _TRADES]
_ADDRESSES_MAX = 199
_IDENTIFICATIONS = 4_096
_CARD, _WIRE = CHANNELS.index("card"), CHANNELS.index("wire")
_NAME, _ADDRESS, _IDENTIFICATION, _MERCHANT, _FIRM = range(301, 306)
"""Salts of the scramble."""

NAMES = table_of([*_PEOPLE, *_FIRMS])
ADDRESSES = table_of([f"{number} {street}" for street in _STREETS for number in range(1, _ADDRESSES_MAX + 1)])
IDENTIFICATIONS = table_of([f"ID{1_000_003 + 1_237 * number}" for number in range(_IDENTIFICATIONS)])
MERCHANTS = table_of(list(MERCHANT_CATEGORIES))

Codes = npt.NDArray[np.int32]


def _where(is_carried: npt.NDArray[np.bool_], codes: Int64s) -> Codes:
    return np.where(is_carried, codes, -1).astype(np.int32)


def _party(account: Codes, population: Population) -> tuple[Int64s, npt.NDArray[np.bool_]]:
    """What names go by, the holder of an account of ours and else the account, and whether it is a firm."""
    is_ours = (account >= 0) & (account < population.own_accounts)
    owner = population.owner[np.where(is_ours, account, 0)].astype(np.int64)
    party = np.where(is_ours, owner, account.astype(np.int64) + (1 << 40))
    is_firm = np.where(is_ours, ~population.is_person[owner], remainder(mixed(party, _FIRM), 2) == 0)
    return party, is_firm


def wire_columns(
    side: str, account: Codes, channel: npt.NDArray[np.int8], population: Population
) -> list[tuple[str, Table, Codes]]:
    """Name and address of one side of the payments that are wires, and the identification of the payer."""
    party, is_firm = _party(account, population)
    is_carried = (channel == _WIRE) & (account >= 0)
    scrambled = mixed(party, _NAME)
    person, firm = remainder(scrambled, len(_PEOPLE)), len(_PEOPLE) + remainder(scrambled, len(_FIRMS))
    found = [
        (f"{side}_name", NAMES, _where(is_carried, np.where(is_firm, firm, person))),
        (f"{side}_address", ADDRESSES, _where(is_carried, remainder(mixed(party, _ADDRESS), len(ADDRESSES)))),
    ]
    if side == "debtor":
        number = remainder(mixed(party, _IDENTIFICATION), len(IDENTIFICATIONS))
        found.append((f"{side}_identification", IDENTIFICATIONS, _where(is_carried, number)))
    return found


def merchant_categories(account: Codes, channel: npt.NDArray[np.int8]) -> Codes:
    """The category of the merchant that a card pays; one account has one."""
    category = remainder(mixed(account.astype(np.int64), _MERCHANT), len(MERCHANTS))
    return _where((channel == _CARD) & (account >= 0), category)
