"""Read a field: a place on a form of which one knows what may stand there.

    Field(length=4)                            # a number of four digits
    Field(pattern="##.##")                     # two digits, a point, two digits
    Field(roster=Roster.load("ids.csv"))       # one of the numbers of a list
    Field(cells=9)                             # nine boxes, some of them may be empty

Every line of writing and every number on the picture may be the field. For each of them the probability of
the texts that fit is computed from the digits' probabilities, or from the evidence for the whole line where
there is some. The most probable text is the answer. Its probability takes into account that

- the field holds a text that fits in FITS of all pictures, and any text in the others,
- each text that fits is equally probable beforehand, and so is each place on the picture.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from digits.errors import OptionError, shortened
from digits.mnist import CLASSES
from digits.option_values import check_values
from digits.reading.acceptance import NUMBER_PROBABILITY
from digits.reading.marks import FormCell, PictureMarks, RowEvidence
from digits.reading.numbers import box_around, cells_of, numbers_of
from digits.reading.options import MAX_LENGTH, FieldCells, FieldLength
from digits.reading.results import Cell, Digit, Number
from digits.reading.roster import BEST_ENTRIES, Roster
from digits.reading.text_probability import MISREAD, text_probabilities, with_misreadings

FITS = 0.95  # share of pictures whose field holds what was said; an assumption
ANY = "#"  # stands for any digit in a pattern
BETWEEN = ".,-/: "  # other characters of a pattern; they need not be seen
GUESSES = 3  # digits that are tried in each place for the evidence of a row
BEAM = 8  # texts of a place that are compared with the evidence for its row; one takes some milliseconds
ASKED = 3  # likeliest places that are compared with the evidence for their rows


@dataclass(frozen=True)
class Field:
    """What may stand on the picture: one number of which something is known."""

    length: FieldLength = None
    """Number of digits."""
    pattern: str | None = None
    """Form of the number: # for any digit, a digit for itself, and . , - / : or spaces between."""
    roster: Roster | None = None
    """The numbers that are possible."""
    cells: FieldCells = None
    """Number of boxes in a row or block; each has one digit or none."""

    def __post_init__(self) -> None:
        check_values(self)
        given = [name for name in ("length", "pattern", "roster") if getattr(self, name) is not None]
        if len(given) > 1:
            raise OptionError(f"--{given[0]} and --{given[1]} cannot be used together; choose one of them")
        if not given and self.cells is None:
            raise OptionError("a field needs a length, a pattern, a roster or a number of cells")
        if self.pattern is not None:
            _check_pattern(self.pattern)
        if self.roster is not None and not isinstance(self.roster, Roster):
            what = type(self.roster).__name__
            raise OptionError(f'--roster is a {what}; expected a Roster, such as Roster.load("ids.csv")')

    def fill(self, found: PictureMarks, digits: Sequence[Digit], threshold: float) -> "Filled":
        """Read the field.

        Args:
            found: The marks of the picture, with its form cells and the evidence for its rows.
            digits: The same marks with their digits.
            threshold: An entry of the roster with a smaller probability is not given, in [0, 1].

        Returns:
            The number in the field or none, and the boxes of the field.
        """
        marks = [digit for digit in digits if digit.reason != "blank"]
        if self.cells is None:
            return self._filled(_places_on(found, marks), threshold)
        boxes, note = _boxes_of(found.cells, marks, self.cells)
        if not boxes:  # without boxes there may still be a number of as many digits
            if not self._has_text_rule and self.cells > MAX_LENGTH:
                return Filled((), notes=(note,))
            field = self if self._has_text_rule else Field(length=self.cells)
            filled = field._filled(_places_on(found, marks), threshold)
            return replace(filled, notes=(note, *filled.notes))
        chosen = _one_in_each(boxes, marks)
        cells = cells_of(boxes, chosen)
        notes = (note,) if note else ()
        alone = _are_all_of_their_rows(chosen, marks)
        if not self._has_text_rule:
            return Filled(numbers_of(chosen, rows=found.rows if alone else ()), cells, notes)
        row = chosen[0].row if alone and len({mark.row for mark in chosen}) == 1 else len(found.rows)
        evidence = found.rows[row] if row < len(found.rows) else None
        filled = self._filled([_Place(tuple(chosen), evidence)], threshold)
        return Filled(filled.numbers, cells, notes + filled.notes)

    @property
    def _has_text_rule(self) -> bool:
        """True if something is known about the text, beside the number of boxes."""
        return (self.length, self.pattern, self.roster) != (None, None, None)

    @property
    def _template(self) -> str:
        """The pattern; for a length as many # as digits."""
        return self.pattern if self.pattern is not None else ANY * (self.length or 0)

    def _filled(self, places: "Sequence[_Place]", threshold: float) -> "Filled":
        """Choose the most probable text that fits at one of the places."""
        if self.roster is not None:
            return _entry_of(self.roster, places, threshold)
        return _text_like(self._template, places)


@dataclass(frozen=True)
class Filled:
    """The content of a field."""

    numbers: tuple[Number, ...]
    """The number in the field; none if there is none. Boxes alone may hold several, between empty ones."""
    cells: tuple[Cell, ...] = ()
    """The boxes of the field, also the empty ones."""
    notes: tuple[str, ...] = ()
    """Sentences for the user about why there is no number, or how the field was found."""


@dataclass(frozen=True)
class _Place:
    """A place on the picture that may be the field: some marks from left to right."""

    marks: tuple[Digit, ...]
    evidence: RowEvidence | None = None  # for the text of exactly these marks

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """Probabilities (K, 10) of the marks."""
        return np.array([mark.probabilities for mark in self.marks]).reshape(-1, CLASSES)

    @property
    def likely(self) -> list[Digit]:
        """The marks that may be digits."""
        return [mark for mark in self.marks if sum(mark.probabilities) >= NUMBER_PROBABILITY]

    def number(self, text: str, digits: str, marks: Sequence[Digit], probability: float) -> Number:
        """Return a number at this place."""
        box = box_around([mark.box for mark in marks or self.marks])
        return Number(text, digits, self.marks[0].row, box, min(1.0, max(0.0, probability)))


def _check_pattern(pattern: str) -> None:
    """Check that a pattern has digits and only known characters."""
    digits = sum(c == ANY or (c.isascii() and c.isdecimal()) for c in pattern)
    expected = "expected # for any digit, digits, and . , - / : or spaces between, such as ##.##"
    if any(c.isalpha() for c in pattern):
        raise OptionError(f"--pattern is '{shortened(pattern)}'; {expected}: letters are not supported")
    if digits + sum(c in BETWEEN for c in pattern) != len(pattern) or ANY not in pattern:
        raise OptionError(f"--pattern is '{shortened(pattern)}'; {expected}")
    if digits > MAX_LENGTH or len(pattern) > 2 * MAX_LENGTH:
        raise OptionError(f"--pattern has {digits:,} digits; expected at most {MAX_LENGTH}")


def _places_on(found: PictureMarks, marks: Sequence[Digit]) -> list[_Place]:
    """Return the places on a picture that may be a field: each row, and each number of a row of several."""
    places = []
    for row in sorted({mark.row for mark in marks}):
        of_row = tuple(sorted((mark for mark in marks if mark.row == row), key=lambda mark: mark.box[0]))
        places.append(_Place(of_row, found.rows[row] if row < len(found.rows) else None))
        numbers = numbers_of(of_row, found.signs)
        if len(numbers) > 1:
            places += [_Place(tuple(m for m in of_row if _is_part(m, number))) for number in numbers]
    return places


def _is_part(mark: Digit, number: Number) -> bool:
    """Return True if a mark is one of the digits of a number in its row."""
    left, _, width, _ = number.box
    return mark.accepted and left <= mark.box[0] and mark.box[0] + mark.box[2] <= left + width


# ------------------------------------------------------------------------------------------------ a roster


def _entry_of(roster: Roster, places: Sequence[_Place], threshold: float) -> Filled:
    """Choose the most probable entry of a roster, or none."""
    likely = [place for place in places if place.likely]
    if not likely:
        return Filled((), notes=("no digit was found; expected a number of the roster",))
    found = np.stack([roster.probabilities(place.probabilities) for place in likely])  # (places, entries)
    for n in np.argsort(-found.max(axis=1))[:ASKED]:
        _ask_row(likely[n].evidence, roster, found[n])
    # Before a look at the picture, any text of L digits has the probability 10^-L, and each entry 1 / N.
    surplus = 10.0 ** np.array([len(digits) for digits in roster.digits]) / len(roster)
    weights = FITS / len(likely) * found.sum(axis=0) * surplus
    others = (1 - FITS) * float(np.clip(1 - found.sum(axis=1), 0, 1).prod())
    chances = weights / max(float(weights.sum()) + others, np.finfo(float).tiny)
    best = int(chances.argmax())
    entry, chance = roster.entries[best], float(chances[best])
    if chance < threshold:
        sentence = (
            f"no entry of the roster is likely enough; the most probable one, {entry}, has {chance:.0%}"
        )
        return Filled((), notes=(sentence,))
    place = likely[int(found[:, best].argmax())]
    return Filled((place.number(entry, roster.digits[best], place.likely, chance),))


def _ask_row(evidence: RowEvidence | None, roster: Roster, found: npt.NDArray[np.float64]) -> None:
    """Improve the probabilities (N,) of the likeliest of N entries in place, by the evidence for a row."""
    if evidence is not None:
        for n in np.argsort(-found)[:BEST_ENTRIES]:
            found[n] = _mixed(evidence, roster.digits[n], found[n])


def _mixed(evidence: RowEvidence, digits: str, from_marks: float) -> float:
    """Return the probability of a text from the evidence for a row, and a little from its marks."""
    return (1 - MISREAD) * math.exp(min(0.0, evidence.log_probability(digits))) + MISREAD * float(from_marks)


# ------------------------------------------------------------------------------------ a length or a pattern


def _text_like(template: str, places: Sequence[_Place]) -> Filled:
    """Choose the most probable text of a template, such as "##.##"."""
    slots = [c for c in template if c not in BETWEEN]
    most = max((len(place.likely) for place in places), default=0)
    fitting = [place for place in places if len(place.likely) >= len(slots)]
    if not fitting:
        found = "no digit was" if most == 0 else "1 digit was" if most == 1 else f"{most} digits were"
        return Filled((), notes=(f"{found} found in a line; expected {len(slots)}",))
    answers = [_Texts(slots, place) for place in fitting]
    for answer in sorted(answers, key=lambda answer: -answer.best)[:ASKED]:
        answer.ask_row()
    weights = [FITS / len(answers) * answer.best for answer in answers]
    total = FITS / len(answers) * sum(answer.all for answer in answers)
    others = (1 - FITS) * math.prod(max(0.0, 1 - answer.all) for answer in answers)
    n = int(np.argmax(weights))
    chance = weights[n] / max(total + others, np.finfo(float).tiny)
    digits = answers[n].digits
    written = iter(digits)
    text = "".join(c if c in BETWEEN else next(written) for c in template)
    return Filled((fitting[n].number(text, digits, answers[n].marks, chance),))


class _Texts:
    """The texts of a template at one place.

    Attributes:
        marks: The marks of the most probable text.
        all: The probability of all texts of the template together.
    """

    def __init__(self, slots: Sequence[str], place: _Place) -> None:
        """Find the most probable text.

        Args:
            slots: For each digit of the text ANY or the digit itself.
            place: A place with at least as many marks.
        """
        chances = with_misreadings(place.probabilities)  # (K, 11)
        columns = [list(range(CLASSES)) if slot == ANY else [int(slot)] for slot in slots]
        each = np.stack([chances[:, column].max(axis=1) for column in columns], axis=1)  # (K, L)
        together = np.stack([chances[:, column].sum(axis=1) for column in columns], axis=1)
        chosen = _most_probable_marks(each, chances[:, CLASSES])
        self.marks = [place.marks[k] for k in chosen]
        guesses = [
            sorted(column, key=lambda d, k=k: -chances[k, d])[:GUESSES]  # type: ignore[misc]
            for k, column in zip(chosen, columns, strict=True)
        ]
        texts = _best_texts(guesses, chances[chosen])
        self._found = text_probabilities(place.probabilities, texts, missed=0.0)
        self._names = ["".join(map(str, text)) for text in texts.tolist()]
        self._evidence = place.evidence
        self.all = _sum_over_choices(together, chances[:, CLASSES])

    @property
    def digits(self) -> str:
        """The most probable text."""
        return self._names[int(self._found.argmax())]

    @property
    def best(self) -> float:
        """Its probability."""
        return float(self._found.max())

    def ask_row(self) -> None:
        """Improve the probabilities by the evidence for the row, if there is any."""
        if self._evidence is not None:
            pairs = zip(self._names, self._found, strict=True)
            self._found = np.array([_mixed(self._evidence, name, found) for name, found in pairs])
            self.all = min(1.0, float(self._found.sum()))


def _most_probable_marks(matched: npt.NDArray[np.float64], dropped: npt.NDArray[np.float64]) -> list[int]:
    """Choose L of K marks, in order, so that the product of all probabilities is largest.

    Args:
        matched: Probability (K, L) of the best digit of mark k as digit l of the text.
        dropped: Probability (K,) that a mark is no digit.
    """
    count, length = matched.shape
    scores = np.full((count + 1, length + 1), -np.inf)
    scores[0, 0] = 0
    steps, skips = np.log(matched), np.log(dropped)
    for k in range(count):
        scores[k + 1] = scores[k] + skips[k]
        scores[k + 1, 1:] = np.maximum(scores[k + 1, 1:], scores[k, :-1] + steps[k])
    chosen, left = [], length
    for k in reversed(range(count)):
        if left and scores[k, left - 1] + steps[k, left - 1] >= scores[k, left] + skips[k]:
            left -= 1
            chosen.append(k)
    return chosen[::-1]


def _sum_over_choices(matched: npt.NDArray[np.float64], dropped: npt.NDArray[np.float64]) -> float:
    """Return the probability that L of K marks, in order, are the digits; arguments as above."""
    sums = np.zeros(matched.shape[1] + 1)
    sums[0] = 1
    for match, skip in zip(matched, dropped, strict=True):
        sums[1:] = sums[1:] * skip + sums[:-1] * match
        sums[0] *= skip
    return float(sums[-1])


def _best_texts(guesses: Sequence[Sequence[int]], chances: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Return the BEAM most probable texts (N, L) from the guesses for each of L digits.

    Args:
        guesses: For each place of the text the digits that are tried.
        chances: Probabilities (L, 11) of the marks at these places.
    """
    texts: list[tuple[float, list[int]]] = [(0.0, [])]
    for place, digits in enumerate(guesses):
        longer = [(cost - math.log(chances[place, d]), [*text, d]) for cost, text in texts for d in digits]
        texts = sorted(longer)[:BEAM]
    return np.array([text for _, text in texts], np.uint8)


# ------------------------------------------------------------------------------------------------- boxes


def _boxes_of(
    cells: Sequence[FormCell], marks: Sequence[Digit], wanted: int
) -> tuple[tuple[FormCell, ...], str]:
    """Find the row or block of boxes that is the field.

    Args:
        cells: All boxes of the picture.
        marks: The marks, with the boxes in which they stand.
        wanted: Number of boxes of the field.

    Returns:
        The boxes in order, and a sentence for the user; no boxes if there is no such row or block.
    """
    grids: dict[tuple[int, int | None], list[FormCell]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.grid, cell.row, cell.column)):
        for key in ((cell.grid, None), (cell.grid, cell.row)):
            grids.setdefault(key, []).append(cell)
    fields = list({tuple(boxes) for boxes in grids.values() if len(boxes) == wanted})
    if not fields:
        rows = Counter(len(boxes) for (_, row), boxes in grids.items() if row is not None)
        seen = ", ".join(f"{count} row{'s' * (count > 1)} of {size}" for size, count in sorted(rows.items()))
        return (), f"no row or block of {wanted} boxes was found; there are {seen or 'no boxes'}"
    filled = Counter(mark.cell for mark in marks if sum(mark.probabilities) >= NUMBER_PROBABILITY)
    fields.sort(key=lambda boxes: (boxes[0].grid, boxes[0].row))
    best = max(fields, key=lambda boxes: sum(filled[c.grid, c.row, c.column] > 0 for c in boxes))
    several = f"{len(fields)} rows or blocks of {wanted} boxes were found; this is the fullest of them"
    return best, several if len(fields) > 1 else ""


def _are_all_of_their_rows(chosen: Sequence[Digit], marks: Sequence[Digit]) -> bool:
    """Return True if the rows of the chosen marks have no other accepted marks."""
    rows, boxes = {mark.row for mark in chosen}, {mark.box for mark in chosen}
    return all(mark.box in boxes for mark in marks if mark.accepted and mark.row in rows)


def _one_in_each(boxes: Sequence[FormCell], marks: Sequence[Digit]) -> list[Digit]:
    """Return the mark of each box that is most probably a digit; accepted if it may be one at all."""
    best: dict[object, Digit] = {}
    for mark in marks:
        if mark.cell not in best or sum(mark.probabilities) > sum(best[mark.cell].probabilities):
            best[mark.cell] = mark
    chosen = [best[key] for cell in boxes if (key := (cell.grid, cell.row, cell.column)) in best]
    return [replace(mark, accepted=sum(mark.probabilities) >= NUMBER_PROBABILITY) for mark in chosen]
