"""Segment a page into rows of digits.

1. characters.py joins pieces of ink to characters, and rows.py groups these into rows.
2. seams.py cuts wide characters into pieces.
3. row_search.py and cheapest_cuts.py choose the pieces that form a digit, by their shape and the classifier's
   confidence.

Widths are in heights of the character, unless a line names median heights of the page's characters.
"""

from collections.abc import Sequence

from digits.reading.candidates import IMAGE_WORK, Candidate, Candidates, Classify
from digits.reading.characters import characters_of
from digits.reading.components import Component, median_height
from digits.reading.options import THRESHOLD
from digits.reading.page_scale import ScaledPage
from digits.reading.row_search import RowSearch
from digits.reading.rows import rows_of
from digits.reading.work import Work

COMPONENT_WORK = 100  # units to join a component to others and to find its row

# Limits for the only character of a page or row: docs/log.md, 2026-11-26, "Letters come apart into digits".
NARROW = 0.8  # the only character of a page is one digit if it is at most this wide
WIDE = 1.2  # up to this width it is one digit if its confidence reaches THRESHOLD
WORD_WIDTH = 1.6  # a wider character may be split even if one of its digits is below THRESHOLD


def segment(page: ScaledPage, classify: Classify | None, work: Work) -> list[list[Candidate]]:
    """Find the digits of a page.

    Args:
        page: Page with characters of at most about 80 pixels.
        classify: Function from images (N, 28, 28) to probabilities (N, 10). If None, only the shape decides.
        work: Work that is left for the picture.

    Returns:
        Rows from top to bottom, each with digits from left to right.
    """
    if not page.components:
        return []
    work.charge(COMPONENT_WORK * len(page.components))
    character_height = median_height(page.components)
    characters = characters_of(page.components, character_height)
    candidates = Candidates(page.strength, classify)
    if len(characters) == 1 and (alone := _one_digit(characters[0], candidates)):
        return [[alone]]  # most pages are like this; cutting is slower than all other steps
    # First every character is classified, those of all rows in one batch. Then the rows are searched.
    characters_of_rows = _affordable(rows_of(characters, character_height), work)
    candidates.classify([character for row in characters_of_rows for character in row])
    rows = [RowSearch(row, character_height, candidates, work) for row in characters_of_rows]
    for row in rows:
        while wanted := row.wanted():
            candidates.classify(wanted)
    found = [_not_split(row, candidates) for row in rows]
    return [digits for digits in found if digits]


def _affordable(rows: Sequence[Sequence[Component]], work: Work) -> list[Sequence[Component]]:
    """Return the characters for whose classification there is work left, and count the others.

    Args:
        rows: Rows from top to bottom, each with characters from left to right.
        work: Work that is left for the picture.
    """
    found: list[Sequence[Component]] = []
    for row in rows:
        classified = row[: max(0, int(work.left / IMAGE_WORK))]
        work.spend(IMAGE_WORK * len(classified))
        work.marks += len(row) - len(classified)
        if classified:
            found.append(classified)
    return found


def _not_split(row: RowSearch, candidates: Candidates) -> list[Candidate]:
    """Return the digits of a row; the only character of a row is put together again if it may be a letter.

    Args:
        row: The row, after its search.
        candidates: Candidates of the page.
    """
    digits = row.digits()
    if len(row.characters) == 1 and not _may_be_split(row.characters[0], digits):
        return [candidates.of(row.characters[0])]
    return digits


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
        return candidates.of(character)
    if width > WIDE:
        return None
    candidates.classify([character])
    candidate = candidates.of(character)
    return candidate if candidate.confidence >= THRESHOLD else None


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
