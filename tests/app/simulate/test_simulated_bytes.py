"""The same seed gives the same bytes, however the days are put together."""

import hashlib
import json
from pathlib import Path

import pytest

from monitor.app.simulate import ParameterError, simulate


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_two_runs_of_a_seed_give_the_same_files_for_any_number_of_days_in_memory(tmp_path: Path):
    for name, days_per_chunk in (("one", 1), ("again", 1), ("week", 7), ("all", 100)):
        simulate(customers=600, days=21, seed=11, out=tmp_path / name, days_per_chunk=days_per_chunk)
    first = digests(tmp_path / "one")
    assert len(first) == 9
    assert digests(tmp_path / "again") == first
    assert digests(tmp_path / "week") == first
    assert digests(tmp_path / "all") == first


def test_another_seed_gives_other_payments_and_another_length_other_cases(tmp_path: Path):
    simulate(customers=200, days=14, seed=1, out=tmp_path / "one")
    simulate(customers=200, days=14, seed=2, out=tmp_path / "two")
    one, two = digests(tmp_path / "one"), digests(tmp_path / "two")
    assert all(
        one[name] != two[name] for name in one if name not in ("entities.yaml", "lists/high_risk_countries.yaml")
    )


def test_the_manifest_names_every_file_with_its_digest_and_an_earlier_file_does_not_stay(tmp_path: Path):
    simulate(customers=100, days=14, seed=1, out=tmp_path)
    simulate(customers=100, days=14, seed=1, out=tmp_path, file_format="json")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    found = digests(tmp_path)
    del found["manifest.json"]
    assert manifest["sha256"] == found
    assert "transactions.parquet" not in found
    assert manifest["generator"] == 2


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"customers": 99}, "--customers"), ({"days": 13}, "--days"), ({"seed": -1}, "--seed"),
     ({"file_format": "csv"}, "--format")],
)  # fmt: skip
def test_a_parameter_out_of_range_is_named_before_anything_is_written(tmp_path: Path, changed, named):
    with pytest.raises(ParameterError, match=named):
        simulate(**{"customers": 100, "days": 14, "seed": 1, "out": tmp_path / "out", **changed})
    assert not (tmp_path / "out").exists()
