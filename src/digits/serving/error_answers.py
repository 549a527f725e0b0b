"""Turn exceptions into the error answers of the API.

An error answer is an HTTP status and a JSON object {"error": a sentence, "kind": a word for programs}. All
sentences are fixed texts. So the server never sends a client's input, a path or a version back.
"""

import json
import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from digits.errors import PhotoError
from digits.serving.limits import MAX_BODY, PICTURE_LIMITS
from digits.serving.reading_queue import BusyError

log = logging.getLogger("digits.server")
BUSY = "the server is busy; try again in a second"
PICTURE_ERRORS = {  # PhotoError.kind -> HTTP status and sentence
    "format": (415, "this is not a picture in a known format; send PNG, JPEG, WebP, GIF, TIFF or BMP"),
    "limit": (
        413,
        f"the picture is too large; send at most {MAX_BODY:,} bytes, {PICTURE_LIMITS.pixels:,} pixels, and "
        f"{PICTURE_LIMITS.side:,} pixels in width and height",
    ),
    "damaged": (400, "the picture is damaged: its pixels cannot be decoded; send another copy"),
}
ADDRESS_ERRORS = {  # HTTP status -> sentence, for requests that match no route
    404: "there is nothing at this address; openapi.json lists all addresses of the API",
    405: "this address does not accept this method; the Allow header lists the accepted ones",
}


class RefusedError(Exception):
    """A request that the server refuses."""

    def __init__(self, status: int, kind: str, message: str, *, close: bool = False) -> None:
        """Set the content of the error answer.

        Args:
            status: HTTP status, 400 to 599.
            kind: the reason as one word for programs.
            message: the reason as a sentence for people.
            close: whether to close the connection, without reading the rest.
        """
        super().__init__(message)
        self.status, self.kind, self.close = status, kind, close


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
    for error in (RefusedError, BusyError, PhotoError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(error, error_answer)


async def error_answer(_: Request, error: Exception) -> Response:
    """Turn an exception of a route into an error answer.

    Args:
        error: any exception; an unexpected one is logged and gives status 500.
    """
    match error:
        case RefusedError():
            return _answer(error.status, error.kind, str(error))
        case BusyError():
            return _answer(503, "busy", BUSY, {"Retry-After": "1"})
        case PhotoError():
            status, message = PICTURE_ERRORS[error.kind]
            return _answer(status, error.kind, message)
        case RequestValidationError():
            return _answer(
                422, "parameter", "a parameter of the address has a wrong type; openapi.json lists the types"
            )
        case HTTPException():
            message = ADDRESS_ERRORS.get(error.status_code, "this request cannot be answered")
            return _answer(error.status_code, "address", message, error.headers)
    # unicode_escape replaces line breaks, so that a message cannot start a new, false line in the log.
    line = f"{type(error).__name__}: {error}"[:200].encode("unicode_escape").decode()
    log.error("unexpected error: %s", line)
    return _answer(500, "bug", "the server failed because of a bug; its log holds the error")


def _answer(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error answer.

    Args:
        status: HTTP status, 400 to 599.
        kind: the reason as one word for programs.
        message: the reason as a sentence for people.
        headers: further headers.
    """
    return Response(error_body(message, kind), status, headers, media_type="application/json")
