"""Find out if the ink of a picture is lighter than the paper.

The limits were chosen on the development pictures.
"""

import numpy as np

from digits.reading.decoding import Pixels
from digits.reading.filters import border_mean, fitted_plane, skewness, smooth

BOLD = (0.35, 0.65)  # share of bright pixels; in this range the area does not show which is ink
BORDER_DIFFERENCE = 0.15  # smallest difference of bright shares (border, whole picture) to trust the border
CLEAR_SKEW = 2.0  # from this skewness on no other evidence is needed
UNCLEAR_SKEW = 0.5  # below this skewness of the picture the fine detail decides, if there is any
DETAIL_SIDE = 64  # px; fine detail is used only if the shorter side of the overview is at least this
DETAIL_WINDOW = 9  # px of the overview; a pixel minus the mean of this window is fine detail: writing


def ink_is_lighter(overview: Pixels) -> bool:
    """Check if the ink is lighter than the paper.

    Ink covers less area than paper. So the rarer brightness is the ink.

    Args:
        overview: Small grey copy of the picture, uint8 (H, W).
    """
    # The rare brightness is the longer tail of the distribution; the skewness is positive for a bright tail.
    grey = overview.astype(np.float32)
    skew = skewness(grey - fitted_plane(grey))
    bright = grey > (grey.min() + grey.max()) / 2
    share, border = float(bright.mean()), border_mean(bright)
    bold = BOLD[0] < share < BOLD[1] and abs(border - share) > BORDER_DIFFERENCE
    detail_skew = 0.0
    # Uneven light can have more effect on the skewness of the picture than thin strokes have.
    if (bold or abs(skew) < CLEAR_SKEW) and min(grey.shape) >= DETAIL_SIDE:
        detail_skew = skewness(grey - smooth(grey, DETAIL_WINDOW))
    if abs(detail_skew) > CLEAR_SKEW:
        return detail_skew > 0
    # If ink covers about half of the picture, the border decides, because it is mostly paper.
    if bold:
        return border < share
    return (detail_skew if detail_skew and abs(skew) < UNCLEAR_SKEW else skew) > 0
