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
NEARLY_ZERO = 1e-9  # avoids division by zero where an image is constant


def border_mean(values: npt.NDArray[Any]) -> float:
    """Return the mean of the outermost rows and columns.

    Args:
        values: (H, W); a corner counts twice.
    """
    return float(np.concatenate((values[0], values[-1], values[:, 0], values[:, -1])).mean())


def skewness(values: Array) -> float:
    """Return the skewness of an array: its asymmetry around the median.

    Args:
        values: float32 of any shape.

    Returns:
        Positive if the largest values are the most extreme, negative if the smallest are. 0 if all are equal.
    """
    # The third moment about the median, divided by the cube of the standard deviation.
    deviation = values - quantile(np.sort(values, axis=None), 0.5)
    square = deviation * deviation
    variance = float(square.mean()) - float(deviation.mean()) ** 2
    third = float((square * deviation).mean())
    return third / float(max(variance, 0.0) ** 1.5 + NEARLY_ZERO)


def quantile(ordered: Array, share: float) -> float:
    """Return a quantile of sorted values, as `np.quantile` does.

    Args:
        ordered: At least one value, (N,), in ascending order.
        share: Share of values below the quantile, in [0, 1]; 0.5 for the median.
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
        Brightness of the plane at each pixel, float32 (H, W).
    """
    height, width = grey.shape
    y = np.arange(height, dtype=np.float32) - np.float32((height - 1) / 2)
    x = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    rows = grey.mean(1)
    slope_y = float(rows @ y) / max(float(y @ y), NEARLY_ZERO)
    slope_x = float(grey.mean(0) @ x) / max(float(x @ x), NEARLY_ZERO)
    return np.asarray((rows.mean() + slope_y * y)[:, None] + slope_x * x, dtype=np.float32)


def closing(values: Pixels, window: int) -> Pixels:
    """Fill dark details that are narrower than a window.

    This is a grey closing: a running maximum, then a running minimum.

    Args:
        values: Brightness, uint8 (H, W).
        window: Side of the square window in pixels, at least 2.

    Returns:
        Brightness, uint8 (H, W).
    """
    # Without a black margin, paper that gets darker towards the border would be filled too.
    half = window // 2
    grown = running(np.maximum, with_margin(values, half), window)
    return running(np.minimum, grown, window)[half:-half, half:-half]


def with_margin(values: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    """Add a margin of zeros on each side of an image.

    Args:
        values: Any type, (H, W).
        width: Width of the margin in pixels, at least 1.
    """
    framed = np.zeros((values.shape[0] + 2 * width, values.shape[1] + 2 * width), values.dtype)
    framed[width:-width, width:-width] = values
    return framed


def running(
    extreme: Callable[..., Any], values: npt.NDArray[Any], window: int, axes: tuple[int, ...] = (0, 1)
) -> npt.NDArray[Any]:
    """Compute the maximum or minimum around each pixel.

    Outside the image, the values of its border are repeated.

    Args:
        extreme: `np.maximum` or `np.minimum`.
        values: Any type, (H, W).
        window: Side of the square in pixels; even sides grow by 1.
        axes: (0, 1) for a square, (0,) for a column, (1,) for a row.

    Returns:
        Same type and shape as `values`.
    """
    # Each pass compares the array with a shifted copy and doubles the covered length. So log2(window) passes
    # are enough.
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
    """Repeat the first and last values of an array along one axis.

    Args:
        values: Any type, (H, W).
        before: Number of copies of the first row or column.
        after: Number of copies of the last row or column.
        axis: 0 for rows, 1 for columns.
    """
    # np.pad(..., mode="edge") does the same but is five times slower.
    first, last = (values[:1], values[-1:]) if axis == 0 else (values[:, :1], values[:, -1:])
    return np.concatenate((first.repeat(before, axis), values, last.repeat(after, axis)), axis)


def smooth(values: Array, window: int) -> Array:
    """Compute the mean over a square around each pixel.

    Outside the image, the values of its border are repeated.

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

    Rows and columns that do not fill a block are left out.

    Args:
        values: float32 (H, W).
        block: Side of a block in pixels.

    Returns:
        Maxima (blocks,); all pixels (H * W,) if no block fits.
    """
    if min(block, *values.shape) < max(block, 2):
        return values.ravel()
    height, width = (n // block * block for n in values.shape)
    rows = values[:height, :width].reshape(-1, block, width).max(axis=1)
    return np.asarray(functools.reduce(np.maximum, (rows[:, i::block] for i in range(block))).ravel())


def otsu(values: Array) -> float:
    """Find a threshold that separates low and high values.

    The values within each group differ as little as possible.

    Args:
        values: float32 of any shape, all >= 0.

    Returns:
        The threshold, exact to 1/128 of the largest value; 0 if all are 0.

    Source: Otsu 1979, "A threshold selection method from gray-level histograms".
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
