"""Results that stay in a folder, so that a stream is not measured again before something changed.

Of each stream and track there are ``NAME-TRACK.html`` and ``NAME-TRACK.json``. The figures carry a fingerprint of
whatever decides them: the data, the request, the code of the product, the rules, and the versions of the libraries that
compute. A result with another fingerprint is measured anew.
"""

import json
import os
from dataclasses import dataclass
from hashlib import file_digest, sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import models
import monitor
from monitor.app.evaluate.evaluation import EvaluateRequest, Evaluation
from monitor.app.evaluate.figures_json import evaluation_json
from monitor.app.evaluate.page import evaluation_page
from monitor.app.evaluate.reading import parties_beside
from monitor.rulebook.load import shipped_rules

_LIBRARIES = ("numba", "numpy", "river", "scikit-learn", "snapml")


@dataclass(frozen=True, slots=True)
class Kept:
    """The files of one stream and track."""

    page: Path
    figures: Path

    @classmethod
    def at(cls, folder: Path, name: str) -> "Kept":
        """In a folder, under a name."""
        return cls(folder / f"{name}.html", folder / f"{name}.json")

    def unchanged(self, mark: str, request: EvaluateRequest) -> dict[str, Any] | None:
        """The figures, if they were measured from what the fingerprint stands for and nothing that goes with them is
        missing."""
        try:
            found = json.loads(self.figures.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        is_whole = self.page.exists() and (request.alerts_out is None or request.alerts_out.is_dir())
        return found if is_whole and isinstance(found, dict) and found.get("fingerprint") == mark else None

    def write(self, found: Evaluation, mark: str) -> dict[str, Any]:
        """The page, then the figures, which count only as a whole."""
        self.page.parent.mkdir(parents=True, exist_ok=True)
        self.page.write_text(evaluation_page(found), encoding="utf-8")
        figures = {"fingerprint": mark} | evaluation_json(found)
        half = self.figures.with_suffix(".part")
        half.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        os.replace(half, self.figures)
        return figures


def fingerprint(request: EvaluateRequest) -> str:
    """SHA-256 of what decides the figures of a request.

    Raises:
        OSError: A file of the data or the rules cannot be read.
    """
    digest = sha256(repr((request.track, request.budget, request.seed, request.only)).encode())
    parties = request.parties or parties_beside(request.place)
    given = (request.place, *([parties] if parties else ()), *(request.rules or (shipped_rules(),)), *request.alerts)
    for root in given:
        _add(digest, root, "*")
    for package in (monitor, models):
        assert package.__file__ is not None
        _add(digest, Path(package.__file__).parent, "*.py")
    digest.update(repr([_version(name) for name in _LIBRARIES]).encode())
    return digest.hexdigest()


def _add(digest: Any, root: Path, pattern: str) -> None:
    """The files at a place, each with its name below it."""
    for path in sorted(path for path in root.rglob(pattern) if path.is_file()) if root.is_dir() else [root]:
        with path.open("rb") as file:
            digest.update(f"{path.relative_to(root)} {file_digest(file, 'sha256').hexdigest()}\n".encode())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
