"""Store the answer for a picture: numbers, form cells, and each mark with its digit, probabilities and box.

A mark is a candidate digit: a part of the picture that may be a digit. Accepted digits form numbers
(`numbers.py`). What the fields mean for a user is in docs/forms.md.
"""

from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.networks.numpy_layers import Array
from digits.reading.marks import Box, CellPlace, Mark, Probabilities

# Reasons why a mark was not accepted: there is no ink; it is something else; no digit is likely enough.
BLANK, NO_DIGIT, UNCLEAR = "blank", "not a digit", "unclear"


@dataclass(frozen=True)
class Digit:
    """A mark (a candidate digit) with its likeliest digit."""

    digit: int
    """The likeliest digit, 0 to 9."""
    probability: float
    """Probability that the mark is this digit, in [0, 1]; 0 for a blank mark."""
    accepted: bool
    """True if the digit is part of the picture's text."""
    reason: str | None
    """Why the mark was not accepted: "blank", "not a digit" or "unclear"; None if it was accepted."""
    box: Box
    """Left, top, width and height in pixels of the upright picture."""
    row: int
    """Number of the line of writing, counted from 0 at the top."""
    probabilities: tuple[float, ...]
    """Probabilities of the digits 0 to 9. Their sum is the probability that the mark is a digit."""
    image: Array = field(repr=False, compare=False)
    """The image that the network classified: (28, 28) float32 in [0, 1], white on black."""
    cell: CellPlace | None = None
    """Grid, row and column of the form cell in which the mark stands; None if it stands in none."""

    def to_json(self) -> dict[str, Any]:
        """Return digit, probability, accepted, reason and box as a dict for JSON."""
        return {
            "digit": self.digit,
            "probability": round(self.probability, 4),
            "accepted": self.accepted,
            "reason": self.reason,
            "box": list(self.box),
        }


@dataclass(frozen=True)
class Number:
    """A number: accepted digits that belong together, with the signs between them."""

    text: str
    """The number as it is written, such as "12.50" or "-7"."""
    digits: str
    """Its digits alone, such as "1250"."""
    row: int
    """Number of the line of writing, counted from 0 at the top."""
    box: Box
    """Left, top, width and height in pixels of the upright picture."""
    probability: float
    """Probability that all digits are right and none is missing, in [0, 1]."""

    def to_json(self) -> dict[str, Any]:
        """Return all fields as a dict for JSON."""
        return {
            "text": self.text,
            "digits": self.digits,
            "row": self.row,
            "box": list(self.box),
            "probability": round(self.probability, 4),
        }


@dataclass(frozen=True)
class Cell:
    """A box of a form with what is written in it."""

    grid: int
    """Number of the group of boxes, counted from 0."""
    row: int
    """Row of the box in its grid, counted from 0 at the top."""
    column: int
    """Column of the box in its grid, counted from 0 at the left."""
    box: Box
    """Left, top, width and height in pixels of the upright picture."""
    text: str
    """The numbers in the box, joined by spaces; "" if it is empty."""
    probability: float
    """Probability that the text is right; for an empty box, that there is no digit in it."""

    def to_json(self) -> dict[str, Any]:
        """Return all fields as a dict for JSON."""
        return {
            "grid": self.grid,
            "row": self.row,
            "column": self.column,
            "box": list(self.box),
            "text": self.text,
            "probability": round(self.probability, 4),
        }


@dataclass(frozen=True)
class Reading:
    """The answer for one picture."""

    digits: tuple[Digit, ...]
    """All marks in reading order, accepted or not."""
    width: int
    """Width of the upright picture in pixels."""
    height: int
    """Height of the upright picture in pixels."""
    steps: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict, repr=False, compare=False)
    """Pictures of the steps, uint8 (H, W) or (H, W, 3), by name; empty unless read with `explain=True`."""
    light_ink: bool = False
    """True if the ink is lighter than the paper."""
    notes: tuple[str, ...] = ()
    """Sentences for the user about what was not read, or how the picture was treated."""

    numbers: tuple[Number, ...] = ()
    """The numbers in reading order. Read with a field: the number in the field, or none."""
    cells: tuple[Cell, ...] = ()
    """The boxes of forms by grid, row and column, also the empty ones."""

    @property
    def text(self) -> str:
        """The numbers' texts in reading order, such as "4071": joined by spaces, one line per row."""
        rows = groupby(self.numbers, lambda number: number.row)
        return "\n".join(" ".join(number.text for number in numbers) for _, numbers in rows)

    def to_json(self) -> dict[str, Any]:
        """Return the text and the lists of numbers, cells, digits and notes as a dict for JSON."""
        return {
            "text": self.text,
            "numbers": [number.to_json() for number in self.numbers],
            "cells": [cell.to_json() for cell in self.cells],
            "digits": [digit.to_json() for digit in self.digits],
            "notes": list(self.notes),
        }


def to_digit(mark: Mark, probabilities: Probabilities, accepted: bool) -> Digit:
    """Create the answer for one mark (a candidate digit).

    A mark that was not accepted gets one of these reasons:

    - "blank": there is no ink,
    - "not a digit": the main doubt is whether it is a digit,
    - "unclear": the main doubt is which digit it is.

    Args:
        mark: The mark.
        probabilities: Probabilities (10,); their sum is the probability of a digit.
        accepted: True if the mark was accepted.

    Returns:
        The likeliest digit and its probability. All probabilities are 0 for a blank mark.
    """
    digit = int(probabilities.argmax())
    probability = 0.0 if mark.blank else float(probabilities[digit])
    is_digit = float(probabilities.sum())
    if_digit = probability / max(is_digit, 1e-9)  # probability of this digit, given that it is a digit
    # "Not a digit": being a digit at all is less certain than which digit it would be.
    reason = None if accepted else BLANK if mark.blank else NO_DIGIT if is_digit <= if_digit else UNCLEAR
    shares = tuple(0.0 if mark.blank else float(p) for p in probabilities)
    return Digit(digit, probability, accepted, reason, mark.box, mark.row, shares, mark.image, mark.cell)
