"""HTTP with bounds on what comes before a request's body."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
"""Of a request line with all headers, at most."""
HEADERS = 100
HEAD_SECONDS = 30.0
"""How long a client may take for them."""
LINGER_SECONDS = 1.0
"""How long what a refused client goes on to send is thrown away: closed at once, it would not see why."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's, which takes heads of any size and waits for them for ever.

    431 answers one that is too large, 408 one that is too slow. What it overrides is no documented interface of
    uvicorn's: `tests/serving/server/test_attacks.py` fails where it changes.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._in_head = self._refused = self._too_large = False
        self._head_bytes = self._complete_bytes = 0
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        was_in_head = self._in_head
        super().data_received(data)
        # What a head that begins within `data` has of it is not known, and is bounded by what is read at once.
        self._head_bytes = self._head_bytes + len(data) if was_in_head and self._in_head else 0
        if self._head_bytes > HEAD_BYTES and not self._refused:
            self._too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._complete_bytes = True, 0
        if self._timer.cancelled():  # A connection's second request, or a later one.
            self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._complete_bytes += len(name) + len(value) + 4
        self._check_head()

    def on_headers_complete(self) -> None:
        self._check_head()  # Of a request line alone, too.
        self._in_head = False
        self._timer.cancel()
        super().on_headers_complete()

    def _check_head(self) -> None:
        if len(self.url) + self._complete_bytes > HEAD_BYTES or len(self.headers) > HEADERS:
            self._too_large = True
            raise ValueError("too large")  # The parser stops, and `send_400_response` is called.

    def send_400_response(self, msg: str) -> None:
        if self._too_large:
            self._refuse(
                "431 Request Header Fields Too Large",
                f"The request line and headers are more than {HEAD_BYTES:,} bytes or {HEADERS} headers",
            )
        else:
            self._refuse("400 Bad Request", "This is not HTTP/1.1")

    def _await_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._late)

    def _late(self) -> None:
        if self._in_head:
            self._refuse("408 Request Timeout", f"The headers did not come within {HEAD_SECONDS:g} seconds")
        else:
            self.transport.close()

    def _refuse(self, status: str, message: str) -> None:
        if self._refused:
            return
        self._refused = True
        body = f'{{"error":"{message}"}}'
        head = (
            f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write((head + body).encode())
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
