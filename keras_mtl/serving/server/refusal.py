"""An answer that is an error of the request, or of the moment."""

from __future__ import annotations


class Refusal(Exception):
    """Raised where a request can't be answered; the server sends `{"error": message}`.

    Args:
        status: of the answer, 400 to 599.
        message: one line that says what was got and what was expected.
        retry_after: seconds after which to try again, if that may help.
    """

    def __init__(self, status: int, message: str, retry_after: int | None = None):
        super().__init__(message)
        self.status, self.message, self.retry_after = status, message, retry_after
