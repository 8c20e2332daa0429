"""Measuring again needs a history and a vault of one store."""

from pathlib import Path

import numpy as np
import pytest

from monitor.adapters.history_parts import STORED
from monitor.app.replaying import batches
from monitor.app.store import StoreFiles
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.transaction import TransactionBatch


def written(place: Path, customer: str) -> None:
    """A store with one payment of a customer."""
    files = StoreFiles.open(place)
    files.identifiers.encode(IdentifierKind.CUSTOMER, [customer])
    payment = TransactionBatch(*(np.zeros(1, field.type.to_pandas_dtype()) for field in STORED))
    files.history.append(payment, files.identifiers.tokens)
    files.commit()
    files.close()


def read(place: Path) -> list[int]:
    """Holders of the recorded payments, after a restart."""
    files = StoreFiles.open(place)
    files.identifiers.append(*files.vault.identifiers())
    found = [int(code) for batch in batches(files) for code in batch.debtor_holder]
    files.close()
    return found


def test_a_history_beside_the_vault_of_another_store_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AML_TOKEN_KEY", "ab" * 32)
    written(tmp_path / "ann.db", "ann")
    written(tmp_path / "bob.db", "bob")
    assert read(tmp_path / "ann.db") == [0]
    (tmp_path / "bob.data" / "vault").rename(tmp_path / "bob.data" / "own")
    (tmp_path / "ann.data" / "vault").rename(tmp_path / "bob.data" / "vault")
    with pytest.raises(LookupError, match="belong to different stores"):
        read(tmp_path / "bob.db")
