"""Checks that every request passes before the application sees it: Host, Origin and size.

A browser sends requests to this machine's servers from any page that it shows. So the Host header must be a
name of this server (a foreign name could have been made to point here: DNS rebinding), and the Origin header,
where there is one, must be the same name. A body must come with its length, so that one that is too large is
refused before a byte of it is read.
"""

import re
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from digits.serving.error_answers import RefusedError, error_body
from digits.serving.limits import MAX_BODIES, MAX_BODY
from digits.serving.security_headers import SECURITY_HEADERS, Headers

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
PORT = re.compile(r":[0-9]{1,5}$")  # does not match the colons within "[::1]"


class AllowedHosts:
    """Host headers that are answered: a NAME with any port, NAME:PORT with that port only."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(name.lower() for name in names)
        self.with_any_port = frozenset(name for name in self.names if not PORT.search(name))

    def __contains__(self, host: str) -> bool:
        return host.lower() in self.names or PORT.sub("", host.lower()) in self.with_any_port


class RequestChecks:
    """ASGI middleware that refuses bad requests and adds the security headers to every answer.

    After each answer it calls `count(path, method, status, seconds)`; the status is 0 if none was sent.
    """

    def __init__(
        self, app: Application, hosts: AllowedHosts, count: Callable[[str, str, int, float], None]
    ) -> None:
        self.app, self.hosts, self.count = app, hosts, count
        self.held = 0  # bytes of all bodies in memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request, let the application answer it, and count the answer."""
        if scope["type"] != "http":  # "lifespan": the server starts or stops
            return await self.app(scope, receive, send)
        status, size, start = 0, 0, time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = complete_headers(message.get("headers", []))
            await send(message)

        try:
            check_headers(scope["headers"], self.hosts)
            body = await self._body(scope, receive)
            size = len(body)
            await self.app(_head_as_get(scope), _replay(body, receive), send_with_headers)
        except RefusedError as error:
            await _refuse(send_with_headers, error)
        except ConnectionError:  # the client has gone: nobody waits for an answer
            pass
        finally:
            self.held -= size
            self.count(scope.get("path", ""), scope["method"], status, time.perf_counter() - start)
        return None

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Return the whole body; `held` counts its bytes. Raises RefusedError or ConnectionError."""
        length = next((parse_length(v) for name, v in scope["headers"] if name == b"content-length"), None)
        if length is None and scope["method"] in ("POST", "PUT", "PATCH"):
            raise length_missing()
        if not length:
            return b""
        parts: list[bytes] = []
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ConnectionError
                parts.append(message.get("body", b""))
                self.held += len(parts[-1])
                if self.held > MAX_BODIES:
                    raise RefusedError(
                        503, "busy", "too many pictures at the same time; try again soon", close=True
                    )
                if not message.get("more_body"):
                    return b"".join(parts)
        except BaseException:
            self.held -= sum(map(len, parts))
            raise


def check_headers(headers: Headers, hosts: AllowedHosts) -> None:
    """Raise RefusedError if the Host, the Origin or the announced length of the body is not allowed."""
    names = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if len(names) != 1 or names[0] not in hosts:
        message = "the Host header is not a name of this server; see --allowed-host"
        raise RefusedError(400, "host", message, close=True)
    for name, value in headers:
        if name == b"origin" and not same_site(value.decode("latin-1"), names[0]):
            message = "requests from pages of other sites are not answered"
            raise RefusedError(403, "origin", message, close=True)
        if name == b"transfer-encoding":
            raise length_missing()
        if name == b"content-length" and parse_length(value) > MAX_BODY:
            raise RefusedError(413, "limit", f"the body is larger than {MAX_BODY:,} bytes", close=True)


def same_site(origin: str, host: str) -> bool:
    """Return True if an Origin header names this host; http or https, since a proxy may encrypt."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def parse_length(value: bytes) -> int:
    """Return a Content-Length header as a number. Raises RefusedError."""
    if not (value.isdigit() and len(value) < 20):
        raise RefusedError(400, "length", "Content-Length is not a number of bytes", close=True)
    return int(value)


def length_missing() -> RefusedError:
    """Return the error for a body without Content-Length."""
    message = "the length of the body is missing: send Content-Length"
    return RefusedError(411, "length", message, close=True)


def complete_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return an answer's headers with the security headers.

    Where GET is allowed, so is HEAD; an answer that says nothing else must not be kept in a cache.
    """
    found = [(name, b"GET, HEAD") if (name, v) == (b"allow", b"GET") else (name, v) for name, v in headers]
    if all(name != b"cache-control" for name, _ in found):
        found.append((b"cache-control", b"no-store"))
    return found + SECURITY_HEADERS


def _head_as_get(scope: Scope) -> Scope:
    """Return a HEAD request as GET: uvicorn leaves out the body of the answer."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body first, then what the connection still says, such as its end."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(send: Send, error: RefusedError) -> None:
    body = error_body(str(error), error.kind)
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if error.close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
