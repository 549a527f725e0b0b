"""Find the digits of a picture and bring each into MNIST's form.

`find` shows all steps in order. Each step is in its own module:

0. sheet: Find the sheet of paper, if it does not fill the picture.
1. contrast, ink: How much darker than the paper is each pixel, and which pixels are ink?
2. frames, open_lines, ruled_lines, page_edges: Remove the ink of lines and table edges.
3. components, cleaning: Find connected components, and remove those that are not writing.
4. page_scale: Make large writing smaller.
5. segmentation: Join components to characters, find rows, cut touching digits apart.
   lone_digit: Put the pieces of an only digit together.
6. mnist_form: Make an image of 28 x 28 pixels from each digit.

A component is a connected piece of ink. Many limits in these modules were chosen on the development pictures,
a set of photos that is used only for such choices: docs/photos.md.
"""

import math

import numpy as np

from digits.mnist import SIDE
from digits.reading.candidates import Candidate, Candidates, Classify
from digits.reading.card import card_among, cut_out_card, moved_to_picture
from digits.reading.cleaning import SPECK_SIZE, without_clutter, without_noise
from digits.reading.components import Component, components_and_rest, extent, median_height, union
from digits.reading.contrast import contrast_of
from digits.reading.decoding import Picture, Pixels
from digits.reading.filters import Array
from digits.reading.form_cells import grids_of, with_cells
from digits.reading.frames import lines_of_frames
from digits.reading.ink import Ink, ink_from_contrast
from digits.reading.labelling import Integers
from digits.reading.lone_digit import lone_digit
from digits.reading.marks import Box, Mark, PictureMarks, Sign
from digits.reading.mnist_form import as_mnist_image
from digits.reading.open_lines import open_lines
from digits.reading.page_edges import without_page_edges
from digits.reading.page_scale import ScaledPage, scaled_page
from digits.reading.picture_parts import moved_to_whole
from digits.reading.placement import TINY
from digits.reading.ruled_lines import contrast_without_ruled_lines, ink_without_ruled_lines
from digits.reading.segment_display import DISPLAY_NOTE, is_segment_display
from digits.reading.segmentation import FoundRow, ReadLine, segment
from digits.reading.sheet import sheet_in
from digits.reading.single_digit import components_of_single_digit
from digits.reading.work import WORK, Work


def find(
    picture: Picture,
    *,
    single: bool = False,
    classify: Classify | None = None,
    read_line: ReadLine | None = None,
    explain: bool = False,
    work: float = WORK,
) -> PictureMarks:
    """Find the marks (candidate digits) of a picture.

    Args:
        picture: Upright picture from `image_files.open_picture`.
        single: True if the picture holds at most one digit.
        classify: Function from images (N, 28, 28) in [0, 1] to probabilities (N, 10). It helps to cut
            touching digits apart. If None, only the shape decides.
        read_line: The line recogniser, `LineNetwork.log_probabilities`. If None, rows are not read as lines.
        explain: True to keep pictures of the steps "picture", "ink" and "strokes".
        work: Limit of the work in units of work.py. What is left out for want of it is counted in a note.

    Returns:
        The marks in reading order. With `single`, exactly one mark; it is `blank` without ink. Marks have
        probabilities only if they were classified.
    """
    ready = as_mnist_image(picture.pixels)
    if ready is not None:
        return _ready_made(ready, picture, explain=explain)
    on_sheet = None if single else _on_sheet(picture, classify, read_line, work, explain=explain)
    if on_sheet is not None:
        return on_sheet
    left = Work(work)
    # Compute the contrast with the paper, then the ink without table edges and ruled lines.
    contrast, light_ink = contrast_of(picture.pixels)
    page_ink, ink, boxes = _ink_of_page(contrast, left, single=single)
    # Find the connected components of the ink and keep those that are writing.
    components, pieces = _writing(ink, left, single=single)
    on_card = _digit_on_card(components, picture, explain=explain) if single else None
    if on_card is not None:
        return on_card
    if not single and is_segment_display(components):
        notes = (*picture.notes, DISPLAY_NOTE)
        return PictureMarks(picture.width, picture.height, (), light_ink, notes=notes)
    # Scale large writing to a height of about 80 pixels, then find the rows of digits.
    page = scaled_page(ink, components)
    if single:
        rows = _single_row(page, classify if pieces else None)
    else:
        rows = segment(page, classify, left, read_line)
    # The pieces of a broken digit are put together if all writing is one digit.
    lone = lone_digit(ink, pieces, page, rows, classify, left)
    if lone is not None:
        page, rows = lone[0], [FoundRow([lone[1]])]
    # Return each digit in MNIST's form, with its box in the picture.
    marks = [_mark(digit, n, page, picture) for n, row in enumerate(rows) for digit in row.digits]
    signs = [
        Sign(character, _box(ink, page, picture), n)
        for n, row in enumerate(rows)
        for character, ink in row.signs
    ]
    scale = [side / full for side, full in zip(contrast.shape, (picture.height, picture.width), strict=True)]
    cells = () if single else grids_of(boxes / np.array([[*scale, *scale]]).T)
    if single and not marks:
        marks = [_blank_mark(picture)]
    steps = {}
    if explain:
        steps = {"picture": picture.pixels, "ink": _grey(page_ink.strength), "strokes": _grey(page.strength)}
    return PictureMarks(
        picture.width,
        picture.height,
        with_cells(marks, cells),
        light_ink,
        steps,
        picture.notes + left.notes(),
        signs=tuple(signs),
        cells=cells,
        rows=tuple(row.evidence for row in rows),
    )


def _ready_made(image: Array, picture: Picture, *, explain: bool) -> PictureMarks:
    """Create the mark of a picture that already has MNIST's form.

    Args:
        image: float32 (28, 28) in [0, 1].
        picture: The same picture as it was opened.
        explain: True to keep the picture as a step.
    """
    top, bottom, left, right = extent(picture.pixels > 0)
    mark = Mark(image, (left, top, right - left, bottom - top))
    steps = {"picture": picture.pixels} if explain else {}
    return PictureMarks(SIDE, SIDE, (mark,), light_ink=True, steps=steps, notes=picture.notes)


def _on_sheet(
    picture: Picture, classify: Classify | None, read_line: ReadLine | None, work: float, *, explain: bool
) -> PictureMarks | None:
    """Find the marks on a sheet that does not fill the picture; None if there is no such sheet with marks."""
    sheet = sheet_in(picture.pixels)
    if sheet is None:
        return None
    part = Picture(sheet.pixels, *sheet.pixels.shape[1::-1])
    found = find(part, classify=classify, read_line=read_line, explain=explain, work=work)
    return moved_to_whole(found, sheet.pixels, (sheet.top, sheet.left), picture) if found.marks else None


def _ink_of_page(contrast: Array, work: Work, *, single: bool) -> tuple[Ink, Ink, Integers]:
    """Compute the ink of a page with and without ruled lines.

    Args:
        contrast: Contrast with the paper, float32 (H, W) in [0, 1].
        work: Work of the picture.
        single: True if the picture holds at most one digit.

    Returns:
        The ink with ruled lines, then the ink without them; and the boxes of the cells of frames, (4, cells).
    """
    if max(contrast.shape) <= TINY:  # such a picture shows no tables and no ruled lines
        ink = ink_from_contrast(contrast)
        return ink, ink, np.zeros((4, 0), np.intp)
    contrast, boxes = _contrast_without_lines(contrast, work, single=single)
    ink = without_page_edges(contrast)
    return ink, ink_without_ruled_lines(ink, several=not single), boxes


def _contrast_without_lines(contrast: Array, work: Work, *, single: bool) -> tuple[Array, Integers]:
    """Set the contrast of a page, float32 (H, W) in [0, 1], to 0 on its lines.

    Args:
        contrast: Contrast with the paper, float32 (H, W) in [0, 1].
        work: Work of the picture.
        single: True if the picture holds at most one digit: then rules may be its strokes, and stay.

    Returns:
        The contrast, and the boxes of the cells of frames, (4, cells).
    """
    ink = ink_from_contrast(contrast)
    lines, boxes = lines_of_frames(ink, work)
    if not single:
        lines |= open_lines(ink.mask & ~lines)
    if lines.any():
        contrast = np.where(lines, np.float32(0), contrast)
    return contrast if single else contrast_without_ruled_lines(contrast), boxes


def _writing(ink: Ink, work: Work, *, single: bool) -> tuple[list[Component], list[Component]]:
    """Return the connected components that are writing, and those that may be the pieces of one digit.

    Args:
        ink: Ink of the page.
        work: Work of the picture; components that may be writing and were left out are counted.
        single: True to choose the components of the only digit.

    Returns:
        First all writing, or with `single` the components of the digit. Then all writing; with `single` it
        is empty if no component was left out.
    """
    shape = ink.mask.shape
    found, rest = components_and_rest(ink.mask)
    components = without_noise(found, shape)
    if single:
        chosen = components_of_single_digit(components, ink)
        return chosen, without_clutter(components, shape) if len(components) > len(chosen) else []
    writing = without_clutter(components, shape)
    if writing:
        work.components += int((rest >= SPECK_SIZE * median_height(writing)).sum())
    return writing, writing


def _digit_on_card(components: list[Component], picture: Picture, *, explain: bool) -> PictureMarks | None:
    """Find the digit on a card: a small sheet on something darker.

    Args:
        components: Components that were chosen as the only digit.
        picture: The whole picture.
        explain: True to keep pictures of the steps.

    Returns:
        The digit; None if there is no card with writing.
    """
    # The sheet is lighter than what it lies on, so it was itself found as a component of ink.
    card = card_among(components, picture)
    if card is None:
        return None
    return moved_to_picture(find(cut_out_card(card, picture), single=True, explain=explain), card, picture)


def _single_row(page: ScaledPage, classify: Classify | None) -> list[FoundRow]:
    """Return all components as one row with one digit, classified if `classify` is given."""
    if not page.components:
        return []
    digit = union(page.components)
    candidates = Candidates(page.strength, classify)
    candidates.classify([digit])
    return [FoundRow([candidates.of(digit)])]


def _mark(digit: Candidate, row: int, page: ScaledPage, picture: Picture) -> Mark:
    """Create the mark of a digit on the scaled page.

    Args:
        digit: The digit with its box on the scaled page.
        row: Number of its line of writing, from 0.
        page: The scaled page.
        picture: The picture; the box is converted to its pixels.
    """
    return Mark(digit.image, _box(digit.component, page, picture), row, probabilities=digit.probabilities)


def _box(c: Component, page: ScaledPage, picture: Picture) -> Box:
    """Convert the box of a component of the scaled page to pixels of the picture."""
    high, wide = page.strength.shape[0] / picture.height, page.strength.shape[1] / picture.width
    left, top = int(c.left / wide), int(c.top / high)
    right = min(picture.width, math.ceil(c.right / wide))
    bottom = min(picture.height, math.ceil(c.bottom / high))
    return left, top, max(1, right - left), max(1, bottom - top)


def _blank_mark(picture: Picture) -> Mark:
    """Create the mark of a picture without ink."""
    whole = (0, 0, picture.width, picture.height)
    return Mark(np.zeros((SIDE, SIDE), np.float32), whole, blank=True)


def _grey(strength: Array) -> Pixels:
    """Convert ink strength (H, W) in [0, 1] to uint8 from 0 to 255."""
    return np.asarray(strength * np.float32(255), dtype=np.uint8)
