"""Error answers of the API: a status and a JSON object {"error": a sentence, "kind": a word for programs}.

All sentences are fixed texts, so that no input, path or version is sent back to a client.
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
PICTURE_ERRORS = {  # PhotoError.kind -> status and sentence
    "format": (415, "this is not a picture in a known format; send PNG, JPEG, WebP, GIF, TIFF or BMP"),
    "limit": (
        413,
        f"the picture is too large; at most {MAX_BODY:,} bytes, {PICTURE_LIMITS.pixels:,} pixels and a side "
        f"of {PICTURE_LIMITS.side:,} pixels are accepted",
    ),
    "damaged": (400, "the picture is damaged: its pixels cannot be decoded"),
}
ADDRESS_ERRORS = {404: "there is nothing at this address", 405: "this address does not accept this method"}


class RefusedError(Exception):
    """A request that is refused with `status`, a `kind` for programs and a sentence.

    `close` says that the rest of the request will not be read, so the connection must be closed.
    """

    def __init__(self, status: int, kind: str, message: str, *, close: bool = False) -> None:
        super().__init__(message)
        self.status, self.kind, self.close = status, kind, close


def error_body(message: str, kind: str) -> bytes:
    """Return the JSON body of an error answer."""
    return json.dumps({"error": message, "kind": kind}).encode()


def add_error_answers(app: FastAPI) -> None:
    """Register `error_answer` for every exception that a route of `app` may raise."""
    for error in (RefusedError, BusyError, PhotoError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(error, error_answer)


async def error_answer(_: Request, error: Exception) -> Response:
    """Return the answer to an exception; an unexpected one is logged and answered with status 500."""
    match error:
        case RefusedError():
            return _answer(error.status, error.kind, str(error))
        case BusyError():
            return _answer(503, "busy", BUSY, {"Retry-After": "1"})
        case PhotoError():
            status, message = PICTURE_ERRORS[error.kind]
            return _answer(status, error.kind, message)
        case RequestValidationError():
            return _answer(422, "parameter", "a parameter of the address has a wrong type")
        case HTTPException():
            message = ADDRESS_ERRORS.get(error.status_code, "this request cannot be answered")
            return _answer(error.status_code, "address", message, error.headers)
    # unicode_escape: a line break in the message must not begin a new line of the log
    line = f"{type(error).__name__}: {error}"[:200].encode("unicode_escape").decode()
    log.error("unexpected error: %s", line)
    return _answer(500, "bug", "the server failed unexpectedly; the error was logged")


def _answer(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(error_body(message, kind), status, headers, media_type="application/json")
