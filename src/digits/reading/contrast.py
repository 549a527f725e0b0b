"""Compute the contrast of each pixel with the paper around it.

The contrast is the fraction of the paper's light that is missing: 0 on paper, near 1 on black ink. This works
for all colours of ink and paper, and for uneven light. `contrast_of` has four steps:

1. Convert the picture to grey so that ink and paper differ as much as possible.
2. Find out if the ink is lighter than the paper; if so, invert the picture.
3. Estimate the brightness of the paper at each pixel. Steps 2 and 3 use a small copy, the overview.
4. Compute the contrast, 1 - grey / paper.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.reading.decoding import Pixels
from digits.reading.filters import (
    Array,
    border_mean,
    closing,
    quantile,
    smooth,
    with_margin,
)
from digits.reading.ink import INK_THRESHOLD, ink_levels
from digits.reading.light_ink import DETAIL_WINDOW, ink_is_lighter

OVERVIEW_SIDE = (128, 256)  # px, limits of the overview's longer side: docs/log.md, 2026-11-26
OVERVIEW_SCALE = 4  # the overview is smaller by this factor, if that is within the limits
DARKEST_PAPER = 32  # of 255; noise on darker paper would look like ink (chosen by eye)


# Limits of the window whose closing fills all strokes, chosen on the development pictures.
PAPER_WINDOW = 0.6  # side of the first window, in shorter sides of the overview
SHORT_RUN_QUANTILE = 0.3  # this quantile of the runs of ink along rows estimates the thickness of a stroke
STROKES_PER_WINDOW = 8  # side of the window, in thicknesses of a stroke
SMALLEST_WINDOW = 15  # px of the overview; smallest side of a window
DARK_SURROUNDINGS = 0.25  # from this share of ink on the border on, the sheet lies on something dark
MAX_NEW_WINDOW = 0.9  # of the first window; a wider new window is not worth a second closing


def contrast_of(pixels: Pixels) -> tuple[Array, bool]:
    """Compute the contrast of each pixel with the paper around it.

    Args:
        pixels: uint8, (H, W) grey or (H, W, 3) RGB.

    Returns:
        Contrast, float32 (H, W) in [0, 1]; and True for light ink on darker paper.
    """
    grey = _along_ink_colour(pixels)
    small = _overview(grey)
    light_ink = ink_is_lighter(small)
    if light_ink:
        grey, small = 255 - grey, 255 - small
    return _contrast(grey, _paper_brightness(small, (grey.shape[1], grey.shape[0]))), light_ink


def _along_ink_colour(pixels: Pixels) -> Pixels:
    """Convert colours to one channel in which ink and paper differ most.

    Args:
        pixels: uint8, (H, W) grey or (H, W, 3) RGB; grey is unchanged.

    Returns:
        uint8 (H, W).
    """
    if pixels.ndim == 2:
        return pixels
    # The channel is the first principal component of the differences between pixels and their surroundings.
    # For a grey pen it is the brightness; for blue ink on yellow paper it is a difference of colour.
    small = _overview(pixels).astype(np.float32)
    detail = [small[..., c] - smooth(small[..., c], DETAIL_WINDOW) for c in range(3)]
    samples = np.stack(detail, axis=-1).reshape(-1, 3)
    axis: npt.NDArray[np.float32] = np.linalg.eigh(samples.T @ samples)[1][:, -1]
    axis = axis / np.abs(axis).sum() * (1 if axis.sum() >= 0 else -1)
    # Shift the result to 0..255, also if weights of the axis are negative.
    start = -255 * axis[axis < 0].sum()
    along = pixels @ axis.astype(np.float32) + (start + 0.5)
    return np.asarray(np.clip(along, 0, 255), dtype=np.uint8)


def _overview(pixels: Pixels) -> Pixels:
    """Return a copy of the picture of at most 256 x 256 pixels.

    Args:
        pixels: uint8, (H, W) or (H, W, 3).

    Returns:
        uint8, smaller; `pixels` itself if it is small enough.
    """
    height, width = pixels.shape[:2]
    side = max(height, width)
    scale = side / min(max(side / OVERVIEW_SCALE, OVERVIEW_SIDE[0]), OVERVIEW_SIDE[1])
    if scale <= 1:
        return pixels
    smaller = (max(1, round(width / scale)), max(1, round(height / scale)))
    return np.asarray(Image.fromarray(pixels).resize(smaller, Image.Resampling.BOX))


def _paper_brightness(small: Pixels, size: tuple[int, int]) -> Pixels:
    """Estimate the brightness of the paper behind the writing.

    Args:
        small: Overview, uint8 (H, W), with ink darker than paper.
        size: Width and height in pixels of the result.

    Returns:
        uint8 (height, width).
    """
    # A closing fills the dark strokes of the overview.
    window = max(3, int(PAPER_WINDOW * min(small.shape)))
    paper = closing(small, window)
    if small.shape == size[::-1]:
        return paper
    narrower = _window_for_strokes(small, paper, window)
    if narrower < MAX_NEW_WINDOW * window:
        paper = closing(small, narrower)
    return np.asarray(Image.fromarray(paper).resize(size, Image.Resampling.BILINEAR))


def _window_for_strokes(small: Pixels, paper: Pixels, window: int) -> int:
    """Find a small window with which `closing` fills all strokes.

    Args:
        small: Overview, uint8 (H, W), with ink darker than paper.
        paper: Result of `closing` with `window`, uint8 (H, W).
        window: Side of the largest window, in pixels of the overview.

    Returns:
        Side of the window in pixels, at most `window`.
    """
    # A wider window would make shadows, and the table under the sheet, look like ink.
    contrast = _contrast(small, paper)
    mask = contrast > INK_THRESHOLD * ink_levels(contrast)[1]
    framed = with_margin(mask, 1)
    changes = np.flatnonzero(framed.ravel()[1:] != framed.ravel()[:-1])
    runs = changes[1::2] - changes[::2]
    if not runs.size:
        return window
    thickness = quantile(np.sort(runs), SHORT_RUN_QUANTILE)
    surrounded = border_mean(mask) > DARK_SURROUNDINGS
    widest = max(3, window // 4) if surrounded else window
    return min(window, widest, max(SMALLEST_WINDOW, int(STROKES_PER_WINDOW * thickness)))


def _contrast(grey: Pixels, paper: Pixels) -> Array:
    """Compute the contrast 1 - grey / paper; negative values become 0.

    Args:
        grey: Brightness, uint8 (H, W), with ink darker than paper.
        paper: Brightness of the paper, uint8 (H, W).

    Returns:
        float32 (H, W) in [0, 1].
    """
    contrast = grey.astype(np.float32)
    contrast /= np.maximum(paper, DARKEST_PAPER)
    np.subtract(1, contrast, out=contrast)
    return np.maximum(contrast, 0, out=contrast)
