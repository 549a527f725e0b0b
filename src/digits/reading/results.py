"""The answer for a picture: its digits with probabilities, boxes and reasons."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.networks.numpy_layers import Array
from digits.reading.marks import Box, Mark, Probabilities

BLANK, NO_DIGIT, UNCLEAR = "blank", "not a digit", "unclear"  # reasons why a mark was not accepted


@dataclass(frozen=True)
class Digit:
    """A mark in a picture and the digit that it most probably is."""

    digit: int
    """The likeliest digit, 0 to 9."""
    probability: float
    """Probability that the mark is this digit, in [0, 1]; 0 for a blank mark."""
    accepted: bool
    """Whether the digit counts as read."""
    reason: str | None
    """Why it was not accepted: "blank", "not a digit" or "unclear" (which digit); None if accepted."""
    box: Box
    """Left, top, width and height in pixels of the upright picture."""
    row: int
    """Line of writing, counted from 0."""
    probabilities: tuple[float, ...]
    """Probabilities of 0 to 9. Their sum is the probability that the mark is a digit at all."""
    image: Array = field(repr=False, compare=False)
    """What the network saw: (28, 28) float32 in [0, 1], white on black."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields that the command line and the server print, ready for JSON."""
        return {
            "digit": self.digit,
            "probability": round(self.probability, 4),
            "accepted": self.accepted,
            "reason": self.reason,
            "box": list(self.box),
        }


@dataclass(frozen=True)
class Reading:
    """The answer for one picture."""

    digits: tuple[Digit, ...]
    """Every mark found, accepted or not, in reading order."""
    width: int
    """Width of the upright picture in pixels."""
    height: int
    """Height of the upright picture in pixels."""
    steps: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict, repr=False, compare=False)
    """Pictures of the steps by name, (H, W) or (H, W, 3); empty unless read with `explain=True`."""
    light_ink: bool = False
    """Whether the ink is lighter than the paper."""

    @property
    def text(self) -> str:
        """The accepted digits in reading order; rows are separated by a newline."""
        rows: dict[int, str] = defaultdict(str)
        for digit in self.digits:
            if digit.accepted:
                rows[digit.row] += str(digit.digit)
        return "\n".join(rows[row] for row in sorted(rows))

    def to_json(self) -> dict[str, Any]:
        """Return the text and the digits as the command line and the server print them, ready for JSON."""
        return {"text": self.text, "digits": [digit.to_json() for digit in self.digits]}


def to_digit(mark: Mark, probabilities: Probabilities, accepted: bool) -> Digit:
    """Return the answer for a mark, given its probabilities (10,) and whether it was accepted.

    The reason names the larger uncertainty: whether it is a digit at all, or which one.
    """
    digit = int(probabilities.argmax())
    probability = 0.0 if mark.blank else float(probabilities[digit])
    is_digit = float(probabilities.sum())
    if_digit = probability / max(is_digit, 1e-9)  # probability of this digit, given that it is a digit
    reason = None if accepted else BLANK if mark.blank else NO_DIGIT if is_digit <= if_digit else UNCLEAR
    shares = tuple(0.0 if mark.blank else float(p) for p in probabilities)
    return Digit(digit, probability, accepted, reason, mark.box, mark.row, shares, mark.image)
