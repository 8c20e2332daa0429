"""Bytes to payments: where each payment's element begins and ends, and what stands around it.

A payment lies within blocks (``Document``, the message, perhaps ``PmtInf`` or ``Ntry``). A block has a head: what
stands between its own tag and the first element of the next level. Head and payment together are a whole small
document, which lxml reads by itself (:mod:`monitor.intake.iso20022.reading`). So a damaged payment costs that payment
only, each keeps its own bytes, and memory holds one piece of the file and one payment, whatever the file's size.

Comments, CDATA and processing instructions are passed over as XML has it. Where the tags of the levels do not fit each
other, the bytes go on as *stray* and are refused, so that every byte that says something is in a payment, in a head,
or in what was refused:

- A payment without its end ends where the next tag of a level begins.
- A block without a payment is taken as a payment itself; it is one (an entry without details) or it is refused.
- Stray bytes are handed on in pieces of at most 64 KiB.
- A document type declaration, an unknown namespace or an overlong head refuse the document up to its end.

One file may hold several documents, one behind the other; then each begins with an XML declaration, or all of them
stand in one wrapper, with or without ``AppHdr``.
"""

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from lxml import etree

from monitor.domain.refusal import Reason
from monitor.intake.iso20022.tables import KNOWN, MESSAGES, Message
from monitor.intake.json_scan import RECORD_BYTES_MAX

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'

_LEVELS = sorted({level for message in MESSAGES.values() for level in message.levels})
_TOKEN = re.compile(
    rb"<(?:(?P<skip>!--|!\[CDATA\[|\?)|(?P<doctype>!DOCTYPE)"
    rb"|(?P<close>/?)(?:[\w.\-\x80-\xff]+:)?(?P<name>" + "|".join(_LEVELS).encode() + rb")(?=[\s/>]))"
)
_TAG = re.compile(rb"<[^<>\"']*(?:\"[^\"<]*\"[^<>\"']*|'[^'<]*'[^<>\"']*)*>")
_DECLARED = re.compile(rb"<\?xml\s(?:[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]*)[\"'])?")
_TOKEN_BYTES_MAX = 256
_ASIDES = {b"!--": (b"-->", b"--"), b"![CDATA[": (b"]]>", b"<![CDATA["), b"?": (b"?>", b"<")}
"""What ends a comment, CDATA or an instruction, and what must not stand before that end."""
_COMING, _TORN = -1, -2
_ASIDE = re.compile(rb"<!--(?:(?!--).)*-->|<\?[^<]*?\?>", re.DOTALL)
_HEADER = re.compile(rb"<((?:[\w.-]+:)?AppHdr)[\s>].*?</\1\s*>", re.DOTALL)
_END_TAG = re.compile(rb"</(?:[\w.-]+:)?([\w.-]+)\s*>", re.ASCII)
_ANY_TAG = re.compile(rb"</?(?:[\w.-]+:)?([\w.-]+)(?=[\s/>])", re.ASCII)
_BARE_TAG = re.compile(rb"<[^<>!]*>")


@dataclass(slots=True)
class Block:
    """An element of a level that holds payments; its head is known once the first element within begins."""

    name: str
    opening: bytes
    closing: bytes
    head: bytes = b""
    inner: int = 0
    """Elements of the next level that have begun in it."""
    payments: int = 0


@dataclass(slots=True)
class Part:
    """A payment with the blocks around it, or bytes that are none (``reason`` says why)."""

    body: bytes
    blocks: Sequence[Block] = ()
    message: Message | None = None
    level: int = 0
    """Which of the message's levels the body is."""
    is_only: bool = False
    """Whether it is the only payment of its entry, so that the entry's amount is its own."""
    reason: Reason | None = None
    detail: str = ""

    @property
    def document(self) -> bytes:
        """The payment as a document by itself, which can be run again; of stray bytes the bytes."""
        if self.reason is not None:
            return self.body
        return around([self.body], self.blocks)


def around(bodies: Sequence[bytes], blocks: Sequence[Block]) -> bytes:
    """Payments in the blocks that they stand in."""
    before = b"".join(block.opening + block.head for block in blocks)
    return b"".join([DECLARATION, before, *bodies, *(block.closing for block in reversed(blocks))])


def safe_parser() -> etree.XMLParser:
    """A parser that resolves no entity, loads no document type and opens no connection."""
    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip


@dataclass(slots=True)
class Divider:
    """Divides the bytes of a file, UTF-8, that come cut anywhere."""

    encoding: str = "utf-8"
    """The codec that the bytes had; a document that declares another one is refused."""
    _buffer: bytes = b""
    _at: int = 0
    """How far the buffer is read."""
    _start: int = 0
    """Where what is not handed on yet begins."""
    _message: Message | None = None
    _blocks: list[Block] = field(default_factory=list)
    _is_in_payment: bool = False
    _refusing: tuple[Reason, str] | None = None
    _held: Part | None = None
    _parts: list[Part] = field(default_factory=list)

    def feed(self, piece: bytes) -> list[Part]:
        """The parts that are whole with this piece."""
        self._buffer += piece
        self._read(is_over=False)
        self._let_go()
        self._buffer, self._at, self._start = self._buffer[self._start :], self._at - self._start, 0
        return self._taken()

    def finish(self) -> list[Part]:
        """The rest, at the end of the file."""
        self._read(is_over=True)
        self._end_document(len(self._buffer))
        self._release()
        return self._taken()

    def _taken(self) -> list[Part]:
        parts, self._parts = self._parts, []
        return parts

    # Reading --------------------------------------------------------------------------------------------

    def _read(self, *, is_over: bool) -> None:
        buffer = self._buffer
        while token := _TOKEN.search(buffer, self._at):
            stop = self._stop_of(token)
            if token["doctype"]:
                self._refuse_document(Reason.NOT_XML, "a document type declaration (<!DOCTYPE) is never read")
                stop = token.end()
            elif stop == _COMING and not is_over and len(buffer) - token.start() <= RECORD_BYTES_MAX:
                self._at = token.start()
                return
            elif stop < 0:
                # Without its end it is no token but text, and the payment around it is refused.
                stop = token.end()
            elif token["skip"]:
                if declared := _DECLARED.match(buffer, token.start(), stop):
                    self._end_document(token.start())
                    self._check_encoding((declared[1] or b"").decode())
            elif self._refusing is None:
                name = token["name"].decode()
                if token["close"]:
                    self._close(name, token.start(), stop)
                else:
                    self._open(name, token.start(), stop)
            self._at = stop
        rest = buffer.rfind(b"<", max(self._at, len(buffer) - _TOKEN_BYTES_MAX))
        self._at = rest if rest >= 0 and not is_over else len(buffer)

    def _stop_of(self, token: re.Match[bytes]) -> int:
        """Where a token ends; ``_COMING`` where that may come yet, ``_TORN`` where it is broken off by another.

        A damaged end must not swallow payments up to the end of the next comment, CDATA or instruction.
        """
        buffer, start = self._buffer, token.end()
        if not token["skip"]:
            tag = _TAG.match(buffer, token.start())
            if tag:
                return tag.end()
            return _TORN if buffer.find(b"<", token.start() + 1) >= 0 else _COMING
        end, fault = _ASIDES[token["skip"]]
        found = buffer.find(end, start)
        torn = buffer.find(fault, start, found if found >= 0 else len(buffer))
        if torn >= 0 and (found >= 0 or len(buffer) > torn + len(end)):
            return _TORN
        return found + len(end) if found >= 0 else _COMING

    def _open(self, name: str, start: int, stop: int) -> None:
        if not self._blocks:
            if name == "Document":
                self._open_document(start, stop)
            return
        assert self._message is not None
        levels = self._message.levels
        if self._is_in_payment:
            if name == "Document" or name not in levels:
                return
            self._end_payment(start)
        if name in levels[1 : len(self._blocks)]:
            while len(self._blocks) > levels.index(name):
                self._close_block(start, start)
        if name != levels[len(self._blocks)]:
            return
        self._enter(start)
        opening = self._buffer[start:stop]
        if name == levels[-1]:
            self._is_in_payment = True
            if opening.endswith(b"/>"):
                self._end_payment(stop)
        elif opening.endswith(b"/>"):
            self._end_payment(stop)
        else:
            self._blocks.append(Block(name, opening, _closing(opening)))
            self._start = stop

    def _close(self, name: str, start: int, stop: int) -> None:
        if self._is_in_payment:
            assert self._message is not None
            if name == self._message.levels[-1]:
                self._end_payment(stop)
                return
            if name == "Document" or name not in self._message.levels:
                return
            self._end_payment(start)
        names = [block.name for block in self._blocks]
        if name not in names:
            return
        while len(self._blocks) > names.index(name) + 1:
            self._close_block(start, start)
        self._close_block(start, stop)

    def _open_document(self, start: int, stop: int) -> None:
        opening = self._buffer[start:stop]
        try:
            found = etree.fromstring(opening.removesuffix(b">").removesuffix(b"/") + b"/>", safe_parser())
        except etree.XMLSyntaxError as error:
            self._refuse_document(Reason.NOT_XML, f"the tag of Document cannot be read: {error.msg}")
            return
        namespace = etree.QName(found).namespace or ""
        if namespace not in MESSAGES or opening.endswith(b"/>"):
            named = f"the namespace {namespace[:200]!r} is not read" if namespace else "Document has no namespace"
            self._refuse_document(Reason.MESSAGE_UNKNOWN, f"{named}; known are {KNOWN}")
            return
        self._check_outside(start)
        self._message = MESSAGES[namespace]
        self._blocks = [Block("Document", opening, _closing(opening))]
        self._start = stop

    # Ends -----------------------------------------------------------------------------------------------

    def _enter(self, start: int) -> None:
        """An element of the next level begins: what came before is the block's head, or stands between two."""
        block = self._blocks[-1]
        between = self._buffer[self._start : start]
        if block.inner == 0:
            block.head = between
        block.inner += 1
        self._check(between, is_head=block.inner == 1)
        self._start = start

    def _end_payment(self, stop: int) -> None:
        assert self._message is not None
        body, level = self._buffer[self._start : stop], len(self._blocks)
        self._start, self._is_in_payment = stop, False
        if len(body) > RECORD_BYTES_MAX:
            self._stray(body, Reason.TOO_LONG, f"a payment of {len(body)} bytes; at most {RECORD_BYTES_MAX} are read")
            return
        self._hand_on(Part(body, tuple(self._blocks), self._message, level))

    def _close_block(self, start: int, stop: int) -> None:
        block = self._blocks[-1]
        if block.inner == 0:
            self._blocks.pop()
            body = block.opening + self._buffer[self._start : start] + self._buffer[start:stop]
            self._hand_on(Part(body, tuple(self._blocks), self._message, len(self._blocks), block.name == "Ntry"))
        else:
            self._check(self._buffer[self._start : start], is_head=False)
            self._blocks.pop()
        self._start = stop
        held = self._held
        if held is not None and block.name == "Ntry" and block in held.blocks:
            held.is_only = block.payments == 1
            self._release()

    def _end_document(self, at: int) -> None:
        """A document ends here, as its declaration's successor or the file's end; it should have ended before."""
        if self._refusing is not None:
            self._stray(self._buffer[self._start : at], *self._refusing)
            self._refusing, self._start = None, at
        if not self._blocks:
            self._check_outside(at)
            return
        if self._is_in_payment:
            self._end_payment(at)
        inmost, has_payment = self._blocks[-1].name, self._blocks[-1].inner > 0
        opening = around([], self._blocks) if has_payment else b""
        while self._blocks:
            self._close_block(at, at)
        if has_payment:
            self._stray(opening, Reason.NOT_XML, f"the document ends before </{inmost}>: the rest was not delivered")

    def _check_encoding(self, declared: str) -> None:
        known = {"utf-8", "ascii"} if self.encoding == "utf-8" else {self.encoding, self.encoding[:6]}
        if declared and codec_of(declared) not in known:
            self._refuse_document(
                Reason.NOT_XML, f"declared as {declared}, and the file is read as {self.encoding}: convert it to UTF-8"
            )

    def _refuse_document(self, reason: Reason, detail: str) -> None:
        if self._refusing is None:
            self._release()
            self._refusing, self._blocks, self._is_in_payment = (reason, detail), [], False

    def _let_go(self) -> None:
        """Hand on what has grown beyond 64 KiB without an end."""
        held = self._at - self._start
        if held <= RECORD_BYTES_MAX:
            return
        if self._refusing is None and self._blocks and not self._is_in_payment and self._blocks[-1].inner == 0:
            self._refuse_document(Reason.TOO_LONG, f"the head of {self._blocks[-1].name} is longer than 64 KiB")
        reason, detail = self._refusing or (
            (Reason.TOO_LONG, "a payment without an end within 64 KiB")
            if self._is_in_payment
            else (Reason.NOT_XML, "no payment within 64 KiB")
        )
        self._is_in_payment = False
        self._stray(self._buffer[self._start : self._at], reason, detail)
        self._start = self._at

    # Handing on -----------------------------------------------------------------------------------------

    def _check(self, between: bytes, *, is_head: bool) -> None:
        """Refuse what stands in a block and is neither payment nor known there.

        Behind the last known element of a head, what is no XML is the rest of a payment without its beginning. Any
        other head that is no XML is not refused here: each payment within it is, together with it.
        """
        if not between.strip():
            return
        block = self._blocks[-1]
        assert self._message is not None
        known = self._message.around[block.name]
        try:
            unknown = self._unknown(between, known)
        except etree.XMLSyntaxError as error:
            detail = f"bytes in {block.name} that are no payment: {error.msg}"
            if is_head:
                end = max((tag.end() for tag in _END_TAG.finditer(between) if tag[1].decode() in known), default=0)
                if not end or not self._is_known(between[:end], known):
                    return
                if any(tag[1].decode() in known for tag in _ANY_TAG.finditer(between, end)):
                    return
                block.head, between = between[:end], between[end:]
            self._stray(between, Reason.NOT_XML, detail)
            return
        if unknown:
            self._stray(between, Reason.NOT_XML, f"{unknown} is not known in {block.name}")

    def _is_known(self, between: bytes, known: frozenset[str]) -> bool:
        try:
            return not self._unknown(between, known)
        except etree.XMLSyntaxError:
            return False

    def _unknown(self, between: bytes, known: frozenset[str]) -> str:
        """The first element that is not known in the inmost block, or that there is text, or ``""``.

        Raises:
            etree.XMLSyntaxError: It is no XML.
        """
        outer = [Block(each.name, each.opening, each.closing) for each in self._blocks]
        tree = etree.fromstring(around([between], outer), safe_parser())
        for _ in outer[1:]:
            tree = tree[0]
        names = [etree.QName(child).localname for child in tree]
        if any((text or "").strip() for text in (tree.text, *(child.tail for child in tree))):
            return "text"
        return next((f"<{name}>" for name in names if name not in known), "")

    def _check_outside(self, stop: int) -> None:
        between = self._buffer[self._start : stop]
        rest = _BARE_TAG.sub(b"", _HEADER.sub(b"", _ASIDE.sub(b"", between)))
        if rest.strip():
            self._stray(between, Reason.NOT_XML, "bytes that stand outside a Document")
        self._start = stop

    def _stray(self, body: bytes, reason: Reason, detail: str) -> None:
        for start in range(0, len(body), RECORD_BYTES_MAX):
            self._hand_on(Part(body[start : start + RECORD_BYTES_MAX], reason=reason, detail=detail))

    def _hand_on(self, part: Part) -> None:
        self._release()
        for block in part.blocks:
            block.payments += 1
        self._held = part
        if not any(block.name == "Ntry" for block in part.blocks):
            self._release()

    def _release(self) -> None:
        if self._held is not None:
            self._parts.append(self._held)
            self._held = None


@lru_cache(maxsize=64)
def codec_of(declared: str) -> str:
    """The codec of a declared encoding, or the name itself."""
    try:
        return codecs.lookup(declared).name
    except LookupError:
        return declared


def _closing(opening: bytes) -> bytes:
    return b"</" + re.split(rb"[\s/>]", opening[1:], maxsplit=1)[0] + b">"
