"""What may be attached is known by what is in it."""

import io
import zipfile

import pytest

from monitor.casework.attachments import ATTACHMENT_BYTES_MAX, NAME_CHARACTERS_MAX, attachment, safe_name
from monitor.casework.lifecycle import MoveRefused


def office(*names: str) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return body.getvalue()


PDF, PNG, JPEG = b"%PDF-1.7\n...", b"\x89PNG\r\n\x1a\n...", b"\xff\xd8\xff\xe0..."
DOCX, XLSX = (office("[Content_Types].xml", part) for part in ("word/document.xml", "xl/workbook.xml"))


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("deed.pdf", PDF, "pdf"), ("a.PNG", PNG, "png"), ("a.jpg", JPEG, "jpeg"), ("a.jpeg", JPEG, "jpeg"),
        ("n.txt", "Grüße, 你好\n".encode(), "text"), ("t.csv", b"\xef\xbb\xbfa,b\r\n1,2\r\n", "text"),
        ("d.docx", DOCX, "docx"), ("x.xlsx", XLSX, "xlsx"),
    ],
)  # fmt: skip
def test_what_is_what_it_says_is_taken(name: str, content: bytes, kind: str):
    taken = attachment(name, content)
    assert (taken.name, taken.kind, taken.content) == (name, kind, content)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.exe", b"MZ...", "not taken"), ("a.html", b"<script>", "not taken"), ("a.svg", b"<svg/>", "not taken"),
        ("a.zip", office("a"), "not taken"), ("a.js", b"x", "not taken"), ("pdf", PDF, "not taken"),
        ("a.pdf.exe", PDF, "not taken"), ("a.pdf", b"MZ\x90", "holds no pdf"), ("a.pdf", PNG, "holds no pdf"),
        ("a.png", b"<html>", "holds no png"), ("a.txt", b"MZ\x90\x00\x03", "holds no text"),
        ("a.csv", b"\xff\xfe\x00a", "holds no text"), ("a.docx", XLSX, "holds no docx"),
        ("a.docx", b"PK\x03\x04", "no docx"),
        ("a.docx", office("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"), "holds no docx"),
        ("a.xlsx", office("[Content_Types].xml", "xl/workbook.xml", "xl/externalLinks/externalLink1.xml"), "no xlsx"),
        ("a.xlsx", office("[Content_Types].xml", "xl/workbook.xml", "xl/activeX/activeX1.bin"), "holds no xlsx"),
        ("a.pdf", b"", "is empty"), ("a.pdf", b"%PDF-" + bytes(ATTACHMENT_BYTES_MAX), "10 MiB is the limit"),
    ],
)  # fmt: skip
def test_what_is_something_else_is_refused_with_the_reason(name: str, content: bytes, words: str):
    with pytest.raises(MoveRefused, match=words):
        attachment(name, content)


def test_a_file_of_the_largest_size_is_taken():
    assert attachment("a.pdf", b"%PDF-" + bytes(ATTACHMENT_BYTES_MAX - 5)).kind == "pdf"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"), ("C:\\temp\\a.pdf", "a.pdf"), ("a\r\nSet-Cookie: x.pdf", "aSet-Cookie x.pdf"),
        ("a\u202efdp.exe", "afdp.exe"), ("\x00", "file"), ("..", "file"), ("证明.pdf", "证明.pdf"),
        ('a"b.pdf', "ab.pdf"),
        ("x" * 300 + ".pdf", "x" * (NAME_CHARACTERS_MAX - 4) + ".pdf"),
    ],
)  # fmt: skip
def test_a_name_leads_nowhere(name: str, safe: str):
    assert safe_name(name) == safe
