"""HTTP protocol with deadlines for receiving a request and sending its answer."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from digits.serving.request_checks import SECURITY, refusal

RECEIVE = 10.0  # s from a request's first byte, or from the connection, until it must be here as a whole
SEND = 20.0  # s that a reader of an answer may let us wait
HEAD = 64 * 1024  # bytes of a request before its body
LARGE_HEAD = f"the request's head is larger than {HEAD:,} bytes"
CONNECTIONS = 1_000


class DeadlineProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, with an end to patience: who sends or takes byte after byte must not hold a place."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client comes."""
        super().connection_made(transport)
        self.deadline: asyncio.TimerHandle | None = None
        self.patience: asyncio.TimerHandle | None = None
        self.head = self.parts = 0  # bytes since a head began, and those of its headers that are complete
        if len(self.connections) > CONNECTIONS:
            self._end(503, "busy", "the server is busy; try again in a second")
        else:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._expect(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        if self.transport.is_closing():
            return
        if self.deadline is None and self._is_waiting():
            self._expect()
        self.head += len(data)
        super().data_received(data)
        if self.head > HEAD and not self.transport.is_closing():
            self._end(431, "limit", LARGE_HEAD)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A part of it. Thousands may come in one piece, so each is counted."""
        self.parts += len(name) + len(value) + 4
        if self.parts > HEAD:
            raise ValueError("too large")  # the parser stops, and calls send_400_response
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is here; what follows is a body, whose length the guard looks at."""
        self.head, self.parts = -(2**62), 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is here."""
        self.head = 0
        self._expect(None)
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client does not take its answer."""
        self.patience = self.loop.call_later(SEND, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        """It goes on."""
        if self.patience is not None:
            self.patience.cancel()
            self.patience = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """To what is no HTTP, or has too large a head."""
        if self.parts > HEAD:
            self._end(431, "limit", LARGE_HEAD)
        else:
            self._end(400, "http", "this is no HTTP request")

    def _is_waiting(self) -> bool:
        return self.cycle is None or not self.cycle.more_body or self.cycle.response_complete

    def _expect(self, seconds: float | None = RECEIVE) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
        self.deadline = self.loop.call_later(seconds, self._late) if seconds is not None else None

    def _late(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete and self.cycle.response_started:
            self.transport.abort()
        else:
            self._end(408, "late", f"the request was not here within {RECEIVE:g} seconds")

    def _end(self, status: int, kind: str, text: str) -> None:
        """A last answer, written by hand: the application is not asked any more."""
        self._expect(None)
        body = refusal(text, kind)
        lines = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *SECURITY]
        head = b"".join(b"%s: %s\r\n" % line for line in [*lines, (b"connection", b"close")])
        self.transport.write(b"HTTP/1.1 %d \r\n%s\r\n%s" % (status, head, body))
        self.transport.close()
