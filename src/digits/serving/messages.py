"""What the HTTP API takes and answers, in JSON."""

import base64
import json
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from digits.data import pen
from digits.data.pen import Points
from digits.reading.reader import Reader
from digits.reading.results import Reading
from digits.serving.request_checks import RefusedError

STROKES, POINTS = 1_000, 10_000  # of a drawing, at most
PICTURES = tuple(f"image/{kind}" for kind in ("png", "jpeg", "webp", "gif", "tiff", "bmp", "avif", "heic"))
BYTES, JSON = "application/octet-stream", "application/json"
SHAPE = "expected an array of 28 rows of 28 numbers from 0 (paper) to 1 (ink)"


class MarkMessage(BaseModel):
    """One mark and the best guess of what it is."""

    digit: Annotated[int, Field(ge=0, le=9)]
    probability: Annotated[float, Field(ge=0, le=1)]
    accepted: bool
    reason: Annotated[str | None, Field(description="why it was not: blank, not a digit, unclear")]
    box: Annotated[list[int], Field(min_length=4, max_length=4, description="x, y, width, height")]
    row: Annotated[int | None, Field(description="line of writing, from 0; with ?detail=true")] = None
    probabilities: Annotated[list[float] | None, Field(description="of 0 to 9; with ?detail=true")] = None
    image: Annotated[
        str | None, Field(description="what the network saw: 784 bytes in Base64; with ?detail=true")
    ] = None


class Answer(BaseModel):
    """What a picture says: every mark in reading order."""

    text: Annotated[str, Field(description="the accepted digits, a line for each row")]
    digits: list[MarkMessage]
    width: Annotated[int | None, Field(description="of the picture; with ?detail=true")] = None
    height: Annotated[int | None, Field(description="of the picture; with ?detail=true")] = None


class Error(BaseModel):
    """Why there is no answer."""

    error: Annotated[str, Field(description="a sentence for people")]
    kind: Annotated[str, Field(description="a word for programs")]


class Health(BaseModel):
    """That the server answers."""

    status: Literal["ok"]


class About(BaseModel):
    """One network."""

    name: str
    architecture: str
    networks: Annotated[int, Field(description="that answer as one")]
    parameters: int


class Models(BaseModel):
    """The networks there are; the first one reads if none is named."""

    models: list[About]
    rejection: Annotated[bool, Field(description="whether a second network says what is no digit at all")]


class Kept(BaseModel):
    """That a correction was kept."""

    kept: Annotated[str, Field(description="its name in the folder of corrections")]


ROW = {
    "type": "array",
    "minItems": 28,
    "maxItems": 28,
    "items": {"type": "number", "minimum": 0, "maximum": 1},
}
IMAGE = {"type": "array", "minItems": 28, "maxItems": 28, "items": ROW}
POINT = {
    "type": "array",
    "minItems": 2,
    "maxItems": 2,
    "items": {"type": "number", "minimum": -1e6, "maximum": 1e6},
}
STROKE = {"type": "array", "items": POINT}
DRAWING = {
    "oneOf": [
        {
            "title": title,
            "type": "object",
            "required": [name],
            "properties": {name: schema},
            "additionalProperties": False,
        }
        for title, name, schema in (
            ("Strokes", "strokes", {"type": "array", "maxItems": STROKES, "items": STROKE}),
            ("Image", "image", IMAGE),
        )
    ]
}
CORRECTION = {
    "title": "Correction",
    "type": "object",
    "required": ["image", "label"],
    "properties": {"image": IMAGE, "label": {"type": "integer", "minimum": 0, "maximum": 9}},
    "additionalProperties": False,
}
Responses: TypeAlias = dict[int | str, dict[str, Any]]
REASONS = {
    400: "Damaged, no JSON, or a wrong Host",
    403: "Asked by another site's page",
    404: "There is no such thing",
    405: "Another method is needed",
    411: "The body's length is missing",
    413: "Too large",
    415: "No picture, or a Content-Type that is not read here",
    422: "JSON or parameters that say something else than expected",
    503: "Busy",
    507: "The folder of corrections is full or cannot be written",
}


def error_responses(*statuses: int) -> Responses:
    return {status: {"model": Error, "description": REASONS[status]} for status in (400, 403, *statuses)}


def request_body(schemas: dict[str, Any]) -> dict[str, Any]:
    content = {kind: {"schema": schema} for kind, schema in schemas.items()}
    return {"requestBody": {"required": True, "content": content}}


BINARY = {"type": "string", "format": "binary"}
PREDICT = request_body({**dict.fromkeys((*PICTURES, BYTES), BINARY), JSON: DRAWING})


def parse_json(body: bytes, *wanted: set[str]) -> dict[str, Any]:
    """A JSON object with exactly these names, or these."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(400, "json", "the body is no JSON") from None
    if not isinstance(value, dict) or set(value) not in wanted:
        names = " or ".join(" and ".join(sorted(names)) for names in wanted)
        raise RefusedError(422, "json", f"expected a JSON object with {names}")
    return value


def read_json(reader: Reader, body: bytes) -> Reading:
    value = parse_json(body, {"strokes"}, {"image"})
    if "image" in value:
        return reader.read_image(parse_image(value["image"]))
    return reader.read_strokes(_strokes(value["strokes"]))


def _strokes(value: Any) -> list[Points]:
    parts = value if isinstance(value, list) else []
    if len(parts) > STROKES or sum(len(part) for part in parts if isinstance(part, list)) > POINTS:
        raise RefusedError(422, "limit", f"at most {STROKES:,} strokes and {POINTS:,} points are read")
    try:
        return pen.as_strokes(value)
    except ValueError as error:
        raise RefusedError(422, "json", str(error)) from None


def parse_image(value: Any) -> npt.NDArray[np.float32]:
    """28 rows of 28 numbers in [0, 1]; true and "0.5" are no numbers."""
    rows = value if isinstance(value, list) and len(value) == 28 else []
    flat = [number for row in rows if isinstance(row, list) and len(row) == 28 for number in row]
    right = all(type(number) in (int, float) and 0 <= number <= 1 for number in flat)
    if len(flat) != 784 or not right:
        raise RefusedError(422, "json", SHAPE)
    return np.array(flat, np.float32).reshape(28, 28)


def parse_correction(body: bytes) -> tuple[npt.NDArray[np.uint8], int]:
    value = parse_json(body, {"image", "label"})
    label = value["label"]
    if isinstance(label, bool) or label not in range(10) or label != int(label):
        raise RefusedError(422, "json", "expected a label from 0 to 9")
    return to_bytes(parse_image(value["image"])), int(label)


def to_bytes(image: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    return np.asarray(np.rint(image * np.float32(255)), np.uint8)


def detailed(reading: Reading) -> dict[str, Any]:
    digits = [
        {
            **digit.to_json(),
            "row": digit.row,
            "probabilities": [round(p, 6) for p in digit.probabilities],
            "image": base64.b64encode(to_bytes(digit.image).tobytes()).decode(),
        }
        for digit in reading.digits
    ]
    return {"text": reading.text, "digits": digits, "width": reading.width, "height": reading.height}
