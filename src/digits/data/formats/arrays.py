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
SLACK = 1e-3  # pixels from 0 to 1 or from -1 to 1 may leave the range by this much; resizing rounds so
DIM = 0.5  # the brightest pixel of a set must reach this share of a range; otherwise the range is not clear
# Largest distance between 256 times a pixel and a whole number, so that it counts as a multiple of 1/256.
# Four decimals in a CSV file move it by up to 0.013; multiples of 1/255 are up to 0.5 away.
ROUNDING_ERROR = 0.02
RANGES = "numbers from 0 to 255, from 0 to 1, or from -1 to 1, with ink near the highest of them"


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Checked images and their labels, at least one of each."""

    images: npt.NDArray[np.uint8]  # (N, 28, 28), paper 0, ink 255; writable when read from a file
    labels: npt.NDArray[np.uint8]  # (N,), from 0 to 9
    notes: tuple[str, ...] = ()  # sentences about what was converted or left out


def check_pair(
    images: npt.NDArray[Any], labels: npt.NDArray[Any], images_from: str | Path, labels_from: str | Path
) -> LabelledImages:
    """Check images and labels, and convert both to uint8.

    Arrays that are already uint8 are not copied.

    Args:
        images: (N, 28, 28), (N, 784), (N, 28, 28, 1) or (N, 1, 28, 28); RANGES lists the ranges.
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
    pixels, note = _to_pixels(images, f"{images_from}: pixels")
    classes = _to_classes(labels, f"{labels_from}: labels")
    notes = (note,) if note else ()
    return LabelledImages(pixels.reshape(-1, SIDE, SIDE), classes.reshape(-1), notes)


def _to_classes(array: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    """Check the type and range of labels, and convert them to uint8.

    Args:
        array: Integers or floats, at least one.
        name: Source and meaning of the array, for error messages.
    Raises:
        DataError: if a value is not a whole number or not in the range.
    """
    expected = f"expected whole numbers from 0 to {CLASSES - 1}"
    if array.dtype.kind not in "iuf":
        raise DataError(f"{name} are of type {array.dtype}, {expected}")
    least, most = array.min(), array.max()
    if not (least >= 0 and most < CLASSES):  # NaN fails both comparisons
        raise DataError(f"{name} are from {least} to {most}, {expected}")
    classes = np.ascontiguousarray(array, np.uint8)
    if not np.array_equal(classes, array):
        raise DataError(f"{name} are not whole numbers, {expected}")
    return classes


def _to_pixels(array: npt.NDArray[Any], name: str) -> tuple[npt.NDArray[np.uint8], str]:
    """Find the range of pixels, and convert them to bytes.

    Args:
        array: Integers, floats or truth values of any shape except (); at least one value.
        name: Source and meaning of the array, for messages.
    Returns:
        uint8 array of the same shape, from 0 to 255.
        A sentence about the conversion; empty if the pixels are whole numbers from 0 to 255.
    Raises:
        DataError: if the pixels have no known range.
    """
    if array.dtype.kind not in "iufb":
        raise DataError(f"{name} are of type {array.dtype}, expected {RANGES}")
    array = array.view(np.uint8) if array.dtype == bool else array
    least, most = array.min(), array.max()
    found = _range(least, most)
    if found is None:
        raise DataError(f"{name} are from {least} to {most}, expected {RANGES}")
    low, high = found
    if array.dtype == np.uint8 and high == WHITE:
        return np.ascontiguousarray(array), ""
    if high == WHITE:
        pixels, error = _scaled(array, 0, 1)
        return pixels, f"{name} are not whole numbers; they were rounded." if error else ""
    span = high - low
    pixels, error = _scaled(array, low, 256 / span)
    parts = error <= ROUNDING_ERROR and most < high - SLACK  # 256/256 would not fit into a byte
    if not parts:
        pixels, _ = _scaled(array, low, WHITE / span)
    binary = low == 0 and _scaled(array, 0, 1)[1] == 0
    kind = "only 0 and 1" if binary else f"from {low} to {high}"
    kind = "multiples of 1/256" if parts and low == 0 else kind
    return pixels, f"{name} are {kind}; they were read as 0 to 255."


def _range(least: float, most: float) -> tuple[int, int] | None:
    """Return the range that pixels are in, by the lowest and the highest of them.

    Returns:
        (0, 1), (-1, 1) or (0, 255); None if it is none of them, or if the highest pixel is so low that the
        range is not clear. Pixels that are all 0 are in (0, 255).
    """
    if least == most == 0:
        return 0, WHITE
    for low, high, slack in ((0, 1, SLACK), (-1, 1, SLACK), (0, WHITE, 0)):
        inside = low - slack <= least and most <= high + slack  # False for NaN
        full = most >= low + DIM * (high - low) and (low == 0 or least <= low + slack)
        if inside and full:
            return low, high
    return None


def _scaled(array: npt.NDArray[Any], low: float, factor: float) -> tuple[npt.NDArray[np.uint8], float]:
    """Subtract a number from all values, multiply them, and round them to bytes.

    Returns:
        uint8 array of the same shape; the largest distance of a value from the next whole number.
    """
    rounded, error = np.empty(array.shape, np.uint8), 0.0
    for start in range(0, len(array), BLOCK):
        exact = (array[start : start + BLOCK].astype(np.float64) - low) * factor
        whole = np.rint(exact)
        rounded[start : start + BLOCK] = whole.clip(0, WHITE)
        error = max(error, float(np.abs(exact - whole).max()))
    return rounded, error
