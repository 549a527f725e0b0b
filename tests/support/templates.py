"""A classifier that compares images with the ten digits of the stroke font, for tests of reading."""

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from digits.mnist import SIDE
from digits.reading.candidates import Classify
from digits.reading.find_digits import find
from digits.reading.image_files import open_picture
from digits.reading.marks import PictureMarks
from digits.reading.mnist_form import mnist_form
from digits.reading.sources import Source
from support.strokefont import sheet

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


def templates() -> Array:
    """Return the ten digits of the stroke font in MNIST's form: (10, 28, 28)."""
    drawn = []
    for digit in range(10):
        ink = 255 - np.asarray(sheet(str(digit), size=(280, 280), height=170, pen=0.13), np.float32)
        drawn.append(mnist_form(ink / np.float32(255)))
    return np.stack(drawn)


TEMPLATES = templates()


def blurred(images: Array) -> Array:
    """Blur images (N, 28, 28) so that a shift by one pixel hardly matters."""
    return np.asarray(ndimage.gaussian_filter(images, (0, 1.2, 1.2)))


def probabilities(images: Array) -> Array:
    """Classify images (N, 28, 28) by their likeness to the templates.

    Returns (N, 10); rows sum to less than 1 where an image is unlike all templates.
    """
    ours, theirs = (blurred(x).reshape(len(x), -1) for x in (images, TEMPLATES))
    ours, theirs = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (ours, theirs))
    weights = np.exp(30 * (ours @ theirs.T))
    likeness = (ours @ theirs.T).max(1, keepdims=True)
    return np.asarray(np.clip(likeness, 0, 1) ** 4 * weights / weights.sum(1, keepdims=True))


def found_in(
    source: Source, *, single: bool = False, classify: Classify | None = None, explain: bool = False
) -> PictureMarks:
    """Open a picture and find its digits."""
    return find(open_picture(source), single=single, classify=classify, explain=explain)


def text(page: PictureMarks) -> str:
    """Return the likeliest digits of the marks, with rows joined by a slash."""
    if not page.marks:
        return ""
    guesses = probabilities(np.stack([mark.image for mark in page.marks])).argmax(1)
    rows = [""] * (1 + max(mark.row for mark in page.marks))
    for mark, guess in zip(page.marks, guesses, strict=True):
        rows[mark.row] += str(guess)
    return "/".join(rows)


def one(picture: Image.Image | Pixels | bytes) -> str:
    """Read a picture of one digit and return the likeliest digit."""
    page = found_in(picture, single=True)
    assert len(page.marks) == 1
    assert page.marks[0].image.shape == (SIDE, SIDE)
    return text(page)
