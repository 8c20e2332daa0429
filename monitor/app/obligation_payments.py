"""The payments of an obligation with what a report names: when, how much, in which currency, where."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.adapters.history_reading import HistoryReader
from monitor.adapters.vault import PlainVault
from monitor.app.resolving import open_tokens, stored_token_key
from monitor.app.store import data_folder
from monitor.domain.money import CURRENCIES
from monitor.domain.time import UNKNOWN
from monitor.domain.vocabulary import CHANNELS


@dataclass(frozen=True, slots=True)
class ReportedPayment:
    """One payment; what the store beside the database does not hold is ``None``."""

    position: int
    transaction_id: str
    booked_at_us: int | None = None
    amount_minor: int | None = None
    currency: str | None = None
    channel: str | None = None
    branch: str | None = None


def reported_payments(db: str, positions: tuple[int, ...]) -> list[ReportedPayment]:
    """The payments at log positions, in their order. Without a history beside the database, positions only."""
    folder = data_folder(Path(db)) if "://" not in db else None
    key = stored_token_key(folder) if folder else None
    if not positions or folder is None or key is None or not (folder / "vault" / "identifiers.blocks").exists():
        return [ReportedPayment(position, f"#{position}") for position in positions]
    wanted, tokens = np.array(positions, np.int64), open_tokens(folder, key)

    def is_wanted(table: pa.Table) -> npt.NDArray[np.bool_]:
        return np.asarray(np.isin(table.column("position").to_numpy(), wanted), bool)

    rows = HistoryReader(folder / "history").rows(is_wanted, columns=(), stop=max(positions) + 1).to_pylist()
    vault = PlainVault(folder / "vault", read_only=True)
    try:
        found = {int(row["position"]): _payment(row, vault, tokens.text) for row in rows}
    finally:
        vault.close()
    return [found.get(position, ReportedPayment(position, f"#{position}")) for position in positions]


def _payment(row: dict[str, Any], vault: PlainVault, text: Any) -> ReportedPayment:
    position = int(row["position"])
    return ReportedPayment(
        position=position,
        transaction_id=vault.transaction_id(position) or f"#{position}",
        booked_at_us=row["booked_at_us"],
        amount_minor=None if row["amount_minor"] == UNKNOWN else row["amount_minor"],
        currency=CURRENCIES[row["currency"]],
        channel=CHANNELS[row["channel"]] if row["channel"] >= 0 else None,
        branch=text(row["branch"].hex()) if row["branch"] is not None else None,
    )
