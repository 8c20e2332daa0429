"""The REST interface: keys, scopes, roles, the wall, four eyes, pages, and requests that are sent again."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from fastapi.routing import APIRoute

from monitor.adapters.sql.api_keys import KeyRefused, add_key, listed_keys, revoke_key
from monitor.adapters.sql.people import add_person, change_person, workers
from monitor.adapters.sql.repeats import KEPT_US
from monitor.casework.access import RIGHTS
from monitor.casework.lifecycle import MOVES
from monitor.casework.scopes import RIGHT_OF, SCOPES, ScopesRefused, scope_of
from monitor.domain.case import Case
from monitor.domain.time import DAY_US
from monitor.rulebook.checklists import read_checklists
from monitor.web.app import make_app
from monitor.web.desk import Desk
from monitor.web.door import REQUESTS_MAX
from monitor.web.pace import Limits, Paces
from tests.rulebook.test_checklists import GOOD
from tests.web.robots import Robots, fault, scopes_for
from tests.web.test_web_door import walk
from tests.web.workbench import ROLES, Workbench, workbench

ANYONE, BY_MOVE = "anyone", "by move"
ASKED = {
    ("GET", "/health"): ANYONE,
    ("GET", "/openapi.json"): ANYONE,
    ("GET", "/cases"): "read",
    ("GET", "/cases/{case_id}"): "read",
    ("GET", "/cases/{case_id}/alerts"): "read",
    ("GET", "/cases/{case_id}/journal"): "read",
    ("GET", "/alerts/{alert_id}/explanation"): "read",
    ("POST", "/cases/{case_id}/notes"): "work",
    ("POST", "/cases/{case_id}/moves/{name}"): BY_MOVE,
    ("POST", "/transactions"): "transactions",
    ("GET", "/transactions/{transaction_id:path}"): "transactions",
}
"""Each operation, and the scope that it asks for: the whole table, written by hand."""


@pytest.fixture
def robots(bench: Workbench) -> Robots:
    return Robots(bench)


def places(of: Case):
    """Each operation with a scope, its address for a case and its first alert, and the scope."""
    case, alert = of.case_id, of.first_alert_id
    for (method, path), scope in ASKED.items():
        if scope == BY_MOVE:
            for name in MOVES:
                yield method, "/v1" + path.format(case_id=case, name=name), scope_of(name)
        elif scope != ANYONE:
            filled = path.replace(":path", "").format(case_id=case, alert_id=alert, transaction_id="T1")
            yield method, "/v1" + filled, scope


def of_severity(bench: Workbench, severity: str) -> str:
    return next(case.case_id for case in bench.cases() if case.severity == severity)


def state(bench: Workbench, case_id: str) -> str:
    return next(case.state for case in bench.cases() if case.case_id == case_id)


CLOSING = {"outcome": "false_positive", "reason": "own_transfer", "note": "Checked."}


def test_every_operation_is_in_the_table(bench: Workbench):
    (api,) = (route for route in bench.app.routes if getattr(route, "path", "") == "/v1")
    found = [route for route in walk(api.routes) if isinstance(route, APIRoute)]
    assert {(method, route.path) for route in found for method in route.methods} == set(ASKED)


def test_without_a_key_that_is_in_force_nothing_is_answered_but_health(bench: Workbench, robots: Robots):
    robots.add("robot", "senior")
    tokens = ["", "Basic YTpi", "Bearer ", "Bearer aml_x", f"Bearer {robots.tokens['robot']}x", f"Bearer {'x' * 300}"]
    for method, place, _ in places(bench.cases()[0]):
        for token in tokens[: 6 if method == "GET" else 2]:
            answer = bench.client().request(method, place, headers={"Authorization": token} if token else {})
            assert fault(answer) == (401, "unauthenticated"), (method, place, token)
            assert answer.headers["www-authenticate"] == "Bearer"
    assert bench.client().get("/v1/health").json() == {"live": True, "store": True, "engine": "none"}


def test_a_cookie_of_the_pages_opens_nothing_here(bench: Workbench):
    assert fault(bench.signed_in("officer").get("/v1/cases"))[0] == 401


@pytest.mark.parametrize("role", ROLES)
def test_a_key_does_what_its_scopes_and_the_role_both_allow(bench: Workbench, robots: Robots, role: str):
    usable = [scope for scope in SCOPES if RIGHT_OF[scope] in RIGHTS[role]]
    for scope in usable:
        robot = robots.add(f"{role}-{scope}", role, scope)
        for method, place, asked in places(bench.cases()[0]):
            answer = robot.request(method, place, json=None if method == "GET" else {"text": "Seen."})
            assert (answer.status_code == 403) is (asked != scope), (role, scope, method, place, answer.text)
    for scope in SCOPES.keys() - set(usable):
        with pytest.raises(KeyRefused, match="cannot use the scope"):
            robots.add(f"{role}-{scope}", role, scope)


def test_a_role_that_is_taken_away_takes_its_scopes_with_it(bench: Workbench, robots: Robots):
    robot = robots.add("robot", "senior")
    assert robot.get("/v1/cases").status_code == 200
    change_person(bench.store, "robot", by="test", now_us=bench.wall_us, role="operator")
    assert fault(robot.get("/v1/cases")) == (403, "not-allowed")


def test_a_key_ends_when_it_expires_is_revoked_or_its_person_is_switched_off(bench: Workbench, robots: Robots):
    for number in range(3):
        robot = robots.add(f"robot{number}", "senior", days=1)
        assert robot.get("/v1/cases").status_code == 200
        with bench.store.reading() as connection:
            (key,) = listed_keys(connection, f"robot{number}")
        if number == 0:
            revoke_key(bench.store, key.key_id, by="test", now_us=bench.wall_us)
        elif number == 1:
            change_person(bench.store, "robot1", by="test", now_us=bench.wall_us, is_active=False)
        else:
            bench.wall_us += DAY_US - 1
            assert robot.get("/v1/cases").status_code == 200
            bench.wall_us += 1
        assert fault(robot.get("/v1/cases")) == (401, "unauthenticated")


def test_a_key_is_shown_once_and_the_store_cannot_give_it(bench: Workbench, robots: Robots):
    robots.add("robot", "senior").get("/v1/cases")
    token = robots.tokens["robot"]
    with bench.store.reading() as connection:
        (key,) = listed_keys(connection)
        held = [tuple(row) for table in ("api_keys", "journal", "people")
                for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]  # fmt: skip
    assert key.used_at_us == bench.wall_us
    assert token.split("_", 2)[2] not in repr(held)
    assert robots.actions()[0] == "key_added"


def test_a_service_person_has_no_password_no_session_and_is_given_no_case(bench: Workbench, robots: Robots):
    robot = robots.add("robot", "senior")
    form = {"name": "robot", "password": ""}
    assert bench.client().post("/sign-in", data=form).status_code == 401
    with bench.store.reading() as connection:
        assert "robot" not in {person.name for person in workers(connection)}
    given = robot.post(f"/v1/cases/{bench.cases()[0].case_id}/moves/assign", json={"assignee": "robot"})
    assert fault(given) == (409, "person-refused")
    with pytest.raises(KeyRefused, match="keys are for programs"):
        add_key(bench.store, name="analyst", scopes=("read",), days=1, by="test", now_us=0)


def test_no_service_person_can_be_both_of_the_four_eyes(bench: Workbench, robots: Robots):
    robots.add("robot", "senior", "decide")
    with pytest.raises(ScopesRefused, match="both of the four eyes"):
        add_key(bench.store, name="robot", scopes=("approve",), days=1, by="test", now_us=bench.wall_us)
    with pytest.raises(ScopesRefused, match="both of the four eyes"):
        robots.add("other", "senior", "decide", "approve")


def test_a_grave_case_waits_for_a_second_person(bench: Workbench, robots: Robots):
    case = of_severity(bench, "high")
    first, second = robots.add("first", "senior"), robots.add("second", "senior", "read", "approve")
    assert fault(first.post(f"/v1/cases/{case}/moves/close", json=CLOSING)) == (409, "move-refused")
    assert first.get(f"/v1/cases/{case}").json()["moves"]
    after = first.post(f"/v1/cases/{case}/moves/close", json=CLOSING).json()["case"]
    assert (after["state"], after["proposal"]["by"]) == ("pending_approval", "first")
    assert fault(first.post(f"/v1/cases/{case}/moves/approve", json={})) == (403, "not-allowed")
    assert fault(second.post(f"/v1/cases/{case}/moves/approve", json={})) == (409, "move-refused")
    second.get(f"/v1/cases/{case}")
    assert second.post(f"/v1/cases/{case}/moves/approve", json={}).json()["case"]["state"] == "closed_false_positive"


def test_a_decision_waits_for_the_checklist_and_for_a_version_that_is_the_latest(bench: Workbench, robots: Robots):
    bench.store.policy = replace(bench.store.policy, checklists=read_checklists(GOOD, "c.yaml", ["Money mule"]))
    case = of_severity(bench, "medium")
    robot = robots.add("robot", "senior")
    shown = robot.get(f"/v1/cases/{case}").json()
    assert shown["checklist"] == [
        {"item": "seen", "text": "It was seen.", "outcomes": ["false_positive"], "checked_by": None}
    ]
    place = f"/v1/cases/{case}/moves/close"
    refused = robot.post(place, json=CLOSING)
    assert fault(refused) == (409, "move-refused")
    assert "It was seen." in refused.text
    bench.post("senior", f"/cases/{case}/notes", text="Wait.")
    given = CLOSING | {"checked": ["seen"]}
    assert fault(robot.post(place, json=given | {"version": shown["version"]})) == (409, "move-refused")
    latest = robot.get(f"/v1/cases/{case}").json()["version"]
    after = robot.post(place, json=given | {"version": latest}).json()["case"]
    assert after["state"] == "closed_false_positive"
    assert robot.get(f"/v1/cases/{case}").json()["checklist"][0]["checked_by"] == "robot"


def test_who_proposed_under_a_key_with_other_scopes_before_cannot_approve(bench: Workbench, robots: Robots):
    case = of_severity(bench, "high")
    robot = robots.add("robot", "senior")
    robot.get(f"/v1/cases/{case}")
    robot.post(f"/v1/cases/{case}/moves/close", json=CLOSING)
    with bench.store.reading() as connection:
        revoke_key(bench.store, listed_keys(connection)[0].key_id, by="test", now_us=bench.wall_us)
    scopes = ("read", "approve")
    _, robots.tokens["robot"] = add_key(bench.store, name="robot", scopes=scopes, days=1, by="t", now_us=bench.wall_us)
    refused = robots.client("robot").post(f"/v1/cases/{case}/moves/approve", json={})
    assert (fault(refused)[0], "second person" in refused.text) == (409, True)
    assert state(bench, case) == "pending_approval"


def report(bench: Workbench, robots: Robots, case: str) -> None:
    """Somebody who is not the outsider proposes to report the case."""
    officer = robots.add("reporter", "officer")
    officer.get(f"/v1/cases/{case}")
    given = {"outcome": "reported", "reason": "suspicion", "note": "Suspicious."}
    after = officer.post(f"/v1/cases/{case}/moves/close", json=given).json()["case"]
    assert after["need_to_know"] == "restricted"


def test_a_restricted_case_is_not_there_in_any_operation_for_who_need_not_know(bench: Workbench, robots: Robots):
    hidden = bench.cases()[0]
    robots.add("outsider", "senior")
    robots.add("approver", "senior", "read", "approve")
    report(bench, robots, hidden.case_id)
    never = {hidden.case_id: "C-" + "A" * 16, hidden.first_alert_id: "A-" + "A" * 26}
    asked = 0
    for method, place, scope in places(hidden):
        body = None if method == "GET" else {"text": "x"} if place.endswith("/notes") else {"note": "x"}
        robot = robots.client("approver" if scope == "approve" else "outsider")
        there = robot.request(method, place, json=body)
        if place == "/v1/cases":
            assert {case["case_id"] for case in there.json()["cases"]} == {case.case_id for case in bench.cases()} - {
                hidden.case_id
            }
            continue
        if scope == "transactions":
            continue
        assert fault(there) == (404, "not-found"), place
        told = there.text
        for real, other in never.items():
            place, told = place.replace(real, other), told.replace(real, other)
        assert robot.request(method, place, json=body).text == told
        asked += 1
    assert asked == len(ASKED) - 6 + len(MOVES)
    assert robots.client("reporter").get(f"/v1/cases/{hidden.case_id}").status_code == 200


def test_of_a_duplicate_the_journal_names_the_other_case_only_while_it_is_there(bench: Workbench, robots: Robots):
    case, other = of_severity(bench, "medium"), of_severity(bench, "high")
    robot = robots.add("robot", "senior")
    robot.get(f"/v1/cases/{case}")
    given = {"outcome": "duplicate", "reason": "same_facts", "note": "The same.", "duplicate_of": other}
    assert robot.post(f"/v1/cases/{case}/moves/close", json=given).status_code == 200
    for is_there in (True, False):
        last = robot.get(f"/v1/cases/{case}/journal").json()["entries"][-1]
        assert (last["payload"].get("duplicate_of") == other, last["payload_is_cut"]) == (is_there, not is_there)
        if is_there:
            report(bench, robots, other)


@pytest.mark.parametrize("order", ["priority", "due", "opened"])
def test_the_pages_of_the_queue_show_each_case_once_though_cases_are_decided_meanwhile(tmp_path, order: str):
    with workbench(tmp_path, cases=23) as bench:
        robots = Robots(bench)
        robot = robots.add("robot", "senior")
        expected = robot.get("/v1/cases", params={"order": order, "limit": 200}).json()["cases"]
        seen, cursor, closed = [], None, 0
        while cursor is not None or not seen:
            params = {"order": order, "limit": 4} | ({"cursor": cursor} if cursor else {})
            body = robot.get("/v1/cases", params=params).json()
            seen += body["cases"]
            cursor = body["next_cursor"]
            bench.now_us += DAY_US // 24
            for case in body["cases"]:
                if case["severity"] == "medium" and closed < 3:
                    robot.get(f"/v1/cases/{case['case_id']}")
                    assert robot.post(f"/v1/cases/{case['case_id']}/moves/close", json=CLOSING).status_code == 200
                    closed += 1
        assert [case["case_id"] for case in seen] == [case["case_id"] for case in expected]
        assert (len(seen), closed) == (23, 3)


def test_filters_are_those_of_the_queue(bench: Workbench, robots: Robots):
    robot = robots.add("robot", "senior")
    for params, kept in (
        ({"severity": "high"}, lambda case: case.severity == "high"),
        ({"rule": bench.cases()[0].rules[0]}, lambda case: bench.cases()[0].rules[0] in case.rules),
        ({"closed": "true"}, lambda case: not case.is_open),
        ({"state": ["open"]}, lambda case: case.state == "open"),
        ({"q": "nothing of this kind"}, lambda case: False),
        ({"overdue": "true"}, lambda case: case.due_at_us <= bench.now_us),
    ):
        found = robot.get("/v1/cases", params=params).json()["cases"]
        assert [each["case_id"] for each in found] == [case.case_id for case in bench.cases() if kept(case)], params


@pytest.mark.parametrize("cursor", ["x", "%%%", "AAAA", "", "kA"])
def test_a_cursor_that_no_page_gave_is_refused(robots: Robots, cursor: str):
    robot = robots.add("robot", "senior")
    assert fault(robot.get("/v1/cases", params={"cursor": cursor})) == (422, "bad-cursor")


def test_a_cursor_goes_with_its_order_and_filters_only(robots: Robots):
    robot = robots.add("robot", "senior")
    cursor = robot.get("/v1/cases", params={"limit": 1}).json()["next_cursor"]
    assert robot.get("/v1/cases", params={"limit": 1, "cursor": cursor}).status_code == 200
    for other in ({"order": "due"}, {"severity": "high"}):
        assert fault(robot.get("/v1/cases", params=other | {"cursor": cursor})) == (422, "bad-cursor")


def test_the_same_request_with_the_same_key_is_done_once_and_answered_alike(bench: Workbench, robots: Robots):
    robot, case = robots.add("robot", "senior"), bench.cases()[0].case_id
    place, key = f"/v1/cases/{case}/notes", {"Idempotency-Key": "a-1"}
    first = robot.post(place, json={"text": "Once."}, headers=key)
    bench.now_us += DAY_US // 2
    bench.wall_us += DAY_US // 2
    again = robot.post(place, json={"text": "Once."}, headers=key)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert [note["text"] for note in robot.get(f"/v1/cases/{case}").json()["notes"]] == ["Once."]
    assert fault(robot.post(place, json={"text": "Other."}, headers=key)) == (422, "repeat-differs")
    other = robots.add("other", "senior")
    assert other.post(place, json={"text": "Other."}, headers=key).status_code == 201
    bench.wall_us += KEPT_US
    assert robot.post(place, json={"text": "Later."}, headers=key).status_code == 201


def test_of_many_at_once_with_one_key_one_is_done(bench: Workbench, robots: Robots):
    robots.add("robot", "senior")
    case = bench.cases()[0].case_id

    def send(number: int) -> tuple[int, str]:
        answer = robots.client("robot").post(
            f"/v1/cases/{case}/notes", json={"text": "Once."}, headers={"Idempotency-Key": "k"}
        )
        return answer.status_code, answer.text

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(send, range(16)))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 201
    assert len(robots.client("robot").get(f"/v1/cases/{case}").json()["notes"]) == 1
    assert bench.store.verify().findings == ()


def test_what_was_refused_did_nothing_and_is_decided_anew(bench: Workbench, robots: Robots):
    case, key = of_severity(bench, "medium"), {"Idempotency-Key": "c"}
    robot = robots.add("robot", "senior")
    assert fault(robot.post(f"/v1/cases/{case}/moves/close", json=CLOSING, headers=key))[0] == 409
    robot.get(f"/v1/cases/{case}")
    for is_again in (False, True):
        answer = robot.post(f"/v1/cases/{case}/moves/close", json=CLOSING, headers=key)
        assert (answer.status_code, "idempotency-replayed" in answer.headers) == (200, is_again)
    assert state(bench, case) == "closed_false_positive"


def test_a_kept_answer_is_given_only_while_the_case_is_there(bench: Workbench, robots: Robots):
    case, key = of_severity(bench, "medium"), {"Idempotency-Key": "c"}
    robot = robots.add("robot", "senior")
    assert robot.post(f"/v1/cases/{case}/notes", json={"text": "x"}, headers=key).status_code == 201
    report(bench, robots, case)
    assert fault(robot.post(f"/v1/cases/{case}/notes", json={"text": "x"}, headers=key)) == (404, "not-found")


@pytest.mark.parametrize("key", ["", " ", "x" * 65, "a b", "ä"])
def test_a_key_for_repeats_of_another_form_is_refused(bench: Workbench, robots: Robots, key: str):
    robot = robots.add("robot", "senior")
    answer = robot.post(
        f"/v1/cases/{bench.cases()[0].case_id}/notes", json={"text": "x"}, headers={"Idempotency-Key": key.encode()}
    )
    assert fault(answer) == (422, "invalid")


@pytest.mark.parametrize("limit", ["per_address", "per_person", "per_key"])
def test_who_asks_too_fast_is_told_when_to_go_on(bench: Workbench, limit: str):
    desk: Desk = replace(bench.app.state.desk, paces=Paces(replace(Limits(), **{limit: 5})))
    bench.app = make_app(desk)
    robots = Robots(bench)
    is_page = limit == "per_person"
    asker = bench.signed_in("analyst") if is_page else robots.add("robot", "senior")
    answers = [asker.get("/queue" if is_page else "/v1/cases") for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 12
    if is_page:
        assert "Too many requests" in answers[-1].text
    else:
        assert fault(answers[-1]) == (429, "too-fast")
        other = robots.add("other", "senior").get("/v1/cases")
        assert other.status_code == (200 if limit == "per_key" else 429)


def test_an_address_that_tries_many_keys_is_not_listened_to_and_fills_no_journal(bench: Workbench, robots: Robots):
    client = bench.client()
    client.headers["Authorization"] = "Bearer aml_0_guess"
    statuses = [client.get("/v1/cases").status_code for _ in range(REQUESTS_MAX + 5)]
    assert statuses == [401] * REQUESTS_MAX + [429] * 5
    assert robots.actions().count("key_refused") == REQUESTS_MAX


def test_looks_and_acts_stand_in_the_journal_and_it_stays_whole(bench: Workbench, robots: Robots):
    case = bench.cases()[0].case_id
    robot = robots.add("robot", "senior")
    robot.get("/v1/cases")
    robot.get(f"/v1/cases/{case}")
    robot.post(f"/v1/cases/{case}/moves/start", json={})
    robot.get(f"/v1/cases/{case}/journal")
    assert robots.actions() == ["key_added", "queue_viewed", "case_viewed", "case_viewed"]
    entries = robot.get(f"/v1/cases/{case}/journal").json()["entries"]
    assert [(entry["action"], entry["actor"]) for entry in entries] == [("opened", "monitor"), ("start", "robot")]
    assert bench.store.verify().findings == ()


def test_a_look_of_a_reader_counts_as_nobodys(bench: Workbench, robots: Robots):
    case = bench.cases()[0].case_id
    robots.add("robot", "auditor").get(f"/v1/cases/{case}")
    assert next(each for each in bench.cases() if each.case_id == case).alerts_seen == 0


@pytest.mark.parametrize(
    ("place", "body", "kind"),
    [
        ("notes", {"text": ""}, (422, "invalid")),
        ("notes", {"text": "a\x00b"}, (422, "invalid")),
        ("notes", {"text": "x" * 20_001}, (422, "invalid")),
        ("notes", {"text": 5}, (422, "invalid")),
        ("notes", {"text": "x", "more": 1}, (422, "invalid")),
        ("notes", {"text": "   "}, (409, "move-refused")),
        ("notes", None, (422, "invalid")),
        ("moves/fly", {}, (422, "invalid")),
        ("moves/approve", {"note": "x"}, (403, "not-allowed")),
        ("moves/assign", {"assignee": "nobody"}, (409, "person-refused")),
        ("moves/assign", {}, (409, "move-refused")),
        ("moves/snooze", {"until": "tomorrow"}, (422, "invalid")),
        ("moves/snooze", {"until": "2020-01-01T00:00:00Z", "reason": "awaiting_customer"}, (409, "move-refused")),
        ("moves/close", {"outcome": "none"}, (422, "invalid")),
    ],
)
def test_what_is_not_of_the_form_is_refused_with_its_place(bench: Workbench, robots: Robots, place, body, kind):
    robot = robots.add("robot", "senior")
    answer = robot.post(f"/v1/cases/{bench.cases()[0].case_id}/{place}", json=body)
    assert fault(answer) == kind
    if kind[1] == "invalid":
        assert answer.json()["faults"][0]["place"].split(".")[0] in ("body", "path")


def test_a_filter_with_a_slip_is_refused_and_lets_nothing_through(robots: Robots):
    answer = robots.add("robot", "senior").get("/v1/cases", params={"severty": "high"})
    assert fault(answer) == (422, "invalid")
    assert answer.json()["place"] == "query.severty"


def test_an_address_that_there_is_not_and_a_body_that_is_too_long_are_problems_too(robots: Robots):
    robot = robots.add("robot", "senior")
    assert fault(robot.get("/v1/none"))[0] == fault(robot.get("/v1/"))[0] == 404
    assert fault(robot.delete("/v1/cases"))[0] == 405
    assert fault(robot.post("/v1/cases/C-AAAA/notes", content=b"x" * (1 << 20 | 1))) == (413, "too-long")
    assert fault(robot.post("/v1/cases/C-AAAA/notes", content=b"{")) == (422, "invalid")
    no_text = robot.post("/v1/cases/C-AAAA/notes", content=b"\xff", headers={"content-type": "application/json"})
    assert fault(no_text) == (400, "unreadable")


def test_the_document_names_every_operation_with_its_problems(bench: Workbench):
    document = bench.client().get("/v1/openapi.json").json()
    operations = {(method.upper(), path) for path, each in document["paths"].items() for method in each}
    expected = {(method, path.replace(":path", "")) for method, path in ASKED if path != "/openapi.json"}
    assert operations == expected
    for path, each in document["paths"].items():
        for operation in each.values():
            assert operation["summary"], path
            for status, answer in operation["responses"].items():
                (media,) = answer["content"]
                assert media == ("application/problem+json" if int(status) >= 400 else "application/json")
            assert ("security" in operation) is (path != "/health")
    assert json.dumps(document).count('"Problem"') >= 1


def test_scopes_for_a_role_never_hold_both_eyes():
    assert set(scopes_for("senior")) == {"read", "work", "decide"}


def test_a_person_is_added_without_a_password_as_a_service_only_by_name(bench: Workbench):
    add_person(bench.store, name="robot", full_name="", role="source", password=None, by="t", now_us=0, is_service=True)
    with bench.store.reading() as connection:
        assert connection.exec_driver_sql("SELECT password_hash FROM people WHERE name = 'robot'").scalar() is None
