"""Segment a page into rows of digits.

1. characters.py joins pieces of ink to characters, and rows.py groups these into rows.
2. seams.py cuts wide characters into pieces.
3. row_search.py and cheapest_cuts.py choose the pieces that form a digit, by their shape and the classifier's
   confidence.
4. row_text.py reads each row of several characters as a whole, too, and decides between both readers.

Widths are in heights of the character, unless a line names median heights of the page's characters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.reading.candidates import IMAGE_WORK, Candidate, Candidates, Classify
from digits.reading.characters import characters_of
from digits.reading.components import Component, median_height, union
from digits.reading.filters import Array
from digits.reading.line_pictures import lies_in, line_picture
from digits.reading.options import THRESHOLD
from digits.reading.page_scale import ScaledPage
from digits.reading.row_search import RowSearch
from digits.reading.row_text import TextSearch
from digits.reading.rows import rows_of, without_edges
from digits.reading.work import Work

LINE_WORK = 100  # units for each column of a row's picture, to read the row as a line
COMPONENT_WORK = 100  # units to join a component to others and to find its row

# From the picture of a line (32, W) to log probabilities (W // 4 * 2, 17).
ReadLine: TypeAlias = Callable[[Array], npt.NDArray[np.float64]]

# Limits for the only character of a page or row: docs/log.md, 2026-11-26, "Letters come apart into digits".
NARROW = 0.8  # the only character of a page is one digit if it is at most this wide
WIDE = 1.2  # up to this width it is one digit if its confidence reaches THRESHOLD
WORD_WIDTH = 1.6  # a wider character may be split even if one of its digits is below THRESHOLD


@dataclass(frozen=True)
class FoundRow:
    """A row of writing.

    Attributes:
        digits: Its digits from left to right.
        signs: Its signs from left to right: the character of `line_network.ALPHABET`, and its ink.
        evidence: What both readers know about its text; None if only the pieces of ink were read.
    """

    digits: Sequence[Candidate]
    signs: Sequence[tuple[str, Component]] = ()
    evidence: TextSearch | None = None


def segment(
    page: ScaledPage, classify: Classify | None, work: Work, read_line: ReadLine | None = None
) -> list[FoundRow]:
    """Find the digits of a page.

    Args:
        page: Page with characters of at most about 80 pixels.
        classify: Function from images (N, 28, 28) to probabilities (N, 10). If None, only the shape decides.
        work: Work that is left for the picture.
        read_line: The line recogniser, `LineNetwork.log_probabilities`. If None, only the pieces are read.

    Returns:
        Rows from top to bottom.
    """
    if not page.components:
        return []
    work.charge(COMPONENT_WORK * len(page.components))
    character_height = median_height(page.components)
    characters = characters_of(page.components, character_height)
    candidates = Candidates(page.strength, classify)
    if len(characters) == 1 and (alone := _one_digit(characters[0], candidates)):
        return [FoundRow([alone])]  # most pages are like this; cutting is slower than all other steps
    # First every character is classified, those of all rows in one batch. Then the rows are searched.
    rows_of_page = [without_edges(row) for row in rows_of(characters, character_height)]
    characters_of_rows = _affordable(rows_of_page, work)
    candidates.classify([character for row in characters_of_rows for character in row])
    rows = [RowSearch(row, character_height, candidates, work) for row in characters_of_rows]
    for row in rows:
        while wanted := row.wanted():
            candidates.classify(wanted)
    found = []
    for row in rows:
        text = None
        if classify is not None and read_line is not None:
            text = _read_as_line(row, page, candidates, read_line, work)
        found.append(text or FoundRow(_not_split(row, candidates)))
    return [row for row in found if row.digits or row.signs]


def _read_as_line(
    row: RowSearch, page: ScaledPage, candidates: Candidates, read_line: ReadLine, work: Work
) -> FoundRow | None:
    """Read a row as a whole, too.

    Args:
        row: The row, after its search.
        page: The page.
        candidates: Candidates of the page.
        read_line: The line recogniser.
        work: Work that is left for the picture.

    Returns:
        The row as both readers see it; None if it has one character, is too long, or fits no text.
    """
    if len(row.text()) < 2 and len(row.characters) < 2:
        return None
    picture = line_picture(row.characters, page)
    if picture is None or not work.spend(LINE_WORK * len(picture.columns)):
        return None
    search = TextSearch(row, read_line(picture.image), candidates)
    found = search.likeliest
    if found is None:
        return None
    digits, signs = [], []
    for n, (character, group) in enumerate(zip(found.text, found.groups, strict=True)):
        if character.isdigit():
            digits.append(replace(search.candidate(group), probabilities=found.probabilities[n]))
        elif group >= 0:
            signs.append((character, search.candidate(group).component))
        else:
            columns = picture.page_columns(found.places[n])
            signs.append((character, _ink_at(columns, row.characters, page)))
    if len(row.characters) == 1 and (not digits or not _may_be_split(row.characters[0], digits)):
        return FoundRow([candidates.of(row.characters[0])])  # a letter that comes apart into digits
    return FoundRow(digits, signs, search)


def _ink_at(columns: tuple[int, int], row: Sequence[Component], page: ScaledPage) -> Component:
    """Return the ink of a sign that is too small for a character.

    Args:
        columns: First and last column of the page where the line recogniser saw it.
        row: Characters of the row.
        page: The page.
    """
    frame = union(row)
    middle = sum(columns) / 2
    small = [
        c for c in page.components if lies_in(c, frame) and c.left <= columns[1] and c.right > columns[0]
    ]
    if small:
        return min(small, key=lambda c: (c.area, abs((c.left + c.right) / 2 - middle)))
    width = max(1, columns[1] + 1 - columns[0])
    return Component(
        frame.top, columns[0], frame.bottom, columns[0] + width, np.zeros((frame.height, width), bool)
    )


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
