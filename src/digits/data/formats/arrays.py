"""Check arrays of images and labels, and bring them into one form."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.errors import DataError
from digits.mnist import CLASSES, SIDE

MOST_DIMENSIONS = 4  # (N, 28, 28, 1) needs them all


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and what they show, checked: equally many of both, at least one."""

    images: npt.NDArray[np.uint8]  # (N, 28, 28), white ink 255 on black 0; writable when read from a file
    labels: npt.NDArray[np.uint8]  # (N,), 0 to 9


def check_pair(
    images: npt.NDArray[Any], labels: npt.NDArray[Any], images_from: str | Path, labels_from: str | Path
) -> LabelledImages:
    """Arrays from anywhere as checked bytes; the last two arguments name them in errors.

    Images as (N, 28, 28), (N, 784), (N, 28, 28, 1) or (N, 1, 28, 28): whole numbers from 0 to 255, or floats
    from 0 to 1 that are multiples of 1/255. Labels as (N,) or (N, 1): whole numbers from 0 to 9. Bytes of
    the right shape are not copied.
    """
    layouts = {(SIDE, SIDE), (SIDE * SIDE,), (SIDE, SIDE, 1), (1, SIDE, SIDE)}
    if images.shape[1:] not in layouts:
        raise DataError(f"{images_from}: images of shape {images.shape}, expected (N, 28, 28)")
    if labels.ndim == 0 or labels.shape[1:] not in {(), (1,)}:
        raise DataError(f"{labels_from}: labels of shape {labels.shape}, expected (N,)")
    if not 0 < len(images) == len(labels):
        raise DataError(
            f"{images_from} has {len(images):,} images and {labels_from} {len(labels):,} labels;"
            " expected equally many, at least one"
        )
    greys = _to_bytes(images, 255, f"{images_from}: pixels")
    digits = _to_bytes(labels, CLASSES - 1, f"{labels_from}: labels")
    return LabelledImages(greys.reshape(-1, SIDE, SIDE), digits.reshape(-1))


def _to_bytes(array: npt.NDArray[Any], top: int, name: str) -> npt.NDArray[np.uint8]:
    """Whole numbers from 0 to `top` as uint8; where `top` is white, floats from 0 to 1 are scaled to it."""
    expected = f"expected whole numbers from 0 to {top}" + (
        " or multiples of 1/255 to 1" if top == 255 else ""
    )
    if array.dtype.kind not in "iuf":
        raise DataError(f"{name} of type {array.dtype}, {expected}")
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= top):  # neither is true of NaN
        raise DataError(f"{name} from {low} to {high}, {expected}")
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    scaled = array.dtype.kind == "f" and top == 255 and high <= 1
    greys = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), 1000):  # a set of float64 is large enough without a second copy
        exact = array[start : start + 1000].astype(np.float64) * (255 if scaled else 1)
        greys[start : start + 1000] = np.rint(exact)
        error = np.abs(exact - greys[start : start + 1000]).max()
        if error > (0.1 if scaled else 0):  # float16 keeps multiples of 1/255 to 0.06 greys
            raise DataError(f"{name} between whole numbers, {expected}")
    return greys
