"""Compute the contrast of each pixel with the paper, for all colours of ink and paper and uneven light."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.reading.decoding import Pixels
from digits.reading.filters import (
    Array,
    border_mean,
    closing,
    fitted_plane,
    quantile,
    skewness,
    smooth,
    with_margin,
)
from digits.reading.ink import INK_THRESHOLD, ink_levels

OVERVIEW_SIDE = (128, 256)  # px, shortest and longest side of the overview: docs/log.md, 2026-11-26
OVERVIEW_SCALE = 4  # the overview is at most this many times smaller, within those limits
DARKEST_PAPER = 32  # of 255; noise on darker paper would look like ink (chosen by eye)
DETAIL_WINDOW = 9  # px of the overview; what is left of the local mean is fine detail, such as writing

# Is the ink lighter than the paper? All limits were chosen on the development pictures.
BOLD = (0.35, 0.65)  # share of bright pixels in which neither class is clearly the smaller one
BORDER_DIFFERENCE = 0.15  # between the bright shares of border and picture, to trust the border
CLEAR_SKEW = 2.0  # skewness that decides without other evidence
UNCLEAR_SKEW = 0.5  # skewness below which the fine detail decides, if there is any
DETAIL_SIDE = 64  # px, the shortest side on which fine detail differs from noise

# How wide a window must be to fill all strokes. Chosen on the development pictures.
PAPER_WINDOW = 0.6  # of the overview's shorter side
SHORT_RUN_QUANTILE = 0.3  # of the runs of ink along rows, taken as the thickness of a stroke
STROKES_PER_WINDOW = 8  # window over that thickness
SMALLEST_WINDOW = 15  # px of the overview
DARK_SURROUNDINGS = 0.25  # share of ink on the border from which the sheet lies on something dark
WORTHWHILE = 0.9  # a window is replaced only by one that is narrower by this factor


def contrast_of(pixels: Pixels) -> tuple[Array, bool]:
    """Return the contrast (H, W) of each pixel with the paper around it, and whether the ink is lighter.

    `pixels` are (H, W) grey or (H, W, 3) RGB, uint8. Contrast is float32 in [0, 1]: the fraction of the
    paper's light that is missing.
    """
    grey = _along_ink_colour(pixels)
    small = _overview(grey)
    light_ink = ink_is_lighter(small)
    if light_ink:
        grey, small = 255 - grey, 255 - small
    return _contrast(grey, _paper(small, (grey.shape[1], grey.shape[0]))), light_ink


def _along_ink_colour(pixels: Pixels) -> Pixels:
    """Return one channel (H, W) in which ink and paper differ most.

    It is the main axis of the local colour differences (principal component). For a grey pen that axis is
    brightness; blue ink on yellow paper of the same brightness differs in hue.
    """
    if pixels.ndim == 2:
        return pixels
    small = _overview(pixels).astype(np.float32)
    detail = [small[..., c] - smooth(small[..., c], DETAIL_WINDOW) for c in range(3)]
    samples = np.stack(detail, axis=-1).reshape(-1, 3)
    axis: npt.NDArray[np.float32] = np.linalg.eigh(samples.T @ samples)[1][:, -1]
    axis = axis / np.abs(axis).sum() * (1 if axis.sum() >= 0 else -1)
    start = -255 * axis[axis < 0].sum()  # shifts the result to 0..255 for all signs of the axis
    along = pixels @ axis.astype(np.float32) + (start + 0.5)
    return np.asarray(np.clip(along, 0, 255), dtype=np.uint8)


def _overview(pixels: Pixels) -> Pixels:
    """Return the picture made smaller by averaging, with the longer side within OVERVIEW_SIDE."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    scale = side / min(max(side / OVERVIEW_SCALE, OVERVIEW_SIDE[0]), OVERVIEW_SIDE[1])
    if scale <= 1:
        return pixels
    smaller = (max(1, round(width / scale)), max(1, round(height / scale)))
    return np.asarray(Image.fromarray(pixels).resize(smaller, Image.Resampling.BOX))


def ink_is_lighter(overview: Pixels) -> bool:
    """Return True if the ink is brighter than the paper, from a small grey picture (H, W), uint8.

    Ink covers less than paper, so brightness is skewed towards the ink. Where the skewness is small, the
    fine detail decides; where ink covers about half of the picture, the border, which is mostly paper.
    """
    grey = overview.astype(np.float32)
    skew = skewness(grey - fitted_plane(grey))
    bright = grey > (grey.min() + grey.max()) / 2
    share, border = float(bright.mean()), border_mean(bright)
    bold = BOLD[0] < share < BOLD[1] and abs(border - share) > BORDER_DIFFERENCE
    detail_skew = 0.0
    if (bold or abs(skew) < CLEAR_SKEW) and min(grey.shape) >= DETAIL_SIDE:  # light may outweigh thin strokes
        detail_skew = skewness(grey - smooth(grey, DETAIL_WINDOW))
    if abs(detail_skew) > CLEAR_SKEW:
        return detail_skew > 0
    if bold:
        return border < share
    return (detail_skew if detail_skew and abs(skew) < UNCLEAR_SKEW else skew) > 0


def _paper(small: Pixels, size: tuple[int, int]) -> Pixels:
    """Return the brightness of the paper as if nothing were written on it, at `size` (width, height).

    It is the grey closing of the overview `small`, enlarged.
    """
    window = max(3, int(PAPER_WINDOW * min(small.shape)))
    paper = closing(small, window)
    if small.shape == size[::-1]:
        return paper
    narrower = _window_for_strokes(small, paper, window)
    if narrower < WORTHWHILE * window:
        paper = closing(small, narrower)
    return np.asarray(Image.fromarray(paper).resize(size, Image.Resampling.BILINEAR))


def _window_for_strokes(small: Pixels, paper: Pixels, window: int) -> int:
    """Return a window in pixels just wide enough for the strokes, at most `window`.

    `small` is the overview and `paper` its closing by `window`, both (H, W). A wider window would count
    shadows, and the table under the sheet, as ink.
    """
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
    """Return 1 - grey / paper as (H, W), not below 0."""
    contrast = grey.astype(np.float32)
    contrast /= np.maximum(paper, DARKEST_PAPER)
    np.subtract(1, contrast, out=contrast)
    return np.maximum(contrast, 0, out=contrast)
