"""The words of the workbench. English is the key; each other language has a file.

English has a file too, for the few words whose English depends on where they stand (``view open``, ``move close``).
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

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
