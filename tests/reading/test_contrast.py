"""Whether ink is darker or lighter than paper."""

import numpy as np
from support.strokefont import shaded, sheet

from digits.reading.light_ink import ink_is_lighter


def test_polarity_follows_the_ink() -> None:
    """Dark and light ink are distinguished in even light and in shadow."""
    for digit in "08":
        for pixels in (np.asarray(sheet(digit)), shaded(sheet(digit)), np.asarray(sheet(digit, pen=0.2))):
            assert not ink_is_lighter(pixels)
            assert ink_is_lighter(255 - pixels)
