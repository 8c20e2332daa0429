"""What the REST interface takes and gives, as schemas. Money is decimal text, time ISO 8601 UTC, unknown is null."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from monitor.casework.lifecycle import NOTE_CHARACTERS_MAX
from monitor.casework.reasons import CLOSE_REASONS, MOVE_REASONS
from monitor.domain.case import OUTCOMES
from monitor.domain.time import parse_time_us

ID_MAX = 64
_REASONS = sorted({code for codes in (*CLOSE_REASONS.values(), *MOVE_REASONS.values()) for code in codes})


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds NUL, which no store can keep")
    return text


def _moment(text: str) -> str:
    parse_time_us(text)
    return text


Word = Annotated[str, StringConstraints(min_length=1, max_length=ID_MAX), AfterValidator(_storable)]
Note = Annotated[str, StringConstraints(min_length=1, max_length=NOTE_CHARACTERS_MAX), AfterValidator(_storable)]
Moment = Annotated[
    str,
    AfterValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-05-04T09:00:00Z"]}),
]


class Given(BaseModel):
    """A body that is sent: nothing that is not in its form is accepted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NoteGiven(Given):
    """A note."""

    text: Note


class MoveGiven(Given):
    """What a move needs; docs/cases.md has the table of moves and reasons."""

    note: Note | None = Field(None, description="What was checked and found.")
    reason: Word | None = Field(None, description="A reason of the move.", examples=_REASONS[:3])
    outcome: Literal[OUTCOMES] | None = Field(None, description="Of close and propose.")  # type: ignore[valid-type]
    assignee: Word | None = Field(None, description="Of assign: the user who is given the case.")
    until: Moment | None = Field(None, description="Of snooze: when the case wakes.")
    duplicate_of: Word | None = Field(None, description="Of the outcome duplicate: the case that decides.")
    version: int | None = Field(
        None,
        ge=0,
        le=2**53,
        description="Refuse the move if others did something to the case since this version of it.",
    )
    checked: list[Word] = Field(
        [], max_length=100, description="Of close and propose: items of the checklist that are ticked with it."
    )


class Subject(BaseModel):
    """Whom a case or alert is about; ``id`` is shortened where the vault cannot be read here."""

    kind: str
    id: str
    token: str


class TypologyRule(BaseModel):
    """What a rule gave to a typology."""

    rule: str
    gave: float


class Typology(BaseModel):
    """The typology that the rules of a case speak for."""

    name: str
    score: float
    rules: list[TypologyRule]


class Proposal(BaseModel):
    """A decision that waits for a second person."""

    outcome: str
    reason: str
    by: str
    at: str


class CaseSummary(BaseModel):
    """A case as the queue has it."""

    case_id: str
    state: str
    subject: Subject
    priority: float
    risk: float
    lift: float | None
    urgency: float
    novelty: float
    reasons: list[str] = Field(description="The priority in words.")
    headline: str
    severity: str
    typologies: list[str]
    typology: Typology | None
    rules: list[str]
    alerts: int
    alerts_new: int | None = Field(None, description="Alerts since this service person last looked.")
    alerts_quiet: int
    alerts_after_closing: int
    amounts: dict[str, str]
    segment: str | None
    risk_rating: str | None
    booking_entity: str | None
    jurisdiction: str | None
    opened_at: str
    last_alert_at: str
    due_at: str
    is_overdue: bool
    assignee: str | None
    need_to_know: str
    outcome: str | None
    closed_at: str | None
    snoozed_until: str | None
    reopened: int
    marks: list[str]
    proposal: Proposal | None = None


class CasePage(BaseModel):
    """Some cases of the queue, in order."""

    cases: list[CaseSummary]
    next_cursor: str | None = Field(description="For the next page, with the same filters; null on the last one.")
    as_of: str = Field(description="The time by which priorities are computed, the same on all pages.")


class NoteKept(BaseModel):
    """A note of a case."""

    at: str
    author: str
    text: str


class JournalEntry(BaseModel):
    """An entry of the journal. ``payload_is_cut``: cases that are not there for the reader were left out of it."""

    chain: str
    seq: int
    at: str
    recorded_at: str
    actor: str
    action: str
    payload: dict[str, Any]
    payload_is_cut: bool = False
    hash: str
    root: int


class OtherCase(BaseModel):
    """Another case of the subject."""

    case_id: str
    state: str


class AlertBody(BaseModel):
    """An alert with its evidence; the keys are those of docs/alerts.md, and more may be added."""

    model_config = ConfigDict(extra="allow")

    alert_id: str
    event_time: str
    judged_at: str
    subject: Subject
    source: dict[str, Any]
    title: str
    typology: str
    severity: str
    score: float
    status: str
    text: str
    measures: dict[str, Any]
    parameters: dict[str, Any]
    is_new: bool = Field(description="It joined since this service person last looked.")


class CheckItem(BaseModel):
    """An item of the checklist of a case."""

    item: str
    text: str
    outcomes: list[str] = Field(description="The outcomes that wait for it.")
    checked_by: str | None = Field(description="Who ticked it since the newest alert; null while it is open.")


class CaseWhole(CaseSummary):
    """A case with all that is in it."""

    version: int = Field(description="For `version` of a move.")
    checklist: list[CheckItem]
    former_case: str | None
    moves: list[str] = Field(description="The moves that the life cycle and the role allow now.")
    alerts_list: list[AlertBody]
    notes: list[NoteKept]
    other_cases: list[OtherCase]


class Alerts(BaseModel):
    """The alerts of a case in the order of joining."""

    alerts: list[AlertBody]


class Journal(BaseModel):
    """The journal of a case."""

    entries: list[JournalEntry]


class Explanation(BaseModel):
    """An alert computed again from the recorded history; ``recomputed``: same, different or not possible."""

    alert: dict[str, Any]
    recomputed: str
    differences: list[str]
    lost: list[str]
    rule: dict[str, Any] | None
    model: dict[str, Any] | None
    facts: list[dict[str, Any]]
    measures: list[dict[str, Any]]
    condition: list[dict[str, Any]]
    payments: list[dict[str, Any]]


class CaseAfter(BaseModel):
    """The case after a move. It is null where it is not there for the service person any more."""

    case_id: str
    case: CaseSummary | None


class Noted(BaseModel):
    """A note was added."""

    case_id: str
    at: str


class Scored(BaseModel):
    """An alert that a payment raised."""

    alert_id: str
    rule: str
    rule_version: int
    title: str
    typology: str
    severity: str
    score: float = Field(description="0 to 1.")
    status: str = Field(description="new, quiet, shadow or suppressed.")
    sentence: str
    leg_role: str


class Verdict(BaseModel):
    """What became of a payment."""

    transaction_id: str
    accepted: Literal[True] = True
    is_duplicate: bool = Field(description="The same payment came before; the alerts are those that it raised then.")
    position: int = Field(description="Its place in the log.")
    alerts: list[Scored]
    latency_us: int = Field(description="From arrival to the durable verdict.")


class Pending(BaseModel):
    """The verdict takes longer; ask for it at ``ask``."""

    transaction_id: str | None
    ask: str | None = Field(description="Null where the body names no transaction_id that could be read.")


class Health(BaseModel):
    """Whether the interface answers, its store does, and payments are taken."""

    live: bool
    store: bool
    engine: Literal["none", "starting", "ready", "failed"]
