"""How far the long searches look: a little further at each run of the suite, from a new seed; ``AML_SEARCH=5`` lets
them look at five times as many cases."""

import os

_TIMES = float(os.environ.get("AML_SEARCH", "1"))


def further(number: int) -> int:
    """How many further cases a search of the suite looks at, at least one.

    >>> further(30)
    30
    """
    return max(1, round(number * _TIMES))
