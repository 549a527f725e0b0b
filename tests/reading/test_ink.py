"""Ink against paper, and the width of strokes."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage
from support.strokefont import shaded, sheet

from digits.reading.contrast import contrast_of
from digits.reading.ink import ink_from_contrast, stroke_width


@pytest.mark.parametrize("width", [2, 5, 12])
def test_stroke_width_is_that_of_the_pen(width: int) -> None:
    """The measured width of a long straight stroke is that of its pen, sharp or slightly blurred."""
    image = Image.new("L", (60, 400), 0)
    ImageDraw.Draw(image).rectangle((20, 20, 19 + width, 380), fill=255)
    for picture in (image, image.filter(ImageFilter.GaussianBlur(width / 8))):
        ink = np.asarray(picture, np.float32) / np.float32(255)
        assert stroke_width(ink) == pytest.approx(width, rel=0.12)


def test_ink_is_full_on_strokes_and_none_on_paper() -> None:
    """Ink strength is near 1 inside strokes and near 0 on paper, in light and in shadow."""
    image = sheet("4", ink=60)
    contrast, _ = contrast_of(shaded(image))
    ink = ink_from_contrast(contrast)
    stroke = ndimage.binary_erosion(np.asarray(image) < 100, iterations=3)
    paper = ~ndimage.binary_dilation(np.asarray(image) < 250, iterations=6)
    assert ink.strength[stroke].min() > 0.7
    assert ink.strength[paper].max() < 0.25
