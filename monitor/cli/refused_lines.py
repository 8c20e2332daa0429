"""A refused record in two lines: where it stood and why, then what was written."""

_ORIGINAL_CHARACTERS_MAX = 60


def record_lines(number: str, place: str, reason: str, detail: str, original: bytes, note: str = "") -> list[str]:
    r"""Number, place and reason; then the record, shortened, with what a terminal might obey made visible.

    >>> record_lines("3", "a.jsonl:4", "not_json", "at byte 1", b"{\x1b[2J")
    ['      3 a.jsonl:4  not_json: at byte 1', '        {\\x1b[2J']
    """
    text = original.decode("utf-8", "backslashreplace")
    if len(text) > _ORIGINAL_CHARACTERS_MAX:
        text = text[: _ORIGINAL_CHARACTERS_MAX - 1] + "…"
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return [f"{number:>7} {place}  {reason}: {detail}{note}", f"{'':>7} {text}"]
