"""Check arrays of images and labels, and bring them into one form."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.errors import DataError
from digits.mnist import CLASSES, SIDE

IMAGE_SHAPES = {(SIDE, SIDE), (SIDE * SIDE,), (SIDE, SIDE, 1), (1, SIDE, SIDE)}  # each with N before it
WHITE = 255  # value of a pixel of full ink
BLOCK = 1000  # images converted at once: a set of float64 is large enough without a second copy
# Greatest distance from a whole number after multiplying by 255: float16 keeps multiples of 1/255 to 0.06.
ROUNDING_ERROR = 0.1


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and their labels, checked: equally many of both, and at least one."""

    images: npt.NDArray[np.uint8]  # (N, 28, 28), ink 255 on paper 0; writable when read from a file
    labels: npt.NDArray[np.uint8]  # (N,), 0 to 9


def check_pair(
    images: npt.NDArray[Any], labels: npt.NDArray[Any], images_from: str | Path, labels_from: str | Path
) -> LabelledImages:
    """Return arrays of images and labels as bytes, after checking shapes and values.

    Images have the shape (N, 28, 28), (N, 784), (N, 28, 28, 1) or (N, 1, 28, 28), and hold whole numbers
    from 0 to 255, or floats from 0 to 1 that are multiples of 1/255. Labels have the shape (N,) or (N, 1),
    and hold whole numbers from 0 to 9. Arrays of bytes are not copied. Raises DataError for anything else;
    `images_from` and `labels_from` say in its message where the arrays are from.
    """
    if images.shape[1:] not in IMAGE_SHAPES:
        raise DataError(f"{images_from}: images of shape {images.shape}, expected (N, 28, 28)")
    if labels.ndim == 0 or labels.shape[1:] not in {(), (1,)}:
        raise DataError(f"{labels_from}: labels of shape {labels.shape}, expected (N,)")
    if not 0 < len(images) == len(labels):
        raise DataError(
            f"{images_from} has {len(images):,} images and {labels_from} {len(labels):,} labels;"
            " expected equally many, at least one"
        )
    pixels = _to_bytes(images, WHITE, f"{images_from}: pixels")
    classes = _to_bytes(labels, CLASSES - 1, f"{labels_from}: labels")
    return LabelledImages(pixels.reshape(-1, SIDE, SIDE), classes.reshape(-1))


def _to_bytes(array: npt.NDArray[Any], highest: int, name: str) -> npt.NDArray[np.uint8]:
    """Return whole numbers from 0 to `highest` as uint8; floats up to 1 are scaled if `highest` is WHITE."""
    expected = f"expected whole numbers from 0 to {highest}"
    expected += " or multiples of 1/255 to 1" if highest == WHITE else ""
    if array.dtype.kind not in "iuf":
        raise DataError(f"{name} of type {array.dtype}, {expected}")
    least, most = array.min(), array.max()
    if not (least >= 0 and most <= highest):  # NaN fails both comparisons
        raise DataError(f"{name} from {least} to {most}, {expected}")
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    scaled = array.dtype.kind == "f" and highest == WHITE and most <= 1
    whole = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), BLOCK):
        exact = array[start : start + BLOCK].astype(np.float64) * (WHITE if scaled else 1)
        whole[start : start + BLOCK] = np.rint(exact)
        error = np.abs(exact - whole[start : start + BLOCK]).max()
        if error > (ROUNDING_ERROR if scaled else 0):
            raise DataError(f"{name} between whole numbers, {expected}")
    return whole
