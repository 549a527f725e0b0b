"""Check arrays of images and labels, and convert them to uint8."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.errors import DataError
from digits.mnist import CLASSES, SIDE

IMAGE_SHAPES = {(SIDE, SIDE), (SIDE * SIDE,), (SIDE, SIDE, 1), (1, SIDE, SIDE)}  # accepted for one image
WHITE = 255  # pixel value of full ink
BLOCK = 1000  # images converted at a time, so that no second float64 copy of a whole data set is needed
# Largest accepted distance between 255 times a float pixel and a whole number. The limit is above 0 because
# float16 can store multiples of 1/255 only with an error of up to 0.06 after this multiplication.
ROUNDING_ERROR = 0.1


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Checked images and their labels, at least one of each."""

    images: npt.NDArray[np.uint8]  # (N, 28, 28), paper 0, ink 255; writable when read from a file
    labels: npt.NDArray[np.uint8]  # (N,), from 0 to 9


def check_pair(
    images: npt.NDArray[Any], labels: npt.NDArray[Any], images_from: str | Path, labels_from: str | Path
) -> LabelledImages:
    """Check images and labels, and convert both to uint8.

    Arrays that are already uint8 are not copied.

    Args:
        images: (N, 28, 28), (N, 784), (N, 28, 28, 1) or (N, 1, 28, 28). One of two ranges:
            whole numbers from 0 to 255
            multiples of 1/255 from 0 to 1
        labels: (N,) or (N, 1), whole numbers from 0 to 9.
        images_from: Source of the images for error messages, such as their file.
        labels_from: Source of the labels for error messages.
    Returns:
        Images, uint8 (N, 28, 28), and labels, uint8 (N,).
    Raises:
        DataError: if a shape or a value is wrong, or the lengths differ, or N is 0.
    """
    if images.shape[1:] not in IMAGE_SHAPES:
        raise DataError(f"{images_from}: images have the shape {images.shape}, expected (N, 28, 28)")
    if labels.ndim == 0 or labels.shape[1:] not in {(), (1,)}:
        raise DataError(f"{labels_from}: labels have the shape {labels.shape}, expected (N,)")
    if not 0 < len(images) == len(labels):
        raise DataError(
            f"{images_from} has {len(images):,} images and {labels_from} {len(labels):,} labels;"
            " expected the same number of both, at least one"
        )
    pixels = _to_bytes(images, WHITE, f"{images_from}: pixels")
    classes = _to_bytes(labels, CLASSES - 1, f"{labels_from}: labels")
    return LabelledImages(pixels.reshape(-1, SIDE, SIDE), classes.reshape(-1))


def _to_bytes(array: npt.NDArray[Any], highest: int, name: str) -> npt.NDArray[np.uint8]:
    """Check the type and range of numbers, and convert them to uint8.

    Args:
        array: Integers or floats of any shape except (); at least one value.
        highest: Highest allowed value. With WHITE, floats that are all at most 1 are multiplied by 255.
        name: Source and meaning of the array, for error messages.
    Returns:
        uint8 array of the same shape, with values from 0 to `highest`.
    Raises:
        DataError: if a value is not a whole number or not in the range.
    """
    expected = f"expected whole numbers from 0 to {highest}"
    expected += ", or multiples of 1/255 from 0 to 1" if highest == WHITE else ""
    if array.dtype.kind not in "iuf":
        raise DataError(f"{name} are of type {array.dtype}, {expected}")
    least, most = array.min(), array.max()
    if not (least >= 0 and most <= highest):  # NaN fails both comparisons
        raise DataError(f"{name} are from {least} to {most}, {expected}")
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    scaled = array.dtype.kind == "f" and highest == WHITE and most <= 1
    whole = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), BLOCK):
        exact = array[start : start + BLOCK].astype(np.float64) * (WHITE if scaled else 1)
        whole[start : start + BLOCK] = np.rint(exact)
        error = np.abs(exact - whole[start : start + BLOCK]).max()
        if error > (ROUNDING_ERROR if scaled else 0):
            raise DataError(f"{name} are not whole numbers, {expected}")
    return whole
