"""Segment a page into rows of digits.

1. characters.py joins pieces of ink to characters, and rows.py groups these into rows.
2. seams.py cuts wide characters into pieces.
3. cheapest_cuts.py chooses the pieces that form a digit, by their shape and the classifier's confidence.

Widths are in heights of the character, unless a line names median heights of the page's characters.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from digits.reading.candidates import Candidate, Candidates, Classify
from digits.reading.characters import characters_of
from digits.reading.cheapest_cuts import cheapest_path, spans_of
from digits.reading.components import Component, median_height
from digits.reading.options import THRESHOLD
from digits.reading.page_scale import ScaledPage
from digits.reading.rows import rows_of
from digits.reading.seams import pieces_of

MAX_SPANS = 600  # in a row; a scribble with more spans is not cut, because that would take too long

# Limits for the only character of a page or row: docs/log.md, 2026-11-26, "Letters come apart into digits".
NARROW = 0.8  # the only character of a page is one digit if it is at most this wide
WIDE = 1.2  # up to this width it is one digit if its confidence reaches THRESHOLD
WORD_WIDTH = 1.6  # a wider character may be split even if one of its digits is below THRESHOLD

# Costs of a digit in cheapest_cuts.py, fitted on the development pictures: docs/log.md, 2026-11-26, "Cheque
# amounts".
CONFIDENCE_COST = 1.5  # factor of -log(confidence)
MIN_CONFIDENCE = 1e-4  # a smaller confidence is raised to this, so that the logarithm is finite
WIDTH_COST = 6.0  # for each height of a digit by which it is wider than high
LEAST_HEIGHT = 0.6  # median heights; the width of a lower digit is compared with this height
LOW_COST, LOW_HEIGHT = 4.0, 0.9  # for each median height by which a digit is lower than LOW_HEIGHT
SHAPE_ONLY_WIDTH = 0.85  # without a classifier, each median height of width above this costs WIDTH_COST


def segment(page: ScaledPage, classify: Classify | None) -> list[list[Candidate]]:
    """Find the digits of a page.

    Args:
        page: Page with characters of at most about 80 pixels.
        classify: Function from images (N, 28, 28) to probabilities (N, 10). If None, only the shape decides.

    Returns:
        Rows from top to bottom, each with digits from left to right.
    """
    if not page.components:
        return []
    character_height = median_height(page.components)
    characters = characters_of(page.components, character_height)
    candidates = Candidates(page.strength, classify)
    if len(characters) == 1 and (alone := _one_digit(characters[0], candidates)):
        return [[alone]]  # most pages are like this; cutting is slower than all other steps
    rows = [
        _digits_of_row(row, page, character_height, candidates)
        for row in rows_of(characters, character_height)
    ]
    return [row for row in rows if row]


def _one_digit(character: Component, candidates: Candidates) -> Candidate | None:
    """Check if the only character of a page is one digit.

    Args:
        character: The only character of the page.
        candidates: Candidates of the page.

    Returns:
        The digit; None if the character may have to be cut.
    """
    width = character.width / character.height
    if width <= NARROW:
        return candidates.unclassified(character)
    if width > WIDE:
        return None
    (candidate,) = candidates.classified([character])
    return candidate if candidate.confidence >= THRESHOLD else None


def _digits_of_row(
    row: Sequence[Component], page: ScaledPage, character_height: float, candidates: Candidates
) -> list[Candidate]:
    """Find the digits of a row, without punctuation and dirt.

    Args:
        row: Characters of the row, from left to right.
        page: The page.
        character_height: Median height of the page's characters in pixels.
        candidates: Candidates of the page.

    Returns:
        The digits from left to right.
    """
    pieces = [piece for character in row for piece in pieces_of(character, page.strength, character_height)]
    spans = spans_of(pieces, character_height)
    if len(spans) > MAX_SPANS:
        return [candidates.unclassified(character) for character in row]
    possible = candidates.classified([span.component for span in spans])
    path = cheapest_path(pieces, spans, _digit_costs(possible, character_height), character_height)
    digits = [possible[i] for i in path]
    if len(row) == 1 and not _may_be_split(row[0], digits):
        return [candidates.unclassified(row[0])]
    return digits


def _digit_costs(possible: Sequence[Candidate], character_height: float) -> npt.NDArray[np.float64]:
    """Compute the cost of taking each candidate as a digit.

    Args:
        possible: N candidates.
        character_height: Median height of the page's characters in pixels.

    Returns:
        float64 (N,); high for an unusual shape and for low confidence.
    """
    components = [candidate.component for candidate in possible]
    shape = np.array([_shape_cost(c, character_height) for c in components])
    probabilities = [candidate.probabilities for candidate in possible]
    if probabilities[0] is None:  # no classifier: only the shape counts
        wide = [WIDTH_COST * max(0.0, c.width / character_height - SHAPE_ONLY_WIDTH) for c in components]
        return np.asarray(shape + wide)
    confidence = np.array([candidate.confidence for candidate in possible])
    return np.asarray(shape - CONFIDENCE_COST * np.log(np.maximum(confidence, MIN_CONFIDENCE)))


def _shape_cost(c: Component, character_height: float) -> float:
    """Return the cost of a digit's shape.

    Args:
        c: Ink of the digit.
        character_height: Median height of the page's characters in pixels.

    Returns:
        0 for a normal shape; more if it is wide or low.
    """
    wide = max(0.0, c.width / max(c.height, LEAST_HEIGHT * character_height) - 1)
    low = max(0.0, LOW_HEIGHT - c.height / character_height)
    return WIDTH_COST * wide + LOW_COST * low


def _may_be_split(character: Component, digits: Sequence[Candidate]) -> bool:
    """Check if the only character of a row may be split into digits.

    Args:
        character: The only character of the row; it may be a letter.
        digits: The digits into which it would be split.
    """
    # A letter may look like digits: an alpha like 0 and 1. So each digit must reach THRESHOLD. One digit may
    # have less if there are at least three in a very wide character.
    if not digits or digits[0].probabilities is None or digits[0].component.width == character.width:
        return True
    unsure = sum(digit.confidence < THRESHOLD for digit in digits)
    return unsure <= (len(digits) > 2 and character.width > WORD_WIDTH * character.height)
