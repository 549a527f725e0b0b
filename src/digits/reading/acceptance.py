"""Decide which marks are accepted as digits.

A mark is a candidate digit. Alone it needs a high probability; inside a number less is enough.
"""

from collections import defaultdict
from collections.abc import Sequence

from digits.reading.marks import Mark, Probabilities

# Limits that decide whether a row of marks is a number, chosen on the development pictures: docs/photos.md.
NUMBER_SHARE = 1 / 3  # a row is a number if at least this share of its marks reaches the threshold
NUMBER_PROBABILITY = 0.1  # smallest probability of being any digit, for marks of a number; dots have less


def accepted_marks(marks: Sequence[Mark], probabilities: Probabilities, threshold: float) -> list[bool]:
    """Decide which marks are accepted as digits.

    Args:
        marks: N marks of one picture.
        probabilities: Their probabilities (N, 10).
        threshold: Smallest probability of a mark that is accepted alone, in [0, 1].

    Returns:
        N booleans, True for an accepted mark.
    """
    # A mark is accepted if its highest probability is at least `threshold`. In a row that is a number, it
    # only needs to be any digit with NUMBER_PROBABILITY: without one digit the number would be wrong.
    sure = [
        not mark.blank and bool(p.max() >= threshold) for mark, p in zip(marks, probabilities, strict=True)
    ]
    rows: dict[int, list[bool]] = defaultdict(list)
    for mark, is_sure in zip(marks, sure, strict=True):
        rows[mark.row].append(is_sure)
    number = {row: len(s) > 1 and sum(s) >= NUMBER_SHARE * len(s) for row, s in rows.items()}
    return [
        is_sure or (number[mark.row] and bool(p.sum() >= NUMBER_PROBABILITY))
        for mark, p, is_sure in zip(marks, probabilities, sure, strict=True)
    ]
