"""What may be attached to a case: a few kinds of files, known by what is in them and not by their names.

Nothing that is attached is ever opened or run here: it is kept byte by byte under its SHA-256 and handed out as a file
to be saved. What a reader's program would run by itself is refused: programs, pages, scripts, macros, archives.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from monitor.casework.lifecycle import MoveRefused

ATTACHMENT_BYTES_MAX: Final = 10 << 20
ATTACHMENTS_MAX: Final = 100
"""Most files of a case."""
NAME_CHARACTERS_MAX: Final = 120
KINDS: Final = {
    ".pdf": "pdf", ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".txt": "text", ".csv": "text", ".docx": "docx",
    ".xlsx": "xlsx",
}  # fmt: skip
"""By the ending of the name: what must be inside."""
_BEGINNINGS: Final = {"pdf": b"%PDF-", "png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff"}
_OFFICE: Final = {"docx": "word/document.xml", "xlsx": "xl/workbook.xml"}
_ENTRIES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that was looked at and may be kept. ``name`` has no folders and no characters that lead astray."""

    name: str
    kind: str
    content: bytes


def attachment(name: str, content: bytes) -> Attachment:
    """Look at a file before it is kept.

    >>> attachment("C:\\\\x\\\\Deed of sale.PDF", b"%PDF-1.7 ...").name
    'Deed of sale.PDF'

    Raises:
        MoveRefused: It is empty, too large, of a kind that is not taken, or not what its name says.
    """
    safe = safe_name(name)
    place = f"the file {safe!r}"
    if not content:
        raise MoveRefused(f"{place} is empty. Choose another one.")
    if len(content) > ATTACHMENT_BYTES_MAX:
        raise MoveRefused(f"{place} has {len(content)} bytes; {ATTACHMENT_BYTES_MAX >> 20} MiB is the limit. Split it.")
    ending = PurePosixPath(safe).suffix.lower()
    kind = KINDS.get(ending)
    if kind is None:
        raise MoveRefused(f"{place} is of a kind that is not taken. Kinds: {', '.join(KINDS)}. Save it as one of them.")
    if not _is(kind, content):
        raise MoveRefused(f"{place} is not what its name says: it holds no {kind}. Save it anew, or rename it rightly.")
    return Attachment(safe, kind, content)


def safe_name(name: str) -> str:
    """The name without folders, control characters and signs that turn the direction of writing.

    >>> safe_name("../../etc/pass\\x00wd"), safe_name("a\\u202efdp.exe"), safe_name("...")
    ('passwd', 'afdp.exe', 'file')
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(letter for letter in last if letter.isprintable() and letter not in '<>:"|?*').strip(" .")
    if len(kept) > NAME_CHARACTERS_MAX:
        ending = PurePosixPath(kept).suffix[:10]
        kept = kept[: NAME_CHARACTERS_MAX - len(ending)] + ending
    return kept or "file"


def _is(kind: str, content: bytes) -> bool:
    if kind in _BEGINNINGS:
        return content.startswith(_BEGINNINGS[kind])
    return _is_text(content) if kind == "text" else _is_office(kind, content)


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\t\r\n\u2028" for letter in text[: 1 << 20])


def _is_office(kind: str, content: bytes) -> bool:
    """A document of Office Open XML without macros. Only the list of its parts is read, nothing is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [entry.filename for entry in archive.infolist()[:_ENTRIES_MAX]]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return False
    active = ("vbaproject", "activex", "oleobject", "externallink")
    return (
        "[Content_Types].xml" in names
        and _OFFICE[kind] in names
        and not any(word in name.lower() for name in names for word in active)
    )
