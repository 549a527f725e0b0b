"""Compare probabilities with what is right: how often an answer that is said to be 97 % sure is wrong.

coverage       the share of all answers whose probability reaches a limit, and the wrong ones among these
surest half    the wrong ones among the half of the answers with the highest probabilities
reliability    answers in groups of like probability: its mean, and the share that is right
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from digits.evaluation.calibration import BINS
from digits.evaluation.intervals import wilson_interval

LIMITS = (0.5, 0.8, 0.9, 0.95, 0.99)  # probabilities that an answer reaches
# Groups of like probability. They are narrow near 1, where most answers are.
BOUNDS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.97, 0.99, 1.0)
STEPS = 40  # points of the curve of error over coverage

Probabilities = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Share:
    """`count` of `of` pictures, as a share with the limits `low` and `high` of its 95 % Wilson interval."""

    count: int
    of: int
    share: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.count:5d} of {self.of:5d}  {self.share:8.2%}  ({self.low:.2%} to {self.high:.2%})"


@dataclass(frozen=True)
class Coverage:
    """The answers whose probability is at least `limit`, of all; the wrong ones, of these (None: of none)."""

    limit: float
    reached: Share
    wrong: Share | None


@dataclass(frozen=True)
class Group:
    """The answers whose probability is above `low` and at most `high`, with its mean."""

    low: float
    high: float
    probability: float
    right: Share


@dataclass(frozen=True)
class Confidence:
    """What the probabilities of at least one answer are worth.

    Attributes:
        coverage: One item for each of LIMITS.
        surest_half_wrong: The wrong ones of the surest half.
        curve: Error among the surest 1/STEPS, 2/STEPS … of all answers, in [0, 1].
        groups: One item for each group of like probability that has an answer; no answer, no claim: answers
            with probability 0 are in none.
    """

    coverage: tuple[Coverage, ...]
    surest_half_wrong: Share
    curve: tuple[float, ...]
    groups: tuple[Group, ...]


def share(found: Sequence[bool]) -> Share:
    """Return the share of True among at least one value, with its interval."""
    count = int(sum(found))
    low, high = wilson_interval(count, len(found))
    return Share(count, len(found), count / len(found), low, high)


def confidence_of(probabilities: Probabilities, right: Truths) -> Confidence:
    """Compare the probabilities (N,) of N answers, at least one, with which of them are right (N,)."""
    coverage = []
    for limit in LIMITS:
        reached = probabilities >= limit
        wrong = share((~right[reached]).tolist()) if reached.any() else None
        coverage.append(Coverage(limit, share(reached.tolist()), wrong))
    surest_first = ~right[np.argsort(-probabilities, kind="stable")]
    half = surest_first[: max(1, len(right) // 2)]
    sizes = [max(1, round(len(right) * step / STEPS)) for step in range(1, STEPS + 1)]
    curve = tuple(round(float(surest_first[:size].mean()), 5) for size in sizes)
    return Confidence(tuple(coverage), share(half.tolist()), curve, tuple(_groups(probabilities, right)))


def _groups(probabilities: Probabilities, right: Truths) -> Iterator[Group]:
    for low, high in pairwise(BOUNDS):
        inside = (probabilities > low) & (probabilities <= high)
        if inside.any():
            yield Group(low, high, float(probabilities[inside].mean()), share(right[inside].tolist()))


def calibration_error(probabilities: Probabilities, right: Truths, bins: int = BINS) -> float:
    """Return the expected calibration error of the probabilities that users see, in [0, 1].

    The mean distance between probability and accuracy over equal bins, weighted by the pictures in each bin.
    """
    bin_of = np.clip(np.ceil(probabilities * bins).astype(int) - 1, 0, bins - 1)
    surplus = np.bincount(bin_of, probabilities - right, minlength=bins)
    return float(np.abs(surplus).sum() / len(right))


def lines(confidence: Confidence, answers: str) -> Iterator[tuple[str, Share]]:
    """Yield the lines of a table: a name and a share.

    Args:
        confidence: The figures.
        answers: What they are about, such as "digits".
    """
    for at in confidence.coverage:
        yield f"{answers} with {at.limit:.0%} or more", at.reached
        if at.wrong is not None:
            yield "  wrong ones of these", at.wrong
    yield f"{answers}, surest half: wrong", confidence.surest_half_wrong
    for group in confidence.groups:
        said = f"{group.low:.0%} to {group.high:.0%}, mean {group.probability:.2%}"
        yield f"{answers}, {said}: right", group.right
