"""Settings: the environment before the file before the defaults; wrong ones are named, secrets never shown."""

from pathlib import Path

import pytest

from monitor.app.settings import HIDDEN, SettingsError, load_settings, shown
from monitor.intake.yaml_files import YamlFileError

SECRET = "s3cret-and-long"


def test_the_environment_goes_before_the_file_and_the_file_before_the_defaults(tmp_path: Path):
    file = tmp_path / "aml.yaml"
    file.write_text(
        "kafka:\n  bootstrap: from-file:9092\n  protocol: SASL_PLAINTEXT\n  user: ann\n  password: of-file\n"
    )
    found = load_settings({"AML_KAFKA_BOOTSTRAP": "from-env:9092", "AML_DB": "bank.db"}, file).kafka
    assert (found.bootstrap, found.user, found.mechanism) == ("from-env:9092", "ann", "SCRAM-SHA-512")
    assert found.client()["sasl.password"] == "of-file"
    assert load_settings({}).kafka.client() == {
        "bootstrap.servers": "127.0.0.1:9092", "security.protocol": "PLAINTEXT"
    }  # fmt: skip


def test_a_secret_is_read_from_its_file_and_shown_nowhere(tmp_path: Path):
    (tmp_path / "password").write_text(SECRET + "\n")
    found = load_settings(
        {
            "AML_KAFKA_PROTOCOL": "SASL_SSL",
            "AML_KAFKA_USER": "ann",
            "AML_KAFKA_PASSWORD_FILE": str(tmp_path / "password"),
            "AML_REDIS_URL": f"rediss://worker:{SECRET}@cache:6380/2?password={SECRET}",
        }
    )
    assert found.kafka.client()["sasl.password"] == SECRET
    lines = shown(found)
    assert lines["kafka.password"] == HIDDEN
    assert lines["redis.url"] == f"rediss://worker:{HIDDEN}@cache:6380/2"
    assert SECRET not in repr(found) + str(lines)


def test_the_bucket_of_the_snapshots_is_shown_and_the_key_for_it_is_not():
    found = load_settings(
        {
            "AML_STORE_SNAPSHOTS": "s3://aml-state/production/eu",
            "AML_STORE_ENDPOINT": "https://s3.bank.example:9000",
            "AML_STORE_ACCESS_KEY": "AKIA1",
            "AML_STORE_SECRET_KEY": SECRET,
        }
    )
    lines = shown(found)
    assert lines["store.snapshots"] == "s3://aml-state/production/eu"
    assert lines["store.endpoint"] == "https://s3.bank.example:9000"
    assert (lines["store.access_key"], lines["store.secret_key"]) == ("AKIA1", HIDDEN)
    assert SECRET not in repr(found) + str(lines)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"AML_KAFKA_BOOTSTRAPS": "x"}, r"AML_KAFKA_BOOTSTRAPS: there is no such setting. Known: AML_KAFKA_BOOTSTRAP,"),
        ({"AML_KAFKA_PROTOCOL": "TLS"}, r"AML_KAFKA_PROTOCOL: Input should be 'PLAINTEXT', 'SSL'"),
        ({"AML_KAFKA_PROTOCOL": "SASL_SSL"}, r"kafka: the protocol SASL_SSL needs user and password; give both\."),
        ({"AML_KAFKA_CA": "/nowhere.pem"}, r"kafka.ca: there is no file /nowhere.pem; correct the path\."),
        ({"AML_KAFKA_PASSWORD_FILE": "/nowhere"}, r"AML_KAFKA_PASSWORD_FILE: /nowhere cannot be read: No such file"),
        ({"AML_STORE_TOKEN_KEY": SECRET}, r"store.token_key: it is not 64 hexadecimal digits; make it with"),
        (
            {"AML_STORE_SNAPSHOTS": "https://bucket"},
            r"AML_STORE_SNAPSHOTS: it is not s3://BUCKET or s3://BUCKET/PREFIX",
        ),
        ({"AML_STORE_SNAPSHOTS": "s3://Bucket"}, r"AML_STORE_SNAPSHOTS: it is not s3://"),
        ({"AML_STORE_ENDPOINT": f"https://ann:{SECRET}@s3:9000"}, r"AML_STORE_ENDPOINT: it is not https://HOST:PORT"),
        ({"AML_STORE_SECRET_KEY": SECRET}, r"store: access_key and secret_key belong together; give both or neither"),
        ({"AML_STORE_CA": "/nowhere.pem"}, r"store.ca: there is no file /nowhere.pem; correct the path\."),
        ({"AML_WORKER_CHUNK_ROWS": "0"}, r"AML_WORKER_CHUNK_ROWS: Input should be greater than or equal to 1"),
        ({"AML_REDIS_URL": f"http://:{SECRET}@x"}, r"redis.url: it begins with redis://"),
    ],
)
def test_a_wrong_setting_is_named_and_no_secret_with_it(environ: dict[str, str], words: str):
    with pytest.raises(SettingsError, match=words) as found:
        load_settings(environ)
    assert SECRET not in str(found.value)


def test_a_wrong_file_names_its_line(tmp_path: Path):
    file = tmp_path / "aml.yaml"
    file.write_text("kafka:\n  bootstrap: a:1\n  retries: 3\n")
    with pytest.raises(YamlFileError, match=r"aml.yaml:3: kafka.retries: there is no such setting"):
        load_settings({}, file)


def test_paths_keys_and_choices_of_the_other_sections_are_read_and_shown():
    environ = {"AML_INPUTS_RULES": "/a:/b", "AML_INPUTS_APPROVE_EXAMPLES": "true", "AML_STORE_TOKEN_KEY": "ab" * 32}
    found = load_settings(environ)
    assert found.inputs.rules == (Path("/a"), Path("/b"))
    assert found.inputs.approve_examples
    assert found.store.key() == b"\xab" * 32
    lines = shown(found)
    assert (lines["inputs.rules"], lines["inputs.lists"], lines["inputs.approve_examples"]) == ("/a:/b", "-", "yes")
    assert (lines["store.token_key"], lines["database.url"]) == (HIDDEN, "aml.db")
    with pytest.raises(SettingsError, match=r"AML_STORE_TOKEN_KEY: the key of the tokens is not given"):
        load_settings({}).store.key()
