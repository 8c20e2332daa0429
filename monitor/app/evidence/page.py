"""A case as a PDF to be read: why it is here, what was found, written and decided.

Western letters are set in Helvetica and all others in STSong-Light, fonts that every reader of PDF brings along or
replaces; none is embedded, so that the file stays small and no font has to travel with the product. A letter beyond
the first plane of Unicode is written as its number: ``case.json`` beside it has every text as it is.
"""

import io
import json
from collections.abc import Callable, Sequence
from html import escape
from itertools import groupby
from typing import Any

from reportlab.lib import colors
from reportlab.lib.enums import TA_LEFT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from monitor.adapters.sql.attachments import Attached
from monitor.adapters.sql.desk import CaseFile
from monitor.adapters.sql.information import InformationRequest
from monitor.casework.checklists import Tick
from monitor.casework.lifecycle import in_words
from monitor.domain.case import Case
from monitor.domain.money import format_amount_for_reading
from monitor.domain.time import format_time

_WESTERN, _OTHER = "Helvetica", "STSong-Light"
_TEXT = ParagraphStyle("text", fontName=_WESTERN, fontSize=9, leading=12.5, alignment=TA_LEFT, wordWrap="CJK")
_SMALL = ParagraphStyle("small", parent=_TEXT, fontSize=7.5, leading=10, textColor=colors.HexColor("#44505c"))
_TITLE = ParagraphStyle("title", parent=_TEXT, fontSize=15, leading=19, spaceAfter=4)
_HEAD = ParagraphStyle("head", parent=_TEXT, fontSize=11, leading=15, spaceBefore=9, spaceAfter=3)
_LINES = TableStyle(
    [
        ("VALIGN", (0, 0), (-1, -1), "TOP"), ("LINEBELOW", (0, 0), (-1, -1), 0.3, colors.HexColor("#c4ccd4")),
        ("LEFTPADDING", (0, 0), (-1, -1), 0), ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
    ]
)  # fmt: skip
_FACTS = ("reason", "outcome", "assignee", "finding", "tag", "item", "file", "addressee", "from_case", "to_case")

Say = Callable[[str], str]


def case_pdf(
    file: CaseFile,
    *,
    customer: str,
    requests: Sequence[InformationRequest],
    ticks: Sequence[Tick],
    files: Sequence[Attached],
    by: str,
    at_us: int,
    say: Say,
) -> bytes:
    """The PDF of a case, the same bytes for the same arguments. ``say`` puts labels into the reader's language."""
    pdfmetrics.registerFont(UnicodeCIDFont(_OTHER))
    case = file.case
    parts: list[Flowable] = [
        _text(f"{say('Case')} {case.case_id}", _TITLE),
        _text(f"{case.typology.name if case.typology else ', '.join(case.typologies)}: {case.headline}"),
        _table(_facts(case, customer, say), (38 * mm, 136 * mm)),
        _text(say("Alerts"), _HEAD),
    ]
    for alert in file.alerts:
        evidence = alert.evidence
        source = f"{evidence['source']['id']} v{evidence['source']['version']}"
        parts.append(_text(evidence["text"]))
        parts.append(
            _text(f"{_minute(alert.judged_at_us)} · {source} · {evidence['severity']} · {alert.alert_id}", _SMALL)
        )
        numbers = [
            *((name, _quantity(each), "") for name, each in evidence["measures"].items()),
            *((name, f"{each['value']} {each['unit']}", each["cite"]) for name, each in evidence["parameters"].items()),
        ]
        if numbers:
            parts.append(_table(numbers, (60 * mm, 38 * mm, 76 * mm), _SMALL))
        parts.append(Spacer(1, 4))
    notes = [(_minute(each.at_us), each.author, each.text) for each in file.notes]
    asked = [
        (_minute(each.at_us), f"{each.by}: {each.addressee.replace('_', ' ')}",
         each.question + (f"\n— {each.ended_by}: {each.answer or each.ended}" if each.ended else ""))
        for each in requests
    ]  # fmt: skip
    done = [(_minute(each.at_us), each.by, each.item.replace("_", " ")) for each in ticks]
    held = [(_minute(each.at_us), each.by, f"{each.file_name} ({each.bytes} bytes)\n{each.sha256}") for each in files]
    acts = [(_minute(each.at_us), each.actor, _act(each.action, each.payload)) for each in file.journal]
    sections = (("Notes", notes), ("Requests for information", asked), ("Checklist", done), ("Files", held),
                ("What was done", acts))  # fmt: skip
    for label, rows in sections:
        if rows:
            parts += [_text(say(label), _HEAD), _table(rows, (30 * mm, 34 * mm, 110 * mm))]
    last = file.journal[-1].hash if file.journal else ""
    parts.append(Spacer(1, 8))
    parts.append(_text(f"{by}, {_minute(at_us)} UTC. {case.case_id}: {last}", _SMALL))
    return _built(parts, case.case_id)


def _built(parts: list[Flowable], title: str) -> bytes:
    body = io.BytesIO()
    document = SimpleDocTemplate(
        body, pagesize=A4, leftMargin=18 * mm, rightMargin=18 * mm, topMargin=16 * mm, bottomMargin=16 * mm,
        title=title, author="aml", invariant=1, pageCompression=0,
    )  # fmt: skip

    def number(canvas: Any, page: Any) -> None:
        canvas.setFont(_WESTERN, 7.5)
        canvas.drawRightString(A4[0] - 18 * mm, 9 * mm, f"{title}   {page.page}")

    document.build(parts, onFirstPage=number, onLaterPages=number)
    return body.getvalue()


def _facts(case: Case, customer: str, say: Say) -> list[tuple[str, str]]:
    amounts = ", ".join(format_amount_for_reading(amount, name) for name, amount in sorted(case.amounts.items()))
    closed = _minute(case.closed_at_us) if case.closed_at_us is not None else "–"
    listed = {
        "Customer": customer, "Segment": case.segment or "–", "Rating": case.risk_rating or "–", "Amount": amounts,
        "Severity": case.severity, "Status": in_words(case.state), "Assignee": case.assignee or "–",
        "Opened": _minute(case.opened_at_us), "Due": _minute(case.due_at_us), "Closed": closed,
    }  # fmt: skip
    return [(say(label), say(value)) for label, value in listed.items()]


def _act(action: str, payload: str) -> str:
    facts = json.loads(payload)
    named = [f"{name} {str(facts[name]).replace('_', ' ')}" for name in _FACTS if facts.get(name)]
    return ", ".join([action.replace("_", " "), *named])


def _quantity(given: dict[str, Any]) -> str:
    return "unknown" if given["value"] is None else f"{given['value']} {given['unit']}"


def _minute(time_us: int) -> str:
    return format_time(time_us)[:16].replace("T", " ")


def _table(rows: Sequence[Sequence[str]], widths: Sequence[float], style: ParagraphStyle = _TEXT) -> Table:
    return Table([[_text(cell, style) for cell in row] for row in rows], colWidths=list(widths), style=_LINES)


def _text(text: str, style: ParagraphStyle = _TEXT) -> Paragraph:
    return Paragraph(set_in_fonts(text), style)


def set_in_fonts(text: str) -> str:
    """A text as markup in which every letter has a font that can show it.

    >>> set_in_fonts("a < b"), set_in_fonts("见"), set_in_fonts("\U0001f642")
    ('a &lt; b', '<font name="STSong-Light">见</font>', '[U+1F642]')
    """
    clean = "".join(_shown(letter) for letter in text)
    runs = [("".join(run), is_western) for is_western, run in groupby(clean, _is_western)]
    marked = [escape(run) if is_western else f'<font name="{_OTHER}">{escape(run)}</font>' for run, is_western in runs]
    return "".join(marked).replace("\n", "<br/>")


def _shown(letter: str) -> str:
    if letter == "\n" or letter.isprintable():
        return letter if ord(letter) <= 0xFFFF else f"[U+{ord(letter):X}]"
    return " " if letter.isspace() else f"[U+{ord(letter):04X}]"


def _is_western(letter: str) -> bool:
    try:
        letter.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True
