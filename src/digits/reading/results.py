"""Store the answer for a picture: each mark with its digit, probabilities and box.

A mark is a candidate digit: a part of the picture that may be a digit.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.networks.numpy_layers import Array
from digits.reading.marks import Box, Mark, Probabilities

# Reasons why a mark was not accepted: there is no ink; it is something else; no digit is likely enough.
BLANK, NO_DIGIT, UNCLEAR = "blank", "not a digit", "unclear"


@dataclass(frozen=True)
class Digit:
    """A mark (a candidate digit) with its likeliest digit."""

    digit: int
    """The likeliest digit, 0 to 9."""
    probability: float
    """Probability that the mark is this digit, in [0, 1]; 0 for a blank mark."""
    accepted: bool
    """True if the digit is part of the picture's text."""
    reason: str | None
    """Why the mark was not accepted: "blank", "not a digit" or "unclear"; None if it was accepted."""
    box: Box
    """Left, top, width and height in pixels of the upright picture."""
    row: int
    """Number of the line of writing, counted from 0 at the top."""
    probabilities: tuple[float, ...]
    """Probabilities of the digits 0 to 9. Their sum is the probability that the mark is a digit."""
    image: Array = field(repr=False, compare=False)
    """The image that the network classified: (28, 28) float32 in [0, 1], white on black."""

    def to_json(self) -> dict[str, Any]:
        """Return digit, probability, accepted, reason and box as a dict for JSON."""
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
    """All marks in reading order, accepted or not."""
    width: int
    """Width of the upright picture in pixels."""
    height: int
    """Height of the upright picture in pixels."""
    steps: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict, repr=False, compare=False)
    """Pictures of the steps, uint8 (H, W) or (H, W, 3), by name; empty unless read with `explain=True`."""
    light_ink: bool = False
    """True if the ink is lighter than the paper."""
    notes: tuple[str, ...] = ()
    """Sentences for the user about what was not read, or how the picture was treated."""

    @property
    def text(self) -> str:
        """The accepted digits in reading order, such as "4071"; one line per row."""
        rows: dict[int, str] = defaultdict(str)
        for digit in self.digits:
            if digit.accepted:
                rows[digit.row] += str(digit.digit)
        return "\n".join(rows[row] for row in sorted(rows))

    def to_json(self) -> dict[str, Any]:
        """Return the text, the list of digits and the notes as a dict for JSON."""
        digits = [digit.to_json() for digit in self.digits]
        return {"text": self.text, "digits": digits, "notes": list(self.notes)}


def to_digit(mark: Mark, probabilities: Probabilities, accepted: bool) -> Digit:
    """Create the answer for one mark (a candidate digit).

    A mark that was not accepted gets one of these reasons:

    - "blank": there is no ink,
    - "not a digit": the main doubt is whether it is a digit,
    - "unclear": the main doubt is which digit it is.

    Args:
        mark: The mark.
        probabilities: Probabilities (10,); their sum is the probability of a digit.
        accepted: True if the mark was accepted.

    Returns:
        The likeliest digit and its probability. All probabilities are 0 for a blank mark.
    """
    digit = int(probabilities.argmax())
    probability = 0.0 if mark.blank else float(probabilities[digit])
    is_digit = float(probabilities.sum())
    if_digit = probability / max(is_digit, 1e-9)  # probability of this digit, given that it is a digit
    # "Not a digit": being a digit at all is less certain than which digit it would be.
    reason = None if accepted else BLANK if mark.blank else NO_DIGIT if is_digit <= if_digit else UNCLEAR
    shares = tuple(0.0 if mark.blank else float(p) for p in probabilities)
    return Digit(digit, probability, accepted, reason, mark.box, mark.row, shares, mark.image)
