"""Compute how probable it is that a row is a number, and that it is read without a mistake.

Both are logistic regressions. Their weights were fitted on rows of the development pictures by
benchmarks/row_probabilities.py; docs/photos.md shows how honest they are on other pictures.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_SHARE = 1e-4  # a share is kept this far from 0 and 1, so that its logarithm is finite
LEAST_LIKELY_LINE = -8.0  # log probability; a smaller one says no more
LEAST_DIGIT = 0.01  # a smaller probability of being a digit is raised to this
MOST_DIGITS = 3  # more digits in a number say no more

# log odds that all digits of a row are right: weights of the log odds of its text against others, of the line
# recogniser's log probability of its digits, and of 1 if both readers agree; then the constant.
RIGHT_WEIGHTS, RIGHT_CONSTANT = (0.67, 0.69, 1.11), 0.40
# log odds that digits beside one another are digits at all: weights of the means of the line recogniser's log
# probability of each character and of the cost of its pieces, of the logarithm of the mean probability of
# being a digit, and of the number of digits; then the constant.
NUMBER_WEIGHTS, NUMBER_CONSTANT = (3.13, -0.61, 0.16, 2.50), -2.01


@dataclass(frozen=True)
class CharacterEvidence:
    """What speaks for one character of a row.

    Attributes:
        character: One of `line_network.ALPHABET`.
        by_line: Largest log probability of the character among the line recogniser's answers at its place.
        cost: Cost of its group of pieces as this character; 0 without a group.
        is_digit: Probability by the classifier and the rejection network that the group is any digit.
    """

    character: str
    by_line: float
    cost: float
    is_digit: float


def right_features(share: float, by_line: float, agree: bool) -> tuple[float, float, float]:
    """Return the numbers that say whether a row is read without a mistake.

    Args:
        share: Probability of its text against all texts that were compared, in [0, 1].
        by_line: Log probability of its digits by the line recogniser alone.
        agree: True if the search for digits found the same digits.
    """
    kept = min(max(share, LEAST_SHARE), 1 - LEAST_SHARE)
    return math.log(kept / (1 - kept)), max(by_line, LEAST_LIKELY_LINE), float(agree)


def number_features(digits: Sequence[CharacterEvidence]) -> tuple[float, float, float, float]:
    """Return the numbers that say whether characters beside one another are digits.

    Args:
        digits: At least one digit of a row; all of them stand beside one another.
    """
    is_digit = max(float(np.mean([c.is_digit for c in digits])), LEAST_DIGIT)
    return (
        float(np.mean([c.by_line for c in digits])),
        float(np.mean([c.cost for c in digits])),
        math.log(is_digit),
        float(min(len(digits), MOST_DIGITS)),
    )


def probability_of_right(features: Sequence[float]) -> float:
    """Return the probability that all digits of a row are right.

    Args:
        features: From `right_features`.
    """
    return _logistic(features, RIGHT_WEIGHTS, RIGHT_CONSTANT)


def probabilities_of_digits(characters: Sequence[CharacterEvidence]) -> list[float]:
    """Return for each character of a row the probability that it is a digit; 0 for a sign.

    Args:
        characters: The row from left to right.
    """
    found = [0.0] * len(characters)
    for first, last in numbers_in(characters):
        places = [i for i in range(first, last) if characters[i].character.isdigit()]
        features = number_features([characters[i] for i in places])
        probability = _logistic(features, NUMBER_WEIGHTS, NUMBER_CONSTANT)
        for i in places:
            found[i] = probability
    return found


def numbers_in(characters: Sequence[CharacterEvidence]) -> list[tuple[int, int]]:
    """Return where the numbers of a row begin and end: digits with points, commas and dashes between them."""
    found, first = [], None
    for i, c in enumerate([*characters, CharacterEvidence("x", 0.0, 0.0, 0.0)]):
        if c.character.isdigit():
            first, last = (i if first is None else first), i + 1
        elif c.character not in ".,-" and first is not None:
            found.append((first, last))
            first = None
    return found


def _logistic(features: Sequence[float], weights: Sequence[float], constant: float) -> float:
    """Return the probability of a logistic regression."""
    odds = constant + sum(w * x for w, x in zip(weights, features, strict=True))
    return 1 / (1 + math.exp(-odds))
