"""Ink against paper: how much ink there is at every pixel, which pixels hang together, how thick a stroke is.

All coordinates are (y, x) in pixels; ink is float32, 0 for paper and 1 for the pen at full strength.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.pictures import Pixels

Array: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]

OVERVIEW = (128, 256)  # px, the longer side at which light and shadow are judged: of drawings, of photos
FAINTEST = 0.035  # of the paper's brightness: what a hard pencil leaves, above what JPEG leaves
INK = 0.4  # of full ink; soft edges of strokes lie below
NOISE = 1.8  # the maxima of pure noise, parted in two, differ by no more than this factor
BINS = 128  # of the histogram in which a threshold is sought
BLOCKS = 96  # a picture is cut into so many blocks along its longer side to find its ink


@dataclass(frozen=True)
class Ink:
    """`amount` (H, W) in [0, 1] and `mask`, the pixels held for ink."""

    amount: Array
    mask: Mask


def contrast_of(pixels: Pixels) -> tuple[Array, bool]:
    """How far each pixel is from the paper around it, in shares of its light; and whether ink is the lighter.

    Whatever the colours of ink and paper, and however uneven the light.
    """
    grey = _along_ink_colour(pixels)
    small = _overview(grey)
    light = is_light(small)
    if light:
        grey, small = 255 - grey, 255 - small
    return _contrast(grey, _paper(small, (grey.shape[1], grey.shape[0]))), light


def ink_of(contrast: Array) -> Ink:
    """Part ink from paper. Noise alone has no ink."""
    low, high = _levels(contrast)
    if high <= low:
        return Ink(np.zeros_like(contrast), np.zeros(contrast.shape, bool))
    amount = contrast - np.float32(low)
    amount *= np.float32(1 / (high - low))
    np.clip(amount, 0, 1, out=amount)
    return Ink(amount, amount > INK)


def _along_ink_colour(pixels: Pixels) -> Pixels:
    """One channel in which ink and paper differ most: the main axis of the colour differences close by.

    Grey pens have their axis along grey; blue ink on yellow paper is told by hue where brightness is alike.
    """
    if pixels.ndim == 2:
        return pixels
    small = _overview(pixels).astype(np.float32)
    detail = np.stack([small[..., c] - smooth(small[..., c], 9) for c in range(3)], axis=-1).reshape(-1, 3)
    axis: npt.NDArray[np.float32] = np.linalg.eigh(detail.T @ detail)[1][:, -1]
    axis = axis / np.abs(axis).sum() * (1 if axis.sum() >= 0 else -1)
    start = -255 * axis[axis < 0].sum()  # so that the result is from 0 to 255 whatever the signs
    along = pixels @ axis.astype(np.float32) + (start + 0.5)
    return np.asarray(np.clip(along, 0, 255), dtype=np.uint8)


def _overview(pixels: Pixels) -> Pixels:
    """The picture at a quarter of its size, but for the limits of OVERVIEW, by averaging."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    scale = side / min(max(side / 4, OVERVIEW[0]), OVERVIEW[1])
    if scale <= 1:
        return pixels
    smaller = (max(1, round(width / scale)), max(1, round(height / scale)))
    return np.asarray(Image.fromarray(pixels).resize(smaller, Image.Resampling.BOX))


def is_light(small: Pixels) -> bool:
    """Whether the ink is brighter than the paper: ink is the smaller part, on the long side of the median.

    Where that is in doubt the fine detail decides, or the border, which is mostly paper.
    """
    grey = small.astype(np.float32)
    skew = _skewness(grey - _plane(grey))
    bright = grey > (grey.min() + grey.max()) / 2
    share, border = float(bright.mean()), border_mean(bright)
    bold = 0.35 < share < 0.65 and abs(border - share) > 0.15  # writing that fills its picture
    fine = 0.0
    if (bold or abs(skew) < 2) and min(grey.shape) >= 64:  # light and shadow may outweigh thin strokes
        fine = _skewness(grey - smooth(grey, 9))
    if abs(fine) > 2:
        return fine > 0
    if bold:
        return border < share
    return (fine if fine and abs(skew) < 0.5 else skew) > 0


def border_mean(values: npt.NDArray[Any]) -> float:
    """The mean of the outermost pixels."""
    return float(np.concatenate((values[0], values[-1], values[:, 0], values[:, -1])).mean())


def _skewness(values: Array) -> float:
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


def _plane(grey: Array) -> Array:
    """The plane through a picture's brightness, by least squares."""
    height, width = grey.shape
    y = np.arange(height, dtype=np.float32) - np.float32((height - 1) / 2)
    x = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    rows = grey.mean(1)
    slope_y = float(rows @ y) / max(float(y @ y), 1e-9)
    slope_x = float(grey.mean(0) @ x) / max(float(x @ x), 1e-9)
    return np.asarray((rows.mean() + slope_y * y)[:, None] + slope_x * x, dtype=np.float32)


def _paper(small: Pixels, size: tuple[int, int]) -> Pixels:
    """The paper at full size, as if nothing were written: what all around outshines is filled."""
    window = max(3, int(0.6 * min(small.shape)))
    paper = closing(small, window)
    if small.shape == size[::-1]:
        return paper
    narrower = _narrower(small, paper, window)
    if narrower < 0.9 * window:
        paper = closing(small, narrower)
    return np.asarray(Image.fromarray(paper).resize(size, Image.Resampling.BILINEAR))


def _narrower(small: Pixels, paper: Pixels, window: int) -> int:
    """A window just wide enough for the strokes, so that shadows and the table under the sheet are no ink."""
    contrast = _contrast(small, paper)
    mask = contrast > 0.4 * _levels(contrast)[1]
    framed = with_margin(mask, 1)
    flips = np.flatnonzero(framed.ravel()[1:] != framed.ravel()[:-1])
    runs = flips[1::2] - flips[::2]
    if not runs.size:
        return window
    thickness = quantile(np.sort(runs), 0.3)
    around = border_mean(mask) > 0.25  # something dark goes all round
    return min(window, max(3, window // 4) if around else window, max(15, int(8 * thickness)))


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


def _contrast(grey: Pixels, paper: Pixels) -> Array:
    """(H, W): the share of the paper's light that is swallowed."""
    contrast = grey.astype(np.float32)
    contrast /= np.maximum(paper, 32)  # noise on black paper would look like ink
    np.subtract(1, contrast, out=contrast)
    return np.maximum(contrast, 0, out=contrast)


def _levels(contrast: Array) -> tuple[float, float]:
    """The contrast at which ink begins, and that of full ink; equal if there is none.

    Pens cover little of a page: a threshold is sought among the maxima of small blocks, of which a pen
    touches many.
    """
    peaks = np.sort(_block_maxima(contrast, max(1, max(contrast.shape) // BLOCKS)))
    split = int(np.searchsorted(peaks, otsu(peaks), side="right"))
    if split in (0, peaks.size):
        return 0.0, 0.0
    high = quantile(peaks[split:], 0.9)
    lower = quantile(peaks[:split], 0.5)
    if high < max(FAINTEST, NOISE * lower):
        return 0.0, 0.0
    return min(lower, 0.5 * high), high


def _block_maxima(values: Array, block: int) -> Array:
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


def stroke_width(ink: Array) -> float:
    """Pixels across a stroke: twice the area over the outline's length, exact for long ribbons.

    By the coarea formula the total variation of soft ink is the mean length of its outlines, so that blur
    hardly matters.
    """
    padded = with_margin(ink, 1)
    down, across = padded[1:, :-1] - padded[:-1, :-1], padded[:-1, 1:] - padded[:-1, :-1]
    down *= down
    across *= across
    down += across
    outline = float(np.sqrt(down, out=down).sum())
    return 2 * float(ink.sum()) / outline if outline else 0.0
