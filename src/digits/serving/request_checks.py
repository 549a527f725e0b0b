"""What every request passes before the application sees it, and every answer on its way out.

Browsers reach this machine's own servers from any page that they show. So the Host header must be a name
that this server goes by (or else a foreign name that was made to point here could ask), and the Origin
header, where there is one, that same name. Bodies come with their length or not at all, so that a limit is
kept before a byte is read. Answers carry the headers that keep a page from doing anything but its own.
"""

import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]
MILLION = 1_000_000
BODY = 5 * MILLION  # bytes of a request
HELD = 200 * MILLION  # bytes of all bodies that are in memory at one time
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
SECURITY: Headers = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
CLOSE: Headers = [(b"connection", b"close")]  # what is left of the request will not be read


def refusal(message: str, kind: str) -> bytes:
    """The body of every answer that is no success: a sentence, and a word for programs."""
    return json.dumps({"error": message, "kind": kind}).encode()


class RefusedError(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, kind: str, message: str, *, close: bool = False) -> None:
        super().__init__(message)
        self.status, self.kind, self.close = status, kind, close


_PORT = re.compile(r":[0-9]{1,5}$")  # which the last colon of "[::1]" does not begin


class AllowedHosts:
    """The names that this server goes by: NAME allows any port, NAME:PORT that one."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(name.lower() for name in names)
        self.of_any_port = frozenset(name for name in self.names if not _PORT.search(name))

    def __contains__(self, host: str) -> bool:
        return host.lower() in self.names or _PORT.sub("", host.lower()) in self.of_any_port


class RequestChecks:
    """An application behind the checks; `counted` is told every answer's status and seconds."""

    def __init__(
        self, app: Application, hosts: AllowedHosts, counted: Callable[[Scope, int, float], None]
    ) -> None:
        self.app, self.hosts, self.counted = app, hosts, counted
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":  # the start and the end of the server
            return await self.app(scope, receive, send)
        status, taken, start = 0, 0, time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*_allowing_head(message.get("headers", [])), *SECURITY]
            await send(message)

        try:
            self._check(scope)
            body = await self._body(scope, receive)
            taken = len(body)
            await self.app(_as_get(scope), _replay(body, receive), answer)
        except RefusedError as reason:
            await _refuse(answer, reason)
        except ConnectionError:  # the client has gone
            pass
        finally:
            self.held -= taken
            self.counted(scope, status, time.perf_counter() - start)
        return None

    def _check(self, scope: Scope) -> None:
        headers: Headers = scope["headers"]
        hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            raise RefusedError(
                400,
                "host",
                "the Host header is none that this server goes by; see --allowed-host",
                close=True,
            )
        for name, value in headers:
            if name == b"origin" and not _is_own(value.decode("latin-1"), hosts[0]):
                raise RefusedError(
                    403, "origin", "requests from other sites' pages are not answered", close=True
                )
            if name == b"transfer-encoding":
                raise RefusedError(
                    411, "length", "the body's length is missing: send Content-Length", close=True
                )
            if name == b"content-length" and _length(value) > BODY:
                raise RefusedError(413, "limit", f"the body is larger than {BODY:,} bytes", close=True)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """All of it; `held` counts what is in memory while it comes in."""
        length = next((_length(v) for name, v in scope["headers"] if name == b"content-length"), None)
        if length is None and scope["method"] in ("POST", "PUT", "PATCH"):
            raise RefusedError(411, "length", "the body's length is missing: send Content-Length", close=True)
        if not length:
            return b""
        parts: list[bytes] = []
        kept = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ConnectionError
                parts.append(message.get("body", b""))
                kept += len(parts[-1])
                self.held += len(parts[-1])
                if self.held > HELD:
                    raise RefusedError(503, "busy", "too many pictures at a time; try again soon", close=True)
                if not message.get("more_body"):
                    return b"".join(parts)
        except BaseException:
            self.held -= kept
            raise


def _length(value: bytes) -> int:
    if not (value.isdigit() and len(value) < 20):
        raise RefusedError(400, "length", "Content-Length is no number of bytes", close=True)
    return int(value)


def _is_own(origin: str, host: str) -> bool:
    """Whether a page of this server asks; its scheme may be a proxy's."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _as_get(scope: Scope) -> Scope:
    """HEAD is GET whose body the server leaves out."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def _allowing_head(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    return ((name, b"GET, HEAD") if (name, v) == (b"allow", b"GET") else (name, v) for name, v in headers)


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body that was read already, then whatever still comes: a client that leaves."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(send: Send, reason: RefusedError) -> None:
    body = refusal(str(reason), reason.kind)
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    headers += CLOSE if reason.close else []
    await send({"type": "http.response.start", "status": reason.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
