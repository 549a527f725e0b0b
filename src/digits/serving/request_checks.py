"""Check the Host, the Origin and the size of every request before the application receives it.

Any page in a browser can send requests to servers on the same machine. Two checks protect against this:

- The Host header must be a name of this server. Otherwise a page could reach this server through a foreign
  name whose address was changed to this machine (DNS rebinding).
- The Origin header names the site of the page that sends the request. If the header exists, it must name
  this server.

A body needs a Content-Length header. So the server can refuse a body that is too large before it reads it.
"""

import re
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from digits.serving.error_answers import BusyError, RefusedError, error_body
from digits.serving.limits import MAX_BODIES, MAX_BODY
from digits.serving.security_headers import SECURITY_HEADERS, Headers

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
PORT = re.compile(r":[0-9]{1,5}$")  # port at the end of a host; does not match in "[::1]"


class AllowedHosts:
    """The set of accepted Host headers.

    Example: `"localhost:8000" in AllowedHosts(["localhost"])` is True.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Set the accepted names.

        Args:
            names: NAME accepts any port; NAME:PORT accepts only this port.
        """
        self.names = frozenset(name.lower() for name in names)
        self.with_any_port = frozenset(name for name in self.names if not PORT.search(name))

    def __contains__(self, host: str) -> bool:
        return host.lower() in self.names or PORT.sub("", host.lower()) in self.with_any_port


class RequestChecks:
    """A layer around the application that checks all requests.

    It refuses bad requests and adds the security headers to all answers.
    """

    def __init__(
        self,
        app: Application,
        hosts: AllowedHosts,
        count: Callable[[str, str, int, float], None],
        *,
        root_path: str = "",
    ) -> None:
        """Put the checks around an application.

        Args:
            app: the ASGI application that answers the accepted requests.
            hosts: accepted Host headers.
            count: called as count(path, method, status, seconds) after each answer.
            root_path: removed from the start of a request's path, such as "/digits"; "" if there is none.
        """
        self.app, self.hosts, self.count, self.root_path = app, hosts, count, root_path
        self.held_bytes = 0  # sum of all bodies that are in memory now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request and let the application answer it.

        Args:
            scope: method, path and headers of the request.
            receive: gives the next part of the request's body.
            send: takes the next part of the answer.
        """
        if scope["type"] != "http":  # it is "lifespan": the server starts or stops
            return await self.app(scope, receive, send)
        # A proxy may remove the root path or not, and a program on this machine does not use it.
        if scope["path"].startswith(f"{self.root_path}/"):
            scope["path"] = scope["path"][len(self.root_path) :]
        # The status stays 0 if the client closes the connection before an answer.
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
        except ConnectionError:  # the client closed the connection, so no answer is needed
            pass
        finally:
            self.held_bytes -= size
            self.count(scope.get("path", ""), scope["method"], status, time.perf_counter() - start)
        return None

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Receive the whole body of a request.

        Raises:
            RefusedError: if Content-Length is wrong, or the memory is full.
            ConnectionError: if the client closes the connection.
        """
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
                self.held_bytes += len(parts[-1])  # `__call__` subtracts the size after the answer
                if self.held_bytes > MAX_BODIES:
                    reason = "the server receives too many pictures at the same time; try again soon"
                    raise BusyError(reason, close=True)
                if not message.get("more_body"):
                    return b"".join(parts)
        except BaseException:
            self.held_bytes -= sum(map(len, parts))
            raise


def check_headers(headers: Headers, hosts: AllowedHosts) -> None:
    """Check the Host, Origin and Content-Length headers of a request.

    Args:
        headers: names in lower case and values, as bytes.
        hosts: accepted Host headers.

    Raises:
        RefusedError: if a header is not allowed, or Host is missing.
    """
    names = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if len(names) != 1 or names[0] not in hosts:
        message = "the Host header is not a name of this server; add the name with --allowed-host"
        raise RefusedError(400, "host", message, close=True)
    for name, value in headers:
        if name == b"origin" and not same_site(value.decode("latin-1"), names[0]):
            message = "the request comes from a page of another site; use the page of this server"
            raise RefusedError(403, "origin", message, close=True)
        if name == b"transfer-encoding":
            raise length_missing()
        if name == b"content-length" and parse_length(value) > MAX_BODY:
            message = f"the body is larger than {MAX_BODY:,} bytes; send a smaller one"
            raise RefusedError(413, "limit", message, close=True)


def same_site(origin: str, host: str) -> bool:
    """Return True if a page comes from this server.

    Args:
        origin: the Origin header, such as "http://localhost:8000".
        host: the Host header, such as "localhost:8000".
    """
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    # https is accepted too, since a proxy before the server may add encryption.
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def parse_length(value: bytes) -> int:
    """Return the number in a Content-Length header.

    Args:
        value: value of the header.

    Returns:
        The length of the body in bytes, 0 or more.

    Raises:
        RefusedError: if it is not a whole number, or has more than 19 digits.
    """
    if not (value.isdigit() and len(value) < 20):
        message = "the Content-Length header is not a number; expected the body's length in bytes"
        raise RefusedError(400, "length", message, close=True)
    return int(value)


def length_missing() -> RefusedError:
    """Return the error for a missing Content-Length header."""
    message = "the Content-Length header is missing; send the body's length in bytes with it"
    return RefusedError(411, "length", message, close=True)


def complete_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Add the security headers to an answer's headers.

    Args:
        headers: the headers from the application.

    Returns:
        The complete headers of the answer.
    """
    # Wherever GET is allowed, the server also answers HEAD. Without its own rule, an answer is never stored.
    found = [(name, b"GET, HEAD") if (name, v) == (b"allow", b"GET") else (name, v) for name, v in headers]
    if all(name != b"cache-control" for name, _ in found):
        found.append((b"cache-control", b"no-store"))
    return found + SECURITY_HEADERS


def _head_as_get(scope: Scope) -> Scope:
    """Change a HEAD request to GET; keep other requests."""
    # The application answers HEAD like GET, and uvicorn leaves out the body of the answer.
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` function that gives a body once more.

    Args:
        body: the whole body, which was received already.
        receive: gives the later messages of the connection.
    """
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(send: Send, error: RefusedError) -> None:
    """Send the error answer for a refused request."""
    body = error_body(str(error), error.kind)
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    headers += [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
    if error.close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
