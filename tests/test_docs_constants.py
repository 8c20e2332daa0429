"""What pages say about the code is there: constants of limits, and run-time dependencies."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def test_every_limit_on_the_operating_page_is_a_constant_of_the_named_file() -> None:
    page = (DOCS / "operating.md").read_text(encoding="utf-8")
    rows = re.findall(r"\| `([a-z_/]+\.py)`((?: `[A-Z_0-9]+`,?)*) \|", page)
    assert len(rows) > 30
    for name, constants in rows:
        text = (ROOT / "monitor" / name).read_text(encoding="utf-8")
        for constant in re.findall(r"`([A-Z_0-9]+)`", constants):
            assert re.search(rf"^{constant}\b.*=", text, re.MULTILINE), f"{name}: no {constant}"


def test_every_run_time_dependency_has_its_line_among_the_decisions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[>=\[ ]", each)[0] for each in project["dependencies"]]
    lines = re.findall(
        r"^- ([A-Za-z0-9.-]+):", (DOCS / "adr" / "0014-dependencies.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert names
    assert set(names) <= set(lines)


def test_every_decision_is_in_the_index_with_its_title() -> None:
    index = (DOCS / "adr" / "README.md").read_text(encoding="utf-8")
    pages = sorted((DOCS / "adr").glob("0*.md"))
    assert pages
    assert [f"{number:04d}" for number in range(1, len(pages) + 1)] == [page.name[:4] for page in pages]
    for page in pages:
        number, title = page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").split(" ", 1)
        assert f"| [{number}]({page.name}) | {title} |" in index


def test_links_between_pages_lead_somewhere() -> None:
    links = [
        (page, target)
        for page in DOCS.rglob("*.md")
        for target in re.findall(r"\]\(([^)#:]+\.(?:md|json))\)", page.read_text(encoding="utf-8"))
    ]
    assert links
    assert [f"{page.name}: {target}" for page, target in links if not (page.parent / target).exists()] == []
