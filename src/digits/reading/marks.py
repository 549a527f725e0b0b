"""Store the marks of a picture. A mark is a candidate digit: a part of the picture that may be a digit.

Beside the marks, a picture may have signs (points, dashes, letters), the cells of forms, and for every row of
writing what is known about its whole text.
"""

from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from digits.reading.filters import Array

Box: TypeAlias = tuple[int, int, int, int]  # left, top, width, height in pixels of the upright picture
Probabilities: TypeAlias = npt.NDArray[np.floating]  # (10,) or (N, 10); 1 - sum is "no digit"
CellPlace: TypeAlias = tuple[int, int, int]  # grid of cells, its row, its column; each counted from 0


@dataclass(frozen=True)
class Mark:
    """A mark (a candidate digit) as an image in MNIST's form.

    Attributes:
        image: float32 (28, 28) in [0, 1], white on black.
        box: Box of the mark in the picture.
        row: Number of the line of writing, counted from 0 at the top.
        blank: True if the picture has no ink; then the image is black.
        probabilities: Probabilities (10,) of the digits; None before classification.
        cell: The form cell in which it stands; None if it stands in none.
    """

    image: Array
    box: Box
    row: int = 0
    blank: bool = False
    probabilities: Probabilities | None = None
    cell: CellPlace | None = None


@dataclass(frozen=True)
class Sign:
    """A sign on a row of writing. It is never a digit.

    Attributes:
        character: One of ". , - / :", or "x" for a letter or any other sign.
        box: Box of the sign in the picture.
        row: Number of the line of writing, as in `Mark`.
    """

    character: str
    box: Box
    row: int


@dataclass(frozen=True)
class FormCell:
    """A cell of a form: one box of a grid, with or without a digit in it.

    Attributes:
        grid: Number of the grid of cells, counted from 0.
        row: Row of the cell in its grid, counted from 0 at the top.
        column: Column of the cell in its grid, counted from 0 at the left.
        box: Box of the cell in the picture.
    """

    grid: int
    row: int
    column: int
    box: Box


class RowEvidence(Protocol):
    """What is known about the whole text of one row of writing."""

    @property
    def probability(self) -> float:
        """Probability that the digits of the row's marks are all right and none is missing, in [0, 1]."""

    def log_probability(self, digits: str) -> float:
        """Return the natural logarithm of the probability that the row's digits are these.

        Args:
            digits: Digits from left to right, such as "4071".

        Returns:
            A number of at most 0; -inf for a text that is impossible.
        """


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
        signs: Signs between the digits, in reading order.
        cells: Cells of forms by grid, row and column, also the empty ones.
        rows: Evidence for the text of each row of writing: item n is for the marks of row n; None for a row
            that was not read as a whole. Empty if no row was.
        turned: True if the picture was looked at upside down; then the boxes are those of the turned picture.
    """

    width: int
    height: int
    marks: tuple[Mark, ...]
    light_ink: bool
    steps: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    signs: tuple[Sign, ...] = ()
    cells: tuple[FormCell, ...] = ()
    rows: tuple[RowEvidence | None, ...] = ()
    turned: bool = False
