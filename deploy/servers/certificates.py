"""Certificates for TLS listeners in tests: an authority of one's own, made by ``openssl``, good for a week."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from deploy.servers.server import MissingServer

DAYS = 7


@dataclass(frozen=True)
class Identity:
    """A key and its certificate, as PEM files."""

    key: Path
    certificate: Path
    both: Path
    """Key and certificate in one file, which Kafka wants."""


@dataclass(frozen=True)
class Authority:
    """Signs certificates for 127.0.0.1 and localhost; ``certificate`` is what a client trusts."""

    key: Path
    certificate: Path

    @classmethod
    def make(cls, folder: Path) -> Self:
        """A new authority, with its files in ``folder``.

        Raises:
            MissingServer: There is no ``openssl`` that can.
        """
        made = cls(folder / "authority.key", folder / "authority.pem")
        _openssl(made.key, made.certificate, "authority", "-addext", "basicConstraints=critical,CA:TRUE")
        return made

    def issue(self, name: str, folder: Path) -> Identity:
        """A key and a certificate for a server or a client on this machine, in ``folder``."""
        key, certificate, both = (folder / f"{name}.{ending}" for ending in ("key", "pem", "both.pem"))
        _openssl(
            key, certificate, name,
            "-CA", str(self.certificate), "-CAkey", str(self.key),
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext", "basicConstraints=critical,CA:FALSE",
        )  # fmt: skip
        both.write_text(key.read_text() + certificate.read_text())
        return Identity(key, certificate, both)


def _openssl(key: Path, certificate: Path, name: str, *how: str) -> None:
    """Make a key and a certificate for it."""
    command = [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", str(DAYS), "-subj", f"/CN={name}",
        "-keyout", str(key), "-out", str(certificate), *how,
    ]  # fmt: skip
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        why = error.stderr.strip().splitlines()[-1:] if isinstance(error, subprocess.CalledProcessError) else error
        raise MissingServer(f"no certificates: openssl 3 is missing or refuses ({why})") from error
