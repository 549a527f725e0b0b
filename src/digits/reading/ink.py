"""Separate ink from paper and measure the stroke width.

The contrast of a pixel is the fraction of the paper's light that is missing: 0 on paper, 1 for black ink. The
ink strength is the contrast scaled so that 1 is the pen at full strength.
"""

from dataclasses import dataclass

import numpy as np

from digits.reading.filters import Array, Mask, block_maxima, otsu, quantile, with_margin

FAINTEST_INK = 0.035  # contrast of a hard pencil; noise of JPEG is weaker (development pictures)
NOISE_RATIO = 1.8  # smallest ratio of full ink to paper; noise has a smaller one (development pictures)
BLOCKS = 96  # number of blocks along the longer side; a pen stroke crosses many of them
FULL_INK_QUANTILE = 0.9  # of blocks with ink: full ink; 0.7 read fewer cheques: docs/log.md, 2026-11-26
PAPER_QUANTILE = 0.5  # of blocks without ink: median contrast of paper
HIGHEST_PAPER = 0.5  # ink begins at this share of full ink or below (development pictures)
INK_THRESHOLD = 0.4  # ink strength above which a pixel is ink; 0.3 and 0.5 are worse: docs/log.md, 2026-11-26


@dataclass(frozen=True)
class Ink:
    """The ink at each pixel of a page.

    Attributes:
        strength: float32 (H, W) in [0, 1]: 0 on paper, 1 for full ink.
        mask: bool (H, W), True for pixels that count as ink.
    """

    strength: Array
    mask: Mask


def ink_from_contrast(contrast: Array) -> Ink:
    """Compute the ink of a page from its contrast.

    Args:
        contrast: Contrast with the paper, float32 (H, W) in [0, 1].

    Returns:
        The ink. It is empty if the page shows only noise.
    """
    low, high = ink_levels(contrast)
    if high <= low:
        return Ink(np.zeros_like(contrast), np.zeros(contrast.shape, bool))
    strength = contrast - np.float32(low)
    strength *= np.float32(1 / (high - low))
    np.clip(strength, 0, 1, out=strength)
    return Ink(strength, strength > INK_THRESHOLD)


def ink_levels(contrast: Array) -> tuple[float, float]:
    """Find the contrast where ink begins and the contrast of full ink.

    The page is divided into blocks. A threshold separates blocks with ink from the others.

    Args:
        contrast: Contrast with the paper, float32 (H, W) in [0, 1].

    Returns:
        Both contrasts in [0, 1]; (0, 0) if the page has no ink.
    """
    # Writing covers only a small part of a page. With block maxima it covers more of the values.
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
    """Measure the mean width of the strokes in pixels.

    Thick strokes have much ink and a short outline.

    Args:
        ink: Ink strength, float32 (H, W) in [0, 1].

    Returns:
        Width in pixels; 0 if there is no ink.
    """
    # The width is 2 * area / length of the outline. The length is the total variation of the image: the sum
    # of its gradients' lengths (coarea formula). Blur hardly changes it.
    padded = with_margin(ink, 1)
    down, across = padded[1:, :-1] - padded[:-1, :-1], padded[:-1, 1:] - padded[:-1, :-1]
    down *= down
    across *= across
    down += across
    outline = float(np.sqrt(down, out=down).sum())
    return 2 * float(ink.sum()) / outline if outline else 0.0
