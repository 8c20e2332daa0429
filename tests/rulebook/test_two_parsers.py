"""A rule file means the same whether libyaml or the parser in Python reads it; the parser in Python is the oracle.

Equal are the tree with its values, texts and lines, and the text of a refusal. No difference is excused.
"""

import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.rulebook import document
from monitor.rulebook.document import Tree, read_document
from monitor.rulebook.load import shipped_rules
from monitor.rulebook.rule_error import RuleError
from tests.rulebook.bad_rules import GOOD

SHIPPED = {path.relative_to(shipped_rules()): path.read_text("utf-8") for path in shipped_rules().rglob("*.yaml")}
PIECES = (
    *"-?:,[]{}#&*!|>'\"%@` \n\\a0.~<\té\u3000\U0001f600\ufeff\x7f\xa0",
    *(
        "\n---\n",
        "\n...\n",
        ": ",
        " #",
        "- ",
        "? ",
        "\n  ",
        "\n\n",
        '""',
        "''",
        "|+\n",
        ">-\n",
        "|2\n",
        ">#",
        "&a ",
        "*a",
    ),
    *("!!str ", "! ", "<<: ", '"\\x41"', '"\\/"', '"\\u0041"', "{a:b}", '{"a":b}', "[a: b]", "{a, b: }", "[? a]"),
    *(
        "::",
        "\n%YAML 1.2\n",
        "\n%YAML 1.1\n",
        "k: v\n",
        "- x\n",
        "k: |\n  x\n\n   y\n",
        "k: >-\n  x\n  y\n",
        "k: a\n  b\n",
    ),
    *("k: NO\n", "k: 0o17\n", "k: 017\n", "k: 1_000\n", "k: 1:30\n", "k: 1e3\n", "k: ~\n", "k: .5\n", "k: =\n", "k:\n"),
)

pytestmark = pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML is installed without libyaml")


def outcome(text: str, *, with_libyaml: bool) -> Tree | str:
    """The tree, or the text of the refusal."""
    try:
        return read_document(text, "a.yaml", with_libyaml=with_libyaml)
    except RuleError as error:
        return str(error)


def assert_read_alike(text: str) -> None:
    assert outcome(text, with_libyaml=True) == outcome(text, with_libyaml=False)


@pytest.mark.parametrize("name", SHIPPED, ids=str)
def test_a_shipped_file_is_the_same_and_libyaml_reads_it_alone(name, monkeypatch):
    in_python = read_document(SHIPPED[name], "a.yaml", with_libyaml=False)

    def refuse(**_):
        raise AssertionError("the parser in Python was asked")

    monkeypatch.setattr(document, "YAML", refuse)
    assert read_document(SHIPPED[name], "a.yaml") == in_python


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_documents_of_pieces_are_read_alike(text):
    assert_read_alike(text)


@st.composite
def spoilt_parts(draw: st.DrawFn) -> str:
    """Some lines of a good file, with a few places overwritten."""
    rows = draw(st.sampled_from([GOOD, *SHIPPED.values()])).split("\n")
    first = draw(st.integers(0, len(rows) - 1))
    text = "\n".join(rows[first : first + draw(st.integers(1, 30))])
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(PIECES)) + text[at + draw(st.integers(0, 4)) :]
    return text


@settings(max_examples=400, deadline=None)
@given(spoilt_parts())
def test_spoilt_files_are_read_alike(text):
    assert_read_alike(text)


@pytest.mark.parametrize(
    "text",
    [
        "%YAML 1.1\n---\nk: v\n",
        "k: v\n%YAML 1.2\n",
        "k:\tv\n",
        "k: v\t# c\n",
        "\tk: v\n",
        "\ufeffk: v\n",
        "k: a\ufeffb\n",
        "k: \x07\n",
        "k: \x7f\n",
        "k: \ufffe\n",
        "k: \ud800\n",
        "k: \U0001f600 b\nl: w\n",
        "k: a\xa0b\n",
        "k: a\x85b\n",
        "{a:b}",
        '{"a":b}',
        "{'a':'b'}",
        "[a: b]",
        "{a: b: c}",
        "[a:,b]",
        "{a, b: }",
        "{? a : b}",
        "{http://x: y}",
        "k: [a:b, ::c]\n",
        "k: a:b:c\n",
        "k: a#b\n",
        "k: v\n...\n",
        "k: v\n...\n...\n",
        "|\n...\n",
        "|\n#a",
        "k: |#\n  a\n",
        "k:\n\nl: v\n",
        "k: # c\nl: v\n",
        "? a",
        "? a\n: b\n",
        "- \n- a\n",
        "k: ''\n",
        "k: |\n",
        "k: |+\n  a\n\n\nl: v\n",
        "k: |2\n   a\n",
        "k: >\n  a\n\n  b\n   c\n",
        'k: "a\n  b\\\n  c"\n',
        'k: "\\/"\n',
        'k: "\\x41\\u0042\\U00000043"\n',
        "&a k: v\n",
        "k: *a\n",
        "!!str k: v\n",
        "! k: v\n",
        "k: ! 12\n",
        "<<: {a: 1}\n",
        "k: 1\nk: 2\n",
        "",
        "# c\n",
        "k: v\n---\nl: w\n",
    ],
)
def test_where_yaml_1_1_and_1_2_could_differ(text):
    assert_read_alike(text)


def test_words_and_numbers_are_those_of_yaml_1_2():
    tree = read_document("[NO, on, 0o17, 017, 1_000, 1:30, 0x1F, 2026-01-01, 1e3, .5, true]".join(("k: ", "\n")), "a")
    values = [item.value for item in tree.items["k"].items]
    assert [str(value) for value in values] == "NO on 0o17 17 1_000 1:30 0x1F 2026-01-01 1e3 0.5 True".split()
    assert values[-1] is True


def test_the_rulebook_is_the_same_where_the_extension_is_missing():
    program = (
        "import sys; sys.modules['yaml._yaml'] = None if sys.argv[1] == 'without' else sys.modules.get('yaml._yaml')\n"
        "if sys.argv[1] != 'without': del sys.modules['yaml._yaml']\n"
        "import yaml\n"
        "from monitor.rulebook.load import load_rulebook, shipped_rules\n"
        "rules, errors = load_rulebook([shipped_rules()])\n"
        "print(rules.digest, len(rules.rules), len(errors), file=sys.stdout); print(yaml.__with_libyaml__)\n"
    )
    digests = {}
    for way in ("with", "without"):
        run = subprocess.run([sys.executable, "-c", program, way], capture_output=True, text=True, check=True)
        digests[way], has_libyaml = run.stdout.splitlines()
        assert has_libyaml == str(way == "with")
    assert digests["with"] == digests["without"]
