"""Recognise a page whose marks are the pieces of one digit.

A pencil on rough paper, a dashed line or faint ink leave gaps in a digit. Then `segment` finds a mark in each
piece. If the pieces lie close together and are one digit as a whole, that digit is the better answer.

The limits were chosen on the development pictures.
"""

from collections.abc import Sequence

import numpy as np

from digits.reading.candidates import IMAGE_WORK, Candidate, Candidates, Classify
from digits.reading.components import Component, connected_components, union
from digits.reading.filters import running, with_margin
from digits.reading.ink import Ink
from digits.reading.options import THRESHOLD
from digits.reading.page_scale import ScaledPage, scaled_page
from digits.reading.segmentation import FoundRow
from digits.reading.work import Work

WIDEST_DIGIT = 1.2  # heights; the pieces of one digit are together at most this wide
LARGEST_GAP = 0.25  # of the digit's size; its pieces lie no farther apart
COVERED = 0.9  # of the writing's height and width; a reading that covers less has left something out
WORK_OF_PIECES = IMAGE_WORK + 2000  # units to scale, join and classify the pieces


def lone_digit(
    ink: Ink,
    pieces: Sequence[Component],
    page: ScaledPage,
    rows: Sequence[FoundRow],
    classify: Classify | None,
    work: Work,
) -> tuple[ScaledPage, Candidate] | None:
    """Return the only digit of a page if all its writing together is one.

    Args:
        ink: Ink of the page.
        pieces: Components of the page that are writing; none to join nothing.
        page: The scaled page with the writing that was read.
        rows: Rows that were found.
        classify: Function from images (N, 28, 28) to probabilities (N, 10). If None, nothing is joined.
        work: Work that is left for the picture.

    Returns:
        The page, scaled for this digit, and the digit with its probabilities. None if the rows are the better
        reading.
    """
    if classify is None or not pieces or len(pieces) == sum(len(row.digits) for row in rows) == 1:
        return None
    whole = union(pieces)
    if (
        whole.width > WIDEST_DIGIT * whole.height
        or _explain_all(rows, page)
        or not work.spend(WORK_OF_PIECES)
    ):
        return None
    joined = scaled_page(ink, [whole])
    if not joined.components or not _lie_together(digit := union(joined.components)):
        return None
    candidates = Candidates(joined.strength, classify)
    candidates.classify([digit])
    found = candidates.of(digit)
    return (joined, found) if found.confidence >= THRESHOLD else None


def _explain_all(rows: Sequence[FoundRow], page: ScaledPage) -> bool:
    """Check if one row of sure digits and signs covers all writing of a page.

    Args:
        rows: Rows that were found.
        page: The page with all its writing.
    """
    if len(rows) != 1 or any(digit.confidence < THRESHOLD for digit in rows[0].digits):
        return False
    parts = [digit.component for digit in rows[0].digits] + [ink for _, ink in rows[0].signs]
    read, whole = union(parts), union(page.components)
    return read.height >= COVERED * whole.height and read.width >= COVERED * whole.width


def _lie_together(pieces: Component) -> bool:
    """Check if no piece is farther than LARGEST_GAP from the others.

    Args:
        pieces: Component of separate pieces.
    """
    reach = max(1, round(LARGEST_GAP * pieces.size / 2))
    grown = running(np.maximum, with_margin(pieces.mask, reach), 2 * reach + 1)
    return len(connected_components(grown)) == 1
