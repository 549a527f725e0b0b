"""Ink against paper: how much ink there is at every pixel, which pixels hang together, how thick a stroke is.

All coordinates are (y, x) in pixels; ink is float32, 0 for paper and 1 for the pen at full strength.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.reading.filters import (
    Array,
    Mask,
    block_maxima,
    border_mean,
    closing,
    fitted_plane,
    otsu,
    quantile,
    skewness,
    smooth,
    with_margin,
)
from digits.reading.image_files import Pixels

OVERVIEW = (128, 256)  # px, the longer side at which light and shadow are judged: of drawings, of photos
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
    skew = skewness(grey - fitted_plane(grey))
    bright = grey > (grey.min() + grey.max()) / 2
    share, border = float(bright.mean()), border_mean(bright)
    bold = 0.35 < share < 0.65 and abs(border - share) > 0.15  # writing that fills its picture
    fine = 0.0
    if (bold or abs(skew) < 2) and min(grey.shape) >= 64:  # light and shadow may outweigh thin strokes
        fine = skewness(grey - smooth(grey, 9))
    if abs(fine) > 2:
        return fine > 0
    if bold:
        return border < share
    return (fine if fine and abs(skew) < 0.5 else skew) > 0


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
    peaks = np.sort(block_maxima(contrast, max(1, max(contrast.shape) // BLOCKS)))
    split = int(np.searchsorted(peaks, otsu(peaks), side="right"))
    if split in (0, peaks.size):
        return 0.0, 0.0
    high = quantile(peaks[split:], 0.9)
    lower = quantile(peaks[:split], 0.5)
    if high < max(FAINTEST, NOISE * lower):
        return 0.0, 0.0
    return min(lower, 0.5 * high), high


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
