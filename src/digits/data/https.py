"""Request files over HTTPS, from the beginning or from a later position.

A redirection is an answer that sends the client to another address. A redirection is followed only if the new
address is also https.
"""

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

REDIRECTIONS = 5  # largest number of redirections for one request; usual mirrors need one or two


class RequestError(Exception):
    """A failed request; the message gives the reason."""


class WrongRangeError(RequestError):
    """A failed request: the server does not send the requested bytes."""


class Response(NamedTuple):
    """The answer to a request for a file."""

    body: http.client.HTTPResponse  # body.read1(n) returns the next bytes, at most n; b"" at the end
    position: int  # position of the first byte of `body`; 0 if the server can only send the whole file
    total: int | None  # bytes of the whole file, or None if the server does not state it


@contextlib.contextmanager
def request(url: str, position: int, *, timeout: float, local: bool) -> Iterator[Response]:
    """Open a file on a server, for a `with` block.

    The user's proxy settings are used.

    Args:
        url: Address of the file, https.
        position: Position of the first wanted byte; 0 for the whole file.
        timeout: Time limit in seconds for connecting, and for each wait for bytes.
        local: True to allow http addresses on this machine too, for tests.
    Yields:
        The response. Read its body inside the `with` block.
    Raises:
        RequestError: if the address is not allowed, or the request or reading fails.
        WrongRangeError: if the server does not send the bytes from `position` on.
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
    """Return which bytes of the file the server sends.

    Returns:
        Position of the first byte, and the length of the file in bytes or None.
    Raises:
        WrongRangeError: if the server sends neither the whole file nor the requested bytes.
    """
    if response.status == http.client.OK:
        return 0, response.length
    stated = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if response.status != http.client.PARTIAL_CONTENT or not stated or not 0 < position == int(stated[1]):
        raise WrongRangeError(f"answers HTTP {response.status} with bytes that were not requested")
    return position, None if stated[2] == "*" else int(stated[2])


def _reason(error: Exception) -> str:
    """Return a short message that explains a failed request."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _is_allowed(url: str, local: bool) -> bool:
    """Return True if the address may be opened.

    Args:
        url: The address; https is always allowed.
        local: True to allow http addresses on this machine too.
    """
    parts = urlsplit(url)
    return parts.scheme == "https" or (
        local and parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    )


class _Redirections(urllib.request.HTTPRedirectHandler):
    """A handler that follows redirections to allowed addresses only."""

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
        """Return the request to the new address.

        Raises:
            RequestError: if the address is not allowed.
        """
        if not _is_allowed(newurl, self.local):
            fp.close()
            raise RequestError(f"redirects to {newurl!r}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Https(urllib.request.HTTPSHandler):
    """A handler that opens https addresses with `_Connection`."""

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req, context=ssl.create_default_context())


class _Connection(http.client.HTTPSConnection):
    """An HTTPS connection with one timeout for all addresses of a host."""

    def __init__(self, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        # The standard library waits for the full timeout at each network address. A large host can have
        # twenty of them.
        self._create_connection = _connect  # http.client calls this function to connect


def _connect(address: tuple[str, int], timeout: float, source_address: None = None) -> socket.socket:
    """Connect to the first network address of a host that answers.

    Args:
        address: Name of the host and port.
        timeout: Time limit in seconds for all addresses together.
        source_address: Not used; http.client passes it.
    Returns:
        A connected socket with `timeout` for each later wait.
    Raises:
        OSError: if no address answers in time.
    """
    deadline = time.monotonic() + timeout
    failure = OSError("the host has no address")
    for *_, place in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:  # each address may use half of the remaining time, so that time is left for the next one
            connection = socket.create_connection((str(place[0]), int(place[1])), left / 2)
        except OSError as error:
            failure = error
        else:
            connection.settimeout(timeout)
            return connection
    raise failure
