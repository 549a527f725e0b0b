"""Filter images with NumPy: running maximum and minimum, local mean, plane fit, Otsu's threshold.

The tests compare the results with SciPy and NumPy. SciPy itself is not needed.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from digits.reading.decoding import Pixels

Array: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]
HISTOGRAM_BINS = 128  # number of bins for Otsu's threshold, which is exact to 1/128 of the largest value
SMALL = 1e-9  # avoids division by zero where an image is constant


def border_mean(values: npt.NDArray[Any]) -> float:
    """Return the mean of the outermost rows and columns of an array (H, W)."""
    return float(np.concatenate((values[0], values[-1], values[:, 0], values[:, -1])).mean())


def skewness(values: Array) -> float:
    """Return the skewness of an array: positive if the values far from the median are above it.

    It is the third moment about the median, divided by the cube of the standard deviation.

    Args:
        values: float32 of any shape.

    Returns:
        A number without unit; 0 if all values are equal.
    """
    deviation = values - quantile(np.sort(values, axis=None), 0.5)
    square = deviation * deviation
    variance = float(square.mean()) - float(deviation.mean()) ** 2
    third = float((square * deviation).mean())
    return third / float(max(variance, 0.0) ** 1.5 + SMALL)


def quantile(ordered: Array, share: float) -> float:
    """Return a quantile of sorted values; equal to `np.quantile`, but faster for few values.

    Args:
        ordered: Values (N,) in ascending order, N >= 1.
        share: Share of the values below the quantile, in [0, 1]; 0.5 gives the median.
    """
    place = share * (len(ordered) - 1)
    low = int(place)
    below, above = float(ordered[low]), float(ordered[min(low + 1, len(ordered) - 1)])
    return below + (place - low) * (above - below)


def fitted_plane(grey: Array) -> Array:
    """Fit a plane to the brightness of an image by least squares.

    Args:
        grey: Brightness, float32 (H, W).

    Returns:
        Height of the plane at each pixel, float32 (H, W).
    """
    height, width = grey.shape
    y = np.arange(height, dtype=np.float32) - np.float32((height - 1) / 2)
    x = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    rows = grey.mean(1)
    slope_y = float(rows @ y) / max(float(y @ y), SMALL)
    slope_x = float(grey.mean(0) @ x) / max(float(x @ x), SMALL)
    return np.asarray((rows.mean() + slope_y * y)[:, None] + slope_x * x, dtype=np.float32)


def closing(values: Pixels, window: int) -> Pixels:
    """Fill dark details that are narrower than a window (grey closing: maximum, then minimum).

    A black margin is added first. Without it, paper that gets darker towards the border would be filled too.

    Args:
        values: Brightness, uint8 (H, W).
        window: Side of the square in pixels, odd or even, at least 2.

    Returns:
        uint8 (H, W).
    """
    half = window // 2
    grown = running(np.maximum, with_margin(values, half), window)
    return running(np.minimum, grown, window)[half:-half, half:-half]


def with_margin(values: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    """Return the image (H, W) with `width` >= 1 pixels of value 0 added on each side."""
    framed = np.zeros((values.shape[0] + 2 * width, values.shape[1] + 2 * width), values.dtype)
    framed[width:-width, width:-width] = values
    return framed


def running(
    extreme: Callable[..., Any], values: npt.NDArray[Any], window: int, axes: tuple[int, ...] = (0, 1)
) -> npt.NDArray[Any]:
    """Compute the maximum or minimum over a square around each pixel.

    Each pass compares the array with a shifted copy and doubles the covered length. So log2(window) passes
    are enough. Outside the image the values of its border are repeated.

    Args:
        extreme: `np.maximum` or `np.minimum`.
        values: Any type, (H, W).
        window: Side of the square in pixels. An even side is increased by 1.
        axes: (0, 1) for a square, (0,) for a column, (1,) for a row.

    Returns:
        Same type and shape as `values`.
    """
    half = window // 2
    for axis in axes:
        values = _with_repeated_edges(values, half, half, axis)
        covered, full = 1, 2 * half + 1
        while covered < full:
            step = min(covered, full - covered)
            if axis == 0:
                values = extreme(values[:-step], values[step:])
            else:
                values = extreme(values[:, :-step], values[:, step:])
            covered += step
    return values


def _with_repeated_edges(values: npt.NDArray[Any], before: int, after: int, axis: int) -> npt.NDArray[Any]:
    """Return `np.pad(..., mode="edge")` along one axis; np.pad itself is five times slower."""
    first, last = (values[:1], values[-1:]) if axis == 0 else (values[:, :1], values[:, -1:])
    return np.concatenate((first.repeat(before, axis), values, last.repeat(after, axis)), axis)


def smooth(values: Array, window: int) -> Array:
    """Compute the mean over a square around each pixel.

    Outside the image the values of its border are repeated.

    Args:
        values: float32 (H, W).
        window: Side of the square in pixels; odd.

    Returns:
        float32 (H, W).
    """
    half = window // 2
    for axis in (0, 1):
        padded = _with_repeated_edges(values, half + 1, half, axis)
        total = np.cumsum(padded, axis=axis, dtype=np.float64)
        upper, lower = (
            (total[window:], total[:-window]) if axis == 0 else (total[:, window:], total[:, :-window])
        )
        values = ((upper - lower) / window).astype(np.float32)
    return values


def block_maxima(values: Array, block: int) -> Array:
    """Return the maximum of each square block of an image.

    Args:
        values: float32 (H, W).
        block: Side of a block in pixels. Rows and columns that do not fill a block are left out.

    Returns:
        Maxima (blocks,). If `block` is 1 or the image is smaller than a block: all pixels (H * W,).
    """
    if min(block, *values.shape) < max(block, 2):
        return values.ravel()
    height, width = (n // block * block for n in values.shape)
    rows = values[:height, :width].reshape(-1, block, width).max(axis=1)
    return np.asarray(functools.reduce(np.maximum, (rows[:, i::block] for i in range(block))).ravel())


def otsu(values: Array) -> float:
    """Return the threshold that splits values into two classes with the smallest variance within each class.

    Source: Otsu 1979, "A threshold selection method from gray-level histograms".

    Args:
        values: float32 of any shape, all >= 0.

    Returns:
        The threshold, exact to 1/128 of the largest value; 0 if no value is above 0.
    """
    largest = float(values.max(initial=0.0))
    if largest <= 0:
        return 0.0
    bins = np.minimum(values * np.float32(HISTOGRAM_BINS / largest), HISTOGRAM_BINS - 1).astype(np.intp)
    counts = np.bincount(bins, minlength=HISTOGRAM_BINS)
    below = np.cumsum(counts)
    total = np.cumsum(counts * (np.arange(HISTOGRAM_BINS) + 0.5))
    above = below[-1] - below
    between = (total[-1] * below - total * below[-1]) ** 2 / np.maximum(below * above, 1)
    best = np.flatnonzero(between == between.max())
    return largest * (1 + int(best[len(best) // 2])) / HISTOGRAM_BINS
