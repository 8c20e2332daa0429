"""What compose and the tests of deployment read from the repository."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
IMAGE = r"^[a-z0-9./-]+:[a-z]?\d+\.\d+[a-z0-9.-]*(@sha256:[0-9a-f]{64})?$"
"""An image by a tag with a version of two numbers or more, perhaps with a digest."""
NEEDED = {
    "topics": {"kafka.bootstrap"},
    "intake": {"kafka.bootstrap", "store.token_key"},
    "score": {"kafka.bootstrap", "store.token_key", "store.folder", "redis.url"},
    "cases": {"kafka.bootstrap", "database.url"},
    "profiles": {"kafka.bootstrap", "store.token_key", "redis.url"},
    "history": {"kafka.bootstrap", "store.folder", "redis.url"},
}
"""What each process cannot do without: the defaults are for one machine, or there is none."""
BUCKET = {"store.snapshots", "store.endpoint", "store.region", "store.ca", "store.access_key", "store.secret_key"}
"""What a scoring worker has in place of the folder where its snapshots lie in a bucket."""
SECRETS = {"store.token_key", "redis.url", "database.url", "kafka.password", "store.secret_key"}


def compose() -> dict[str, Any]:
    """``deploy/compose.yaml``, with its merges done."""
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert isinstance(found, dict)
    return found


def setting(variable: str) -> str:
    """The setting that a variable gives.

    >>> setting("AML_STORE_TOKEN_KEY_FILE")
    'store.token_key'
    """
    section, _, name = variable.removeprefix("AML_").lower().removesuffix("_file").partition("_")
    return f"{section}.{name}"


def strings(found: object) -> Iterator[str]:
    """Every text in a document, keys included."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict):
        for key, value in found.items():
            yield from strings(key)
            yield from strings(value)
    elif isinstance(found, list):
        for each in found:
            yield from strings(each)
