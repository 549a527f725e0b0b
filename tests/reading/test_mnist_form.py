"""Characters in MNIST's form."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from support.strokefont import sheet
from support.templates import TEMPLATES, found_in

from digits.mnist import BOX, SIDE
from digits.reading.components import extent
from digits.reading.ink import stroke_width
from digits.reading.mnist_form import as_mnist_image, centre_of_mass, mnist_form, scaled

Pixels = npt.NDArray[np.uint8]


@pytest.mark.parametrize("change", [lambda p: p, lambda p: 255 - p, lambda p: np.pad(p, ((9, 4), (0, 30)))])
def test_mnist_comes_out_as_it_went_in(change: Callable[[Pixels], Pixels]) -> None:
    """An MNIST image hardly changes, also inverted or in the corner of a larger picture."""
    for template in TEMPLATES:
        pixels = (template * 255).round().astype(np.uint8)
        image = found_in(change(pixels), single=True).marks[0].image
        assert np.abs(image - template).mean() < 0.02


def test_form_is_that_of_mnist() -> None:
    """Marks have MNIST's range, box, centre of mass and stroke width."""
    for digit in "0123456789":
        image = found_in(sheet(digit, pen=0.03, at=(20, 40)), single=True).marks[0].image
        assert image.dtype == np.float32
        assert image.min() == 0
        assert image.max() == pytest.approx(1)
        top, bottom, left, right = extent(image > 0.2)
        assert max(bottom - top, right - left) in (BOX - 1, BOX, BOX + 1)
        assert centre_of_mass(image) == pytest.approx(((SIDE - 1) / 2, (SIDE - 1) / 2), abs=0.6)
        assert 1.5 < stroke_width(image) < 4


@pytest.mark.parametrize("shape", [(17, 12), (28, 28), (64, 3), (1, 40), (90, 50)])
def test_box_is_scaled_as_pillow_scales(shape: tuple[int, int]) -> None:
    """Scaling equals Pillow's bicubic interpolation, for small and for large images."""
    ink = np.random.default_rng(0).random(shape, np.float32)
    scale = 20 / max(shape)
    size = (max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale)))
    pillow = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BICUBIC))
    assert scaled(ink, scale) == pytest.approx(pillow.clip(0, 1), abs=1e-6)


def test_ready_made_digits_are_found_fast() -> None:
    """A picture in MNIST's form is not changed."""
    generator = np.random.default_rng(0)
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 9:19] = generator.integers(200, 256, (20, 10))
    image = found_in(pixels, single=True).marks[0].image
    assert np.array_equal((image * 255).round().astype(np.uint8), pixels)


def test_only_pictures_in_mnists_form_are_used_as_they_are() -> None:
    """Another size, faint ink, another box and a digit off the centre are brought into MNIST's form."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 12:15] = 255
    assert as_mnist_image(pixels) is not None
    assert as_mnist_image(np.pad(pixels, 1)) is None
    assert as_mnist_image(pixels // 2) is None
    assert as_mnist_image(np.where(np.arange(28)[:, None] < 20, pixels, 0).astype(np.uint8)) is None
    assert as_mnist_image(np.roll(pixels, 6, axis=1)) is None


def test_ink_that_cannot_be_seen_gives_a_black_image() -> None:
    """Ink below a strength of 0.2 does not count."""
    assert not mnist_form(np.full((40, 30), 0.19, np.float32)).any()
