"""Receive HTTP requests with time limits, so that slow clients cannot keep connections open.

A client must send a whole request within `receive_seconds`. It must also accept the answer: after
`send_seconds` without accepting any byte the connection is closed.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from digits.serving.error_answers import BUSY, error_body
from digits.serving.limits import MAX_CONNECTIONS, MAX_HEAD, RECEIVE_SECONDS, SEND_SECONDS
from digits.serving.security_headers import SECURITY_HEADERS

LARGE_HEAD = f"the request's headers are larger than {MAX_HEAD:,} bytes; send fewer or shorter headers"
HEADER_EXTRA = 4  # bytes of a header line besides its name and value: colon, space and two of the line end


class DeadlineProtocol(HttpToolsProtocol):
    """An HTTP connection with limits on time and size.

    It is closed when the client exceeds a limit.
    The head of a request is its first line and its headers.
    """

    # The library uvicorn calls the public methods: when data arrives, when a part of a request was read, or
    # when the client stops or starts to accept data. Tests set other limits in a subclass.
    receive_seconds = RECEIVE_SECONDS
    send_seconds = SEND_SECONDS
    max_connections = MAX_CONNECTIONS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time limit for the first request.

        If too many connections are open, refuse this one.
        """
        super().connection_made(transport)
        self.receive_timer: asyncio.TimerHandle | None = None
        self.send_timer: asyncio.TimerHandle | None = None
        self.head_bytes = 0  # bytes received since the request started
        self.header_bytes = 0  # bytes of the parsed headers; counted too, since one piece can hold thousands
        self.in_body = False  # whether the head is complete
        if len(self.connections) > self.max_connections:
            self._refuse(503, "busy", BUSY)
        else:
            self._start_receive_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all time limits after the connection was closed."""
        self._stop_receive_timer()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Give received bytes to the parser.

        If the head of the request is too large, refuse the request.
        """
        if self.transport.is_closing():
            return
        if self.receive_timer is None and self.is_idle():  # these are the first bytes of a request
            self._start_receive_timer()
        self.head_bytes += len(data)
        super().data_received(data)
        if not self.in_body and self.head_bytes > MAX_HEAD and not self.transport.is_closing():
            self._refuse(431, "limit", LARGE_HEAD)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count the bytes of a header.

        Args:
            name, value: the parts of the header line.

        Raises:
            ValueError: if all headers together are too large.
        """
        self.header_bytes += len(name) + len(value) + HEADER_EXTRA
        if self.header_bytes > MAX_HEAD:
            raise ValueError("headers are too large")  # the parser then calls `send_400_response`
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop counting bytes when the head is complete."""
        self.in_body = True  # `request_checks` limits the size of the body
        self.header_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the time limit when the whole request has arrived."""
        self.in_body = False
        self.head_bytes = 0
        self._stop_receive_timer()
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Start the time limit for sending the answer.

        The client has stopped accepting data.
        """
        self.send_timer = self.loop.call_later(self.send_seconds, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Stop the time limit for sending the answer.

        The client accepts data again.
        """
        if self.send_timer is not None:
            self.send_timer.cancel()
            self.send_timer = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that the parser cannot read.

        Args:
            msg: the parser's reason; not used.
        """
        if self.header_bytes > MAX_HEAD:
            self._refuse(431, "limit", LARGE_HEAD)
        else:
            self._refuse(400, "http", "the received bytes are not an HTTP request")

    def is_idle(self) -> bool:
        """Return True if no request is being received."""
        return self.cycle is None or not self.cycle.more_body or self.cycle.response_complete

    def _start_receive_timer(self) -> None:
        self._stop_receive_timer()
        self.receive_timer = self.loop.call_later(self.receive_seconds, self._too_slow)

    def _stop_receive_timer(self) -> None:
        if self.receive_timer is not None:
            self.receive_timer.cancel()
            self.receive_timer = None

    def _too_slow(self) -> None:
        """Refuse a request that did not arrive in time."""
        if self.cycle is not None and not self.cycle.response_complete and self.cycle.response_started:
            self.transport.abort()  # a part of the answer was sent already, so no other answer is possible
        else:
            self._refuse(408, "late", f"the request did not arrive within {self.receive_seconds:g} seconds")

    def _refuse(self, status: int, kind: str, message: str) -> None:
        """Send an error answer and close the connection.

        Args:
            status: HTTP status, 400 to 599.
            kind: the reason as one word for programs.
            message: the reason as a sentence for people.
        """
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
