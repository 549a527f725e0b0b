"""Take away frames, form cells and circles around writing, and keep what stands inside them.

A frame is a connected piece of ink that surrounds other ink: a rectangle, a row of cells, a table, a circle.
The surrounded areas are its cells. Paper that is connected is a region: the outside of a frame, each of its
cells. The lines of a frame are the ink between two regions; a stroke that touches a line has the same region
on both sides, so it is not a part of the frame. All limits were chosen on the development pictures.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.reading.components import connected_components
from digits.reading.filters import Array, Mask, running
from digits.reading.ink import Ink, stroke_width
from digits.reading.labelling import Integers, label_with_boxes
from digits.reading.work import Work

FAINT_LINE = 0.2  # ink strength from which a pixel may be a part of a frame's line
CLOSING_WINDOW = 3  # px; ink within this square around a pixel closes the gaps of thin lines
SMALLEST_CELL = (12, 6)  # px; height and width of a cell. In a smaller one no digit can be read
LEAST_INSIDE = 0.25  # of a cell's height; writing inside is at least this high
CELLS_OF_GRID = 3  # from this number of cells of like size on, a frame may be empty or touch all its writing
LIKE_SIZE = 0.6  # smallest ratio of the heights of two cells of like size
FRAME_FILLS = 0.85  # of the smallest rectangle around it; a frame with its cells fills at least this
GRID_FILLS, CELLS_FILL = 0.65, 0.6  # the same of a grid drawn by hand; its cells fill this share of it
MOST_INK = 0.6  # of a frame with its cells; more ink is no frame
STRAIGHT_BOX = 0.9  # the same of a frame that may be empty; a 0 is rounder
SLENDER = 0.8  # heights; a narrower frame is as straight as an empty one
WIDE_BOX = 1.3  # heights; an empty frame is at least that wide
FRAME_ANGLES = np.radians(np.arange(-15, 16))  # by which frames may be turned
MOST_TURNED, MOST_PIXELS = 200, 20_000_000  # turned frames of a page, and the pixels of their boxes
MOST_SIZES = 50  # different sizes of frames with which others are compared
ELLIPSE = 0.08  # by which the area of a circle may differ from that of an ellipse
ROUND = 0.6  # of its longer side; shorter side of a circle
DIGIT_IN_CIRCLE, CENTRED, MOST_PARTS = 0.3, 0.2, 3  # heights of the circle, its sides, and pieces inside
STRAIGHT_LINE = (2.5, 0.1)  # thicknesses, and share of its length; breadth of a line between two cells
ALIKE = 0.08  # of height and width; frames differ by at most this from one another
STRAY_LENGTH, STRAY_AREA = 0.85, 0.12  # of a cell's height, or its square: lines that touch a frame
STRAY_INSIDE, STRAY_BREADTH = 0.96, 0.12  # of a cell's height, and its own: a line that touches nothing
WRITING_WINDOW = 3  # px; ink within this square around a pixel of writing is kept
THICKEST_LINE = 0.6  # mean thicknesses of lines; by so much a line may be thicker, such as two sides of cells
BAND = 0.7  # a piece is such a band if this share of it lies beside the line
WORK_PIXEL = 0.1  # units for each pixel of the area that shows frames, measured
OUTSIDE = 1  # number of the region outside all ink


@dataclass(frozen=True)
class _Regions:
    """The paper and the ink of a page, which contain one another like boxes in boxes.

    Attributes:
        ink: Number of the piece of ink at each pixel, int32 (H, W); 0 on paper.
        paper: Number of the region at each pixel, int32 (H, W); 0 on ink, OUTSIDE outside all ink.
        ink_boxes: Top, left, bottom, right of the pieces, (4, pieces + 1); the first is no ink.
        paper_boxes: The same of the regions, (4, regions + 1).
        around: Number of the piece of ink around each region, (regions + 1,); 0 for none.
        within: Number of the region around each piece of ink, (pieces + 1,); 0 for none.
    """

    ink: npt.NDArray[np.int32]
    paper: npt.NDArray[np.int32]
    ink_boxes: Integers
    paper_boxes: Integers
    around: Integers
    within: Integers


def lines_of_frames(ink: Ink, work: Work) -> tuple[Mask, Integers]:
    """Find the lines of frames, and their cells.

    Args:
        ink: Ink of a page.
        work: Work of the picture, charged for the area of the frames.

    Returns:
        bool (H, W), True where the ink belongs to a frame's lines. Then top, left, bottom and right of the
        cells that contain no other frame, (4, cells).
    """
    lines, nothing = np.zeros_like(ink.mask), np.zeros((4, 0), np.intp)
    # Thin lines break where they slope; small gaps are closed before the cells are looked for.
    closed = running(np.maximum, ink.strength > FAINT_LINE, CLOSING_WINDOW)
    page = _regions(closed)
    if page is None:
        return lines, nothing
    cells, frames = _cells_and_frames(page)
    if not frames.any():
        return lines, nothing
    top, left = (int(side[frames].min()) for side in page.ink_boxes[:2])
    bottom, right = (int(side[frames].max()) for side in page.ink_boxes[2:])
    area = np.s_[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1]
    work.charge((bottom - top) * (right - left) * WORK_PIXEL)
    lines[area], same = _lines(page, area, cells, frames, ink.mask[area])
    cells[page.within[frames]] = False
    return lines, _joined_boxes(page.paper_boxes[:, cells], same[cells])


def _joined_boxes(boxes: Integers, names: Integers) -> Integers:
    """Return the boxes (4, M) around all boxes (4, N) of the same name (N,)."""
    _, index = np.unique(names, return_inverse=True)
    count = int(index.max(initial=-1)) + 1
    first, last = np.full((count, 2), np.iinfo(np.intp).max), np.zeros((count, 2), np.intp)
    np.minimum.at(first, index, boxes[:2].T)
    np.maximum.at(last, index, boxes[2:].T)
    return np.concatenate([first.T, last.T])


def _regions(closed: Mask) -> _Regions | None:
    """Find the regions and the pieces of ink, and which lies in which; None if no region can be a cell."""
    padded = np.pad(closed, 1)
    paper, paper_boxes = label_with_boxes(~padded)
    top, left, bottom, right = (side[OUTSIDE:] for side in paper_boxes)
    if not ((bottom - top >= SMALLEST_CELL[0]) & (right - left >= SMALLEST_CELL[1])).any():
        return None
    ink, ink_boxes = label_with_boxes(padded)
    # Above the first pixel of a region lies the ink around it, and the other way round.
    around = np.concatenate(([0, 0], _above_first(paper, ink, OUTSIDE + 1)))
    within = np.concatenate(([0], _above_first(ink, paper, 1)))
    boxes = [np.pad(np.stack(sides) - 1, ((0, 0), (1, 0))) for sides in (ink_boxes, paper_boxes)]
    return _Regions(ink[1:-1, 1:-1], paper[1:-1, 1:-1], boxes[0], boxes[1], around, within)


def _above_first(labels: npt.NDArray[np.int32], other: npt.NDArray[np.int32], first: int) -> Integers:
    """Return the label of `other` above the first pixel of each label from `first` on, (labels,)."""
    places = np.flatnonzero(labels.ravel() >= first)
    # Labels are numbered in the order of their first pixels, so the largest so far grows at each of them.
    largest = np.maximum.accumulate(labels.ravel()[places])
    places = places[np.diff(largest, prepend=first - 1) > 0]
    return np.asarray(other.ravel()[places - labels.shape[1]], dtype=np.intp)


def _cells_and_frames(page: _Regions) -> tuple[Mask, Mask]:
    """Find the cells among the regions, and the frames among the pieces of ink.

    Returns:
        bool (regions + 1,) and bool (pieces + 1,).
    """
    top, left, bottom, right = page.paper_boxes
    high, wide = bottom - top, right - left
    large = (high >= SMALLEST_CELL[0]) & (wide >= SMALLEST_CELL[1]) & (page.around > 0)
    ink_high, ink_wide = page.ink_boxes[2] - page.ink_boxes[0], page.ink_boxes[3] - page.ink_boxes[1]
    tallest = np.zeros(len(ink_high), np.intp)
    np.maximum.at(tallest, page.around[large], high[large])
    similar = large & (high >= LIKE_SIZE * tallest[page.around])
    # Writing inside makes a region a cell; so do several regions of like size, or straight sides.
    written = np.zeros(len(top), bool)
    written[page.within[ink_high >= np.maximum(LEAST_INSIDE * high[page.within], 1)]] = True
    written &= large
    around_writing = np.bincount(page.around[written], minlength=len(ink_high)) > 0
    is_grid = np.bincount(page.around[similar], minlength=len(ink_high)) >= CELLS_OF_GRID
    regions_filled, filled = _filled(page)
    shares = _rectangularity(page, filled, np.flatnonzero(tallest))
    is_box = (shares >= STRAIGHT_BOX) & (ink_wide >= WIDE_BOX * ink_high)
    in_cells = np.bincount(page.around[similar], regions_filled[similar], len(ink_high)) / np.maximum(
        filled, 1
    )
    fills = np.where(ink_wide < SLENDER * ink_high, STRAIGHT_BOX, FRAME_FILLS)  # a 0 with a bar is no frame
    frames = (tallest > 0) & (shares >= fills) & (around_writing | is_grid | is_box)
    frames |= is_grid & (shares >= GRID_FILLS) & (in_cells >= CELLS_FILL)
    # A box as large as a frame is one even if it is empty or the writing touches it.
    sizes = np.unique(np.stack([ink_high[frames], ink_wide[frames]], 1), axis=0)
    for h, w in sizes[:MOST_SIZES].tolist():
        frames |= (np.abs(ink_high - h) <= ALIKE * h) & (np.abs(ink_wide - w) <= ALIKE * w) & (tallest > 0)
    frames |= _circles(page, written, filled)
    # A card that is lighter than its surroundings is ink with a digit cut out of it.
    frames &= np.bincount(page.ink.ravel(), minlength=len(ink_high)) <= MOST_INK * filled
    straight = regions_filled >= STRAIGHT_BOX * high * wide
    return large & frames[page.around] & (similar | written | straight), frames


def _filled(page: _Regions) -> tuple[Integers, Integers]:
    """Return the pixels of each region and of each piece of ink, with all that they contain."""
    regions = np.bincount(page.paper.ravel(), minlength=len(page.around))
    pieces = np.bincount(page.ink.ravel(), minlength=len(page.within))
    regions[0] = pieces[0] = 0
    levels = [np.flatnonzero(page.within == OUTSIDE)]
    inside = np.zeros(len(pieces), bool)  # pieces of the last level
    chain = []
    while len(levels[-1]):
        inside[:] = False
        inside[levels[-1]] = True
        holes = np.flatnonzero(inside[page.around])
        chain.append((levels[-1], holes))
        of_level = np.zeros(len(regions), bool)
        of_level[holes] = True
        levels.append(np.flatnonzero(of_level[page.within]))
    for level, holes in reversed(chain):
        np.add.at(pieces, page.around[holes], regions[holes])
        np.add.at(regions, page.within[level], pieces[level])
    return regions, pieces


def _rectangularity(page: _Regions, filled: Integers, possible: Integers) -> Array:
    """Return the share of the smallest rectangle around each piece that the filled piece covers.

    Args:
        page: Regions of the page.
        filled: Pixels of each piece with all it contains, (pieces + 1,).
        possible: Numbers of the pieces that may be frames; the others get 0.
    """
    top, left, bottom, right = page.ink_boxes
    sizes = (bottom - top) * (right - left)
    shares = np.zeros(len(top), np.float32)
    shares[possible] = filled[possible] / sizes[possible]
    turned = possible[shares[possible] < STRAIGHT_BOX]
    turned = turned[np.argsort(sizes[turned], kind="stable")]
    turned = turned[np.cumsum(sizes[turned]) <= MOST_PIXELS][-MOST_TURNED:]
    for number in turned.tolist():
        piece = page.ink[top[number] : bottom[number], left[number] : right[number]] == number
        shares[number] = filled[number] / _smallest_rectangle(piece)
    return shares


def _smallest_rectangle(piece: Mask) -> float:
    """Return the area in pixels of the smallest rectangle, turned a little, around a piece of ink."""
    columns, rows = np.arange(piece.shape[1]), np.arange(piece.shape[0])
    y = np.concatenate([piece.argmax(0), piece.shape[0] - 1 - piece[::-1].argmax(0), rows, rows])
    x = np.concatenate([columns, columns, piece.argmax(1), piece.shape[1] - 1 - piece[:, ::-1].argmax(1)])
    along = np.outer(np.cos(FRAME_ANGLES), x) + np.outer(np.sin(FRAME_ANGLES), y)
    across = np.outer(-np.sin(FRAME_ANGLES), x) + np.outer(np.cos(FRAME_ANGLES), y)
    return float(((np.ptp(along, axis=1) + 1) * (np.ptp(across, axis=1) + 1)).min())


def _circles(page: _Regions, written: Mask, filled: Integers) -> Mask:
    """Find circles and ellipses around a digit.

    Args:
        page: Regions of the page.
        written: True for regions with writing inside, (regions + 1,).
        filled: Pixels of each piece with all it contains, (pieces + 1,).

    Returns:
        bool (pieces + 1,).
    """
    top, left, bottom, right = page.ink_boxes
    high, wide = bottom - top, right - left
    ellipse = filled / np.maximum(np.pi / 4 * high * wide, 1)
    round_ = (np.abs(ellipse - 1) <= ELLIPSE) & (np.minimum(high, wide) >= ROUND * np.maximum(high, wide))
    middle = np.stack([top + bottom, left + right]) / 2
    # The digit is the largest piece inside, in the middle, and few other pieces lie there.
    around = page.around[page.within]
    off = np.abs(middle - middle[:, around]) <= CENTRED * np.stack([high, wide])[:, around]
    is_digit = written[page.within] & (high >= DIGIT_IN_CIRCLE * high[around]) & off.all(0)
    pieces = np.bincount(around[written[page.within]], minlength=len(top))
    return np.asarray(
        round_ & (np.bincount(around[is_digit], minlength=len(top)) == 1) & (pieces <= MOST_PARTS)
    )


def _lines(page: _Regions, area: Any, cells: Mask, frames: Mask, mask: Mask) -> tuple[Mask, Integers]:
    """Return the lines of the frames within an area of the page, and the joined region of each region.

    Args:
        page: Regions of the page.
        area: Rows and columns that contain all frames.
        cells: True for the regions that are cells, (regions + 1,).
        frames: True for the pieces of ink that are frames, (pieces + 1,).
        mask: bool (H, W), the ink of the area.
    """
    height, width = page.ink.shape
    heights = page.paper_boxes[2] - page.paper_boxes[0]
    stray = _stray_lines(page, cells, heights)
    of_frame = frames[page.ink[area]]
    # Each cell and the paper around each frame has a number; all other paper has none.
    names = np.where(cells, np.arange(len(cells)), 0).astype(np.int32)
    around = page.within[frames]
    names[around] = around
    thickness = stroke_width(of_frame.astype(np.float32))
    regions = names[page.paper[area]]
    lowest, highest = _seen_from_ink(regions, 1 + 2 * math.ceil(thickness))
    between = of_frame & (lowest < highest)
    same = _joined(lowest[between], highest[between], np.argwhere(between), page.around, thickness)
    between = of_frame & (same[lowest] != same[highest])
    # Ends and corners of lines, and lines that end before they meet another, belong to the frame.
    cell_height = float(np.median(heights[cells]))
    cell_width = float(np.median((page.paper_boxes[3] - page.paper_boxes[1])[cells]))
    kept = mask & of_frame & ~between
    beside = kept & running(np.maximum, between, 1 + 2 * math.ceil(THICKEST_LINE * thickness))
    for c in connected_components(kept):
        # A line that is thicker than most leaves bands along its sides.
        band = beside[c.rows_and_columns] & c.mask
        along = max(band.any(1).sum() / cell_height, band.any(0).sum() / cell_width)
        if along >= STRAY_LENGTH or band.sum() >= BAND * c.area:
            kept[c.rows_and_columns] &= ~band
    writing = np.zeros_like(mask)
    for c in connected_components(kept):
        thin = c.area <= STRAY_AREA * c.size * cell_height
        top, left = c.top + area[0].start, c.left + area[1].start
        # A line of squared paper ends at the border of the picture, where it meets no other.
        cut = min(top, left) == 0 or top + c.height == height or left + c.width == width
        is_line = thin and (cut or c.size >= STRAY_LENGTH * cell_height)
        if c.size >= LEAST_INSIDE * cell_height and not is_line:
            writing[c.rows_and_columns] |= c.mask
    lines = (of_frame & ~running(np.maximum, writing, WRITING_WINDOW)) | stray[page.ink[area]]
    return np.asarray(lines), same


def _stray_lines(page: _Regions, cells: Mask, heights: Integers) -> Mask:
    """Find the lines that divide a cell without meeting the rest of the frame.

    Args:
        page: Regions of the page.
        cells: True for the regions that are cells, (regions + 1,).
        heights: Heights of the regions, (regions + 1,).

    Returns:
        bool (pieces + 1,).
    """
    top, left, bottom, right = page.ink_boxes
    high, wide = bottom - top, right - left
    height = heights[page.within]
    straight = wide <= STRAY_BREADTH * high
    return np.asarray(cells[page.within] & (high >= STRAY_INSIDE * height) & straight)


def _seen_from_ink(regions: npt.NDArray[np.int32], window: int) -> tuple[Integers, Integers]:
    """Return the smallest and the largest region within a square around each pixel; equal if there is one."""
    highest = running(np.maximum, regions, window)
    nothing = np.int32(np.iinfo(np.int32).max)
    lowest = running(np.minimum, np.where(regions > 0, regions, nothing), window)
    return np.minimum(lowest, highest).astype(np.intp), highest.astype(np.intp)


def _joined(low: Integers, high: Integers, places: Integers, around: Integers, thickness: float) -> Integers:
    """Join two cells if the ink between them is no straight line but a stroke of writing.

    Args:
        low: Smaller of the two regions at each pixel of ink between two regions, (N,).
        high: The larger one, (N,).
        places: Row and column of these pixels, (N, 2).
        around: Number of the piece of ink around each region, (regions + 1,).
        thickness: Thickness of the lines in pixels.

    Returns:
        Number of the joined region for each region, (regions + 1,).
    """
    same = np.arange(len(around))
    pairs, index = np.unique(low * len(around) + high, return_inverse=True)
    first, last = np.full((len(pairs), 2), np.iinfo(np.intp).max), np.zeros((len(pairs), 2), np.intp)
    np.minimum.at(first, index, places)
    np.maximum.at(last, index, places)
    sides = last - first + 1
    crooked = sides.min(1) > STRAIGHT_LINE[0] * thickness + STRAIGHT_LINE[1] * sides.max(1)
    for a, b in zip(*np.divmod(pairs[crooked], len(around)), strict=True):
        if around[a] == around[b]:
            same[same == same[b]] = same[a]
    return same
