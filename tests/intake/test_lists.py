"""Named lists: several versions may exist; the newest is picked by name."""

from pathlib import Path

import pytest

from monitor.intake.lists import ListsError, digest_of, load_lists

TEXT = "name: {name}\nversion: {version}\nas_of: {as_of}\nvocabulary: country\nsource: test\nwords: [{words}]\n"


def write(folder: Path, **values: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{values['name']}.yaml"
    path.write_text(TEXT.format(**values))
    return path


def test_the_newest_version_is_picked_by_name_and_an_older_one_by_day(tmp_path: Path) -> None:
    write(tmp_path, name="high_risk", version="2", as_of="2026-02-01", words="IR, KP, NO")
    write(tmp_path / "older", name="high_risk", version="1", as_of="2025-02-01", words="IR")
    write(tmp_path, name="watched", version="1", as_of="2026-05-01", words="MM")
    lists = load_lists([tmp_path])
    assert {name: each.version for name, each in lists.newest().items()} == {"high_risk": "2", "watched": "1"}
    assert lists.newest()["high_risk"].words == ("IR", "KP", "NO")
    assert {name: each.version for name, each in lists.as_of("2026-01-31").items()} == {"high_risk": "1"}
    assert lists.as_of("2024-01-01") == {}


def test_two_versions_of_one_day_are_an_error_that_names_both_files(tmp_path: Path) -> None:
    first = write(tmp_path / "a", name="high_risk", version="1", as_of="2026-02-01", words="IR")
    second = write(tmp_path / "b", name="high_risk", version="2", as_of="2026-02-01", words="KP")
    with pytest.raises(ListsError, match="is also in") as caught:
        load_lists([first, second])
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)


def test_the_digest_moves_with_the_words_and_the_version(tmp_path: Path) -> None:
    digests = set()
    for version, words in (("1", "IR"), ("1", "KP"), ("2", "IR")):
        lists = load_lists([write(tmp_path, name="x", version=version, as_of="2026-02-01", words=words)])
        digests.add(digest_of(lists.newest()["x"]))
    assert len(digests) == 3
