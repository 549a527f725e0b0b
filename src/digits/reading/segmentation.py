"""Segment a page into rows of digits.

1. characters.py joins components to characters, and rows.py groups these into rows.
2. seams.py cuts wide characters into pieces.
3. cheapest_cuts.py chooses which pieces form a digit, by their shape and the confidence of the classifier.

Widths are in heights of the character, unless a line names typical heights of the page.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from digits.reading.candidates import Candidate, Candidates, Classify
from digits.reading.characters import characters_of
from digits.reading.cheapest_cuts import cheapest_path, spans_of
from digits.reading.components import Component, typical_height
from digits.reading.options import THRESHOLD
from digits.reading.page_scale import ScaledPage
from digits.reading.rows import rows_of
from digits.reading.seams import pieces_of

MAX_SPANS = 600  # in a row; a scribble with more spans is not cut, because that would take too long

# Limits for the only character of a page or row: docs/log.md, 2026-11-26, "Letters come apart into digits".
NARROW = 0.8  # the only character of a page is one digit if it is at most this wide
WIDE = 1.2  # up to this width it is one digit if its confidence reaches THRESHOLD
WORD_WIDTH = 1.6  # a wider character may be split even if one of its digits is below THRESHOLD

# Costs of a digit in the lattice, fitted on the development pictures: docs/log.md, 2026-11-26, "Cheque
# amounts".
CONFIDENCE_COST = 1.5  # factor of -log(confidence)
MIN_CONFIDENCE = 1e-4  # a smaller confidence is raised to this, so that the logarithm is finite
WIDTH_COST = 6.0  # for each height of the digit by which its width is above its height
LEAST_HEIGHT = 0.6  # of the typical height; the width of a lower digit is compared with this height
LOW_COST, LOW_HEIGHT = 4.0, 0.9  # for each typical height by which the digit is lower than LOW_HEIGHT
SHAPE_ONLY_WIDTH = 0.85  # typical heights; without a classifier, width above this costs WIDTH_COST for each


def segment(page: ScaledPage, classify: Classify | None) -> list[list[Candidate]]:
    """Find the digits of a page.

    Args:
        page: Page whose characters are about 80 pixels high.
        classify: Function from images (N, 28, 28) to probabilities (N, 10). It helps to decide where to cut.
            If None, only the shape decides.

    Returns:
        Rows from top to bottom, each with its digits from left to right.
    """
    if not page.components:
        return []
    typical = typical_height(page.components)
    characters = characters_of(page.components, typical)
    candidates = Candidates(page.strength, classify)
    if len(characters) == 1 and (alone := _one_digit(characters[0], candidates)):
        return [[alone]]  # most pages are like this; cutting is slower than all other steps
    rows = [_digits_of_row(row, page, typical, candidates) for row in rows_of(characters, typical)]
    return [row for row in rows if row]


def _one_digit(character: Component, candidates: Candidates) -> Candidate | None:
    """Return the only character of a page as a candidate if it is certainly one digit, otherwise None."""
    width = character.width / character.height
    if width <= NARROW:
        return candidates.unclassified(character)
    if width > WIDE:
        return None
    (candidate,) = candidates.classified([character])
    return candidate if candidate.confidence >= THRESHOLD else None


def _digits_of_row(
    row: Sequence[Component], page: ScaledPage, typical: float, candidates: Candidates
) -> list[Candidate]:
    """Find the digits of a row; punctuation and dirt are left out.

    Args:
        row: Characters of the row, from left to right.
        page: The page.
        typical: Typical height of a character in pixels.
        candidates: Candidates of the page.

    Returns:
        The digits from left to right.
    """
    pieces = [piece for character in row for piece in pieces_of(character, page.strength, typical)]
    spans = spans_of(pieces, typical)
    if len(spans) > MAX_SPANS:
        return [candidates.unclassified(character) for character in row]
    possible = candidates.classified([span.component for span in spans])
    path = cheapest_path(pieces, spans, _digit_costs(possible, typical), typical)
    digits = [possible[i] for i in path]
    if len(row) == 1 and not _may_be_split(row[0], digits):
        return [candidates.unclassified(row[0])]
    return digits


def _digit_costs(possible: Sequence[Candidate], typical: float) -> npt.NDArray[np.float64]:
    """Compute the cost of taking each candidate as a digit.

    The cost is larger for an unusual shape and for a low confidence. Without a classifier only the shape
    counts.

    Args:
        possible: The N candidates.
        typical: Typical height of a character in pixels.

    Returns:
        float64 (N,).
    """
    components = [candidate.component for candidate in possible]
    shape = np.array([_shape_cost(c, typical) for c in components])
    probabilities = [candidate.probabilities for candidate in possible]
    if probabilities[0] is None:
        wide = [WIDTH_COST * max(0.0, c.width / typical - SHAPE_ONLY_WIDTH) for c in components]
        return np.asarray(shape + wide)
    confidence = np.array([candidate.confidence for candidate in possible])
    return np.asarray(shape - CONFIDENCE_COST * np.log(np.maximum(confidence, MIN_CONFIDENCE)))


def _shape_cost(c: Component, typical: float) -> float:
    """Return the cost of a digit's shape: above 0 if it is wider than high or lower than its neighbours."""
    wide = max(0.0, c.width / max(c.height, LEAST_HEIGHT * typical) - 1)
    low = max(0.0, LOW_HEIGHT - c.height / typical)
    return WIDTH_COST * wide + LOW_COST * low


def _may_be_split(character: Component, digits: Sequence[Candidate]) -> bool:
    """Return True if the only character of a row may be split into these digits.

    The character may be a letter: an alpha would be split into 0 and 1. Therefore each digit must reach
    THRESHOLD. If there are three or more digits in a very wide character, one of them may have less.
    """
    if not digits or digits[0].probabilities is None or digits[0].component.width == character.width:
        return True
    unsure = sum(digit.confidence < THRESHOLD for digit in digits)
    return unsure <= (len(digits) > 2 and character.width > WORD_WIDTH * character.height)
