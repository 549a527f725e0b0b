"""Find the sheet of paper in a photo that also shows a table, a screen's rim or black bars around it.

The sheet is a bright area whose outline is nearly a rectangle, turned or not, with something darker around it
and with writing inside. All limits were chosen on the development pictures.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.reading.decoding import Pixels
from digits.reading.filters import Mask, otsu
from digits.reading.labelling import label, label_with_boxes

SHEET_OVERVIEW = 160  # px; longer side of the copy on which the sheet is found
LEAST_AREA = 0.06  # of the picture; a smaller bright area is no sheet
MOST_AREA = 0.8  # of the picture; the edges of a larger sheet are left out by page_edges.py
SHEET_FILLS = 0.87  # smallest share of the smallest rectangle around the sheet; of a round area it is 0.79
PAPER = 0.72  # smallest share of a sheet that is paper, not ink
DARKER_AROUND = 28  # of 255; what lies around the sheet is darker by at least this
BARE_SIDES, BARE_SIDE = 2, 0.85  # sides of the picture of which this share shows no paper
SHORTEST_SIDE = 8  # px of the overview; smallest side of a sheet
SHEET_ANGLES = np.radians(np.arange(90))
SHEET_RIM = 2  # px of the overview; a rim of this width does not belong to the sheet: shadows, soft edges


@dataclass(frozen=True)
class Sheet:
    """A sheet of paper in a picture.

    Attributes:
        top: First row of its box.
        left: First column of its box.
        pixels: uint8 (H, W) or (H, W, 3): the box, with paper where the box shows no sheet.
    """

    top: int
    left: int
    pixels: Pixels


def sheet_in(pixels: Pixels) -> Sheet | None:
    """Find the sheet in a picture.

    Args:
        pixels: uint8, (H, W) grey or (H, W, 3) RGB.

    Returns:
        The sheet; None if there is none, or if it fills the picture.
    """
    height, width = pixels.shape[:2]
    scale = max(height, width) / SHEET_OVERVIEW
    if scale < 1:
        return None
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    small = np.asarray(Image.fromarray(pixels).convert("L").resize(size, Image.Resampling.BOX))
    area = _bright_rectangle(small)
    if area is None:
        return None
    mask = (
        np.asarray(
            Image.fromarray(area.astype(np.uint8) * 255).resize((width, height), Image.Resampling.BILINEAR)
        )
        > 127
    )
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Sheet(int(rows[0]), int(columns[0]), _with_paper_outside(pixels[box], mask[box]))


def _bright_rectangle(grey: Pixels) -> Mask | None:
    """Return the area of the sheet in a small grey picture, without its rim; None if there is no sheet."""
    bright = grey > otsu(np.sort(grey.ravel().astype(np.float32)))
    labels, (top, left, bottom, right) = label_with_boxes(bright)
    counts = np.bincount(labels.ravel())[1:]
    for number in np.argsort(-counts)[:3].tolist():
        if min(bottom[number] - top[number], right[number] - left[number]) < SHORTEST_SIDE:
            continue
        paper = labels == number + 1
        filled = _filled(paper)
        total = int(filled.sum())
        if not LEAST_AREA * grey.size <= total <= MOST_AREA * grey.size:
            continue
        if paper.sum() < PAPER * total or total < SHEET_FILLS * _smallest_rectangle(filled):
            continue
        border = (filled[0], filled[-1], filled[:, 0], filled[:, -1])
        if sum(float(line.mean()) <= 1 - BARE_SIDE for line in border) < BARE_SIDES:
            continue
        inner = _shrunk(filled, SHEET_RIM)
        if not (inner & ~paper).any():  # nothing is written on it
            continue
        around = ~_grown(filled, 1)
        if not around.any() or np.median(grey[around]) > np.median(grey[paper]) - DARKER_AROUND:
            continue
        return inner
    return None


def _filled(mask: Mask) -> Mask:
    """Fill the holes of a mask."""
    outside, _ = label(np.pad(~mask, 1, constant_values=True), diagonal=False)
    return np.asarray(outside != outside[0, 0])[1:-1, 1:-1]


def _smallest_rectangle(mask: Mask) -> float:
    """Return the area in pixels of the smallest rectangle, turned by any angle, around a mask."""
    inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    y, x = np.nonzero(mask & ~np.pad(inner, 1))  # the outline is enough
    along = np.outer(np.cos(SHEET_ANGLES), x) + np.outer(np.sin(SHEET_ANGLES), y)
    across = np.outer(-np.sin(SHEET_ANGLES), x) + np.outer(np.cos(SHEET_ANGLES), y)
    return float(((np.ptp(along, axis=1) + 1) * (np.ptp(across, axis=1) + 1)).min())


def _grown(mask: Mask, by: int) -> Mask:
    """Return a mask with all pixels that are at most `by` px away in rows and columns."""
    padded = np.pad(mask, by)
    height, width = mask.shape
    grown = np.zeros_like(mask)
    for dy in range(2 * by + 1):
        grown |= padded[dy : dy + height, by : by + width]
    padded = np.pad(grown, by)
    for dx in range(2 * by + 1):
        grown = grown | padded[by : by + height, dx : dx + width]
    return grown


def _shrunk(mask: Mask, by: int) -> Mask:
    """Return a mask without the pixels that are at most `by` px away from its outside."""
    return ~_grown(~mask, by)


def _with_paper_outside(pixels: Pixels, mask: Mask) -> Pixels:
    """Replace the pixels outside a mask by the nearest pixel of the mask in their row."""
    columns = np.arange(mask.shape[1])
    before = np.maximum.accumulate(np.where(mask, columns, -1), axis=1)
    after = np.minimum.accumulate(np.where(mask, columns, mask.shape[1])[:, ::-1], axis=1)[:, ::-1]
    near: npt.NDArray[np.intp] = np.where(
        (before >= 0) & ((after >= mask.shape[1]) | (columns - before <= after - columns)), before, after
    )
    near = np.clip(near, 0, mask.shape[1] - 1)
    index = near if pixels.ndim == 2 else near[..., None]
    return np.take_along_axis(pixels, index, axis=1)
