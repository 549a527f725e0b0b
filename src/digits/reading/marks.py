"""Store the marks of a picture. A mark is a candidate digit: a part of the picture that may be a digit."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.reading.filters import Array

Box: TypeAlias = tuple[int, int, int, int]  # left, top, width, height in pixels of the upright picture
Probabilities: TypeAlias = npt.NDArray[np.floating]  # (10,) or (N, 10); 1 - sum is "no digit"


@dataclass(frozen=True)
class Mark:
    """A mark (a candidate digit) as an image in MNIST's form.

    Attributes:
        image: float32 (28, 28) in [0, 1], white on black.
        box: Box of the mark in the picture.
        row: Number of the line of writing, counted from 0 at the top.
        blank: True if the picture has no ink; then the image is black.
        probabilities: Probabilities (10,) of the digits; None before classification.
    """

    image: Array
    box: Box
    row: int = 0
    blank: bool = False
    probabilities: Probabilities | None = None


@dataclass(frozen=True)
class PictureMarks:
    """All marks (candidate digits) of a picture, in reading order.

    Attributes:
        width: Width of the upright picture in pixels.
        height: Height of the upright picture in pixels.
        marks: The marks.
        light_ink: True if the ink is lighter than the paper.
        steps: Pictures of the steps by name, uint8 (H, W) or (H, W, 3); empty without `explain`.
        notes: Sentences for the user about what was not read, or how the picture was treated.
    """

    width: int
    height: int
    marks: tuple[Mark, ...]
    light_ink: bool
    steps: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
