"""A provider of identities for tests: an OpenID Connect server on this machine, with real keys."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "workbench", "a secret of the client: with / and %"
ADDRESS = "https://aml.test"


@dataclass
class Provider:
    """Signs whatever a test wants; ``claims`` and ``header`` are laid over what would be right."""

    place: str = ""
    key: Any = field(default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048))
    kid: str = "k1"
    algorithm: str = "RS256"
    signing_key: Any = None
    claims: dict[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    document: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    seen_secret: str = ""

    def authorize(self, location: str) -> str:
        """What the person's visit to the provider ends with: the address that the browser is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self.codes[code] = asked
        return asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"]})

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """An id token for a code, once, to who knows the verifier and the secret."""
        asked = self.codes.pop(form["code"], None)
        challenge = (
            base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        )
        expected = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if asked is None or challenge != asked["code_challenge"] or authorization != expected:
            return 400, {"error": "invalid_grant"}
        if form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.place, "sub": "u-1", "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": asked["nonce"],
            "preferred_username": "ann", "name": "Ann Lee", "groups": ["staff", "aml-analysts"],
        } | self.claims  # fmt: skip
        for name in self.left_out:
            del claims[name]
        key = self.signing_key or (None if self.algorithm == "none" else self.key)
        if self.algorithm == "HS256":
            return 200, {"id_token": self._with_secret(claims)}
        return 200, {"id_token": jwt.encode(claims, key, self.algorithm, headers={"kid": self.kid})}

    def _with_secret(self, claims: dict[str, Any]) -> str:
        """Signed with the bytes of a public key as a shared secret, which no library does for one."""
        parts = [json.dumps({"alg": "HS256", "kid": self.kid}).encode(), json.dumps(claims).encode()]
        body = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        signature = base64.urlsafe_b64encode(hmac.digest(self.signing_key, body, "sha256")).rstrip(b"=")
        return (body + b"." + signature).decode()

    def answer(self, path: str) -> dict[str, Any] | None:
        """What stands at an address."""
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            doors = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            return {
                "issuer": self.place,
                **{name: f"{self.place}/{door}" for name, door in doors.items()},
                **self.document,
            }
        if path == "/keys":
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
            return {"keys": [public | {"kid": "k1", "alg": "RS256", "use": "sig"}]}
        return None


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider that listens."""
    one = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = one.answer(self.path)
            self._say(200 if body is not None else 404, body or {})

        def do_POST(self) -> None:
            one.asked.append(self.path)
            data = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(data).items()}
            self._say(*one.token(form, self.headers.get("authorization", "")))

        def _say(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *given: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.place = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield one
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
