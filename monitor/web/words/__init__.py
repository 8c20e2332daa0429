"""The words of the workbench. English is the key; each other language has a file.

English has a file too, for the few words whose English depends on where they stand (``view open``, ``move close``).
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from monitor.casework.wording import Told

LANGUAGES: Mapping[str, str] = {"en": "English", "zh-Hans": "简体中文"}
"""By tag (BCP 47), each in its own words."""


@cache
def words_of(language: str) -> Mapping[str, str]:
    """The words of a language by their key."""
    found: dict[str, str] = json.loads((files("monitor.web.words") / f"{language}.json").read_text("utf-8"))
    return found


def said(language: str, text: str, **values: object) -> str:
    """A text in a language, with values put in for ``{name}``.

    >>> said("en", "{n} cases", n=3), said("zh-Hans", "Queue")
    ('3 cases', '案件队列')
    """
    found = words_of(language).get(text, text)
    return found.format(**values) if values else found


def told_in(language: str, sentence: Told) -> str:
    """A sentence with its values in a language.

    >>> told_in("en", Told("Urgency {share}: {left}.", {"share": "0.50", "left": "overdue 2d"}))
    'Urgency 0.50: overdue 2d.'
    """
    return said(language, sentence.text, **{name: _value(language, each) for name, each in sentence.values.items()})


def _value(language: str, value: object) -> object:
    if isinstance(value, Told):
        return told_in(language, value)
    return spelled(language, words_of(language).get(value, value)) if isinstance(value, str) else value


_TIME = re.compile(r"(in |overdue )?((?:\d+[dhm] ?)+)$")


def spelled(language: str, words: str) -> str:
    """A length of time in a language, as :func:`monitor.casework.priority.time_in_words` has it in English.

    >>> spelled("zh-Hans", "overdue 2d 4h"), spelled("zh-Hans", "in 5m"), spelled("en", "in 5m")
    ('逾期 2天4小时', '剩余 5分钟', 'in 5m')
    """
    found = _TIME.fullmatch(words)
    if found is None or language == "en":
        return words
    units = "".join(said(language, "{n}" + each[-1], n=each[:-1]) for each in found[2].split())
    return said(language, found[1] + "{time}", time=units) if found[1] else units


TIMES = ("in {time}", "overdue {time}", "{n}d", "{n}h", "{n}m")
"""What lengths of time are put together from."""
