"""Which marks are accepted as digits: numbers beside words, letters, signs, pictures of something else."""

import numpy as np
import pytest

from digits.reading.acceptance import accepted_marks
from digits.reading.marks import Mark, Sign

PAPER = np.zeros((28, 28), np.float32)


def accepted(
    line: str, *, gap: int = 5, space: int = 40, signs: tuple[Sign, ...] = (), letter: float = 0.05
) -> str:
    """Return the accepted digits of a line: "1" is a digit of 99 %, "a" a letter, "?" half a digit."""
    marks, probabilities, left = [], [], 0
    for character in line:
        if character == " ":
            left += space
            continue
        p = np.zeros(10)
        p[int(character) if character.isdigit() else 0] = {"a": letter, "?": 0.5}.get(character, 0.99)
        marks.append(Mark(PAPER, (left, 0, 30, 50)))
        probabilities.append(p)
        left += 30 + gap
    taken = accepted_marks(marks, np.array(probabilities), 0.9, signs)
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
        ("a1a 1aa 42 aa", "42"),
        ("1aaa a1aa aa1a 1aaa aaaa 1 aaaa aa", ""),  # nearly everything is something else
    ],
)
def test_in_a_word_no_letter_is_a_digit(line: str, digits: str) -> None:
    """Marks that stand close together are judged as one; a number beside a word is read."""
    assert accepted(line) == digits


def test_the_gap_between_words_counts_in_heights() -> None:
    """A gap of more than half of the height ends a unit, and a narrower one does not."""
    assert accepted("aaa 217", space=30) == "217"
    assert accepted("aaa 217", space=10) == ""


def test_a_large_mark_counts_more_than_a_small_one() -> None:
    """The shares are of the area: a large drawing with two small digits in it is no number."""
    boxes = [(0, 0, 100, 100), (100, 0, 10, 30), (110, 0, 10, 30)]
    probabilities = np.zeros((3, 10))
    probabilities[:, 1] = 0.02, 0.99, 0.99
    assert accepted_marks([Mark(PAPER, box) for box in boxes], probabilities, 0.9) == [False, False, False]


def test_letters_that_another_reader_saw_count_too() -> None:
    """A letter on the row speaks against the marks beside it; a point or a minus does not."""
    beside = [Sign("x", (70 + 35 * i, 0, 30, 50), 0) for i in range(2)]
    points = [Sign(character, sign.box, 0) for character, sign in zip(".-", beside, strict=True)]
    elsewhere = [Sign("x", (70 + 35 * i, 100, 30, 50), 1) for i in range(2)]
    assert accepted("11", signs=tuple(beside)) == ""
    assert accepted("11", signs=tuple(points)) == "11"
    assert accepted("11", signs=tuple(elsewhere)) == "11"


def test_a_picture_without_marks_has_no_digits() -> None:
    """No marks, no answers."""
    assert accepted_marks([], np.zeros((0, 10)), 0.9) == []
