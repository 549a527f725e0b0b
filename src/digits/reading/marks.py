"""Store the marks of a picture. A mark is a part of the picture that may be a digit."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.reading.filters import Array

Box: TypeAlias = tuple[int, int, int, int]  # left, top, width, height in pixels of the upright picture
Probabilities: TypeAlias = npt.NDArray[np.floating]  # (10,) or (N, 10); 1 - sum is "no digit"


@dataclass(frozen=True)
class Mark:
    """A part of a picture that may be a digit, as an image in MNIST's form.

    Attributes:
        image: float32 (28, 28) in [0, 1], white on black.
        box: Where the mark lies in the picture.
        row: Number of the line of writing, counted from 0 at the top.
        blank: True if the picture has no ink. Then the image is black and the box is the whole picture.
        probabilities: Probabilities (10,) of the digits; None if the mark is not classified yet.
    """

    image: Array
    box: Box
    row: int = 0
    blank: bool = False
    probabilities: Probabilities | None = None


@dataclass(frozen=True)
class PictureMarks:
    """All marks of a picture, in reading order.

    Attributes:
        width: Width of the upright picture in pixels.
        height: Height of the upright picture in pixels.
        marks: The marks.
        light_ink: True if the ink is lighter than the paper.
        steps: Pictures of the steps, uint8 (H, W) or (H, W, 3), by name; empty unless `explain` was set.
    """

    width: int
    height: int
    marks: tuple[Mark, ...]
    light_ink: bool
    steps: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
