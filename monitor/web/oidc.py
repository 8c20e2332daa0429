"""Single sign-on by OpenID Connect: authorization code with PKCE, and the checks of the id token.

Each way in begins with fresh state, nonce and verifier, which stay here and are used once; a cookie binds them to the
browser. The id token must be signed by a key of the provider with one of the algorithms of the settings, never with
what it says of itself alone, be from this issuer for this client, in time, and bear the nonce.

Sources: OpenID Connect Core 1.0, sections 3.1.2 and 3.1.3; RFC 7636 (PKCE); RFC 9700 (security of OAuth 2.0).
"""

import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import httpx
import jwt
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from monitor.casework.access import RIGHTS
from monitor.intake.yaml_files import read_model
from monitor.web.single_sign_on import SsoFailed, Vouched

WAY_SECONDS, WAYS_MAX = 600.0, 10_000
"""How long somebody may take at the provider, and how many may be on the way at once."""
LEEWAY_SECONDS = 60
KEYS_SECONDS = 60.0
"""The provider's keys are asked for again at most so often, when one is not known."""
ANSWER_BYTES_MAX = 1 << 20
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class OidcSettings(BaseModel):
    """The file of ``aml serve --sso``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(description="Address of the provider, as its id tokens name it.")
    client_id: str = Field(min_length=1)
    client_secret: SecretStr | None = Field(None, description="Without one the client is public; PKCE holds anyway.")
    address: str = Field(description="Address of the workbench, as browsers reach it.")
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name_claim: str = "preferred_username"
    full_name_claim: str = "name"
    roles_claim: str = "groups"
    roles: dict[str, str] = Field(min_length=1, description="From a value of the claim to a role; the first that fits.")
    algorithms: tuple[Literal["RS256", "PS256", "ES256", "EdDSA"], ...] = ("RS256",)
    local_users: bool = Field(True, description="Whether users with a password may come in too.")
    timeout_seconds: float = Field(10.0, gt=0, le=60)

    @field_validator("issuer", "address")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("must begin with https://; plain http is for 127.0.0.1 only")
        return value.rstrip("/") if parts.path == "/" else value

    @field_validator("roles")
    @classmethod
    def _are_roles(cls, value: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(value.values()) - RIGHTS.keys())
        if unknown:
            raise ValueError(f"there is no role {unknown[0]!r}; one of {', '.join(RIGHTS)}")
        return value


def load_oidc(path: Path, secret: str | None) -> OidcSettings:
    """The settings of a file; ``secret``, of the environment, stands over the file's.

    Raises:
        YamlFileError: The file is wrong; the message says where.
        OSError: It cannot be read.
    """
    settings = read_model(path, OidcSettings)
    return settings if secret is None else settings.model_copy(update={"client_secret": SecretStr(secret)})


@dataclass(frozen=True, slots=True)
class _Way:
    """Somebody on the way to the provider and back."""

    browser: str
    nonce: str
    verifier: str
    began: float


class SingleSignOn:
    """One provider. ``client`` speaks with it; tests give their own."""

    def __init__(self, settings: OidcSettings, client: httpx.Client | None = None) -> None:
        self.settings = settings
        self._client = client or httpx.Client(timeout=settings.timeout_seconds, follow_redirects=False)
        self._ways: OrderedDict[str, _Way] = OrderedDict()
        self._found: dict[str, str] | None = None
        self._keys: jwt.PyJWKSet | None = None
        self._keys_at = -KEYS_SECONDS

    @property
    def has_local_users(self) -> bool:
        """Whether users with a password may come in too."""
        return self.settings.local_users

    def begin(self) -> tuple[str, str]:
        """Where to send the browser, and the value of the cookie that binds the way to it.

        Raises:
            SsoFailed: The provider cannot be asked where its doors are.
        """
        place = self._provider()["authorization_endpoint"]
        state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        way = _Way(browser, secrets.token_urlsafe(32), secrets.token_urlsafe(48), time.monotonic())
        self._ways[state] = way
        while len(self._ways) > WAYS_MAX:
            self._ways.popitem(last=False)
        challenge = urlsafe_b64encode(sha256(way.verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code", "client_id": self.settings.client_id, "redirect_uri": self._back,
            "scope": " ".join(self.settings.scopes), "state": state, "nonce": way.nonce, "code_challenge": challenge,
            "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{place}{'&' if '?' in place else '?'}{urlencode(asked)}", browser

    def finish(self, *, state: str, code: str, error: str, browser: str) -> Vouched:
        """Whom the provider vouches for, when the browser has come back.

        Raises:
            SsoFailed: Anything is not as it must be.
        """
        way = self._ways.pop(state, None)
        if way is None or time.monotonic() - way.began > WAY_SECONDS:
            raise SsoFailed("state", "the state is unknown, used before or older than ten minutes")
        if not hmac.compare_digest(way.browser.encode(), browser.encode()):
            raise SsoFailed("browser", "the browser that came back is not the one that was sent")
        if error or not code:
            raise SsoFailed("provider", f"the provider answered {error[:100]!r} in place of a code")
        claims = self._checked(self._exchanged(code, way.verifier), way.nonce)
        return self._vouched(claims)

    @property
    def _back(self) -> str:
        return self.settings.address.rstrip("/") + "/sign-in/sso/back"

    def _provider(self) -> dict[str, str]:
        if self._found is None:
            place = self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
            found = self._json("discovery", self._client.build_request("GET", place))
            if found.get("issuer") != self.settings.issuer:
                raise SsoFailed("discovery", f"{place} is of the issuer {found.get('issuer')!r}")
            wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            doors = {name: str(found.get(name, "")) for name in wanted}
            for name, door in doors.items():
                parts = urlsplit(door)
                if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
                    raise SsoFailed("discovery", f"{place}: {name} is not https")
            self._found = doors
        return self._found

    def _exchanged(self, code: str, verifier: str) -> str:
        """The id token for a code."""
        given = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._back,
                 "code_verifier": verifier}  # fmt: skip
        secret = self.settings.client_secret
        if secret is None:
            given["client_id"] = self.settings.client_id
        auth = None if secret is None else httpx.BasicAuth(self.settings.client_id, secret.get_secret_value())
        request = self._client.build_request("POST", self._provider()["token_endpoint"], data=given)
        if auth is not None:
            request = next(auth.auth_flow(request))
        token = self._json("token", request).get("id_token")
        if not isinstance(token, str):
            raise SsoFailed("token", "the provider gave no id token for the code")
        return token

    def _checked(self, token: str, nonce: str) -> dict[str, Any]:
        """The claims of an id token that is sound."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in self.settings.algorithms:
                raise SsoFailed("algorithm", f"the id token is signed with {header.get('alg')!r}, which is not allowed")
            key = self._key(header.get("kid"))
            if key.algorithm_name != header["alg"]:
                raise SsoFailed("algorithm", f"the key {key.key_id!r} is for {key.algorithm_name}")
            claims = jwt.decode(
                token, key, algorithms=[header["alg"]], audience=self.settings.client_id, issuer=self.settings.issuer,
                leeway=LEEWAY_SECONDS, options={"require": ["exp", "iat", "iss", "aud", "sub", "nonce"]},
            )  # fmt: skip
        except jwt.PyJWTError as error:
            raise SsoFailed("id_token", f"the id token is not sound: {type(error).__name__}: {error}") from None
        if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            raise SsoFailed("nonce", "the id token bears another nonce: it is of another way in")
        is_for_several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", self.settings.client_id if not is_for_several else None) != self.settings.client_id:
            raise SsoFailed("audience", "the id token was made for another client (azp)")
        return claims

    def _key(self, name: object) -> jwt.PyJWK:
        """The provider's key of this name; all are asked for again where it is not known."""
        for is_again in (False, True):
            known = [] if self._keys is None else [key for key in self._keys.keys if key.key_id == name]
            if known:
                return known[0]
            if is_again or time.monotonic() - self._keys_at < KEYS_SECONDS:
                break
            self._keys_at = time.monotonic()
            found = self._json("keys", self._client.build_request("GET", self._provider()["jwks_uri"]))
            self._keys = jwt.PyJWKSet.from_dict(found)
        raise SsoFailed("key", f"the provider has no key {str(name)[:100]!r}")

    def _vouched(self, claims: dict[str, Any]) -> Vouched:
        name = claims.get(self.settings.name_claim)
        if not isinstance(name, str) or not name:
            raise SsoFailed("name", f"the id token has no {self.settings.name_claim}")
        given = claims.get(self.settings.roles_claim)
        values = given if isinstance(given, list) else [given]
        role = next((role for value, role in self.settings.roles.items() if value in values), None)
        if role is None:
            raise SsoFailed("role", f"no value of {self.settings.roles_claim} of {name!r} stands for a role")
        full_name = claims.get(self.settings.full_name_claim)
        subject = f"{self.settings.issuer} {claims['sub']}"
        return Vouched(subject, name, full_name if isinstance(full_name, str) else name, role)

    def _json(self, what: str, request: httpx.Request) -> dict[str, Any]:
        """What the provider answers; the request is not told, for it can hold secrets."""
        try:
            answer = self._client.send(request)
            body = answer.json() if answer.status_code == 200 and len(answer.content) < ANSWER_BYTES_MAX else None
        except (httpx.HTTPError, ValueError) as error:
            raise SsoFailed(what, f"the provider cannot be asked ({what}): {type(error).__name__}") from None
        if not isinstance(body, dict):
            raise SsoFailed(what, f"the provider answered {answer.status_code} ({what})")
        return body
