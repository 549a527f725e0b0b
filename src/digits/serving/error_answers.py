"""Turn exceptions into the error answers of the API.

An error answer is an HTTP status and a JSON object {"error": a sentence, "kind": a word for programs}. All
sentences are fixed texts. So the server never sends a client's input, a path or a version back.
"""

import json
import logging
import time
from collections.abc import Mapping

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from digits.errors import PhotoError
from digits.serving.limits import MAX_BODY, PICTURE_LIMITS

log = logging.getLogger("digits.server")
PAUSE_SECONDS = 60.0  # s; shortest time between two lines of one `RareLog`
BUSY = "the server is busy; try again in a second"
PICTURE_ERRORS = {  # PhotoError.kind -> HTTP status and sentence
    "format": (415, "this is not a picture in a known format; send PNG, JPEG, WebP, GIF, TIFF or BMP"),
    "limit": (
        413,
        f"the picture is too large, or takes too much work; send at most {MAX_BODY:,} bytes and "
        f"{PICTURE_LIMITS.side:,} pixels in width and height, best as JPEG",
    ),
    "damaged": (400, "the picture is damaged: its pixels cannot be decoded; send another copy"),
}
ADDRESS_ERRORS = {  # HTTP status -> sentence, for requests that match no route
    404: "there is nothing at this address; openapi.json lists all addresses of the API",
    405: "this address does not accept this method; the Allow header lists the accepted ones",
}


class RareLog:
    """A line for the log that is not repeated all the time, however often its reason comes up."""

    def __init__(self, line: str) -> None:
        """Set the line."""
        self.line = line
        self._next = float("-inf")  # time of the monotonic clock; before it, nothing is written

    def write(self) -> None:
        """Write the line, unless that was done a moment ago."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PAUSE_SECONDS
            log.error("%s", self.line)


class RefusedError(Exception):
    """A request that the server refuses."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        close: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Set the content of the error answer.

        Args:
            status: HTTP status, 400 to 599.
            kind: the reason as one word for programs.
            message: the reason as a sentence for people.
            close: whether to close the connection, without reading the rest.
            headers: further headers of the answer.
        """
        super().__init__(message)
        self.status, self.kind, self.close, self.headers = status, kind, close, headers


class BusyError(RefusedError):
    """A request that cannot be answered in time."""

    def __init__(self, message: str = BUSY, *, close: bool = False) -> None:
        """Set the sentence for people."""
        super().__init__(503, "busy", message, close=close, headers={"Retry-After": "1"})


def error_body(message: str, kind: str) -> bytes:
    """Return the JSON body of an error answer.

    Args:
        message: the reason as a sentence for people.
        kind: the reason as one word for programs.

    Returns:
        {"error": message, "kind": kind} as bytes.
    """
    return json.dumps({"error": message, "kind": kind}, allow_nan=False).encode()


def add_error_answers(app: FastAPI) -> None:
    """Register `error_answer` for the exceptions of all routes."""
    for error in (RefusedError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(error, error_answer)


async def error_answer(_: Request, error: Exception) -> Response:
    """Turn an exception of a route into an error answer.

    Args:
        error: any exception; an unexpected one is logged and gives status 500.
    """
    refused = refusal(error)
    if refused.kind == "bug":
        log.error("unexpected error: %s", log_line(error))
    body = error_body(str(refused), refused.kind)
    return Response(body, refused.status, refused.headers, media_type="application/json")


def refusal(error: Exception) -> RefusedError:
    """Return the error answer for an exception; an unexpected one is a "bug" with status 500."""
    match error:
        case RefusedError():
            return error
        case PhotoError():
            status, message = PICTURE_ERRORS[error.kind]
            return RefusedError(status, error.kind, message)
        case RequestValidationError():
            message = "a parameter of the address has a wrong type; openapi.json lists the types"
            return RefusedError(422, "parameter", message)
        case HTTPException():
            message = ADDRESS_ERRORS.get(error.status_code, "this request cannot be answered")
            return RefusedError(error.status_code, "address", message, headers=error.headers)
    return RefusedError(500, "bug", "the server failed because of a bug; its log holds the error")


def log_line(error: Exception) -> str:
    """Describe an exception in one printable line of at most 200 characters, before escaping."""
    # unicode_escape replaces line breaks, so that a message cannot start a new, false line in the log.
    return f"{type(error).__name__}: {error}"[:200].encode("unicode_escape").decode()
