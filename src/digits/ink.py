"""Ink against paper: how much ink there is at every pixel, which pixels hang together, how thick a stroke is.

All coordinates are (y, x) in pixels; ink is float32, 0 for paper and 1 for the pen at full strength.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.pictures import Pixels

Array: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]

OVERVIEW = 256  # px, the longer side at which light and shadow are judged
FAINTEST = 0.035  # of the paper's brightness: what a hard pencil leaves, above what JPEG leaves
INK = 0.4  # of full ink; soft edges of strokes lie below
NOISE = 1.8  # the maxima of pure noise, parted in two, differ by no more than this factor
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
    light = is_light(grey)
    dark_on_light = 255 - grey if light else grey
    return _contrast(dark_on_light, _paper(dark_on_light)), light


def ink_of(contrast: Array) -> Ink:
    """Part ink from paper. Noise alone has no ink."""
    low, high = _levels(contrast)
    if high <= low:
        return Ink(np.zeros_like(contrast), np.zeros(contrast.shape, bool))
    amount = np.clip((contrast - low) / (high - low), 0, 1)
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
    """The picture at most OVERVIEW pixels long, by averaging."""
    height, width = pixels.shape[:2]
    scale = max(height, width) / OVERVIEW
    if scale <= 1:
        return pixels
    smaller = (max(1, round(width / scale)), max(1, round(height / scale)))
    return np.asarray(Image.fromarray(pixels).resize(smaller, Image.Resampling.BOX))


def is_light(pixels: Pixels) -> bool:
    """Whether the ink is brighter than the paper: ink is the smaller part, on the long side of the median.

    Where that is in doubt the fine detail decides, or the border, which is mostly paper.
    """
    grey = _overview(pixels).astype(np.float32)
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
    away = values - np.median(values)
    square = away * away
    spread = float(square.mean()) - float(away.mean()) ** 2
    third = float((square * away).mean())
    return third / float(max(spread, 0.0) ** 1.5 + 1e-9)


def _plane(grey: Array) -> Array:
    """The plane through a picture's brightness, by least squares."""
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in grey.shape)
    slope_y = (grey.mean(1) * y).mean() / max((y * y).mean(), 1e-9)
    slope_x = (grey.mean(0) * x).mean() / max((x * x).mean(), 1e-9)
    return np.asarray(grey.mean() + slope_y * y[:, None] + slope_x * x, dtype=np.float32)


def _paper(grey: Pixels) -> Array:
    """The paper's brightness everywhere, as if nothing were written: what all around outshines, filled."""
    small = _overview(grey)
    window = max(3, int(0.6 * min(small.shape)))
    paper = closing(small, window)
    if small.shape != grey.shape:
        paper = closing(small, _narrower(small, paper, window))
        image = Image.fromarray(paper).resize(grey.shape[::-1], Image.Resampling.BILINEAR)
        paper = np.asarray(image)
    return paper.astype(np.float32)


def _narrower(small: Pixels, paper: Pixels, window: int) -> int:
    """A window just wide enough for the strokes, so that shadows and the table under the sheet are no ink."""
    contrast = _contrast(small, paper.astype(np.float32))
    mask = contrast > 0.4 * _levels(contrast)[1]
    flips = np.flatnonzero(np.diff(np.pad(mask, ((0, 0), (1, 1))).ravel(), prepend=False))
    runs = flips[1::2] - flips[::2]
    if not runs.size:
        return window
    thickness = float(np.quantile(runs, 0.3))
    around = border_mean(mask) > 0.25  # something dark goes all round
    return min(window, window // 4 if around else window, max(15, int(8 * thickness)))


def closing(values: Pixels, window: int) -> Pixels:
    """Grey closing by a square: what is darker than its surroundings and narrower than `window` is filled.

    The margin of black lets brightness that falls towards the border stay as it is.
    """
    half = window // 2
    grown = running(np.maximum, np.pad(values, half), window)
    return running(np.minimum, grown, window)[half:-half, half:-half]


def running(
    extreme: Callable[..., Any], values: npt.NDArray[Any], window: int, axes: tuple[int, ...] = (0, 1)
) -> npt.NDArray[Any]:
    """Maximum or minimum over a square of `window` pixels (made odd), by doubling: log2(window) passes."""
    half = window // 2
    for axis in axes:
        widths = [(0, 0)] * values.ndim
        widths[axis] = (half, half)
        values = np.pad(values, widths, mode="edge")
        reach, full = 1, 2 * half + 1
        while reach < full:
            step = min(reach, full - reach)
            head, tail = [slice(None)] * values.ndim, [slice(None)] * values.ndim
            head[axis], tail[axis] = slice(None, -step), slice(step, None)
            values = extreme(values[tuple(head)], values[tuple(tail)])
            reach += step
    return values


def smooth(values: Array, window: int) -> Array:
    """The mean over a square of `window` pixels (odd), edges repeated."""
    half = window // 2
    for axis in (0, 1):
        widths = [(0, 0), (0, 0)]
        widths[axis] = (half + 1, half)
        total = np.cumsum(np.pad(values, widths, mode="edge"), axis=axis, dtype=np.float64)
        upper, lower = (
            (total[window:], total[:-window]) if axis == 0 else (total[:, window:], total[:, :-window])
        )
        values = ((upper - lower) / window).astype(np.float32)
    return values


def _contrast(grey: Pixels, paper: Array) -> Array:
    """(H, W): the share of the paper's light that is swallowed."""
    return np.maximum(1 - grey / np.maximum(paper, 32), 0)  # 32: noise on black paper would look like ink


def _levels(contrast: Array) -> tuple[float, float]:
    """The contrast at which ink begins, and that of full ink; equal if there is none.

    Pens cover little of a page: a threshold is sought among the maxima of small blocks, of which a pen
    touches many.
    """
    peaks = _block_maxima(contrast, max(1, max(contrast.shape) // BLOCKS))
    threshold = otsu(peaks)
    upper = peaks[peaks > threshold]
    if upper.size in (0, peaks.size):
        return 0.0, 0.0
    high = float(np.quantile(upper, 0.9))
    lower = float(np.median(peaks[peaks <= threshold]))
    if high < max(FAINTEST, NOISE * lower):
        return 0.0, 0.0
    return min(lower, 0.5 * high), high


def _block_maxima(values: Array, block: int) -> Array:
    if min(block, *values.shape) < max(block, 2):
        return values.ravel()
    height, width = (n // block * block for n in values.shape)
    rows = values[:height, :width].reshape(-1, block, width).max(axis=1)  # in two steps: three times as fast
    return np.asarray(rows.reshape(len(rows), -1, block).max(axis=2).ravel())


def otsu(values: Array) -> float:
    """The threshold that parts the values into the two classes of least variance within (Otsu, 1979)."""
    top = float(values.max(initial=0.0))
    if top <= 0:
        return 0.0
    counts, edges = np.histogram(values, bins=128, range=(0.0, top))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    total = np.cumsum(counts * centres)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.nan_to_num(below * above * (total / below - (total[-1] - total) / above) ** 2)
    best = np.flatnonzero(between == between.max())
    return float(edges[1 + best[len(best) // 2]])


def stroke_width(ink: Array) -> float:
    """Pixels across a stroke: twice the area over the outline's length, exact for long ribbons.

    By the coarea formula the total variation of soft ink is the mean length of its outlines, so that blur
    hardly matters.
    """
    padded = np.pad(ink, 1)
    dy = padded[1:, :-1] - padded[:-1, :-1]
    dx = padded[:-1, 1:] - padded[:-1, :-1]
    outline = float(np.sqrt(dy * dy + dx * dx).sum())
    return 2 * float(ink.sum()) / outline if outline else 0.0
