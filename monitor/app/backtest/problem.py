"""What a user of back-tests can mend."""


class BacktestError(Exception):
    """The back-test cannot be made; the message says place, fact, reason and remedy."""
