"""What a reading says: digits with probabilities, boxes and reasons."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.networks.numpy_layers import Array
from digits.reading.find_digits import Mark

BLANK, NO_DIGIT, UNCLEAR = "blank", "not a digit", "unclear"


@dataclass(frozen=True)
class Digit:
    """One mark and the best guess of what it is.

    `probabilities` are those of 0 to 9; their sum is the probability that it is a digit at all. `reason` says
    why a mark was not accepted: "blank", "not a digit" or "unclear" (which digit). `box` is (x, y, w, h) in
    pixels of the upright picture, `row` the line of writing from 0, `image` (28, 28) what the network saw.
    """

    digit: int
    probability: float
    accepted: bool
    reason: str | None
    box: tuple[int, int, int, int]
    row: int
    probabilities: tuple[float, ...]
    image: Array = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """As the command line and the server give it."""
        return {
            "digit": self.digit,
            "probability": round(self.probability, 4),
            "accepted": self.accepted,
            "reason": self.reason,
            "box": list(self.box),
        }


@dataclass(frozen=True)
class Reading:
    """What a picture says: every mark found, in reading order; `steps` are pictures of the way there."""

    digits: tuple[Digit, ...]
    width: int
    height: int
    steps: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict, repr=False, compare=False)
    light_ink: bool = False

    @property
    def text(self) -> str:
        """The accepted digits in reading order, a line for each row that has one."""
        rows: dict[int, str] = defaultdict(str)
        for digit in self.digits:
            if digit.accepted:
                rows[digit.row] += str(digit.digit)
        return "\n".join(rows[row] for row in sorted(rows))

    def to_json(self) -> dict[str, Any]:
        """As the command line and the server give it."""
        return {"text": self.text, "digits": [digit.to_json() for digit in self.digits]}


def to_digit(mark: Mark, probabilities: npt.NDArray[np.floating], accepted: bool) -> Digit:
    digit = int(probabilities.argmax())
    probability = 0.0 if mark.blank else float(probabilities[digit])
    is_digit = float(probabilities.sum())
    which = probability / max(is_digit, 1e-9)  # how sure it is of which digit, if it is one
    reason = None if accepted else BLANK if mark.blank else NO_DIGIT if is_digit <= which else UNCLEAR
    shares = tuple(0.0 if mark.blank else float(p) for p in probabilities)
    return Digit(digit, probability, accepted, reason, mark.box, mark.row, shares, mark.image)
