"""The files of an embedded store: the database, and beside it the folder with everything else.

``bank.db`` goes with ``bank.data/``: ``token.key``, ``history/``, ``vault/``, ``snapshots/``, ``inputs/`` and the
quarantine. Together they are one store; copy or move them together.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from monitor.adapters.background import BackgroundWriter
from monitor.adapters.history import HistoryStore
from monitor.adapters.quarantine import Quarantine
from monitor.adapters.snapshot_objects import FolderObjects
from monitor.adapters.snapshots import SnapshotStore
from monitor.adapters.vault import PlainVault
from monitor.intake.identifiers import IdentifierTable

KEY_VARIABLE = "AML_TOKEN_KEY"
KEY_BYTES = 32
RECENT_IDS_MAX = 100_000


class StoreFilesError(Exception):
    """The store's files do not fit together; the message says which and what to do."""


def data_folder(db: Path) -> Path:
    """The folder that belongs to a database file.

    >>> data_folder(Path("demo/bank.db")).as_posix()
    'demo/bank.data'
    """
    return db.with_suffix(".data")


def token_key(folder: Path) -> bytes:
    """The key of the tokens: of the environment (64 hex digits) or the store's own file, made at first use.

    Raises:
        StoreFilesError: The environment's key is no 64 hex digits, or is another than the store's.
    """
    given, path = os.environ.get(KEY_VARIABLE), folder / "token.key"
    stored = bytes.fromhex(path.read_text()) if path.exists() else None
    if given is None and stored is not None:
        return stored
    try:
        key = bytes.fromhex(given) if given else os.urandom(KEY_BYTES)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreFilesError(f"{KEY_VARIABLE} is no key: 64 hexadecimal digits are needed. Unset it to let the store "
                              "make its own.")  # fmt: skip
    if stored is not None and stored != key:
        raise StoreFilesError(f"{KEY_VARIABLE} is another key than the one in {path}: identifiers would get other "
                              "tokens and nothing would match. Unset it, or use another --db.")  # fmt: skip
    if stored is None:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(key.hex())
    return key


@dataclass(slots=True)
class StoreFiles:
    """Everything beside the database, open."""

    folder: Path
    identifiers: IdentifierTable
    vault: PlainVault
    history: HistoryStore
    quarantine: Quarantine
    snapshots: SnapshotStore
    writer: BackgroundWriter
    recent_ids: dict[int, str] = field(default_factory=dict)

    @classmethod
    def open(cls, db: Path, *, is_begun: bool = False) -> "StoreFiles":
        """Open the files of a store; those of a new one are made.

        Raises:
            StoreFilesError: The database has records already, and its folder is not there.
        """
        folder = data_folder(db)
        if is_begun and not (folder / "vault").is_dir():
            raise StoreFilesError(
                f"{db} has records, and {folder}, where their identifiers and their history lie, is not there. "
                "Bring both back from the same backup, or start another store with --db."
            )
        folder.mkdir(parents=True, exist_ok=True)
        writer = BackgroundWriter()
        return cls(
            folder=folder,
            identifiers=IdentifierTable(token_key(folder)),
            vault=PlainVault(folder / "vault", writer=writer),
            history=HistoryStore(folder / "history", writer=writer),
            quarantine=Quarantine(folder),
            snapshots=SnapshotStore(FolderObjects(folder / "snapshots")),
            writer=writer,
        )

    def go_back_to(self, *, position: int, identifiers: int, quarantine_bytes: int) -> None:
        """Forget what was written beyond the last commit, and read the identifiers back."""
        self.vault.truncate_to(position, identifiers)
        self.history.truncate_to(position, identifiers)
        self.quarantine.truncate_to(quarantine_bytes)
        self.identifiers.append(*self.vault.identifiers())

    def commit(self) -> None:
        """Make everything appended durable: identifiers, texts, history and refused records."""
        self.vault.append_identifiers(*self.identifiers.export(self.vault.identifier_count))
        self.vault.commit()
        self.history.commit()
        self.quarantine.commit()

    def subject(self, token: str) -> str:
        """The source's own identifier behind a token; the token where it is not held."""
        code = self.identifiers.code_of_token(bytes.fromhex(token))
        return self.identifiers.text(code) if code >= 0 else token

    def transaction_ids(self, positions: tuple[int, ...]) -> list[str]:
        """The source's own transaction ids at log positions."""
        return [self._transaction_id(position) for position in positions]

    def _transaction_id(self, position: int) -> str:
        """Alerts of one subject name much the same transactions, so the latest ids are kept at hand."""
        known = self.recent_ids.get(position)
        if known is None:
            known = self.vault.transaction_id(position) or f"#{position}"
            if len(self.recent_ids) >= RECENT_IDS_MAX:
                self.recent_ids.clear()
            self.recent_ids[position] = known
        return known

    def close(self) -> None:
        """Close all files; what was not committed is forgotten at the next start."""
        self.vault.close()
        self.history.close()
        self.quarantine.close()
        self.writer.close()
