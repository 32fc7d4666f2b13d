"""An answer that is an error of the request, or of the moment."""

from __future__ import annotations

_LONGEST = 300


class Refusal(Exception):
    """Raised where a request can't be answered; the server sends `{"error": message}`.

    Args:
        status: of the answer, 400 to 599.
        message: one line that says what was got and what was expected; cut where it repeats more than a line of input.
        retry_after: seconds after which to try again, if that may help.
    """

    def __init__(self, status: int, message: str, retry_after: int | None = None):
        line = " ".join(message.split())
        self.message = line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."
        super().__init__(self.message)
        self.status, self.retry_after = status, retry_after
