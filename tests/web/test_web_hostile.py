"""Hostile text in every field of every form, in every parameter of a page, and in every text of the REST interface.

Forms are found by walking the pages, so a new field is tried without anybody thinking of it.
"""

import html
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from monitor.web.pace import Limits, Paces
from tests.web.robots import Robots
from tests.web.workbench import PASSWORD, Workbench, csrf_of

MARK = "zq9"
HOSTILE = {
    "sql": f"{MARK}' OR '1'='1'; DROP TABLE cases; --",
    "sql wildcards": f"%_{MARK}%\\_",
    "html": f'{MARK}"><script>alert(1)</script><img src=x onerror=alert(1)>',
    "attribute": f"{MARK}' onfocus='alert(1)' autofocus='",
    "end of a field": f"{MARK}</textarea></title><svg/onload=alert(1)>",
    "template": MARK + "{{7*191}}${7*191}#{7*191}<%= 7*191 %>{%raw%}",
    "header": f"{MARK}\r\nSet-Cookie: evil=1\r\n\r\n<html>",
    "formula": f"=cmd|' /C calc'!A0{MARK} A1",
    "null byte": f"{MARK}\x00after",
    "right to left": f"\u202e{MARK}\u2066\u200b\ufeff",
    "long": MARK + "é" * 30_000,
    "path": f"../../../../etc/passwd/{MARK}/end",
    "script": f"javascript:alert('{MARK}')",
}
RAW = ("<script>alert", "<img src=x", "<svg/onload", f"{MARK}'", f'{MARK}">', f"{MARK}</textarea></title>")


@dataclass
class Form:
    """A form of a page: where it goes and what it holds."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)


class Forms(HTMLParser):
    """The forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self.is_inside = False

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        named = dict(given)
        if tag == "form":
            self.found.append(Form(named.get("method") or "get", named.get("action") or "", {}))
            self.is_inside = True
        name = named.get("name")
        if not self.is_inside or not name:
            return
        form = self.found[-1]
        form.fields.setdefault(name, named.get("value") or "")
        kind = named.get("type") or "text"
        if name != "csrf" and (tag in ("textarea", "select") or (tag == "input" and kind != "checkbox")):
            form.texts.append(name)

    def handle_endtag(self, tag: str) -> None:
        self.is_inside = self.is_inside and tag != "form"


def forms_of(text: str) -> list[Form]:
    parser = Forms()
    parser.feed(text)
    return parser.found


def check(text: str, headers: dict[str, str], what: str) -> None:
    """Nothing of the hostile text has become markup, a header, or the value of an expression."""
    for raw in RAW:
        assert raw not in text, (what, raw)
    assert "1337" not in text, what
    assert "evil" not in headers.get("set-cookie", ""), what
    assert not any("\n" in value or "\r" in value for value in headers.values()), what
    assert "Traceback" not in text, what
    assert "sqlite" not in text.lower(), what


def is_whole(bench: Workbench, cases: int) -> bool:
    return len(bench.cases()) == cases and bench.store.verify().findings == ()


@pytest.fixture
def unhurried(bench: Workbench) -> Workbench:
    """A workbench that waits for nobody."""
    object.__setattr__(bench.app.state.desk, "paces", Paces(Limits(10**9, 10**9, 10**9, 10**9)))
    return bench


def pages_of(bench: Workbench, who: str) -> list[str]:
    case = bench.cases()[0].case_id
    return {"officer": ["/queue", f"/cases/{case}"], "administrator": ["/users"], "": ["/sign-in"]}[who]


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("who", ["officer", "administrator", ""])
def test_hostile_text_in_any_field_of_a_form_stays_text(unhurried: Workbench, who: str, kind: str):
    bench, cases = unhurried, len(unhurried.cases())
    client = bench.signed_in(who) if who else bench.client()
    token = csrf_of(client) if who else ""
    tried = set()
    for place in pages_of(bench, who):
        for form in forms_of(client.get(place).text):
            if "sign-out" in form.action:
                continue
            for name in dict.fromkeys(form.texts):
                given = form.fields | {name: HOSTILE[kind]}
                if "csrf" in given:
                    given["csrf"] = token
                if form.method.lower() == "get":
                    given[name] = given[name][:2_000]
                    answer = client.get(form.action or place, params=given)
                else:
                    answer = client.post(form.action or place, data=given)
                what = f"{kind} in {name} of {form.action}"
                assert answer.status_code < 500, what
                check(answer.text, dict(answer.headers), what)
                tried.add((form.action, name))
        check(client.get(place).text, {}, f"{kind} shown at {place}")
    assert len(tried) >= {"officer": 8, "administrator": 4, "": 2}[who], tried
    assert is_whole(bench, cases)
    with bench.store.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM people").scalar_one() >= 7


def test_a_hostile_note_is_shown_as_it_was_written(unhurried: Workbench):
    case = unhurried.cases()[0].case_id
    client = unhurried.signed_in("officer")
    for kind in ("sql", "html", "template", "formula", "right to left"):
        assert unhurried.post("officer", f"/cases/{case}/notes", text=HOSTILE[kind]).status_code == 303
        shown = html.unescape(client.get(f"/cases/{case}").text)
        assert HOSTILE[kind] in shown, kind


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_in_any_parameter_or_address_of_a_page_stays_text(unhurried: Workbench, kind: str):
    client, text = unhurried.signed_in("officer"), HOSTILE[kind][:2_000]
    for name in ("view", "order", "falling", "severity", "q", "offset", "known"):
        for place in ("/queue", "/queue/count"):
            answer = client.get(place, params={name: text})
            assert answer.status_code < 500, (place, name)
            check(answer.text, dict(answer.headers), f"{kind} in {name} of {place}")
    for name in ("language", "theme"):
        answer = client.get("/choose", params={name: text}, headers={"referer": "https://evil.test/" + MARK})
        assert answer.headers["location"] == "/"
        assert "set-cookie" not in answer.headers
    for place in ("/cases/", "/users/", "/"):
        answer = client.get(place + re.sub(r"[\x00-\x1f]", "", text))
        assert answer.status_code in (404, 405, 307), place
        check(answer.text, dict(answer.headers), f"{kind} as address behind {place}")


def api_requests(bench: Workbench, text: str):
    """Each text of the REST interface with hostile text in it."""
    case = bench.cases()[0].case_id
    for name in ("assignee", "typology", "rule", "q", "cursor", "severity", "state", "order", "limit"):
        yield "GET", "/v1/cases", {"params": {name: text[:3_000]}}
    yield "POST", f"/v1/cases/{case}/notes", {"json": {"text": text}}
    yield "POST", f"/v1/cases/{case}/notes", {"json": {"text": "x", text: text}}
    for name in ("note", "reason", "outcome", "assignee", "until", "duplicate_of"):
        for move in ("assign", "close", "snooze", "escalate"):
            yield "POST", f"/v1/cases/{case}/moves/{move}", {"json": {"note": "x", name: text}}
    plain = re.sub(r"[\x00-\x1f]", "", text)[:1_000]
    quoted = quote(text[:200], safe="")
    for place in (f"/v1/cases/{quoted}", f"/v1/cases/{quoted}/journal", f"/v1/alerts/A-{quoted}/explanation",
                  f"/v1/transactions/{quoted}"):  # fmt: skip
        yield "GET", place, {}
    if plain.isascii():
        yield "POST", f"/v1/cases/{case}/notes", {"json": {"text": "x"}, "headers": {"Idempotency-Key": plain}}
        yield "GET", "/v1/cases", {"headers": {"Authorization": "Bearer " + plain[:150]}}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_in_any_text_of_the_rest_interface_stays_text(unhurried: Workbench, kind: str):
    bench, cases = unhurried, len(unhurried.cases())
    robot: TestClient = Robots(bench).add("robot", "officer")
    robot.get(f"/v1/cases/{bench.cases()[0].case_id}")
    asked = 0
    for method, place, more in api_requests(bench, HOSTILE[kind]):
        answer = robot.request(method, place, **more)
        what = f"{kind}: {method} {place[:60]} {str(more)[:80]}"
        assert answer.status_code < 500 or "transactions" in place, what
        assert "json" in answer.headers["content-type"], what
        assert "evil" not in answer.headers.get("set-cookie", ""), what
        assert "Traceback" not in answer.text, what
        asked += 1
    assert asked > 35
    assert is_whole(bench, cases)


def test_the_password_of_hostile_text_is_one_password(unhurried: Workbench):
    client = unhurried.client()
    for kind, text in HOSTILE.items():
        answer = client.post("/sign-in", data={"name": text[:2_000], "password": PASSWORD})
        assert answer.status_code in (401, 422), kind
        check(answer.text, dict(answer.headers), kind)
