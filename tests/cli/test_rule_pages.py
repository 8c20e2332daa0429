"""The pages for examiners say what is in the files, mark what is an example, and need no network."""

import re
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from monitor.cli.rules import app
from monitor.rulebook.load import load_rules, shipped_rules
from tests.rulebook.bad_rules import GOOD

EXAMPLE = GOOD.replace("approval: {by: Head of Financial Crime, on: 2026-03-24, record: CR-1}", "approval: EXAMPLE")


def aml_rules(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


class Text(HTMLParser):
    """The text of a page, its links, and whether every element is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.feed(page)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("href", "src")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)


@pytest.fixture
def bank(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "rules" / "us" / "structuring"
    folder.mkdir(parents=True)

    def written(text: str, *arguments: str) -> Text:
        (folder / "good.yaml").write_text(text, encoding="utf-8")
        result = aml_rules("docs", "--out", "pages", *arguments)
        assert result.exit_code == 0, result.output
        return Text((tmp_path / "pages" / "AML-STR-900.html").read_text(encoding="utf-8"))

    return written


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    out = tmp_path_factory.mktemp("pages")
    result = aml_rules("docs", shipped_rules(), "--out", out, "--on", "2026-05-04")
    assert result.exit_code == 0, result.output
    return {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()}


def test_there_is_a_page_for_every_rule_and_the_index_leads_to_each(shipped):
    rules, _ = load_rules([shipped_rules()])
    assert set(shipped) == {"index.html", *(f"{rule.id}.html" for rule in rules)}
    assert set(Text(shipped["index.html"]).links) == set(shipped) - {"index.html"}


def test_pages_are_whole_and_load_nothing(shipped):
    for page in shipped.values():
        parsed = Text(page)
        assert parsed.open == []
        assert all(re.fullmatch(r"[\w-]+\.html", link) for link in parsed.links)
        assert not re.search(r"https?://|@import|url\(|<script", page)


def test_a_page_holds_every_part_of_its_rule(shipped):
    rules, _ = load_rules([shipped_rules()])
    for rule in rules:
        text = Text(shipped[f"{rule.id}.html"]).text
        said = [rule.title, *rule.blind_spots, *rule.false_positives]
        said += [part for each in rule.references for part in (each.cite, each.says, each.read)]
        said += [row.cite for parameter in rule.parameters.values() for row in parameter.rows]
        said += [test.name[1:] for test in rule.tests]
        assert [part for part in said if " ".join(part.split()) not in text] == []
        assert "EXAMPLE : approved by the product only" in text


def test_the_values_of_the_day_are_marked(bank):
    text = EXAMPLE.replace(
        "      - {from: 2026-01-01, value: 2, cite: CR-1}",
        "      - {from: 2026-01-01, value: 2, cite: CR-1}\n      - {from: 2026-06-01, value: 3, cite: CR-2}",
    )
    early, late = bank(text, "--on", "2026-05-04").text, bank(text, "--on", "2026-06-01").text
    assert "2 everyone 2026-01-01 in force CR-1" in early
    assert "3 everyone 2026-06-01 to come CR-2" in early
    assert "2 everyone 2026-01-01 replaced CR-1" in late
    assert "cash.deposits is at least 3" in late


def test_who_approved_and_what_was_before_is_shown(bank, tmp_path):
    bank(EXAMPLE)
    aml_rules("lock", "--on", "2026-11-01")
    given = ("--by", "Ada <the head>", "--record", "CR-9", "--on", "2026-11-24", "--approvals", "rules/approvals.yaml")
    assert aml_rules("approve", "AML-STR-900", *given).exit_code == 0
    text = bank(EXAMPLE).text
    assert "Active. Approved by Ada <the head> on 2026-11-24, record CR-9" in text
    assert "2026-11-01 1 active" in text
    assert "EXAMPLE" not in text
    changed = bank(EXAMPLE.replace("value: 2,", "value: 1,").replace("version: 1", "version: 2")).text
    assert "The file has changed since: aml rules lock." in changed
    assert "EXAMPLE" in changed


def test_a_test_that_fails_is_not_shown_as_proof(bank):
    text = bank(EXAMPLE.replace("value: 2,", "value: 3,")).text
    assert "1 test failed when this page was made" in text
    assert "alert given: ." in text


def test_words_of_a_rule_are_never_markup(bank):
    page = bank(EXAMPLE.replace("title: Cash deposits below a limit", "title: Cash <b>&amp; below</b> a limit"))
    assert "Cash <b>&amp; below</b> a limit" in page.text


def test_the_index_names_ids_that_are_taken(bank, tmp_path):
    (tmp_path / "rules" / "rules.lock").write_text(
        "AML-STR-001:\n  - {version: 1, status: deleted, since: 2026-01-01, digest: aa}\n", encoding="utf-8"
    )
    bank(EXAMPLE)
    index = Text((tmp_path / "pages" / "index.html").read_text(encoding="utf-8")).text
    assert "Ids that are taken and have no rule AML-STR-001" in index
