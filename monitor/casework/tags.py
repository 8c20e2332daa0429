"""Tags: short words that people put on cases, to find them together again. They decide nothing."""

from typing import Final

from monitor.casework.lifecycle import MoveRefused

TAG_CHARACTERS_MAX: Final = 32
TAGS_MAX: Final = 12
"""Most tags of a case."""


def tag_of(text: str) -> str:
    """A tag as it is kept: small letters of any script, digits and single hyphens.

    >>> tag_of("  Shell Company "), tag_of("跟进")
    ('shell-company', '跟进')

    Raises:
        MoveRefused: Nothing is left, it is too long, or a character is neither letter, digit, hyphen nor space.
    """
    tag = "-".join(text.lower().replace("-", " ").split())
    if not tag or len(tag) > TAG_CHARACTERS_MAX or not all(letter.isalnum() or letter == "-" for letter in tag):
        raise MoveRefused(
            f"the tag {text[:40]!r} is not usable: a tag has 1 to {TAG_CHARACTERS_MAX} letters, digits and hyphens."
        )
    return tag
