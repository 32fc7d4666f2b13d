"""The error that a user can mend."""


class UserError(ValueError):
    """Bad input: one line that says what was got, what was expected and what to do.

    Commands print it without a traceback and end with exit code 2; any other exception is a defect of
    this package and keeps its traceback.
    """
