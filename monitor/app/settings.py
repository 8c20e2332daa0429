"""Settings of the streaming shell: from a YAML file, and over it from the environment; secrets are never shown.

The file has sections (``kafka``, ``redis``, ``store``, ``database``, ``inputs``, ``worker``); a variable is ``AML_``
and the path to the setting, such as ``AML_KAFKA_BOOTSTRAP`` or ``AML_REDIS_URL``. A secret can also be given as a file
(``AML_KAFKA_PASSWORD_FILE``), as secrets are mounted into containers. Several paths are separated by colons.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from monitor.domain.feed import FEEDS_MAX, NO_FEED, is_feed
from monitor.intake.yaml_files import read_model

PREFIX = "AML_"
HIDDEN = "********"
KEY_BYTES = 32
_FILE = "_FILE"
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()-]+)*/?")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?/?")


class SettingsError(Exception):
    """A setting is wrong; the message names the variable or the line, the fact and the remedy."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(_Section):
    """How to reach the brokers."""

    bootstrap: str = Field(
        default="127.0.0.1:9092", description="Addresses of brokers: HOST:PORT, several with commas."
    )
    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How the brokers are spoken to."
    )
    ca: Path | None = Field(
        default=None, description="PEM file of the authority that signed the brokers' certificates."
    )
    certificate: Path | None = Field(default=None, description="PEM file of the client's own certificate.")
    key: Path | None = Field(default=None, description="PEM file of the client's private key.")
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="How the client proves who it is, with a SASL protocol."
    )
    user: str | None = Field(default=None, description="Its user, with a SASL protocol.")
    password: SecretStr | None = Field(default=None, description="The user's password.")

    @model_validator(mode="after")
    def _fits(self) -> "KafkaSettings":
        if self.protocol.startswith("SASL") and (self.user is None or self.password is None):
            raise ValueError(f"kafka: the protocol {self.protocol} needs user and password; give both")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("kafka: a client's certificate and its key belong together; give both or neither")
        for name, path in (("ca", self.ca), ("certificate", self.certificate), ("key", self.key)):
            if path is not None and not path.is_file():
                raise ValueError(f"kafka.{name}: there is no file {path}; correct the path")
        return self

    def client(self) -> dict[str, str]:
        """The settings under the names of librdkafka, for confluent-kafka."""
        found: dict[str, str | None] = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.protocol,
            "ssl.ca.location": str(self.ca) if self.ca and self.protocol.endswith("SSL") else None,
            "ssl.certificate.location": str(self.certificate) if self.certificate else None,
            "ssl.key.location": str(self.key) if self.key else None,
        }
        if self.protocol.startswith("SASL"):
            assert self.password is not None
            found |= {
                "sasl.mechanism": self.mechanism,
                "sasl.username": self.user,
                "sasl.password": self.password.get_secret_value(),
            }
        return {name: value for name, value in found.items() if value is not None}


class RedisSettings(_Section):
    """How to reach Redis."""

    url: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"),
        description="redis:// or rediss:// (TLS), with user and password of its ACL.",
    )
    ca: Path | None = Field(default=None, description="PEM file of the authority that signed its certificate.")

    @model_validator(mode="after")
    def _fits(self) -> "RedisSettings":
        scheme = urlsplit(self.url.get_secret_value()).scheme
        if scheme not in ("redis", "rediss", "unix"):
            raise ValueError("redis.url: it begins with redis://, rediss:// or unix://; correct it")
        return self


class StoreSettings(_Section):
    """What all workers share besides topics and tables."""

    folder: Path = Field(
        default=Path("aml-store"),
        description="Folder that scoring and history workers reach: snapshots of partitions, and what explains alerts.",
    )
    snapshots: str | None = Field(
        default=None, description="s3://BUCKET/PREFIX: snapshots lie there, and not in the folder."
    )
    endpoint: str | None = Field(default=None, description="Where that bucket is, https://HOST:PORT, if not at Amazon.")
    region: str | None = Field(default=None, description="The region of the bucket.")
    ca: Path | None = Field(
        default=None, description="PEM file of the authority that signed the endpoint's certificate."
    )
    access_key: str | None = Field(
        default=None, description="The id of the key for the bucket; without it the role that the worker runs as."
    )
    secret_key: SecretStr | None = Field(default=None, description="The secret of this key.")
    token_key: SecretStr | None = Field(
        default=None, description="Key of the tokens, 64 hexadecimal digits; the same for all workers, for ever."
    )

    @field_validator("snapshots")
    @classmethod
    def _is_bucket(cls, given: str | None) -> str | None:
        if given is not None and not _BUCKET.fullmatch(given):
            raise ValueError(
                "it is not s3://BUCKET or s3://BUCKET/PREFIX; correct it, or take it out and use the folder"
            )
        return given

    @field_validator("endpoint")
    @classmethod
    def _is_endpoint(cls, given: str | None) -> str | None:
        if given is not None and not _ENDPOINT.fullmatch(given):
            raise ValueError("it is not https://HOST:PORT or http://HOST:PORT; correct it, without user and path")
        return given

    @model_validator(mode="after")
    def _fits(self) -> "StoreSettings":
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("store: access_key and secret_key belong together; give both or neither")
        if self.ca is not None and not self.ca.is_file():
            raise ValueError(f"store.ca: there is no file {self.ca}; correct the path")
        if self.token_key is not None:
            try:
                is_key = len(bytes.fromhex(self.token_key.get_secret_value())) == KEY_BYTES
            except ValueError:
                is_key = False
            if not is_key:
                raise ValueError("store.token_key: it is not 64 hexadecimal digits; make it with  openssl rand -hex 32")
        return self

    def key(self) -> bytes:
        """The key of the tokens.

        Raises:
            SettingsError: There is none.
        """
        if self.token_key is None:
            raise SettingsError(
                f"{PREFIX}STORE_TOKEN_KEY: the key of the tokens is not given. Set it, or "
                f"{PREFIX}STORE_TOKEN_KEY_FILE, to the same 64 hexadecimal digits for all workers."
            )
        return bytes.fromhex(self.token_key.get_secret_value())


class DatabaseSettings(_Section):
    """Where cases are kept."""

    url: SecretStr = Field(
        default=SecretStr("aml.db"), description="postgresql://USER:PASSWORD@HOST/NAME, or the path of a SQLite file."
    )


class InputsSettings(_Section):
    """What verdicts depend on besides payments and profiles."""

    rules: tuple[Path, ...] = Field(default=(), description="Folders or files of rules; the shipped ones without.")
    lists: tuple[Path, ...] = Field(default=(), description="Folders or files of named lists.")
    rates: Path | None = Field(default=None, description="CSV file of exchange rates.")
    entities: Path | None = Field(default=None, description="YAML file of the booking entities.")
    approvals: Path | None = Field(default=None, description="The bank's own approvals of rules.")
    approve_examples: bool = Field(default=False, description="Whether rules that only the product approved are live.")
    models: Literal["off", "shadow", "live"] = Field(default="shadow", description="What the anomaly models do.")

    @field_validator("rules", "lists", mode="before")
    @classmethod
    def _paths(cls, given: Any) -> Any:
        return tuple(part for part in given.split(":") if part) if isinstance(given, str) else given


class WorkerSettings(_Section):
    """How a worker works."""

    chunk_rows: Annotated[int, Field(ge=1, le=65_536)] = Field(default=4_096, description="Most payments of a chunk.")
    chunk_ms: Annotated[float, Field(gt=0, le=60_000)] = Field(
        default=20.0, description="After so many milliseconds a chunk is sent, full or not."
    )
    fetch_wait_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(
        default=10, description="So many milliseconds brokers gather records before they answer."
    )
    snapshot_seconds: Annotated[float, Field(gt=0, le=86_400)] = Field(
        default=30.0, description="How often a partition's state is saved."
    )
    profile_wait_seconds: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=60.0, description="How long a partition waits for profiles before it judges without them."
    )
    feeds: dict[str, Annotated[float, Field(gt=0, le=31_536_000)]] = Field(
        default={},
        description="Feeds and for how many seconds each may be silent, such as cards=3600,wires=900.",
    )
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        default=9_464, description="Where health and metrics are asked for; 0 for nowhere."
    )
    host: str = Field(default="0.0.0.0", description="The address that the port is bound to.")
    faust_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        default=0, description="Where a scoring worker shows Faust's own pages, for engineers; 0 for nowhere."
    )
    faust_host: str = Field(default="127.0.0.1", description="The address that this port is bound to.")

    @model_validator(mode="after")
    def _fits(self) -> "WorkerSettings":
        if self.port and self.port == self.faust_port:
            raise ValueError(f"worker: port and faust_port are both {self.port}; give another one to faust_port")
        return self

    @field_validator("feeds", mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        parts = [part.partition("=") for part in given.split(",") if part.strip()]
        for name, equals, seconds in parts:
            if not equals or not seconds.strip().replace(".", "", 1).isdigit():
                raise ValueError(f"{name!r} has no seconds; write for example cards=3600,wires=900")
        return {name.strip(): float(seconds) for name, _, seconds in parts}

    @field_validator("feeds")
    @classmethod
    def _allowed(cls, feeds: dict[str, float]) -> dict[str, float]:
        wrong = [name for name in feeds if not is_feed(name)]
        if wrong or len(feeds) > FEEDS_MAX:
            raise ValueError(
                f"{wrong[0]!r} {NO_FEED}"
                if wrong else f"{len(feeds)} feeds; {FEEDS_MAX} are the most"
            )  # fmt: skip
        return feeds


class Settings(_Section):
    """Everything that a worker needs to know of its surroundings."""

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    store: StoreSettings = StoreSettings()
    database: DatabaseSettings = DatabaseSettings()
    inputs: InputsSettings = InputsSettings()
    worker: WorkerSettings = WorkerSettings()


SECTIONS: dict[str, Any] = {
    name: part.annotation for name, part in Settings.model_fields.items() if part.annotation is not None
}


def load_settings(environ: Mapping[str, str], file: Path | None = None) -> Settings:
    """The settings in force: the environment before the file before the defaults.

    Raises:
        SettingsError: A setting is wrong, or there is none of this name.
        YamlFileError: The file is wrong; it names the line.
        OSError: A file cannot be read.
    """
    base = read_model(file, Settings) if file is not None else Settings()
    given: dict[str, dict[str, Any]] = {}
    named: dict[tuple[str, str], str] = {}
    for section, kind in SECTIONS.items():
        start = f"{PREFIX}{section.upper()}_"
        values = {name: getattr(getattr(base, section), name) for name in getattr(base, section).model_fields_set}
        for variable in sorted(name for name in environ if name.startswith(start)):
            name, text = variable.removeprefix(start).lower(), environ[variable]
            if name not in kind.model_fields and variable.endswith(_FILE):
                name = name.removesuffix(_FILE.lower())
                text = _secret(variable, Path(text))
            if name not in kind.model_fields:
                known = ", ".join(f"{start}{each.upper()}" for each in kind.model_fields)
                raise SettingsError(f"{variable}: there is no such setting. Known: {known}.")
            values[name], named[section, name] = text, variable
        given[section] = values
    try:
        return Settings(**{section: kind(**given[section]) for section, kind in SECTIONS.items()})
    except ValidationError as error:
        raise SettingsError("\n".join(_message(problem, error.title, named) for problem in error.errors())) from None


def shown(settings: Settings) -> dict[str, str]:
    """Every setting with its value, as ``section.name``; secrets are hidden, whatever their length."""
    lines = {}
    for section in SECTIONS:
        part = getattr(settings, section)
        for name in type(part).model_fields:
            lines[f"{section}.{name}"] = _shown(getattr(part, name), is_url=name == "url")
    return lines


def _shown(value: Any, *, is_url: bool = False) -> str:
    if value is None or value == ():
        return "-"
    if isinstance(value, dict):
        return ",".join(f"{name}={number:g}" for name, number in value.items()) or "-"
    if isinstance(value, tuple):
        return ":".join(str(each) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, SecretStr):
        parts = urlsplit(value.get_secret_value())
        if is_url and not parts.scheme:
            return value.get_secret_value()
        if not parts.scheme or not parts.hostname:
            return HIDDEN
        port = f":{parts.port}" if parts.port else ""
        who = f"{parts.username or ''}:{HIDDEN}@" if parts.password else ""
        return urlunsplit((parts.scheme, f"{who}{parts.hostname}{port}", parts.path, "", ""))
    return str(value)


def _secret(variable: str, path: Path) -> str:
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{variable}: {path} cannot be read: {error.strerror}. Correct the path.") from None


def _message(problem: Any, section: str, named: Mapping[tuple[str, str], str]) -> str:
    name = section.removesuffix("Settings").lower()
    text = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    if not problem["loc"]:
        return f"{text}."
    setting = str(problem["loc"][0])
    return f"{named.get((name, setting), f'{name}.{setting}')}: {text}."
