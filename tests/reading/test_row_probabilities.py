"""How probable it is that a row is a number, and that it is read without a mistake."""

import math

import pytest

from digits.reading.row_probabilities import (
    CharacterEvidence,
    number_features,
    numbers_in,
    probabilities_of_digits,
    probability_of_right,
    right_features,
)


def row(
    text: str, *, by_line: float = -0.01, cost: float = 0.1, is_digit: float = 0.99
) -> list[CharacterEvidence]:
    return [CharacterEvidence(character, by_line, cost, is_digit) for character in text]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("12.50", ["12.50"]),
        ("-7", ["7"]),
        ("14/10/2014", ["14", "10", "2014"]),
        ("xx217", ["217"]),
        ("1,5x-3-", ["1,5", "3"]),
        ("7:30", ["7", "30"]),
        ("xx", []),
        ("", []),
    ],
)
def test_signs_and_letters_separate_numbers(text: str, numbers: list[str]) -> None:
    """A point, a comma or a dash between digits is a part of their number; other signs are not."""
    assert [text[first:last] for first, last in numbers_in(row(text))] == numbers


def test_only_digits_have_a_probability_of_being_digits() -> None:
    """Signs have 0; the digits of one number share one probability."""
    found = probabilities_of_digits(row("12.5x7"))
    assert found[2] == found[4] == 0
    assert found[0] == found[1] == found[3]
    assert all(0 < p < 1 for p in (found[0], found[5]))


def test_a_number_in_a_word_does_not_gain_from_another_number() -> None:
    """What speaks against one number of a row changes no other number."""
    doubtful = [CharacterEvidence("7", -3.0, 5.0, 0.1)]
    together = probabilities_of_digits([*row("125x"), *doubtful])
    assert together[0] == probabilities_of_digits(row("125"))[0]
    assert together[4] == probabilities_of_digits(doubtful)[0]
    assert together[4] < 0.5 < together[0]


@pytest.mark.parametrize("worse", [{"by_line": -3.0}, {"cost": 4.0}, {"is_digit": 0.05}])
def test_doubt_of_any_kind_makes_a_number_less_probable(worse: dict[str, float]) -> None:
    """A low probability by the line recogniser, a high cost, and a low probability of digits each count."""
    assert probabilities_of_digits(row("41", **worse))[0] < probabilities_of_digits(row("41"))[0]


def test_agreement_and_probability_make_a_row_more_probably_right() -> None:
    """The share of the text, the line recogniser and the agreement of both readers each count."""
    base = probability_of_right(right_features(0.8, -1.0, False))
    assert base < probability_of_right(right_features(0.9, -1.0, False))
    assert base < probability_of_right(right_features(0.8, -0.5, False))
    assert base < probability_of_right(right_features(0.8, -1.0, True))


def test_the_extremes_stay_finite() -> None:
    """Shares of 0 and 1, impossible lines and digits without any probability give numbers in [0, 1]."""
    for share in (0.0, 1.0):
        for by_line in (0.0, -math.inf):
            assert 0 <= probability_of_right(right_features(share, by_line, True)) <= 1
    assert all(map(math.isfinite, number_features(row("1", is_digit=0.0))))
