"""What regulators call the pattern that a rule looks for: filings take their codes from here.

``fincen_sar`` is one or several subtypes of suspicious activity of the FinCEN SAR (XML schema 1.2). ``pbc_crcd`` is
the kind of a large-value transaction in a report to the People's Bank of China; ``pbc_stcr`` the name under which the
bank has registered the rule with its monitoring centre. ``goaml_indicator`` is a word of the receiving unit's own list,
which each country keeps for itself; only its form can be checked.
"""

from monitor.rulebook import entries
from monitor.rulebook.document import Items, Keyed, Tree
from monitor.rulebook.names import did_you_mean
from monitor.rulebook.rule_error import RuleError

CODE_KEYS = ("fincen_sar", "goaml_indicator", "pbc_stcr", "pbc_crcd")
CODE_CHARACTERS_MAX = 32
FINCEN_SUBTYPES = frozenset(
    """
    106 111 112 113 114 301 304 305 308 309 310 312 320 321 322 323 324 325 401 402 403 404 405 409 501 502 504 505 506
    507 601 603 604 608 609 701 801 804 805 806 807 808 809 812 820 821 822 823 824 901 903 904 905 907 908 909 910 911
    913 917 920 921 922 924 925 926 927 928 1001 1003 1005 1006 1007 1101 1102 1201 1202 1203 1204 1999 3999 4999 5999
    6999 7999 8999 9999 10999 11999 12999
""".split()
)
"""The subtypes of all activity types; those that end in 999 are "other" of their type."""
PBC_LARGE_VALUE = {
    "0501": "cash",
    "0502": "transfers of others than natural persons",
    "0503": "transfers of natural persons within the country",
    "0504": "transfers of natural persons across the border",
}
"""The codes of Article 5 of Order 3 [2016] of the People's Bank of China."""
_FORM = "codes: {fincen_sar: 114}, or goaml_indicator, pbc_stcr, pbc_crcd"


def codes(tree: Keyed, *, is_kept: bool = False) -> dict[str, str | tuple[str, ...]]:
    """The codes of a rule, at least one; a rule kept by a former release may be without."""
    if is_kept and "codes" not in tree.items:
        return {}
    node = entries.need(tree, "codes", "the rule", f"Write {_FORM}: a filing needs the regulator's word.")
    entry = entries.keyed(node, "'codes'", _FORM)
    entries.only_keys(entry, CODE_KEYS, "codes")
    if not entry.items:
        raise RuleError(entry.place, "'codes' holds no code", "A filing needs the regulator's word.", f"Write {_FORM}.")
    return {key: _code(entry, key, each) for key, each in entry.items.items()}


def _code(entry: Keyed, key: str, node: Tree) -> str | tuple[str, ...]:
    is_list = isinstance(node, Items)
    words = entries.texts(entry, key, "codes", "Write a code.") if is_list else (
        entries.text(entry, key, "codes", "Write a code."),)  # fmt: skip
    for word in words:
        if len(word) > CODE_CHARACTERS_MAX:
            raise RuleError(node.place, f"a code of more than {CODE_CHARACTERS_MAX} characters under '{key}'",
                            f"The regulator's field holds {CODE_CHARACTERS_MAX}.",
                            "Write the registered code.")  # fmt: skip
        if key == "fincen_sar" and word not in FINCEN_SUBTYPES:
            near = did_you_mean(word, sorted(FINCEN_SUBTYPES))
            raise RuleError(node.place, f"the code {word} under 'fincen_sar'",
                            "It is no subtype of suspicious activity in the FinCEN SAR.",
                            near if near.startswith("Did") else "Write for example 114, below the threshold of a "
                            "currency report.")  # fmt: skip
        if key == "pbc_crcd" and word not in PBC_LARGE_VALUE:
            raise RuleError(node.place, f"the code {word} under 'pbc_crcd'", "It is no kind of large-value transaction "
                            f"of Article 5: {', '.join(PBC_LARGE_VALUE)}.",
                            'Write for example pbc_crcd: "0501".')  # fmt: skip
    if len(set(words)) < len(words):
        raise RuleError(node.place, f"a code twice under '{key}'", "Each counts once.", "Remove one.")
    return words if is_list else words[0]
