"""Separate ink from paper in an image of contrasts, and measure how thick the strokes of a pen are."""

from dataclasses import dataclass

import numpy as np

from digits.reading.filters import Array, Mask, block_maxima, otsu, quantile, with_margin

# Contrast is the fraction of the paper's light that is missing at a pixel: 0 on paper, 1 for black ink.
FAINTEST_INK = 0.035  # contrast: what a hard pencil leaves; JPEG's noise is weaker (development pictures)
NOISE_RATIO = 1.8  # full ink over typical paper; pure noise stays below it (development pictures)
BLOCKS = 96  # blocks along the longer side, whose maxima are compared; a pen line crosses many of them
FULL_INK_QUANTILE = 0.9  # of the dark blocks; 0.7 read fewer cheques: docs/log.md, 2026-11-26
PAPER_QUANTILE = 0.5  # of the light blocks: their median
HIGHEST_PAPER = 0.5  # of full ink: paper's level is at most this (development pictures)
INK_THRESHOLD = 0.4  # ink strength; 0.22, 0.3, 0.5 and 0.55 read fewer pictures: docs/log.md, 2026-11-26


@dataclass(frozen=True)
class Ink:
    """How much ink there is at each pixel of a page.

    `strength` (H, W), float32 in [0, 1]: 0 for paper, 1 for the pen at full strength.
    `mask` (H, W): the pixels that count as ink.
    """

    strength: Array
    mask: Mask


def ink_from_contrast(contrast: Array) -> Ink:
    """Return the ink of an image (H, W) of contrasts; a page that shows only noise has none."""
    low, high = ink_levels(contrast)
    if high <= low:
        return Ink(np.zeros_like(contrast), np.zeros(contrast.shape, bool))
    strength = contrast - np.float32(low)
    strength *= np.float32(1 / (high - low))
    np.clip(strength, 0, 1, out=strength)
    return Ink(strength, strength > INK_THRESHOLD)


def ink_levels(contrast: Array) -> tuple[float, float]:
    """Return the contrast at which ink begins and the contrast of full ink; (0, 0) if there is no ink.

    Writing covers little of a page, so Otsu's threshold is searched among the maxima of small blocks.
    """
    peaks = np.sort(block_maxima(contrast, max(1, max(contrast.shape) // BLOCKS)))
    split = int(np.searchsorted(peaks, otsu(peaks), side="right"))
    if split in (0, peaks.size):
        return 0.0, 0.0
    full = quantile(peaks[split:], FULL_INK_QUANTILE)
    paper = quantile(peaks[:split], PAPER_QUANTILE)
    if full < max(FAINTEST_INK, NOISE_RATIO * paper):
        return 0.0, 0.0
    return min(paper, HIGHEST_PAPER * full), full


def stroke_width(ink: Array) -> float:
    """Return the mean width in pixels of the strokes in an image (H, W) of ink strength; 0 without ink.

    The width is twice the area over the length of the outline, which is exact for long ribbons. The length
    is the total variation (coarea formula), so that blur hardly changes it.
    """
    padded = with_margin(ink, 1)
    down, across = padded[1:, :-1] - padded[:-1, :-1], padded[:-1, 1:] - padded[:-1, :-1]
    down *= down
    across *= across
    down += across
    outline = float(np.sqrt(down, out=down).sum())
    return 2 * float(ink.sum()) / outline if outline else 0.0
