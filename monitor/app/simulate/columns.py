"""Rows as named text columns: the one place that says which published field takes which text.

Both writers use it, so that the JSON lines and the Parquet file cannot disagree.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.app.simulate.names import Names, Table
from monitor.app.simulate.particulars import MERCHANTS, merchant_categories, wire_columns
from monitor.app.simulate.population import Population
from monitor.app.simulate.rows import Rows

Int32s = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A published field: codes of shape (n,) into ``table``; ``-1`` is an absent value."""

    name: str
    table: Table
    codes: Int32s
    is_large: bool = False
    """Many different values: a dictionary would cost more than it saves."""


def text_columns(rows: Rows, population: Population, names: Names) -> list[TextColumn]:
    """The text fields of the transaction without ids, times and amount."""
    columns = []
    for side, account in (("debtor", rows.debtor), ("creditor", rows.creditor)):
        is_known = account >= 0
        is_ours = is_known & (account < population.own_accounts)
        owner = population.owner[np.where(is_ours, account, 0)]
        country = np.where(is_known, population.country[account], np.int8(-1)).astype(np.int32)
        agent = np.where(is_known, population.agent[account], np.int16(-1)).astype(np.int32)
        columns += [
            TextColumn(f"{side}_account", names.account, account, True),
            TextColumn(f"{side}_customer", names.customer, np.where(is_ours, owner, np.int32(-1)), True),
            TextColumn(f"{side}_country", names.country, country),
            TextColumn(f"{side}_agent", names.agent, agent),
            *(TextColumn(*each) for each in wire_columns(side, account, rows.channel, population)),
        ]
    return [
        *columns,
        TextColumn("currency", names.currency, rows.currency.astype(np.int32)),
        TextColumn("channel", names.channel, rows.channel.astype(np.int32)),
        TextColumn("purpose", names.purpose, rows.purpose.astype(np.int32)),
        TextColumn("remittance", names.text, rows.text.astype(np.int32)),
        TextColumn("booking_entity", names.entity, rows.entity.astype(np.int32)),
        TextColumn("status", names.status, rows.status.astype(np.int32)),
        TextColumn("conductor", names.customer, rows.conductor, True),
        TextColumn("device", names.device, rows.device, True),
        TextColumn("branch", names.branch, rows.branch.astype(np.int32)),
        TextColumn("merchant_category", MERCHANTS, merchant_categories(rows.creditor, rows.channel)),
    ]
