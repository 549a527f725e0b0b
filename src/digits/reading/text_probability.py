"""Compute the probability that the digits of some marks are a certain text.

The marks stand in a row, and each has probabilities of the ten digits and of "no digit". A text is theirs if
each of its digits is that of a mark, in order, and all other marks are no digits. That one of its digits has
no mark is possible, too, but improbable.
"""

import numpy as np
import numpy.typing as npt

from digits.mnist import CLASSES
from digits.reading.marks import Probabilities

# A share of each mark's probability is spread evenly over the ten digits and "no digit": also a mark of which
# the networks are sure is sometimes something else. Of 1,935 digits in rows of the development pictures with
# a probability above 0.9, 22 are read wrong.
MISREAD = 0.01
MISSED = 0.002  # probability that a digit between two others, or at an end, was not found as a mark


def with_misreadings(marks: Probabilities) -> npt.NDArray[np.float64]:
    """Spread MISREAD over all classes.

    Args:
        marks: Probabilities (K, 10) of the digits.

    Returns:
        Probabilities (K, 11) of the digits and of "no digit"; rows sum to 1.
    """
    digits = np.asarray(marks, np.float64).reshape(-1, CLASSES)
    rest = np.clip(1 - digits.sum(axis=1, keepdims=True), 0, 1)
    whole = np.hstack([digits, rest])
    whole /= whole.sum(axis=1, keepdims=True)
    return np.asarray((1 - MISREAD) * whole + MISREAD / (CLASSES + 1), np.float64)


def text_probabilities(
    marks: Probabilities, texts: npt.NDArray[np.uint8], *, missed: float = MISSED
) -> npt.NDArray[np.float64]:
    """Compute the probability of each of N texts of the same length L for K marks.

    Args:
        marks: Probabilities (K, 10) of the digits, from left to right.
        texts: Digits (N, L), 0 to 9.
        missed: Probability that a digit has no mark.

    Returns:
        Probabilities (N,): the sum over all ways in which the marks may be the digits of the text.
    """
    count, length = texts.shape
    absent = missed / CLASSES  # any of the ten digits may be the one without a mark
    # state[j]: probability (N,) that the marks so far are the first j digits
    state = [np.full(count, absent**j) for j in range(length + 1)]
    for chances in with_misreadings(marks):
        matched = [chances[texts[:, j]] for j in range(length)]
        after = [state[0] * chances[CLASSES]]
        for j in range(length):
            here = state[j] * matched[j] + state[j + 1] * chances[CLASSES]
            after.append(here + absent * after[j] if absent else here)
        state = after
    return state[length]
