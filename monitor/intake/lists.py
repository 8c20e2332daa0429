"""The named lists of a run: files in folders, several versions of one list, picked by name.

A list is one YAML file as :mod:`monitor.rulebook.lists` reads it. Versions of one list lie in folders of their own
(``lists/high_risk_countries.yaml``, ``lists/2025/high_risk_countries.yaml``). By name, the newest is picked: the
one with the latest ``as_of``. Two versions with one ``as_of`` are an error, because it would not be known which
is in force.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from monitor.rulebook.lists import NamedList, load_list

FILES_MAX = 1_000
"""Files read at most; more are an error."""


class ListsError(Exception):
    """The list files do not fit together; the message says where, what, why and what to do."""


@dataclass(frozen=True, slots=True)
class NamedLists:
    """All versions of all lists, by name, ascending in ``as_of``."""

    versions: Mapping[str, tuple[NamedList, ...]]

    def newest(self) -> dict[str, NamedList]:
        """The newest version of each list, by name: what a rulebook is loaded with."""
        return {name: versions[-1] for name, versions in self.versions.items()}

    def as_of(self, day: str) -> dict[str, NamedList]:
        """The newest version that existed on ``day`` (``YYYY-MM-DD``), by name; lists that began later are left out."""
        found = {name: [each for each in versions if each.as_of <= day] for name, versions in self.versions.items()}
        return {name: versions[-1] for name, versions in found.items() if versions}


def digest_of(named: NamedList) -> str:
    """A hash of the words, the name and the version: evidence of which list a verdict used."""
    body = "\x1f".join((named.name, named.version, named.as_of, named.vocabulary, *sorted(named.words)))
    return blake2b(body.encode(), digest_size=16).hexdigest()


def load_lists(paths: Iterable[Path]) -> NamedLists:
    """Read list files and all ``*.yaml`` in folders, at any depth.

    Raises:
        RuleError: A file is no list; the error names the line.
        ListsError: Two versions of a list have one date, or there are too many files.
        OSError: A file cannot be read.
    """
    files = [file for path in paths for file in (sorted(path.rglob("*.yaml")) if path.is_dir() else [path])]
    if len(files) > FILES_MAX:
        raise ListsError(
            f"{files[0].parent}: {len(files)} list files; at most {FILES_MAX} are read. Name fewer folders."
        )
    versions: dict[str, dict[str, tuple[NamedList, Path]]] = {}
    for file in files:
        named = load_list(file)
        same = versions.setdefault(named.name, {})
        if named.as_of in same:
            raise ListsError(
                f"{file}: the list {named.name} as of {named.as_of} is also in {same[named.as_of][1]}. It is not known "
                "which one is in force. Remove one, or correct its 'as_of'."
            )
        same[named.as_of] = named, file
    return NamedLists({name: tuple(same[day][0] for day in sorted(same)) for name, same in sorted(versions.items())})
