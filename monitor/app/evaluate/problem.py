"""What a user of ``aml evaluate`` can mend: shown as one message, without a stack trace."""


class EvaluateError(Exception):
    """The data, or what is asked of them, cannot be evaluated; the message says why and what to do."""
