"""HTTPS requests that can start in the middle of a file; redirections are followed only to https."""

import contextlib
import http.client
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

REDIRECTIONS = 5  # followed for one request; honest mirrors need one or two


class RequestError(Exception):
    """A request failed; the message says why in the words of the standards, not of the server."""


class WrongRangeError(RequestError):
    """The server has no bytes from the wanted position on, or sends others."""


class Response(NamedTuple):
    """The answer to a request for a file; `body.read1(n)` returns its next bytes, none at the end."""

    body: http.client.HTTPResponse
    position: int  # of the body's first byte in the file: the wanted one, or 0 if the server cannot resume
    total: int | None  # bytes of the whole file, if the server says so


@contextlib.contextmanager
def request(url: str, position: int, *, timeout: float, local: bool) -> Iterator[Response]:
    """Ask for the file at `url` from byte `position` on, through the user's proxies.

    `timeout` in seconds holds for connecting and for each wait for bytes. `local` also allows http to this
    machine, for tests. Raises RequestError, also for what fails while the body is read.
    """
    if not _is_allowed(url, local):
        raise RequestError("not https")
    headers = {"User-Agent": "digits", "Accept-Encoding": "identity"}
    headers |= {"Range": f"bytes={position}-"} if position else {}
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({} if local else None), _Https, _Redirections(local)
    )
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=timeout) as response:  # noqa: S310  the scheme was checked
            yield Response(response, *_stated_range(response, position))
    except urllib.error.HTTPError as error:
        error.close()
        failed = (
            WrongRangeError if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE else RequestError
        )
        endless = "; too many redirections" if 300 <= error.code < 400 else ""
        raise failed(f"HTTP {error.code} {http.client.responses.get(error.code, '')}{endless}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise RequestError(_reason(error)) from None


def _stated_range(response: http.client.HTTPResponse, position: int) -> tuple[int, int | None]:
    """Return the position of the body's first byte in the file, and the file's length if it is stated."""
    if response.status == http.client.OK:
        return 0, response.length
    stated = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if response.status != http.client.PARTIAL_CONTENT or not stated or not 0 < position == int(stated[1]):
        raise WrongRangeError(f"answers HTTP {response.status} with other bytes than asked for")
    return position, None if stated[2] == "*" else int(stated[2])


def _reason(error: Exception) -> str:
    """Return in a few words why a request failed."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _is_allowed(url: str, local: bool) -> bool:
    """Return True for https, and with `local` for http to this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (
        local and parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    )


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows a few redirections, each only to an allowed address."""

    max_redirections = REDIRECTIONS

    def __init__(self, local: bool) -> None:
        self.local = local

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not _is_allowed(newurl, self.local):
            fp.close()
            raise RequestError(f"redirects to {newurl!r}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req, context=ssl.create_default_context())


class _Connection(http.client.HTTPSConnection):
    """An HTTPS connection whose timeout covers all addresses of a host together.

    The standard library waits once for each address: behind a firewall twenty times for a large host.
    """

    def __init__(self, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._create_connection = _connect  # http.client keeps this replaceable


def _connect(address: tuple[str, int], timeout: float, source_address: None = None) -> socket.socket:
    """Return a socket connected to the first address of a host that answers, within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    failure = OSError("the host has no address")
    for *_, place in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:  # with half of the time that is left, so that the next address has a chance
            connection = socket.create_connection((str(place[0]), int(place[1])), left / 2)
        except OSError as error:
            failure = error
        else:
            connection.settimeout(timeout)
            return connection
    raise failure
