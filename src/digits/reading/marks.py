"""The marks found in a picture: each may be a digit."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.reading.filters import Array

Box: TypeAlias = tuple[int, int, int, int]  # left, top, width, height in pixels of the upright picture
Probabilities: TypeAlias = npt.NDArray[np.floating]  # (10,) or (N, 10); the rest to 1 means "no digit"


@dataclass(frozen=True)
class Mark:
    """Something that may be a digit, in MNIST's form.

    `image` is (28, 28) float32 in [0, 1], white on black. `box` is where it was found. `row` is the line of
    writing, counted from 0. `blank` says that the picture has no ink: the image is black and the box is the
    whole picture. `probabilities` (10,) are None until the mark is classified.
    """

    image: Array
    box: Box
    row: int = 0
    blank: bool = False
    probabilities: Probabilities | None = None


@dataclass(frozen=True)
class PictureMarks:
    """All marks of a picture, in reading order.

    `width` and `height` are the upright picture's, in pixels. `light_ink` is True for light ink on dark
    paper. `steps` are pictures (H, W) or (H, W, 3), uint8, of the steps by name; empty unless asked for.
    """

    width: int
    height: int
    marks: tuple[Mark, ...]
    light_ink: bool
    steps: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
