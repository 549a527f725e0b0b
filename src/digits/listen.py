"""Sockets, deadlines, processes and signals: `digits serve` from its options to its end."""

import asyncio
import functools
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from typing import Any

from digits.errors import ServeError
from digits.options import LOOPBACK, ServeOptions

try:
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    from uvicorn.supervisors import Multiprocess

    from digits.guard import SECURITY, refusal
    from digits.server import application
except ModuleNotFoundError as error:
    if error.name is None or error.name.split(".")[0] == "digits":
        raise
    needed = "fastapi uvicorn httptools prometheus-client"
    raise ServeError(f"the server needs {error.name}: pip install {needed}") from None

RECEIVE = 10.0  # s from a request's first byte, or from the connection, until it must be here as a whole
SEND = 20.0  # s that a reader of an answer may let us wait
IDLE = 15  # s between two requests of a connection
GRACE = 4  # s for what is in flight when the server is told to stop
HEAD = 64 * 1024  # bytes of a request before its body
LARGE_HEAD = f"the request's head is larger than {HEAD:,} bytes"
CONNECTIONS = 1_000
BACKLOG = 1_024


SETTINGS: dict[str, Any] = {
    "factory": True,
    "ws": "none",
    "access_log": False,
    "log_level": "error",
    "log_config": None,
    "server_header": False,
    "proxy_headers": False,
    "timeout_keep_alive": IDLE,
    "timeout_graceful_shutdown": GRACE,
    "backlog": BACKLOG,
}


class Protocol(HttpToolsProtocol):
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


SETTINGS["http"] = Protocol


def serve(options: ServeOptions) -> None:
    """Answer until told to stop. Raises ServeError, CheckpointError, OptionError before the first request."""
    _allow_files(CONNECTIONS + 200)
    with _listen(options.host, options.port) as listening:
        port = listening.getsockname()[1]
        build = functools.partial(application, options, port)
        app = build()  # before anything is said: a damaged network must not look like a server
        logging.basicConfig(format="digits: %(message)s", level=logging.WARNING)
        if options.workers == 1:
            server = uvicorn.Server(uvicorn.Config(lambda: app, **SETTINGS))
            _end_well(server)
            _greet(options, port)
            server.run([listening])
            return
        with tempfile.TemporaryDirectory() as counters:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = counters  # read by prometheus_client in every worker
            several = Multiprocess(uvicorn.Config(build, workers=options.workers, **SETTINGS), [listening])
            _greet(options, port)
            several.run()


def _end_well(server: uvicorn.Server) -> None:
    """A signal stops the server and is no failure; uvicorn raises it once more when all is done."""

    def stop(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _greet(options: ServeOptions, port: int) -> None:
    name = "localhost" if options.host in ("0.0.0.0", "::") else options.host  # noqa: S104  # a comparison
    address = f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"
    if options.host not in LOOPBACK:
        print(
            f"digits: warning: --host {options.host} lets other machines in, without a password or "
            "encryption; put a proxy before it that has both (docs/serving.md)",
            file=sys.stderr,
        )
    print(f"digits: draw at {address} (Ctrl-C ends)", flush=True)
    if options.open:
        threading.Timer(0.5, webbrowser.open, [address]).start()


def _listen(host: str, port: int) -> socket.socket:
    """A socket on this address alone. Raises ServeError."""
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise ServeError(f"there is no address {host}: {error.strerror or error}") from error
    listening = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it means that two servers may share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ServeError(
            f"could not listen on {host}, port {port}: {error.strerror or error}; stop what uses it, or "
            "choose another --port (0 takes a free one)"
        ) from error
    listening.set_inheritable(True)
    return listening


def _allow_files(number: int) -> None:
    """Many systems allow a process 256 or 1,024 open files until it asks for more."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < number:
        wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
