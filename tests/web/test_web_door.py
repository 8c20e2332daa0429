"""Who may come in, what each role may do, and what a forged or foreign request gets."""

import json
import re

import pytest
from fastapi.routing import APIRoute

from monitor.adapters.sql.ledger import chain_entries
from monitor.adapters.sql.people import CHAIN, FAILURES_MAX, IDLE_US, LOCKED_US, SESSION_US, change_person
from monitor.casework.access import CASES, DRAW, PLAN, REFER, RIGHTS, TEAM, USERS, WORK
from monitor.domain.time import MINUTE_US
from monitor.web.door import HEADERS, REQUESTS_MAX
from tests.web.workbench import PASSWORD, ROLES, Workbench

ANYONE, SIGNED_IN = "anyone", "signed in"
ASKED = {
    ("GET", "/healthz"): ANYONE,
    ("GET", "/robots.txt"): ANYONE,
    ("GET", "/sign-in"): ANYONE,
    ("POST", "/sign-in"): ANYONE,
    ("GET", "/sign-in/sso"): ANYONE,
    ("GET", "/sign-in/sso/back"): ANYONE,
    ("GET", "/choose"): ANYONE,
    ("POST", "/sign-out"): SIGNED_IN,
    ("GET", "/"): SIGNED_IN,
    ("GET", "/about"): SIGNED_IN,
    ("GET", "/queue"): CASES,
    ("GET", "/queue/count"): CASES,
    ("POST", "/queue/next"): WORK,
    ("POST", "/queue/undo"): WORK,
    ("POST", "/queue/bulk"): WORK,
    ("POST", "/queue/bulk/preview"): WORK,
    ("POST", "/queue/columns"): CASES,
    ("POST", "/queue/views"): CASES,
    ("POST", "/queue/views/delete"): CASES,
    ("POST", "/queue/{case_id}/skip"): WORK,
    ("POST", "/cases/{case_id}/tags"): WORK,
    ("POST", "/cases/{case_id}/merge"): WORK,
    ("GET", "/cases/{case_id}/evidence.zip"): CASES,
    ("POST", "/cases/{case_id}/split"): WORK,
    ("GET", "/refer"): REFER,
    ("POST", "/refer"): REFER,
    ("POST", "/cases/{case_id}/checks"): WORK,
    ("POST", "/cases/{case_id}/requests"): WORK,
    ("POST", "/cases/{case_id}/requests/{seq}"): WORK,
    ("POST", "/cases/{case_id}/attachments"): WORK,
    ("GET", "/cases/{case_id}/attachments/{digest}"): CASES,
    ("POST", "/queue/{case_id}/take"): WORK,
    ("GET", "/cases/{case_id}"): CASES,
    ("GET", "/cases/{case_id}/alerts/{alert_id}"): CASES,
    ("GET", "/cases/{case_id}/alerts/{alert_id}/today"): CASES,
    ("GET", "/cases/{case_id}/payments"): CASES,
    ("GET", "/cases/{case_id}/payments.csv"): CASES,
    ("GET", "/cases/{case_id}/network"): CASES,
    ("GET", "/cases/{case_id}/who"): CASES,
    ("POST", "/cases/{case_id}/notes"): WORK,
    ("POST", "/cases/{case_id}/moves/{name}"): WORK,
    ("GET", "/team"): TEAM,
    ("POST", "/team/people/{name}"): PLAN,
    ("POST", "/team/conflicts/{name}"): PLAN,
    ("POST", "/team/samples"): DRAW,
    ("POST", "/team/reviews/{case_id}"): PLAN,
    ("GET", "/users"): USERS,
    ("POST", "/users"): USERS,
    ("POST", "/users/{name}"): USERS,
}
"""Each page and action, and the right that it asks for: the whole table, written by hand. The operations of the REST
interface are in test_web_api."""

PLACES = {"seq": 1, "digest": "0" * 64}
"""What else stands in addresses."""


def routes(bench: Workbench) -> set[tuple[str, str]]:
    pages = [route for route in bench.app.routes if getattr(route, "path", "") != "/v1"]
    found = [route for route in walk(pages) if isinstance(route, APIRoute)]
    return {(method, route.path) for route in found for method in route.methods}


def walk(given):
    for route in given:
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        yield from walk(inner) if inner else (route,)


def actions(bench: Workbench) -> list[str]:
    with bench.store.reading() as connection:
        return [entry.action for entry in chain_entries(connection, CHAIN)]


def test_every_way_in_is_in_the_table(bench: Workbench):
    assert routes(bench) == set(ASKED)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_comes_through_the_doors_that_it_has_and_no_others(bench: Workbench, role: str):
    case, alert = bench.cases()[0].case_id, bench.cases()[0].first_alert_id
    for (method, path), right in ASKED.items():
        if path in ("/sign-in", "/sign-out"):
            continue
        place = path.format(case_id=case, alert_id=alert, **PLACES, name="start" if "moves" in path else "analyst")
        given = bench.signed_in(role).get(place) if method == "GET" else bench.post(role, place, text="Seen.")
        may_in = right in (ANYONE, SIGNED_IN) or right in RIGHTS[role]
        assert (given.status_code == 403) is not may_in, (method, place, given.status_code)
        assert given.status_code < 500


def test_who_has_not_come_in_is_sent_to_the_door(bench: Workbench):
    case, alert = bench.cases()[0].case_id, bench.cases()[0].first_alert_id
    for (method, path), right in ASKED.items():
        if right == ANYONE:
            continue
        place = path.format(case_id=case, alert_id=alert, **PLACES, name="analyst")
        answer = bench.client().request(method, place)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in"), place
        piece = bench.client().request(method, place, headers={"HX-Request": "true"})
        assert (piece.status_code, piece.headers["hx-redirect"]) == (401, "/sign-in")


def test_what_changes_something_needs_the_token_of_the_session(bench: Workbench):
    case, alert = bench.cases()[0].case_id, bench.cases()[0].first_alert_id
    other = re.search(r'X-CSRF-Token": "(\w+)"', bench.signed_in("senior").get("/about").text)
    assert other is not None
    for (method, path), right in ASKED.items():
        if method == "GET" or right == ANYONE:
            continue
        who = "administrator" if right == USERS else "officer"
        for token in ("", "0" * 64, other[1], "é"):
            place = path.format(case_id=case, alert_id=alert, **PLACES, name="analyst" if right == USERS else "start")
            assert bench.signed_in(who).post(place, data={"csrf": token, "text": "x"}).status_code == 403, place
    assert bench.cases()[0].state == "open"


def test_after_some_wrong_passwords_the_right_one_opens_nothing_for_a_while(bench: Workbench):
    client = bench.client()
    for _ in range(FAILURES_MAX):
        assert client.post("/sign-in", data={"name": "analyst", "password": "wrong"}).status_code == 401
    right = {"name": "analyst", "password": PASSWORD}
    assert client.post("/sign-in", data=right).status_code == 401
    assert "locked" in actions(bench)
    bench.wall_us += LOCKED_US - 1
    assert client.post("/sign-in", data=right).status_code == 401
    bench.wall_us += 1
    assert client.post("/sign-in", data=right).status_code == 303


def test_one_wrong_password_less_than_the_limit_locks_nobody_and_success_begins_anew(bench: Workbench):
    client = bench.client()
    for _ in range(2):
        for _ in range(FAILURES_MAX - 1):
            client.post("/sign-in", data={"name": "analyst", "password": "wrong"})
        assert client.post("/sign-in", data={"name": "analyst", "password": PASSWORD}).status_code == 303


def test_the_answer_does_not_tell_whether_a_name_is_known(bench: Workbench):
    known, unknown = (
        bench.client().post("/sign-in", data={"name": name, "password": "wrong"}) for name in ("analyst", "analysu")
    )
    assert known.status_code == unknown.status_code == 401
    assert known.text == unknown.text.replace("analysu", "analyst")


def test_an_address_that_tries_too_often_is_not_listened_to(bench: Workbench):
    client = bench.client()
    for number in range(REQUESTS_MAX):
        assert client.post("/sign-in", data={"name": f"n{number}", "password": "wrong"}).status_code == 401
    assert client.post("/sign-in", data={"name": "analyst", "password": PASSWORD}).status_code == 429


@pytest.mark.parametrize("pause_us", [IDLE_US + 1, SESSION_US + 1])
def test_a_session_ends_when_it_rests_or_is_long(bench: Workbench, pause_us: int):
    client = bench.signed_in("analyst")
    begun = bench.wall_us
    while bench.wall_us - begun <= pause_us - IDLE_US // 2:
        assert client.get("/queue").status_code == 200
        bench.wall_us += IDLE_US // 2 if pause_us > IDLE_US + 1 else pause_us
    bench.wall_us = max(bench.wall_us, begun + pause_us)
    assert client.get("/queue").status_code == 303


def test_who_leaves_is_out_also_with_a_copy_of_the_cookie(bench: Workbench):
    client = bench.signed_in("analyst")
    copy = dict(client.cookies)
    assert bench.post("analyst", "/sign-out").status_code == 303
    stranger = bench.client()
    stranger.cookies.update(copy)
    assert stranger.get("/queue").status_code == 303


def test_who_is_switched_off_or_changes_role_is_out_at_once(bench: Workbench):
    for change in ({"is_active": False}, {"is_active": True, "role": "auditor"}):
        client = bench.client()
        change_person(bench.store, "analyst", by="test", now_us=bench.wall_us, is_active=True)
        client.post("/sign-in", data={"name": "analyst", "password": PASSWORD})
        assert client.get("/queue").status_code == 200
        change_person(bench.store, "analyst", by="test", now_us=bench.wall_us, **change)
        assert client.get("/queue").status_code == 303


def test_the_cookie_is_for_this_site_over_tls_and_not_for_scripts(bench: Workbench):
    answer = bench.client().post("/sign-in", data={"name": "analyst", "password": PASSWORD})
    flags = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "secure", "samesite=strict"} <= flags


def test_every_answer_has_the_headers_and_no_page_a_script_or_style_inside(bench: Workbench):
    case = bench.cases()[0].case_id
    for place in ("/sign-in", "/queue", f"/cases/{case}", "/none", "/static/workbench.js", "/healthz"):
        answer = bench.signed_in("officer").get(place)
        assert HEADERS.items() <= dict(answer.headers).items() | {(name, answer.headers[name]) for name in HEADERS}, (
            place
        )
        if "html" in answer.headers["content-type"]:
            assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", answer.text), place
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_a_form_that_is_too_long_is_refused(bench: Workbench):
    answer = bench.client().post("/sign-in", content=b"x" * (1 << 20 | 1))
    assert answer.status_code == 413


def test_coming_failing_looking_and_leaving_stand_in_the_journal(bench: Workbench):
    bench.client().post("/sign-in", data={"name": "nobody", "password": "wrong"})
    bench.client().post("/sign-in", data={"name": "analyst", "password": "wrong"})
    case = bench.cases()[0].case_id
    bench.signed_in("analyst").get("/queue")
    bench.wall_us += MINUTE_US
    bench.signed_in("analyst").get(f"/cases/{case}")
    bench.post("analyst", "/sign-out")
    told = actions(bench)[len(ROLES) :]
    assert told == ["sign_in_failed", "sign_in_failed", "signed_in", "queue_viewed", "case_viewed", "signed_out"]
    with bench.store.reading() as connection:
        entries = chain_entries(connection, CHAIN)
    assert "wrong" not in json.dumps([entry.payload for entry in entries])
    assert bench.store.verify().findings == ()


def test_nobody_changes_their_own_role(bench: Workbench):
    assert bench.post("administrator", "/users/administrator", role="officer").status_code == 409
    assert bench.post("administrator", "/users/analyst", role="senior").status_code == 303


@pytest.mark.parametrize(
    ("name", "role", "password", "words"),
    [
        ("", "analyst", PASSWORD, "letters, digits"),
        ("a b", "analyst", PASSWORD, "letters, digits"),
        ("analyst", "analyst", PASSWORD, "there is one already"),
        ("ann", "king", PASSWORD, "no role"),
        ("ann", "analyst", "short", "12 to 256"),
    ],
)
def test_a_user_that_cannot_be_is_refused_in_words(bench: Workbench, name: str, role: str, password: str, words: str):
    answer = bench.post("administrator", "/users", name=name, role=role, password=password)
    assert (answer.status_code, words in answer.text) == (409, True)
