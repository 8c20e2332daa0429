"""A workbench for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.workbench import Workbench, workbench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    with workbench(tmp_path) as one:
        yield one
