"""Image filters in NumPy: running maximum and minimum, means, thresholds."""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from digits.reading.image_files import Pixels

Array: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]
BINS = 128  # of the histogram in which a threshold is sought


def border_mean(values: npt.NDArray[Any]) -> float:
    """The mean of the outermost pixels."""
    return float(np.concatenate((values[0], values[-1], values[:, 0], values[:, -1])).mean())


def skewness(values: Array) -> float:
    away = values - quantile(np.sort(values, axis=None), 0.5)
    square = away * away
    spread = float(square.mean()) - float(away.mean()) ** 2
    third = float((square * away).mean())
    return third / float(max(spread, 0.0) ** 1.5 + 1e-9)


def quantile(ordered: Array, share: float) -> float:
    """Of sorted values, as NumPy's; many times faster for a few hundred of them."""
    place = share * (len(ordered) - 1)
    low = int(place)
    below, above = float(ordered[low]), float(ordered[min(low + 1, len(ordered) - 1)])
    return below + (place - low) * (above - below)


def fitted_plane(grey: Array) -> Array:
    """The plane through a picture's brightness, by least squares."""
    height, width = grey.shape
    y = np.arange(height, dtype=np.float32) - np.float32((height - 1) / 2)
    x = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    rows = grey.mean(1)
    slope_y = float(rows @ y) / max(float(y @ y), 1e-9)
    slope_x = float(grey.mean(0) @ x) / max(float(x @ x), 1e-9)
    return np.asarray((rows.mean() + slope_y * y)[:, None] + slope_x * x, dtype=np.float32)


def closing(values: Pixels, window: int) -> Pixels:
    """Grey closing by a square: what is darker than its surroundings and narrower than `window` is filled.

    The margin of black lets brightness that falls towards the border stay as it is.
    """
    half = window // 2
    grown = running(np.maximum, with_margin(values, half), window)
    return running(np.minimum, grown, window)[half:-half, half:-half]


def with_margin(values: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    """A picture with so many pixels of 0 all round."""
    framed = np.zeros((values.shape[0] + 2 * width, values.shape[1] + 2 * width), values.dtype)
    framed[width:-width, width:-width] = values
    return framed


def running(
    extreme: Callable[..., Any], values: npt.NDArray[Any], window: int, axes: tuple[int, ...] = (0, 1)
) -> npt.NDArray[Any]:
    """Maximum or minimum over a square of `window` pixels (made odd), by doubling: log2(window) passes."""
    half = window // 2
    for axis in axes:
        values = _with_edges(values, half, half, axis)
        reach, full = 1, 2 * half + 1
        while reach < full:
            step = min(reach, full - reach)
            if axis == 0:
                values = extreme(values[:-step], values[step:])
            else:
                values = extreme(values[:, :-step], values[:, step:])
            reach += step
    return values


def _with_edges(values: npt.NDArray[Any], before: int, after: int, axis: int) -> npt.NDArray[Any]:
    """A picture with its first and its last row (or column) repeated; np.pad takes five times as long."""
    first, last = (values[:1], values[-1:]) if axis == 0 else (values[:, :1], values[:, -1:])
    return np.concatenate((first.repeat(before, axis), values, last.repeat(after, axis)), axis)


def smooth(values: Array, window: int) -> Array:
    """The mean over a square of `window` pixels (odd), edges repeated."""
    half = window // 2
    for axis in (0, 1):
        total = np.cumsum(_with_edges(values, half + 1, half, axis), axis=axis, dtype=np.float64)
        upper, lower = (
            (total[window:], total[:-window]) if axis == 0 else (total[:, window:], total[:, :-window])
        )
        values = ((upper - lower) / window).astype(np.float32)
    return values


def block_maxima(values: Array, block: int) -> Array:
    if min(block, *values.shape) < max(block, 2):
        return values.ravel()
    height, width = (n // block * block for n in values.shape)
    rows = values[:height, :width].reshape(-1, block, width).max(axis=1)
    return np.asarray(functools.reduce(np.maximum, (rows[:, i::block] for i in range(block))).ravel())


def otsu(values: Array) -> float:
    """The threshold that parts the values into the two classes of least variance within (Otsu, 1979)."""
    top = float(values.max(initial=0.0))
    if top <= 0:
        return 0.0
    numbers = np.minimum(values * np.float32(BINS / top), BINS - 1).astype(np.intp)
    counts = np.bincount(numbers, minlength=BINS)
    below = np.cumsum(counts)
    total = np.cumsum(counts * (np.arange(BINS) + 0.5))
    above = below[-1] - below
    between = (total[-1] * below - total * below[-1]) ** 2 / np.maximum(below * above, 1)
    best = np.flatnonzero(between == between.max())
    return top * (1 + int(best[len(best) // 2])) / BINS
