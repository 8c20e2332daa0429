"""Single sign-on against a provider with real keys: who comes in, as whom, and everything that keeps somebody out."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi.testclient import TestClient
from httpx import Response
from pydantic import SecretStr

from monitor.adapters.sql.ledger import chain_entries
from monitor.adapters.sql.people import CHAIN, add_person, change_person, listed
from monitor.intake.yaml_files import YamlFileError
from monitor.web import oidc
from monitor.web.app import make_app
from monitor.web.oidc import OidcSettings, SingleSignOn, load_oidc
from tests.web.provider import ADDRESS, CLIENT, SECRET, Provider, provider
from tests.web.workbench import PASSWORD, Workbench

ROLES = {"aml-officers": "officer", "aml-seniors": "senior", "aml-analysts": "analyst"}


@pytest.fixture
def idp() -> Iterator[Provider]:
    with provider() as one:
        yield one


def settings_of(idp: Provider, **more: Any) -> OidcSettings:
    given = {"issuer": idp.place, "client_id": CLIENT, "client_secret": SecretStr(SECRET), "address": ADDRESS,
             "roles": ROLES}  # fmt: skip
    return OidcSettings(**(given | more))


@pytest.fixture
def sso(bench: Workbench, idp: Provider) -> SingleSignOn:
    return use(bench, settings_of(idp))


def use(bench: Workbench, settings: OidcSettings) -> SingleSignOn:
    one = SingleSignOn(settings)
    bench.app = make_app(replace(bench.app.state.desk, sso=one))
    return one


def come_in(client: TestClient, idp: Provider) -> Response:
    """All of the way: to the provider and back."""
    sent = client.get("/sign-in/sso")
    assert sent.status_code == 303, sent.text
    return client.get(idp.authorize(sent.headers["location"]).removeprefix(ADDRESS))


def journalled(bench: Workbench) -> list[str]:
    with bench.store.reading() as connection:
        return [f"{entry.action} {entry.payload}" for entry in chain_entries(connection, CHAIN)]


def person(bench: Workbench, name: str):
    with bench.store.reading() as connection:
        return next((each for each in listed(connection) if each.name == name), None)


def test_whom_the_provider_vouches_for_comes_in_with_the_role_of_the_claim(bench: Workbench, sso, idp: Provider):
    client = bench.client()
    answer = come_in(client, idp)
    assert (answer.status_code, answer.headers["refresh"]) == (200, "0; url=/")
    flags = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")}
    assert {"httponly", "secure", "samesite=strict"} <= flags
    assert client.get("/queue").status_code == 200
    found = person(bench, "ann")
    assert (found.full_name, found.role) == ("Ann Lee", "analyst")
    assert bench.client().post("/sign-in", data={"name": "ann", "password": ""}).status_code == 401
    assert bench.store.verify().findings == ()


def test_the_first_role_of_the_settings_that_fits_counts_and_a_change_ends_old_sessions(bench, sso, idp: Provider):
    first, second = bench.client(), bench.client()
    come_in(first, idp)
    idp.claims = {"groups": ["aml-analysts", "aml-officers"]}
    come_in(second, idp)
    assert person(bench, "ann").role == "officer"
    assert (first.get("/queue").status_code, second.get("/queue").status_code) == (303, 200)


def test_a_person_is_known_by_subject_and_not_by_name(bench: Workbench, sso, idp: Provider):
    come_in(bench.client(), idp)
    idp.claims = {"preferred_username": "ann.lee"}
    assert come_in(bench.client(), idp).status_code == 200
    assert person(bench, "ann.lee") is None
    idp.claims = {"sub": "u-2"}
    assert come_in(bench.client(), idp).status_code == 401


@pytest.mark.parametrize("name", ["officer", "robot", "a b", ""])
def test_nobody_becomes_a_local_user_a_program_or_a_name_that_cannot_be(bench, sso, idp: Provider, name: str):
    add_person(bench.store, name="robot", full_name="", role="senior", password=None, by="t", now_us=0, is_service=True)
    idp.claims = {"preferred_username": name}
    client = bench.client()
    assert come_in(client, idp).status_code == 401
    assert client.get("/queue").status_code == 303


def test_who_was_added_without_a_password_is_bound_at_the_first_time(bench: Workbench, sso, idp: Provider):
    add_person(bench.store, name="ann", full_name="Ann", role="analyst", password=None, by="t", now_us=0)
    assert come_in(bench.client(), idp).status_code == 200
    assert any(entry.startswith("user_bound") for entry in journalled(bench))


def test_who_is_switched_off_stays_out(bench: Workbench, sso, idp: Provider):
    client = bench.client()
    come_in(client, idp)
    change_person(bench.store, "ann", by="t", now_us=0, is_active=False)
    assert come_in(client, idp).status_code == 401


def ahead(seconds: int) -> int:
    return int(time.time()) + seconds


OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
BROKEN: dict[str, tuple[str, Callable[[Provider], dict[str, Any]]]] = {
    "another issuer": ("id_token", lambda idp: {"claims": {"iss": "https://evil.test"}}),
    "another audience": ("id_token", lambda idp: {"claims": {"aud": "other"}}),
    "several audiences without azp": ("audience", lambda idp: {"claims": {"aud": [CLIENT, "other"]}}),
    "azp of another": ("audience", lambda idp: {"claims": {"azp": "other"}}),
    "expired": ("id_token", lambda idp: {"claims": {"exp": ahead(-oidc.LEEWAY_SECONDS - 5)}}),
    "from the future": ("id_token", lambda idp: {"claims": {"iat": ahead(oidc.LEEWAY_SECONDS + 60)}}),
    "not yet": ("id_token", lambda idp: {"claims": {"nbf": ahead(oidc.LEEWAY_SECONDS + 60)}}),
    "another nonce": ("nonce", lambda idp: {"claims": {"nonce": "n"}}),
    "no nonce": ("id_token", lambda idp: {"left_out": ("nonce",)}),
    "no expiry": ("id_token", lambda idp: {"left_out": ("exp",)}),
    "no subject": ("id_token", lambda idp: {"left_out": ("sub",)}),
    "signed by another key": ("id_token", lambda idp: {"signing_key": OTHER_KEY}),
    "a key that is not there": ("key", lambda idp: {"kid": "k2"}),
    "not signed": ("algorithm", lambda idp: {"algorithm": "none"}),
    "signed with the public key as a secret": (
        "algorithm",
        lambda idp: {"algorithm": "HS256", "signing_key": idp.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)},
    ),
    "an algorithm that is not allowed": ("algorithm", lambda idp: {"algorithm": "RS512"}),
    "no name": ("name", lambda idp: {"left_out": ("preferred_username",)}),
    "no role": ("role", lambda idp: {"claims": {"groups": ["staff"]}}),
    "roles that are no list": ("role", lambda idp: {"claims": {"groups": {"aml-analysts": 1}}}),
    "a document of another issuer": ("discovery", lambda idp: {"document": {"issuer": "https://evil.test"}}),
    "a door without tls": ("discovery", lambda idp: {"document": {"token_endpoint": "http://evil.test/t"}}),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_not_as_it_must_be_keeps_out_and_says_why_in_the_log_without_secrets(
    bench: Workbench, sso, idp: Provider, what: str, caplog: pytest.LogCaptureFixture
):
    why, change = BROKEN[what]
    for name, value in change(idp).items():
        setattr(idp, name, value)
    client = bench.client()
    with caplog.at_level(logging.WARNING):
        sent = client.get("/sign-in/sso")
        answer = sent if sent.status_code == 401 else client.get(
            idp.authorize(sent.headers["location"]).removeprefix(ADDRESS))  # fmt: skip
    assert answer.status_code == 401
    assert client.get("/queue").status_code == 303
    assert f"({why})" in caplog.text, caplog.text
    assert SECRET not in caplog.text
    assert "eyJ" not in caplog.text
    assert f'"why":"{why}"' in journalled(bench)[-1]
    assert person(bench, "ann") is None
    assert why not in answer.text or why in ("name", "key", "role", "state")


def test_the_way_back_is_open_once_for_the_browser_that_was_sent_and_not_for_long(
    bench: Workbench, sso, idp: Provider, monkeypatch: pytest.MonkeyPatch
):
    client, other = bench.client(), bench.client()
    back = idp.authorize(client.get("/sign-in/sso").headers["location"]).removeprefix(ADDRESS)
    assert other.get(back).status_code == 401
    assert client.get(back).status_code == 401, "the attempt of the other has used it up"
    back = idp.authorize(client.get("/sign-in/sso").headers["location"]).removeprefix(ADDRESS)
    assert client.get(back).status_code == 200
    assert client.get(back).status_code == 401
    back = idp.authorize(client.get("/sign-in/sso").headers["location"]).removeprefix(ADDRESS)
    monkeypatch.setattr(oidc, "WAY_SECONDS", -1.0)
    assert client.get(back).status_code == 401


@pytest.mark.parametrize("query", ["", "?state=x&code=y", "?state=&code=", "?error=access_denied&state=x", "?code=y"])
def test_a_way_back_that_nobody_was_sent_is_closed(bench: Workbench, sso, query: str):
    assert bench.client().get("/sign-in/sso/back" + query).status_code == 401


def test_each_way_has_its_own_state_nonce_and_challenge(bench: Workbench, sso):
    asked = [parse_qs(urlsplit(bench.client().get("/sign-in/sso").headers["location"]).query) for _ in range(5)]
    for name in ("state", "nonce", "code_challenge"):
        assert len({each[name][0] for each in asked}) == 5
        assert all(len(each[name][0]) >= 43 for each in asked)


def test_an_error_of_the_provider_keeps_out_and_cannot_write_lines_into_the_log(
    bench: Workbench, sso, idp: Provider, caplog: pytest.LogCaptureFixture
):
    client = bench.client()
    state = parse_qs(urlsplit(client.get("/sign-in/sso").headers["location"]).query)["state"][0]
    with caplog.at_level(logging.WARNING):
        answer = client.get("/sign-in/sso/back", params={"state": state, "error": "denied\r\nWARNING all is well"})
    assert answer.status_code == 401
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_keys_are_asked_for_again_when_one_is_not_known_but_not_at_each_try(bench: Workbench, sso, idp: Provider):
    come_in(bench.client(), idp)
    idp.kid = "k2"
    for _ in range(5):
        come_in(bench.client(), idp)
    assert idp.asked.count("/keys") == 1


def test_a_provider_that_is_down_is_said_in_the_log(bench: Workbench, caplog: pytest.LogCaptureFixture):
    given = {"issuer": "http://127.0.0.1:9", "client_id": "c", "address": ADDRESS, "roles": ROLES}
    use(bench, OidcSettings(**given))
    with caplog.at_level(logging.WARNING):
        assert bench.client().get("/sign-in/sso").status_code == 401
    assert "cannot be asked (discovery): ConnectError" in caplog.text


def test_local_users_can_be_switched_off(bench: Workbench, idp: Provider):
    use(bench, settings_of(idp, local_users=False))
    client = bench.client()
    form = client.get("/sign-in").text
    assert ('type="password"' in form, "/sign-in/sso" in form) == (False, True)
    assert client.post("/sign-in", data={"name": "analyst", "password": PASSWORD}).status_code == 403
    assert come_in(client, idp).status_code == 200


def test_without_a_provider_there_is_no_way_and_no_link(bench: Workbench):
    assert bench.client().get("/sign-in/sso").headers["location"] == "/sign-in"
    assert bench.client().get("/sign-in/sso/back?state=a&code=b").headers["location"] == "/sign-in"
    assert "/sign-in/sso" not in bench.client().get("/sign-in").text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("issuer: http://idp.example", "https"),
        ("roles: {a: king}", "no role 'king'"),
        ("algorithms: [HS256]", "RS256"),
        ("more: 1", "more"),
    ],
)
def test_settings_with_a_mistake_are_refused_in_words(tmp_path: Path, line: str, words: str):
    right = {"issuer": "https://idp.example", "client_id": "c", "address": "https://aml.example",
             "roles": "{a: analyst}"}  # fmt: skip
    given = right | {line.split(":")[0]: line.split(": ", 1)[1]}
    (tmp_path / "sso.yaml").write_text("".join(f"{name}: {value}\n" for name, value in given.items()))
    with pytest.raises(YamlFileError, match=words):
        load_oidc(tmp_path / "sso.yaml", None)


def test_settings_come_from_a_file_and_the_secret_from_the_environment(tmp_path: Path):
    (tmp_path / "sso.yaml").write_text(
        "issuer: https://idp.example/\nclient_id: c\naddress: https://aml.example\nroles: {a: analyst}\n"
    )
    settings = load_oidc(tmp_path / "sso.yaml", "s3cret")
    assert settings.client_secret is not None
    assert settings.client_secret.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)
