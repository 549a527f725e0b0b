"""Which marks are accepted as digits: numbers beside words, letters, signs, pictures of something else."""

import numpy as np
import pytest

from digits.reading.acceptance import accepted_marks
from digits.reading.marks import Mark, Sign


class Evidence:
    """The evidence of a row that was read as a line."""

    probability = 0.9

    def log_probability(self, digits: str) -> float:
        """Return a fixed probability."""
        return -1.0


PAPER = np.zeros((28, 28), np.float32)


def accepted(line: str, *, gap: int = 5, space: int = 40) -> str:
    """Return the accepted digits of a line: "1" is a digit of 99 %, "a" a letter, "?" half a digit."""
    marks, probabilities, left = [], [], 0
    for character in line:
        if character == " ":
            left += space
            continue
        p = np.zeros(10)
        p[int(character) if character.isdigit() else 0] = {"a": 0.05, "?": 0.5}.get(character, 0.99)
        marks.append(Mark(PAPER, (left, 0, 30, 50)))
        probabilities.append(p)
        left += 30 + gap
    taken = accepted_marks(marks, np.array(probabilities), 0.9)
    return "".join(str(p.argmax()) for p, is_taken in zip(probabilities, taken, strict=True) if is_taken)


@pytest.mark.parametrize(
    ("line", "digits"),
    [
        ("2", "2"),
        ("4071", "4071"),
        ("40?1", "4001"),  # in a number less is enough
        ("aa1aa", ""),  # one letter of a word looks like a digit
        ("a11aa", ""),
        ("1aaa 217", "217"),  # "Room 217"
        ("217 a1aa", "217"),
        ("a1a 42 1aa", "42"),
        ("1aaa a1aa aa1a 1aaa aaaa 1 aaaa aa", ""),  # nearly everything is something else
    ],
)
def test_in_a_word_no_letter_is_a_digit(line: str, digits: str) -> None:
    """Marks that stand close together are judged as one; a number beside a word is read."""
    assert accepted(line) == digits


def test_the_gap_between_words_counts_in_heights() -> None:
    """A gap of more than 0.3 of the height ends a unit, and a narrower one does not."""
    assert accepted("aaa 217", space=30) == "217"
    assert accepted("aaa 217", space=10) == ""


def test_a_large_mark_counts_more_than_a_small_one() -> None:
    """The shares are of the area: a large drawing with two small digits in it is no number."""
    boxes = [(0, 0, 100, 100), (100, 0, 10, 30), (110, 0, 10, 30)]
    probabilities = np.zeros((3, 10))
    probabilities[:, 1] = 0.02, 0.99, 0.99
    assert accepted_marks([Mark(PAPER, box) for box in boxes], probabilities, 0.9) == [False, False, False]


def test_letters_that_the_reader_of_lines_saw_make_a_word() -> None:
    """Two letters beside a digit are a word, and one is a sign; a number apart from the word is read."""
    probabilities = np.zeros((1, 10))
    probabilities[0, 1] = 0.95
    mark, row = Mark(PAPER, (0, 0, 30, 50)), [Evidence()]
    for count, left, character, is_accepted in (
        (2, 35, "x", False),
        (1, 35, "x", True),
        (2, 60, "x", True),
        (2, 35, ".", True),
    ):
        signs = [Sign(character, (left + 35 * i, 0, 30, 50), 0) for i in range(count)]
        assert accepted_marks([mark], probabilities, 0.9, signs, row) == [is_accepted]


def test_a_small_mark_beside_something_large_is_no_writing() -> None:
    """Beside something larger a mark that looks like a digit is not accepted; a frame does not count."""
    probabilities = np.zeros((2, 10))
    probabilities[:, 3] = 0.99, 0.02
    digit = (100, 100, 30, 50)
    for other, first in (((300, 0, 200, 400), False), ((0, 0, 200, 400), True), ((300, 0, 40, 50), True)):
        marks = [Mark(PAPER, digit), Mark(PAPER, other, row=1)]
        assert accepted_marks(marks, probabilities, 0.9) == [first, False]


def test_a_picture_without_marks_has_no_digits() -> None:
    """No marks, no answers."""
    assert accepted_marks([], np.zeros((0, 10)), 0.9) == []
