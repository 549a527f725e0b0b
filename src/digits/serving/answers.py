"""Define the JSON answers of the API as pydantic models, and describe the error answers for OpenAPI.

OpenAPI is a standard description of an API that programs can read; the server sends it as /openapi.json.
A mark is a group of ink on the picture that may be a digit.
"""

import base64
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from digits.reading.results import Digit, Reading

BoxAnswer = Annotated[
    list[int], Field(min_length=4, max_length=4, description="left, top, width and height in pixels")
]


class DigitAnswer(BaseModel):
    """One mark on the picture with its most probable digit."""

    digit: Annotated[int, Field(ge=0, le=9, description="the most probable digit")]
    probability: Annotated[float, Field(ge=0, le=1, description="probability that the mark is this digit")]
    accepted: Annotated[bool, Field(description="whether the digit is certain enough to be part of the text")]
    reason: Annotated[
        str | None, Field(description="why the mark was not accepted: blank, not a digit or unclear")
    ]
    box: BoxAnswer
    row: Annotated[
        int | None, Field(description="line of writing, counted from 0; only with ?detail=true")
    ] = None
    probabilities: Annotated[
        list[float] | None, Field(description="probability of each digit 0 to 9; only with ?detail=true")
    ] = None
    image: Annotated[
        str | None, Field(description="the network's input: 784 bytes in Base64; only with ?detail=true")
    ] = None


class NumberAnswer(BaseModel):
    """A number: accepted digits that belong together, with the signs between them."""

    text: Annotated[str, Field(description='the number as it is written, such as "12.50" or "-7"')]
    digits: Annotated[str, Field(description='its digits alone, such as "1250"')]
    row: Annotated[int, Field(ge=0, description="line of writing, counted from 0")]
    box: BoxAnswer
    probability: Annotated[
        float, Field(ge=0, le=1, description="probability that all digits are right and none is missing")
    ]


class CellAnswer(BaseModel):
    """A box of a form with what is written in it."""

    grid: Annotated[int, Field(ge=0, description="number of the group of boxes, counted from 0")]
    row: Annotated[int, Field(ge=0, description="row of the box in its group, counted from 0")]
    column: Annotated[int, Field(ge=0, description="column of the box in its group, counted from 0")]
    box: BoxAnswer
    text: Annotated[
        str, Field(description="the numbers in the box, joined by spaces; empty if there are none")
    ]
    probability: Annotated[
        float, Field(ge=0, le=1, description="probability that the text is right, or that the box is empty")
    ]


class Answer(BaseModel):
    """The text of one picture, its numbers, form cells and marks in reading order."""

    text: Annotated[str, Field(description="the numbers, joined by spaces; each line of writing is one line")]
    numbers: list[NumberAnswer]
    cells: Annotated[list[CellAnswer], Field(description="boxes of forms, also empty ones")]
    digits: Annotated[list[DigitAnswer], Field(description="all marks, accepted or not")]
    notes: Annotated[
        list[str],
        Field(description="sentences about what was not read, or how the picture was treated; mostly none"),
    ]
    width: Annotated[
        int | None, Field(description="width of the picture in pixels; only with ?detail=true")
    ] = None
    height: Annotated[
        int | None, Field(description="height of the picture in pixels; only with ?detail=true")
    ] = None


class Error(BaseModel):
    """The reason why the server refused a request."""

    error: Annotated[str, Field(description="the reason as a sentence for people")]
    kind: Annotated[str, Field(description="the reason as one word for programs")]


class Health(BaseModel):
    """The answer of a server that works."""

    status: Literal["ok"]


class NetworkAnswer(BaseModel):
    """One network that can read pictures."""

    name: Annotated[str, Field(description="name to use in ?model=NAME")]
    architecture: Annotated[str, Field(description="such as cnn or mlp")]
    networks: Annotated[int, Field(description="number of networks in the ensemble; 1 if it is none")]
    parameters: Annotated[int, Field(description="number of weights and biases of all networks together")]
    rejection: Annotated[
        str | None,
        Field(description="name of its rejection network for /api/network/NAME; null: every mark is a digit"),
    ]


class Models(BaseModel):
    """The networks that can read pictures; the first one is the default."""

    models: list[NetworkAnswer]
    threshold: Annotated[float, Field(ge=0, le=1, description="smallest probability of an accepted digit")]
    rejection: Annotated[bool, Field(description="whether a second network rejects marks that are no digit")]


class SavedCorrection(BaseModel):
    """The place where a correction was saved."""

    kept: Annotated[str, Field(description="file name in the folder of corrections, such as 7/HASH.png")]


ERRORS = {  # HTTP status -> its meaning in this API
    400: "The picture is damaged, the body is not JSON, or the Host header is wrong",
    403: "The request comes from a page of another site",
    404: "There is nothing with this name",
    405: "The address does not accept this method",
    411: "The Content-Length header is missing",
    413: "The body or the picture is too large",
    415: "The body is not a picture, or its Content-Type is unknown",
    422: "The JSON or a parameter does not have the expected form",
    503: "The server is busy",
    507: "The folder of corrections is full or cannot be written",
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the error answers of a route for OpenAPI.

    Args:
        statuses: HTTP statuses from `ERRORS`; 400 and 403 are always added.

    Returns:
        A value for the argument `responses` of a FastAPI route.
    """
    # Every route can answer 400 and 403: see `request_checks`.
    return {status: {"model": Error, "description": ERRORS[status]} for status in (400, 403, *statuses)}


def detailed_json(reading: Reading) -> dict[str, Any]:
    """Return a reading with all fields of `Answer`.

    The server sends this form for ?detail=true.
    """
    digits = [_digit_json(digit) for digit in reading.digits]
    return {**reading.to_json(), "digits": digits, "width": reading.width, "height": reading.height}


def _digit_json(digit: Digit) -> dict[str, Any]:
    """Return a digit with all fields of `DigitAnswer`."""
    return {
        **digit.to_json(),
        "row": digit.row,
        "probabilities": [round(p, 6) for p in digit.probabilities],
        "image": base64.b64encode(to_bytes(digit.image).tobytes()).decode(),
    }


def to_bytes(image: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Convert an image from float32 to uint8.

    Args:
        image: float32 (28, 28) in [0, 1].

    Returns:
        uint8 (28, 28) in 0..255, rounded.
    """
    return np.asarray(np.rint(image * np.float32(255)), np.uint8)
