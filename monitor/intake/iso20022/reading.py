"""Payments by lxml: small documents to texts by path, and those to the columns of transactions.

Payments that stand in the same blocks are read in one document. If it is no XML, each of them is read by itself, and
what is no XML then is refused alone. The result is the same: a payment begins and ends with its own element.

A file that is declared or marked as UTF-16, ISO 8859-1, ISO 8859-15 or Windows-1252 is brought into UTF-8 first; its
originals are kept so. A byte that its encoding does not have makes the payment it stands in no XML.
"""

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
from lxml import etree

from monitor.domain.refusal import Reason
from monitor.intake.iso20022.dividing import Divider, Part, around, codec_of, safe_parser
from monitor.intake.iso20022.meaning import Books, notes_in_words, transaction_of
from monitor.intake.iso20022.tables import JOINED
from monitor.intake.record_fields import FIELDS
from monitor.intake.records import RecordChunk, SourcePosition

_DECLARED = re.compile(rb"^\s*<\?xml\s[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_FIRST = ((b"<\0?\0", "utf-16-le"), (b"\0<\0?", "utf-16-be"))
_HEAD_BYTES = 256
_ENCODINGS = frozenset({"utf-16-le", "utf-16-be", "iso8859-1", "iso8859-15", "cp1252"})
_UNSAID = frozenset({"SchmeNm", "Issr", "AdrTp", "Othr[CUST]"})
"""What ``*`` in a path leaves out: schemes, issuers and kinds, and the number that is the customer's."""
_NUL = "iso20022-nul"
codecs.register_error(_NUL, lambda error: ("\0", error.end if isinstance(error, UnicodeError) else 0))  # type: ignore[attr-defined]

Values = dict[str, list[str]]


class Read(NamedTuple):
    """A payment as read: its fields, or why there are none (a reason of refusal and a detail)."""

    fields: dict[str, str]
    reason: Reason | None = None
    detail: str = ""


class MessageReader:
    """Chunks of a file of messages; a row is a payment, or bytes that are refused.

    >>> message = b'''<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"><FIToFICstmrCdtTrf><GrpHdr>
    ... <MsgId>M1</MsgId><CreDtTm>2026-05-04T09:00:00Z</CreDtTm></GrpHdr><CdtTrfTxInf><PmtId>
    ... <EndToEndId>E1</EndToEndId><TxId>T1</TxId></PmtId><IntrBkSttlmAmt Ccy="EUR">12.5</IntrBkSttlmAmt>
    ... </CdtTrfTxInf></FIToFICstmrCdtTrf></Document>'''
    >>> (chunk,) = MessageReader([message], "in.xml", zone="UTC").chunks(SourcePosition(0, 0))
    >>> row = chunk.table.to_pylist()[0]
    >>> row["transaction_id"], row["booked_at"], row["amount"], row["currency"]
    ('T1/E1', '2026-05-04T09:00:00Z', '12.5', 'EUR')
    """

    def __init__(self, pieces: Iterable[bytes], name: str, *, zone: str, books: Books = "settlement") -> None:
        """``pieces`` are the bytes of the file, cut anywhere; they are read once. ``zone`` is that of times that
        name none, ``books`` says which message books a credit transfer."""
        self._pieces, self._name, self._zone, self._books = pieces, name, ZoneInfo(zone), books

    def chunks(self, start: SourcePosition) -> Iterator[RecordChunk]:
        """Chunks from row ``start.offset`` on; the rows before are divided, but not read."""
        row = 0
        for parts in _divided(self._pieces):
            skip = min(max(start.offset - row, 0), len(parts))
            first, row = row + skip, row + len(parts)
            if skip < len(parts):
                yield self._chunk(parts[skip:], SourcePosition(start.file, first))

    def _chunk(self, parts: Sequence[Part], start: SourcePosition) -> RecordChunk:
        read = [each for part in _alike(parts) for each in self._read(part)]
        columns = {name: pa.array([each.fields.get(name) for each in read], pa.string()) for name in FIELDS}
        return RecordChunk(
            self._name,
            start,
            SourcePosition(start.file, start.offset + len(parts)),
            start.offset + 1,
            table=pa.table(columns),
            originals=pa.array([part.document for part in parts], pa.binary()),
            faults={row: fault_of(each) for row, each in enumerate(read) if each.reason is not None},
        )

    def _read(self, parts: Sequence[Part]) -> list[Read]:
        """Payments that stand in the same blocks, or one stray."""
        if parts[0].reason is not None:
            return [Read({}, part.reason, part.detail) for part in parts]
        try:
            elements, outer = _elements(parts)
        except etree.XMLSyntaxError as error:
            if len(parts) > 1:
                return [each for part in parts for each in self._read([part])]
            return [Read({}, Reason.NOT_XML, f"{error.msg}")]
        return [self._understood(part, element, outer) for part, element in zip(parts, elements, strict=True)]

    def _understood(self, part: Part, element: etree._Element, outer: Values) -> Read:
        message = part.message
        assert message is not None
        if part.level == 0:
            return Read({}, Reason.NOT_XML, f"a Document without <{message.levels[1]}>")
        is_leaf = part.level == len(message.levels) - 1
        if not is_leaf and message.kind not in ("entry", "status"):
            return Read({}, Reason.FIELD_MISSING, f"{message.levels[part.level]}: holds no <{message.levels[-1]}>")
        values = {name: list(texts) for name, texts in outer.items()}
        name = "" if is_leaf or part.level == 1 else message.levels[part.level]
        _collect(element, f"{{{message.namespace}}}", name, values)
        notes = notes_in_words(
            *(_all(values, message.paths.get(each, ())) for each in ("note_value", "note_currency", "note_count"))
        )
        facts = {each: _text(values, paths, is_joined=each in JOINED) for each, paths in message.paths.items()}
        facts = {each: text for each, text in facts.items() if text}
        fields, evidence = transaction_of(
            message, facts, notes, is_only=part.is_only, zone=self._zone, books=self._books
        )
        return Read(fields, Reason.EVIDENCE_ONLY, evidence) if evidence else Read(fields)


def fault_of(read: Read) -> str:
    """Reason and detail in one text, as :attr:`RecordChunk.faults` holds them."""
    assert read.reason is not None
    return f"{read.reason.value}: {read.detail}"


def _divided(pieces: Iterable[bytes]) -> Iterator[list[Part]]:
    divider = None
    for piece, encoding in as_utf8(pieces):
        divider = divider or Divider(encoding)
        yield divider.feed(piece)
    if divider is not None:
        yield divider.finish()


def _alike(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Runs of parts that stand in the same blocks."""
    for _, run in groupby(parts, lambda part: (id(part.blocks[-1]) if part.blocks else 0, part.level, part.reason)):
        yield list(run)


def _elements(parts: Sequence[Part]) -> tuple[list[etree._Element], Values]:
    """The payments' elements, and the values of the heads around them.

    Raises:
        etree.XMLSyntaxError: It is no XML.
    """
    message, blocks, level = parts[0].message, parts[0].blocks, parts[0].level
    assert message is not None
    element = etree.fromstring(around([part.body for part in parts], blocks), safe_parser())
    outer: Values = {}
    namespace = f"{{{message.namespace}}}"
    for depth in range(level):
        inner = namespace + message.levels[depth + 1]
        children = [child for child in element if child.tag == inner]
        name = "" if depth < 2 else message.levels[depth]
        for child in element:
            if child.tag != inner:
                _collect(child, namespace, _joined(name, etree.QName(child).localname), outer)
        if depth == level - 1:
            if len(children) != len(parts):
                raise etree.XMLSyntaxError(f"<{message.levels[level]}> is not in the namespace of Document", 0, 0, 0)
            return children, outer
        if len(children) != 1:
            raise etree.XMLSyntaxError(f"<{message.levels[depth + 1]}> is not in the namespace of Document", 0, 0, 0)
        element = children[0]
    return [element], outer


def _collect(element: etree._Element, namespace: str, path: str, values: Values) -> None:
    """The texts of an element and of all below it by path; elements of other namespaces say nothing."""
    if not isinstance(element.tag, str) or not element.tag.startswith(namespace):
        return
    for name, text in element.attrib.items():
        values.setdefault(f"{path}@{name}", []).append(text.strip())
    if not len(element):
        if text := (element.text or "").strip():
            values.setdefault(path, []).append(text)
        return
    for child in element:
        if isinstance(child.tag, str):
            local = child.tag.rpartition("}")[2]
            if local == "Othr" and child.findtext(f"{namespace}SchmeNm/{namespace}Cd", "").strip() == "CUST":
                local = "Othr[CUST]"
            _collect(child, namespace, _joined(path, local), values)


def _joined(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _text(values: Values, paths: Sequence[str], *, is_joined: bool) -> str:
    if is_joined:
        return " ".join(_all(values, paths))
    for path in paths:
        if path.endswith("/*"):
            text = ", ".join(_below(values, path[:-1]))
        else:
            text = values[path][0] if path in values else ""
        if text:
            return text
    return ""


def _all(values: Values, paths: Sequence[str]) -> list[str]:
    return [text for path in paths for text in values.get(path, ())]


def _below(values: Values, prefix: str) -> Iterator[str]:
    for path, texts in values.items():
        if path.startswith(prefix) and "@" not in path and not _UNSAID.intersection(path[len(prefix) :].split("/")):
            yield from texts


def as_utf8(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, str]]:
    """The bytes as UTF-8, with the name of the codec that they had."""
    rest, head = iter(pieces), b""
    for piece in rest:
        head += piece
        if len(head) >= _HEAD_BYTES:
            break
    mark, encoding = next(((mark, name) for mark, name in _MARKS if head.startswith(mark)), (b"", ""))
    head = head[len(mark) :]
    if not encoding:
        encoding = next((name for first, name in _FIRST if head.startswith(first)), "")
    if not encoding:
        declared = _DECLARED.match(head)
        encoding = codec_of(declared[1].decode()) if declared else "utf-8"
    if encoding not in _ENCODINGS:
        yield head, "utf-8"
        for piece in rest:
            yield piece, "utf-8"
        return
    decoder = codecs.getincrementaldecoder(encoding)(_NUL)
    yield decoder.decode(head).encode("utf-8", "replace"), encoding
    for piece in rest:
        yield decoder.decode(piece).encode("utf-8", "replace"), encoding
    yield decoder.decode(b"", final=True).encode("utf-8", "replace"), encoding
