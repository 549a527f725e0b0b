"""An HTTP server on this machine whose paths behave like honest or hostile mirrors."""

import re
import ssl
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import NamedTuple


class Asked(NamedTuple):
    """A request the server received."""

    path: str
    range: str | None  # the header, "bytes=7-"


class Server:
    """Serves `routes` (path -> behaviour) on a free port of 127.0.0.1 while it is a context manager.

    With a certificate (a PEM file that holds the key as well) it speaks https.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.routes: dict[str, Behaviour] = {}
        self.asked: list[Asked] = []
        self.sent = 0  # bytes of bodies, all requests together
        self.closing = threading.Event()
        self.scheme = "http" if certificate is None else "https"
        self._http = _HTTPServer(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._http.socket = context.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )

    def route(self, path: str, behaviour: "Behaviour") -> str:
        """Set how `path` behaves, and return its address."""
        self.routes[path] = behaviour
        return self.url(path)

    def url(self, path: str) -> str:
        return f"{self.scheme}://127.0.0.1:{self._http.server_address[1]}{path}"

    def __enter__(self) -> "Server":
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()


class _HTTPServer(ThreadingHTTPServer):
    owner: Server
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that hang up; report anything else, which is a bug in this server."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typeshed: private alias


class _Handler(BaseHTTPRequestHandler):
    server: _HTTPServer

    @property
    def owner(self) -> Server:
        return self.server.owner

    def do_GET(self) -> None:
        self.owner.asked.append(Asked(self.path, self.headers.get("Range")))
        self.owner.routes[self.path](self)

    def log_message(self, format: str, *args: object) -> None:
        """Print no line for each request."""

    def start(self, status: int, **headers: object) -> None:
        """Send the status line and the headers; Content_Length stands for Content-Length."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.flush()

    def send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()
        self.owner.sent += len(data)

    def wanted(self, body: bytes) -> int:
        """Send the headers for the requested range, and return the position of its first byte."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(asked[1]) if asked else 0
        if begin == 0:
            self.start(200, Content_Length=len(body))
        elif begin >= len(body):
            self.start(416, Content_Range=f"bytes */{len(body)}")
        else:
            stated = f"bytes {begin}-{len(body) - 1}/{len(body)}"
            self.start(206, Content_Length=len(body) - begin, Content_Range=stated)
        return begin


Behaviour = Callable[[_Handler], None]


def gives(body: bytes) -> Behaviour:
    """An honest mirror that can resume."""

    def behave(handler: _Handler) -> None:
        handler.send(body[handler.wanted(body) :])

    return behave


def gives_from_zero(body: bytes, length: int | None = None) -> Behaviour:
    """A mirror that ignores Range, and may lie about its length."""

    def behave(handler: _Handler) -> None:
        handler.start(200, Content_Length=len(body) if length is None else length)
        handler.send(body)

    return behave


def gives_slowly(body: bytes, step: int, pause: float) -> Behaviour:
    """A mirror that sends `step` bytes, waits `pause` seconds, and so on."""

    def behave(handler: _Handler) -> None:
        for at in range(handler.wanted(body), len(body), step):
            handler.send(body[at : at + step])
            if handler.owner.closing.wait(pause):
                return

    return behave


def stops(body: bytes, at: int) -> Behaviour:
    """A mirror that falls silent at position `at`, with the connection open."""

    def behave(handler: _Handler) -> None:
        handler.send(body[handler.wanted(body) : at])
        handler.owner.closing.wait()

    return behave


def cuts(body: bytes, *ends: int) -> Behaviour:
    """A mirror that can resume and hangs up at `ends[0]`, the next time at `ends[1]`, then never."""
    left = [*ends, len(body)]

    def behave(handler: _Handler) -> None:
        handler.send(body[handler.wanted(body) : left.pop(0) if len(left) > 1 else left[0]])

    return behave


def answers(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    def behave(handler: _Handler) -> None:
        handler.start(status, Content_Length=len(body), **headers)
        handler.send(body)

    return behave


def redirects(url: str) -> Behaviour:
    return answers(302, Location=url)


def hangs(handler: _Handler) -> None:
    """Take the request and never answer."""
    handler.owner.closing.wait()


def drips_headers(handler: _Handler) -> None:
    """Send one header line after another without end, each within any timeout of a single read."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n")
    while not handler.owner.closing.wait(0.005):
        handler.send(b"X-Wait: a little longer\r\n")


def never_ends(start: bytes) -> Behaviour:
    """A mirror that states no length and sends bytes without end."""

    def behave(handler: _Handler) -> None:
        handler.start(200)
        handler.send(start)
        while not handler.owner.closing.is_set():
            handler.send(bytes(1 << 16))

    return behave
