"""The quarantine: no refused record is lost or doubled, whatever its bytes and wherever the process is killed."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from monitor.adapters.block_log import DamagedError
from monitor.adapters.quarantine import Quarantine
from monitor.cli.refused import app, data_folder
from monitor.domain.refusal import Reason, Refusal

NOW = "2026-05-04T09:00:00Z"

refusals = st.lists(
    st.builds(
        Refusal,
        st.integers(0, 10**12),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.sampled_from(Reason),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.binary(max_size=30) | st.just(b'{"transaction_id":"\xc3\xa9"}'),
        st.sampled_from([b"", b"a,b", b"\xff,b"]),
    ),
    max_size=12,
    unique_by=lambda refusal: refusal.position,
)


def stored(quarantine: Quarantine) -> list[Refusal]:
    return [record.refusal for record in quarantine.read()]


@given(refusals, refusals, st.integers(0, 500))
@settings(print_blob=True, deadline=None)
def test_a_killed_run_keeps_what_was_committed_and_nothing_twice(
    first: list[Refusal], second: list[Refusal], torn_bytes: int
) -> None:
    with TemporaryDirectory() as name:
        quarantine = Quarantine(Path(name))
        quarantine.append(first, refused_at=NOW)
        size = quarantine.commit()
        quarantine.append(second, refused_at=NOW)
        assert stored(quarantine) == [*first, *second]
        quarantine.close()
        with quarantine.path.open("r+b") as file:
            file.truncate(max(size, quarantine.path.stat().st_size - torn_bytes))
        quarantine = Quarantine(Path(name))
        again = stored(quarantine)
        assert again == [*first, *second][: len(again)]
        quarantine.truncate_to(size)
        quarantine.append(second, refused_at=NOW)
        assert stored(quarantine) == [*first, *second]


@given(refusals)
@settings(print_blob=True, deadline=None, max_examples=50)
def test_a_retry_writes_each_original_once_under_its_header(values: list[Refusal]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        quarantine = Quarantine(folder)
        quarantine.append(values, refused_at=NOW)
        written = quarantine.retry(folder / "out.jsonl", retried_at=NOW)
        assert sum(written.values()) == len(values)
        bodies = sorted(path.read_bytes() for path in written)
        by_header: dict[bytes, bytes] = {}
        for value in values:
            start = value.header + b"\n" if value.header else b""
            body = value.original if value.original.endswith(b"\n") else value.original + b"\n"
            by_header[value.header] = by_header.get(value.header, start) + body
        assert bodies == sorted(by_header.values())
        assert quarantine.retry(folder / "out.jsonl", retried_at=NOW) == {}
        assert stored(quarantine) == values


def test_a_retry_never_replaces_a_file(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    quarantine.append([Refusal(1, "a:1", Reason.NOT_JSON, "x", b"{")], refused_at=NOW)
    (tmp_path / "out.jsonl").write_text("mine")
    with pytest.raises(FileExistsError, match=r"out\.jsonl exists"):
        quarantine.retry(tmp_path / "out.jsonl", retried_at=NOW)
    assert (tmp_path / "out.jsonl").read_text() == "mine"
    assert len(list(quarantine.read(retried=False))) == 1


def test_a_shorter_file_than_was_committed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="0 bytes, but 10 were committed"):
        Quarantine(tmp_path).truncate_to(10)


def test_the_commands_list_with_remedies_and_write_once(tmp_path: Path) -> None:
    db = tmp_path / "aml.db"
    quarantine = Quarantine(data_folder(db))
    quarantine.append(
        [
            Refusal(3, "in.jsonl:4", Reason.NOT_JSON, "at byte 1", b"{[bold]"),
            Refusal(5, "in.jsonl:6", Reason.TIME_WITHOUT_ZONE, "booked_at", b"{}"),
        ],
        refused_at=NOW,
    )
    run = CliRunner(env={"COLUMNS": "200"})
    listed = run.invoke(app, ["list", "--db", str(db)])
    assert listed.exit_code == 0
    assert "time_without_zone" in listed.output
    assert "The time names no zone." in listed.output
    assert "{[bold]" in listed.output
    out = tmp_path / "again.jsonl"
    command = ["retry", "--db", str(db), "--reason", "not_json", "--out", str(out)]
    assert "1 records written" in run.invoke(app, command).output
    assert out.read_bytes() == b"{[bold]\n"
    assert "Nothing to write" in run.invoke(app, command).output
    assert run.invoke(app, ["list", "--db", str(tmp_path / "none.db")]).exit_code == 2
