"""Segment a page into rows of digits: join components to characters, find rows, cut touching digits apart.

Widths are in heights of the character, or typical heights of the page where it says so.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from digits.reading.candidates import Candidate, Candidates, Classify
from digits.reading.characters import characters_of
from digits.reading.components import Component, typical_height
from digits.reading.cutting import pieces_of
from digits.reading.lattice import cheapest_path, spans_of
from digits.reading.options import THRESHOLD
from digits.reading.page_scale import ScaledPage
from digits.reading.rows import rows_of

MAX_SPANS = 600  # generous limit in a row, so that a scribble takes no longer than a page of digits

# A character alone on its page or in its row: docs/log.md, 2026-11-26, "Letters come apart into digits".
NARROW = 0.8  # up to this width the only character of a page is one digit
WIDE = 1.2  # up to this width it is one digit if its confidence is at least THRESHOLD
WORD_WIDTH = 1.6  # wider characters may come apart into digits of which one is below THRESHOLD

# What a digit costs in the lattice; fitted on the development pictures: docs/log.md, 2026-11-26, "Cheque
# amounts".
CONFIDENCE_COST = 1.5  # times -log of its confidence
MIN_CONFIDENCE = 1e-4  # so that the logarithm is finite
WIDTH_COST = 6.0  # for each height by which it is wider than high
LEAST_HEIGHT = 0.6  # of the typical height; a lower digit is compared with this height
LOW_COST, LOW_HEIGHT = 4.0, 0.9  # for each typical height by which it is lower than LOW_HEIGHT
SHAPE_ONLY_WIDTH = 0.85  # typical heights; without a classifier, a wider digit costs WIDTH_COST more


def segment(page: ScaledPage, classify: Classify | None) -> list[list[Candidate]]:
    """Return the digits of a page: rows from top to bottom, each from left to right.

    `classify` takes images (N, 28, 28) to probabilities (N, 10) and helps to decide where to cut; without it
    the shape alone decides.
    """
    if not page.components:
        return []
    typical = typical_height(page.components)
    characters = characters_of(page.components, typical)
    candidates = Candidates(page.strength, classify)
    if len(characters) == 1 and (alone := _one_digit(characters[0], candidates)):
        return [[alone]]  # as on most pages; cutting would take five times as long as all other steps
    rows = [_digits_of_row(row, page, typical, candidates) for row in rows_of(characters, typical)]
    return [row for row in rows if row]


def _one_digit(character: Component, candidates: Candidates) -> Candidate | None:
    """Return the only character of a page as a candidate if it is certainly one digit, else None."""
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
    """Return the digits of a row of characters, from left to right; punctuation and dirt are left out."""
    pieces = [piece for character in row for piece in pieces_of(character, page.strength, typical)]
    spans = spans_of(pieces, typical)
    if len(spans) > MAX_SPANS:
        return [candidates.unclassified(character) for character in row]
    possible = candidates.classified([span.component for span in spans])
    path = cheapest_path(pieces, spans, _digit_costs(possible, typical), typical)
    digits = [possible[i] for i in path]
    if len(row) == 1 and not _may_come_apart(row[0], digits):
        return [candidates.unclassified(row[0])]
    return digits


def _digit_costs(possible: Sequence[Candidate], typical: float) -> npt.NDArray[np.float64]:
    """Return the cost (N,) of taking each candidate as a digit, from its shape and its confidence."""
    components = [candidate.component for candidate in possible]
    shape = np.array([_shape_cost(c, typical) for c in components])
    probabilities = [candidate.probabilities for candidate in possible]
    if probabilities[0] is None:
        wide = [WIDTH_COST * max(0.0, c.width / typical - SHAPE_ONLY_WIDTH) for c in components]
        return np.asarray(shape + wide)
    confidence = np.array([candidate.confidence for candidate in possible])
    return np.asarray(shape - CONFIDENCE_COST * np.log(np.maximum(confidence, MIN_CONFIDENCE)))


def _shape_cost(c: Component, typical: float) -> float:
    """Return the cost of a digit that is wider than high or lower than its neighbours; 0 for others."""
    wide = max(0.0, c.width / max(c.height, LEAST_HEIGHT * typical) - 1)
    low = max(0.0, LOW_HEIGHT - c.height / typical)
    return WIDTH_COST * wide + LOW_COST * low


def _may_come_apart(character: Component, digits: Sequence[Candidate]) -> bool:
    """Return True if the only character of a row may be these digits rather than a letter.

    An alpha would come apart into 0 and 1, so each digit must be certain; in a wide character one may be
    less certain.
    """
    if not digits or digits[0].probabilities is None or digits[0].component.width == character.width:
        return True
    unsure = sum(digit.confidence < THRESHOLD for digit in digits)
    return unsure <= (len(digits) > 2 and character.width > WORD_WIDTH * character.height)
