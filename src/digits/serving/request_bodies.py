"""JSON bodies of requests, as pydantic models: drawings, images and corrections.

FastAPI would parse a body on the event loop, where 5 MB of JSON delay every other request. So a route gives
the bytes to `parse_body` in the reading thread, and `body_schema` adds the models to the OpenAPI document.
"""

from typing import Annotated, Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, ValidationError, field_validator
from pydantic_core import from_json

from digits.mnist import SIDE
from digits.serving.error_answers import RefusedError
from digits.serving.limits import MAX_COORDINATE, MAX_POINTS, MAX_STROKES

JSON, BYTES = "application/json", "application/octet-stream"
PICTURE_TYPES = tuple(
    f"image/{kind}" for kind in ("png", "jpeg", "webp", "gif", "tiff", "bmp", "avif", "heic")
)
BINARY_SCHEMA = {"type": "string", "format": "binary"}


def whole_number(value: Any) -> Any:
    """Return a float such as 7.0 as an int, since JSON has only one kind of number; others unchanged."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# FailFast ends the check at the first wrong item: a million wrong items would give a million errors.
Brightness = Annotated[float, Field(ge=0, le=1)]
Row = Annotated[list[Brightness], Field(min_length=SIDE, max_length=SIDE), FailFast()]
Image = Annotated[list[Row], Field(min_length=SIDE, max_length=SIDE), FailFast()]
Coordinate = Annotated[float, Field(ge=-MAX_COORDINATE, le=MAX_COORDINATE)]
Point = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]
Stroke = Annotated[list[Point], FailFast()]
Strokes = Annotated[list[Stroke], Field(max_length=MAX_STROKES), FailFast()]
Label = Annotated[int, Field(ge=0, le=9), BeforeValidator(whole_number)]


class Body(BaseModel):
    """A JSON object with exactly the fields of the model.

    Numbers must be finite JSON numbers: true, "0.5" and NaN are refused.
    """

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class StrokesBody(Body):
    """A drawing: the path of the pen."""

    strokes: Annotated[
        Strokes,
        Field(description="a list of strokes, each a list of points [x, y] from -1,000,000 to 1,000,000"),
    ]

    @field_validator("strokes", mode="before")
    @classmethod
    def check_limits(cls, value: Any) -> Any:
        """Return the value unchanged. Raises RefusedError if it has too many strokes or points."""
        strokes = value if isinstance(value, list) else []
        points = sum(len(stroke) for stroke in strokes if isinstance(stroke, list))
        if len(strokes) > MAX_STROKES or points > MAX_POINTS:
            raise RefusedError(
                422, "limit", f"at most {MAX_STROKES:,} strokes and {MAX_POINTS:,} points are accepted"
            )
        return value


class ImageBody(Body):
    """An image in the form of MNIST: white ink on black."""

    image: Annotated[Image, Field(description="28 rows of 28 numbers from 0 (paper) to 1 (ink)")]

    def pixels(self) -> npt.NDArray[np.float32]:
        """Return the image as (28, 28) float32 in [0, 1]."""
        return np.array(self.image, np.float32)


DRAWINGS: tuple[type[StrokesBody | ImageBody], ...] = (StrokesBody, ImageBody)


class CorrectionBody(ImageBody):
    """An image and the digit that it shows."""

    label: Annotated[Label, Field(description="the right digit, a whole number from 0 to 9")]


AnyBody = TypeVar("AnyBody", bound=Body)


def parse_body(body: bytes, *models: type[AnyBody]) -> AnyBody:
    """Return a JSON body as an instance of the one of `models` that has the same field names.

    Raises RefusedError: status 400 if the body is not JSON, 422 if it has another shape.
    """
    try:
        value = from_json(body)
    except ValueError:  # also for arrays within arrays, more than 200 deep
        raise RefusedError(400, "json", "the body is not JSON") from None
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


def body_schema(*models: type[Body], binary: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return OpenAPI's description of a body: one of `models`, or bytes of one of the `binary` types."""
    schemas = [model.model_json_schema() for model in models]
    content: dict[str, Any] = {kind: {"schema": BINARY_SCHEMA} for kind in binary}
    content[JSON] = {"schema": {"oneOf": schemas} if len(schemas) > 1 else schemas[0]}
    return {"requestBody": {"required": True, "content": content}}
