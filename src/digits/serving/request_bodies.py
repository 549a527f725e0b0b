"""Define and check the JSON bodies of requests: drawings, images and corrections.

FastAPI would parse the JSON in the event loop. 5 MB of JSON would then delay all other requests. So the
reading processes call `parse_body`. `body_schema` describes the bodies for OpenAPI.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, ValidationError, field_validator
from pydantic_core import from_json

from digits.data.pen import MAX_COORDINATE
from digits.mnist import SIDE
from digits.reading.options import MAX_CELLS, MAX_LENGTH
from digits.serving.error_answers import RefusedError
from digits.serving.limits import MAX_JSON, MAX_POINTS, MAX_STROKES

JSON, BYTES = "application/json", "application/octet-stream"
PICTURE_TYPES = tuple(
    f"image/{kind}" for kind in ("png", "jpeg", "webp", "gif", "tiff", "bmp", "avif", "heic")
)
FORM = "multipart/form-data"
# The boundary is what separates the parts of a form; RFC 2046 allows 70 characters.
BOUNDARY = re.compile(
    r';\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)', re.IGNORECASE | re.ASCII
)
MAX_PART_HEAD = 4096  # bytes; largest headers of a part: its name, that of its file, its type; generous limit
ENCODED = re.compile(rb"content-transfer-encoding:\s*(?!(?:binary|8bit|7bit)\b)", re.IGNORECASE)
BINARY_SCHEMA = {"type": "string", "format": "binary"}
PART_NAME = re.compile(rb'content-disposition:[^\r\n]*[;\s]name="([^"\r\n]*)"', re.IGNORECASE)
FORM_FIELDS = ("length", "pattern", "roster", "cells")  # parts of a form beside the picture
FIELD_LENGTH = "^([1-9]|[12][0-9]|30)$"  # a whole number from 1 to MAX_LENGTH, in an address
FIELD_CELLS = "^([1-9][0-9]{0,2}|1000)$"  # a whole number from 1 to MAX_CELLS
# The digits, # for any digit at least once, and what may stand between; the same as in `reading.fields`.
FIELD_PATTERN = "^[0-9.,/: -]*#[0-9.,/: #-]*$"
ROSTER_TYPE = "text/csv"
FIELD_SCHEMAS = {
    "length": {"type": "integer", "minimum": 1, "maximum": MAX_LENGTH},
    "pattern": {"type": "string", "pattern": FIELD_PATTERN, "maxLength": MAX_LENGTH},
    "roster": {**BINARY_SCHEMA, "description": "text with one number a line, or CSV with a column id"},
    "cells": {"type": "integer", "minimum": 1, "maximum": MAX_CELLS},
}


def whole_number(value: Any) -> Any:
    """Convert a float such as 7.0 to an int.

    Args:
        value: any value; all others are returned unchanged.
    """
    # JSON has only one type of number, so 7 and 7.0 must mean the same.
    return int(value) if isinstance(value, float) and value.is_integer() else value


# FailFast stops at the first wrong item; otherwise a million wrong items would make a million errors.
Brightness = Annotated[float, Field(ge=0, le=1)]
Row = Annotated[list[Brightness], Field(min_length=SIDE, max_length=SIDE), FailFast()]
Image = Annotated[list[Row], Field(min_length=SIDE, max_length=SIDE), FailFast()]
Coordinate = Annotated[float, Field(ge=-MAX_COORDINATE, le=MAX_COORDINATE)]
Point = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]
StrokeBody = Annotated[list[Point], FailFast()]
Strokes = Annotated[list[StrokeBody], Field(max_length=MAX_STROKES), FailFast()]
Label = Annotated[int, Field(ge=0, le=9), BeforeValidator(whole_number)]


class Body(BaseModel):
    """A JSON object with a fixed set of fields."""

    # "strict" refuses true and "0.5" where a number is expected. NaN and infinity are refused too.
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class StrokesBody(Body):
    """A drawing as a list of pen strokes."""

    strokes: Annotated[
        Strokes,
        Field(
            description="a list of strokes; each stroke is a list of points [x, y] with numbers from "
            "-1,000,000 to 1,000,000"
        ),
    ]

    @field_validator("strokes", mode="before")
    @classmethod
    def check_limits(cls, value: Any) -> Any:
        """Check the number of strokes and points.

        Args:
            value: the field "strokes" before it is parsed; may be anything.

        Returns:
            The value, unchanged.

        Raises:
            RefusedError: if there are too many strokes or points.
        """
        strokes = value if isinstance(value, list) else []
        points = sum(len(stroke) for stroke in strokes if isinstance(stroke, list))
        if len(strokes) > MAX_STROKES or points > MAX_POINTS:
            raise RefusedError(
                422,
                "limit",
                f"the drawing is too large; send at most {MAX_STROKES:,} strokes and {MAX_POINTS:,} points",
            )
        return value


class ImageBody(Body):
    """An image of 28 x 28 pixels, white ink on black."""

    image: Annotated[Image, Field(description="28 rows of 28 numbers from 0 (paper) to 1 (ink)")]

    def pixels(self) -> npt.NDArray[np.float32]:
        """Return the image as an array, float32 (28, 28) in [0, 1]."""
        return np.array(self.image, np.float32)


DRAWINGS: tuple[type[StrokesBody | ImageBody], ...] = (StrokesBody, ImageBody)


class CorrectionBody(ImageBody):
    """An image and the digit that it shows."""

    label: Annotated[Label, Field(description="the correct digit, a whole number from 0 to 9")]


AnyBody = TypeVar("AnyBody", bound=Body)


def parse_body(body: bytes, *models: type[AnyBody]) -> AnyBody:
    """Parse a JSON body and check its values.

    Args:
        body: the bytes of the body.
        models: the allowed forms; the field names decide between them.

    Returns:
        An instance of the form that fits.

    Raises:
        RefusedError: with one of these statuses:
            400 if the body is not JSON,
            413 if it is larger than MAX_JSON,
            422 if no form fits or a value is wrong.
    """
    if len(body) > MAX_JSON:
        raise RefusedError(413, "limit", f"the JSON is larger than {MAX_JSON:,} bytes; send a smaller one")
    try:
        value = from_json(body)
    except ValueError:  # also raised if arrays are nested more than 200 levels deep
        raise RefusedError(400, "json", "the body is not JSON; send a JSON object") from None
    for model in models:
        if isinstance(value, dict) and value.keys() == model.model_fields.keys():
            break
    else:
        names = " or ".join(" and ".join(model.model_fields) for model in models)
        raise RefusedError(422, "json", f"expected a JSON object with {names}")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        field = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"][0]
        expected = model.model_fields[str(field)].description
        raise RefusedError(422, "json", f"{field}: expected {expected}") from None


def boundary_in(content_type: str) -> str:
    """Return the boundary of a form.

    Args:
        content_type: the whole Content-Type header, such as 'multipart/form-data; boundary="x"'.

    Raises:
        RefusedError: if there is none.
    """
    found = BOUNDARY.search(content_type)
    if not found:
        raise RefusedError(415, "type", "the Content-Type has no boundary; send the form as curl -F does")
    return found[1] or found[2]


class Form(NamedTuple):
    """A form with a picture."""

    picture: bytes
    fields: dict[str, bytes]
    """The other parts by their names, some of FORM_FIELDS; see `digits.reading.fields.Field`."""


def parse_form(body: bytes, boundary: str, names: Sequence[str] = ()) -> Form:
    """Return the picture and the fields in a form.

    Args:
        body: a body of the type multipart/form-data.
        boundary: from `boundary_in`.
        names: fields that are allowed beside the picture.

    Returns:
        The picture, which is the part with any other name, and the fields.

    Raises:
        RefusedError: if the body is no form, has no or several pictures, or a field twice.
    """
    # The body is in memory and has a limited size. It is split a few times at most, whatever it holds.
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1"), 2 + len(names))
    fields: dict[str, bytes] = {}
    pictures = []
    for part in parts[1:-1]:
        head, end, content = part.partition(b"\r\n\r\n")
        if not end or len(head) > MAX_PART_HEAD or ENCODED.search(head):
            message = "the headers of a part of the form are unusual; send it as curl -F does"
            raise RefusedError(415, "type", message)
        found = PART_NAME.search(head)
        name = found[1].decode("latin-1") if found else ""
        if name in names and name not in fields:
            fields[name] = content
        else:
            pictures.append(content)
    if len(pictures) != 1 or not parts[-1].startswith(b"--"):
        message = "the form must have one part with the picture"
        message += f", and may have one each of: {', '.join(names)}" if names else ""
        raise RefusedError(415, "type", message)
    return Form(pictures[0], fields)


def body_schema(
    *models: type[Body], binary: tuple[str, ...] = (), fields: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Describe the body of a request for OpenAPI.

    Args:
        models: allowed forms of a JSON body.
        binary: other allowed content types, such as "image/png".
        fields: parts that a form may have beside the picture, some of FORM_FIELDS.

    Returns:
        A value for the argument `openapi_extra` of a FastAPI route.
    """
    schemas = [model.model_json_schema() for model in models]
    content: dict[str, Any] = {kind: {"schema": BINARY_SCHEMA} for kind in binary}
    if binary:
        types = {"file": ", ".join(binary), "roster": ROSTER_TYPE}
        parts = {"file": BINARY_SCHEMA, **{name: FIELD_SCHEMAS[name] for name in fields}}
        content[FORM] = {
            "schema": {
                "type": "object",
                "properties": parts,
                "required": ["file"],
                "additionalProperties": False,
            },
            "encoding": {name: {"contentType": kind} for name, kind in types.items() if name in parts},
        }
    if schemas:
        content[JSON] = {"schema": {"oneOf": schemas} if len(schemas) > 1 else schemas[0]}
    return {"requestBody": {"required": True, "content": content}}
