"""JSON answers of the API as pydantic models, and the error answers in the OpenAPI document."""

import base64
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from digits.reading.results import Digit, Reading


class DigitAnswer(BaseModel):
    """One mark on the picture and the digit that it most probably is."""

    digit: Annotated[int, Field(ge=0, le=9)]
    probability: Annotated[float, Field(ge=0, le=1)]
    accepted: bool
    reason: Annotated[str | None, Field(description="why it was not accepted: blank, not a digit or unclear")]
    box: Annotated[list[int], Field(min_length=4, max_length=4, description="x, y, width, height")]
    row: Annotated[int | None, Field(description="line of writing, from 0; with ?detail=true")] = None
    probabilities: Annotated[list[float] | None, Field(description="of 0 to 9; with ?detail=true")] = None
    image: Annotated[
        str | None, Field(description="the network's input: 784 bytes in Base64; with ?detail=true")
    ] = None


class Answer(BaseModel):
    """All marks on a picture, in reading order."""

    text: Annotated[str, Field(description="the accepted digits, a line for each row")]
    digits: list[DigitAnswer]
    width: Annotated[int | None, Field(description="of the picture; with ?detail=true")] = None
    height: Annotated[int | None, Field(description="of the picture; with ?detail=true")] = None


class Error(BaseModel):
    """The reason why a request was refused."""

    error: Annotated[str, Field(description="a sentence for people")]
    kind: Annotated[str, Field(description="a word for programs")]


class Health(BaseModel):
    """Sign that the server answers."""

    status: Literal["ok"]


class NetworkAnswer(BaseModel):
    """One network to choose from."""

    name: str
    architecture: str
    networks: Annotated[int, Field(description="number of networks in an ensemble, 1 otherwise")]
    parameters: int


class Models(BaseModel):
    """The networks to choose from; the first one is the default."""

    models: list[NetworkAnswer]
    rejection: Annotated[bool, Field(description="whether a rejection network finds marks that are no digit")]


class Kept(BaseModel):
    """Sign that a correction was saved."""

    kept: Annotated[str, Field(description="file name in the folder of corrections")]


ERRORS = {  # status -> what it means here
    400: "Damaged, not JSON, or a wrong Host",
    403: "Asked by a page of another site",
    404: "There is nothing of this name",
    405: "Another method is needed",
    411: "The body's length is missing",
    413: "Too large",
    415: "Not a picture, or an unknown Content-Type",
    422: "JSON or parameters of another shape than expected",
    503: "Busy",
    507: "The folder of corrections is full or cannot be written",
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's description of the error answers that a route can give, besides 400 and 403."""
    return {status: {"model": Error, "description": ERRORS[status]} for status in (400, 403, *statuses)}


def detailed(reading: Reading) -> dict[str, Any]:
    """Return the JSON of an `Answer` with ?detail=true."""
    digits = [_detailed_digit(digit) for digit in reading.digits]
    return {"text": reading.text, "digits": digits, "width": reading.width, "height": reading.height}


def _detailed_digit(digit: Digit) -> dict[str, Any]:
    return {
        **digit.to_json(),
        "row": digit.row,
        "probabilities": [round(p, 6) for p in digit.probabilities],
        "image": base64.b64encode(to_bytes(digit.image).tobytes()).decode(),
    }


def to_bytes(image: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return an image (28, 28) in [0, 1] as whole numbers from 0 to 255."""
    return np.asarray(np.rint(image * np.float32(255)), np.uint8)
