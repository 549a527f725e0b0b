"""HTTP protocol with deadlines for receiving a request and sending its answer."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from digits.serving.error_answers import BUSY, error_body
from digits.serving.limits import MAX_CONNECTIONS, MAX_HEAD, RECEIVE_SECONDS, SEND_SECONDS
from digits.serving.security_headers import SECURITY_HEADERS

LARGE_HEAD = f"the request's headers are larger than {MAX_HEAD:,} bytes"
HEADER_EXTRA = 4  # bytes of a header line besides name and value: colon, space and line end


class DeadlineProtocol(HttpToolsProtocol):
    """One HTTP connection of uvicorn that is closed when the client is too slow or its request too large.

    A subclass may set other limits, as the tests do.
    """

    receive_seconds = RECEIVE_SECONDS
    send_seconds = SEND_SECONDS
    max_connections = MAX_CONNECTIONS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline for the first request, or refuse if too many connections are open."""
        super().connection_made(transport)
        self.receive_timer: asyncio.TimerHandle | None = None
        self.send_timer: asyncio.TimerHandle | None = None
        self.head_bytes = 0  # received since the request began
        self.header_bytes = 0  # of its complete headers: thousands may arrive in one piece
        self.in_body = False
        if len(self.connections) > self.max_connections:
            self._refuse(503, "busy", BUSY)
        else:
            self._start_receive_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        self._stop_receive_timer()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass on a piece of a request, and refuse the request if its head becomes too large."""
        if self.transport.is_closing():
            return
        if self.receive_timer is None and self._is_idle():
            self._start_receive_timer()
        self.head_bytes += len(data)
        super().data_received(data)
        if not self.in_body and self.head_bytes > MAX_HEAD and not self.transport.is_closing():
            self._refuse(431, "limit", LARGE_HEAD)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header. Raises ValueError if there are too many: then the parser refuses the request."""
        self.header_bytes += len(name) + len(value) + HEADER_EXTRA
        if self.header_bytes > MAX_HEAD:
            raise ValueError("headers are too large")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop counting the head: a body follows, whose length `request_checks` compares with its limit."""
        self.in_body = True
        self.header_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the deadline: the request has arrived. The next piece of data begins another one."""
        self.in_body = False
        self.head_bytes = 0
        self._stop_receive_timer()
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Start the deadline for an answer that the client does not take."""
        self.send_timer = self.loop.call_later(self.send_seconds, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Stop that deadline: the client takes its answer."""
        if self.send_timer is not None:
            self.send_timer.cancel()
            self.send_timer = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser could not read, or stopped reading because of `on_header`."""
        if self.header_bytes > MAX_HEAD:
            self._refuse(431, "limit", LARGE_HEAD)
        else:
            self._refuse(400, "http", "this is not an HTTP request")

    def _is_idle(self) -> bool:
        """Return True if no request is being received, so that the next byte begins one."""
        return self.cycle is None or not self.cycle.more_body or self.cycle.response_complete

    def _start_receive_timer(self) -> None:
        self._stop_receive_timer()
        self.receive_timer = self.loop.call_later(self.receive_seconds, self._too_slow)

    def _stop_receive_timer(self) -> None:
        if self.receive_timer is not None:
            self.receive_timer.cancel()
            self.receive_timer = None

    def _too_slow(self) -> None:
        """Close the connection: without a word if an answer has begun, with status 408 otherwise."""
        if self.cycle is not None and not self.cycle.response_complete and self.cycle.response_started:
            self.transport.abort()
        else:
            self._refuse(408, "late", f"the request did not arrive within {self.receive_seconds:g} seconds")

    def _refuse(self, status: int, kind: str, message: str) -> None:
        """Send an error answer without asking the application, and close the connection."""
        self._stop_receive_timer()
        body = error_body(message, kind)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *SECURITY_HEADERS,
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(b"HTTP/1.1 %d \r\n%s\r\n%s" % (status, lines, body))
        self.transport.close()
