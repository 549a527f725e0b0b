"""Numbers and cells: what belongs together, what separates, and how sure the whole is."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digits.reading.marks import FormCell, Sign
from digits.reading.numbers import cells_of, numbers_of
from digits.reading.results import NO_DIGIT, Digit, Number, Reading

HEIGHT = 40  # px of the digits in these tests


def written(
    text: str, *, step: int = 36, row: int = 0, probability: float = 0.99
) -> tuple[list[Digit], list[Sign]]:
    """The digits and signs of a line of writing; a space leaves the place of a character free.

    "?" is a mark of a digit's size that was not accepted, "o" a small one in the middle of the line, "_" a
    small one at the feet of the digits, and "~" a dash that was not accepted.
    """
    digits, signs = [], []
    for place, character in enumerate(text):
        left, top = 10 + step * place, 10 + 100 * row
        if character.isdecimal():
            digits.append(digit(int(character), (left, top, 24, HEIGHT), row, probability))
        elif character in "?o_~":
            shapes = {"?": (0, 20, HEIGHT), "o": (14, 8, 8), "_": (34, 8, 8), "~": (18, 20, 4)}
            down, width, height = shapes[character]
            mark = digit(8, (left, top + down, width, height), row, 0.02)
            digits.append(replace(mark, accepted=False, reason=NO_DIGIT))
        elif character != " ":
            signs.append(Sign(character, (left + 8, top + 30, 8, 8), row))
    return digits, signs


def digit(value: int, box: tuple[int, int, int, int], row: int, probability: float) -> Digit:
    """An accepted digit; what is missing to 1 is "no digit"."""
    shares = tuple(probability * (i == value) for i in range(10))
    return Digit(value, probability, True, None, box, row, shares, np.zeros((28, 28), np.float32))


def texts(line: str, **options: int) -> list[str]:
    return [number.text for number in numbers_of(*written(line, **options))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("4071", ["4071"]),
        ("12.50", ["12.50"]),
        ("1.234,50", ["1.234,50"]),
        (".5", ["5"]),
        ("12.", ["12"]),
        ("1..2", ["1", "2"]),
        ("-7", ["-7"]),
        ("-7.5", ["-7.5"]),
        ("14/10/2014", ["14", "10", "2014"]),
        ("2014-10-14", ["2014", "10", "14"]),
        ("12:30", ["12", "30"]),
        ("12x5", ["12", "5"]),
        ("x555x1", ["555", "1"]),
        ("12      -34", ["12", "-34"]),
        ("-      34", ["34"]),
        ("12    .5", ["12", "5"]),
        ("12?34", ["12", "34"]),
        ("12o34", ["1234"]),
        ("12_34", ["12.34"]),
        ("~34", ["-34"]),
        ("12~34", ["12", "34"]),
        ("x-.", []),
    ],
)
def test_signs_are_what_they_are(line: str, expected: list[str]) -> None:
    """Points inside and a minus before belong to the number; all other signs separate."""
    assert texts(line) == expected


def test_digits_are_the_number_without_its_signs() -> None:
    """`12.50` has the digits 1250, and its box holds the point."""
    (number,) = numbers_of(*written("12.50"))
    assert (number.digits, number.row) == ("1250", 0)
    assert number.box == (10, 10, 4 * 36 + 24, HEIGHT)


@pytest.mark.parametrize("step", [20, 36, 60, 100, 180])
def test_a_number_written_widely_stays_one(step: int) -> None:
    """Digits in equal distances are one number, whether they touch or stand four heights apart."""
    assert texts("4071", step=step) == ["4071"]


def test_far_apart_is_two() -> None:
    """Half a page between 12 and 34 separates them; so it does two digits alone."""
    assert texts("12" + " " * 10 + "34") == ["12", "34"]
    assert texts("1" + " " * 10 + "3") == ["1", "3"]
    assert texts("12" + " " * 10 + "3") == ["12", "3"]


def test_rows_are_apart() -> None:
    """`text` has numbers joined by spaces, and rows by newlines; a row without a number has no line."""
    first, signs = written("12 / 30")
    refused, _ = written("?", row=1)
    last, _ = written("7", row=2)
    numbers = numbers_of([*first, *refused, *last], signs)
    reading = Reading((*first, *refused, *last), 400, 400, numbers=numbers)
    assert reading.text == "12 30\n7"
    assert [number.row for number in numbers] == [0, 0, 2]


def in_cells(text: str, columns: list[int], grid: int = 0) -> list[Digit]:
    """Digits that stand in the cells of these columns of a grid, 300 px apart."""
    digits, _ = written(text, step=300)
    return [replace(d, cell=(grid, 0, column)) for d, column in zip(digits, columns, strict=True)]


def test_neighbouring_cells_are_one_number() -> None:
    """However far apart they are; an empty cell, another grid or the end of the grid separates."""
    assert [n.text for n in numbers_of(in_cells("4071", [0, 1, 2, 3]))] == ["4071"]
    assert [n.text for n in numbers_of(in_cells("4071", [0, 1, 3, 4]))] == ["40", "71"]
    two = [*in_cells("40", [0, 1]), *(replace(d, cell=(1, 0, 2)) for d in in_cells("71", [2, 3]))]
    assert len(numbers_of(two)) > 1
    outside, _ = written("12")
    assert [n.text for n in numbers_of([replace(outside[0], cell=(0, 0, 0)), outside[1]])] == ["1", "2"]


def test_cells_keep_their_places() -> None:
    """Each cell has its text and how sure that is; empty ones too, less sure if something is in it."""
    cells = [FormCell(0, 0, column, (300 * column, 0, 300, 60)) for column in range(4)]
    digits = in_cells("47", [0, 2])
    speck = replace(digits[1], accepted=False, cell=(0, 0, 3), probability=0.2, probabilities=(0.02,) * 10)
    found = cells_of(cells, [*digits, speck])
    assert [cell.text for cell in found] == ["4", "", "7", ""]
    assert [cell.probability for cell in found] == pytest.approx([0.99, 1, 0.99, 0.8])
    assert [(cell.grid, cell.row, cell.column) for cell in found] == [(0, 0, column) for column in range(4)]
    amount, signs = written("12.5")
    whole = FormCell(0, 0, 0, (0, 0, 300, 60))
    (cell,) = cells_of([whole], [replace(d, cell=(0, 0, 0)) for d in amount], signs)
    assert cell.text == "12.5"


@dataclass(frozen=True)
class Evidence:
    """What a line recogniser knows about a row."""

    probability: float

    def log_probability(self, digits: str) -> float:
        return 0.0


def test_the_probability_is_that_of_all_digits() -> None:
    """Without evidence for the row it is the product of the digits' probabilities."""
    (number,) = numbers_of(*written("123", probability=0.9))
    assert number.probability == pytest.approx(0.9**3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.floats(0, 1))
def test_numbers_of_a_row_share_its_probability(chances: list[float], row: float) -> None:
    """The product of their probabilities is that of the row, and a surer number stays surer."""
    digits: list[Digit] = []
    for place, chance in enumerate(chances):
        more, _ = written(" " * 20 * place + "12", probability=chance)
        digits += more
    numbers = numbers_of(digits, (), [Evidence(row)])
    assert math.prod(number.probability for number in numbers) == pytest.approx(row, abs=1e-9)
    by_chance = sorted(zip(chances, [number.probability for number in numbers], strict=True))
    assert all(a[1] <= b[1] + 1e-9 for a, b in pairwise(by_chance))


def test_a_number_in_json() -> None:
    """All fields, the probability with four digits."""
    number = Number("-7.5", "75", 2, (1, 2, 3, 4), 0.123456)
    assert number.to_json() == {
        "text": "-7.5",
        "digits": "75",
        "row": 2,
        "box": [1, 2, 3, 4],
        "probability": 0.1235,
    }
