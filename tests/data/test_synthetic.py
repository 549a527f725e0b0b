"""Digits drawn in code: the styles are what they are called, in MNIST's form, from a seed."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from digits.data import digit_styles
from digits.data.digit_styles import STYLES, Style
from digits.data.pen import render
from digits.data.synthetic import SHARES, curve, draw_digit, handwritten, synthetic_digits
from digits.errors import OptionError
from digits.mnist import BOX
from digits.options import TrainOptions, find_recipe
from digits.reading.components import extent
from digits.training import run

EVERY = [(digit, style) for digit, styles in STYLES.items() for style in dict.fromkeys(styles)]
NAMES = [style.__name__ for _, style in EVERY]


def holes(style: Style, seed: int) -> int:
    """Pieces of paper that ink encloses, drawn with a thin pen at three times the size."""
    strokes = handwritten(style(np.random.default_rng(seed)), np.random.default_rng(seed + 1000))
    low, high = (f([f(s, axis=0) for s in strokes], axis=0) for f in (np.min, np.max))
    canvas = np.zeros((240, 240), bool)
    for stroke in strokes:
        for a, b in itertools.pairwise(stroke):
            line = a + np.linspace(0, 1, 60)[:, None] * (b - a)
            x, y = ((line - low) / (high - low).max() * 200 + 20).astype(int).T
            canvas[y, x] = True
    paper, count = ndimage.label(~ndimage.binary_dilation(canvas, iterations=3))
    sizes = ndimage.sum_labels(np.ones_like(paper), paper, range(1, count + 1))
    return int((np.asarray(sizes) > 150).sum()) - 1


@pytest.mark.parametrize(("digit", "style"), EVERY, ids=NAMES)
def test_every_style_is_in_mnists_form(digit: int, style: Style) -> None:
    """Every style fills a box of 20 pixels inside the image with full ink, whatever the random numbers."""
    for seed in range(30):
        image = render(handwritten(style(np.random.default_rng(seed)), np.random.default_rng(seed)))
        top, bottom, left, right = extent(image > 0.1)
        assert max(bottom - top, right - left) in (BOX - 1, BOX, BOX + 1)
        assert min(top, left, 28 - bottom, 28 - right) >= 1
        assert image.max() > 0.9


def test_styles_have_the_holes_of_their_kind() -> None:
    """An open 4 has no hole, a slash makes two of a 0's, an 8 has two; lines may miss each other a little."""

    def mean(style: Style) -> float:
        return float(np.mean([holes(style, seed) for seed in range(40)]))

    styles = digit_styles
    for style in (styles.four_open, styles.four_cup, styles.one_with_upstroke, styles.one_bar):
        assert mean(style) < 0.1, style.__name__
    assert mean(styles.seven_uncrossed) < 0.1
    assert 0.2 < mean(styles.four_closed) < 1.1
    ring = mean(styles.zero_ring)
    assert 0.2 < ring < 1.1
    assert mean(styles.zero_slashed) > ring + 0.5
    assert mean(styles.eight) > 1.3


def test_the_european_one_has_a_long_upstroke() -> None:
    """The ink left of the stem reaches well below its top and well to its side, and ends above its foot."""
    for seed in range(50):
        (stroke,) = digit_styles.one_with_upstroke(np.random.default_rng(seed))
        top = min(y for _, y in stroke)
        x, y = max(stroke[:-1], key=lambda point: point[1])
        assert x < stroke[-1][0] - 0.05
        assert 0.1 < y - top < 0.95
        assert stroke[-1][1] == 1


def test_the_crossed_seven_is_crossed() -> None:
    """The bar's ends lie on both sides of the stem."""
    for seed in range(50):
        stroke, ((left, upper), (right, lower)) = digit_styles.seven_crossed(np.random.default_rng(seed))
        x = np.interp((upper + lower) / 2, [stroke[-3][1], stroke[-2][1], 1], [p[0] for p in stroke[-3:]])
        assert left < x < right


def test_the_same_seed_draws_the_same_digits() -> None:
    """Two calls with the same seed agree to the bit, and another seed gives other digits."""
    images, labels = synthetic_digits(200, 5)
    again, same = synthetic_digits(200, 5)
    assert np.array_equal(images, again)
    assert np.array_equal(labels, same)
    assert not np.array_equal(images, synthetic_digits(200, 6)[0])
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert images.shape == (200, 28, 28)
    assert synthetic_digits(0, 5)[0].shape == (0, 28, 28)


@pytest.mark.slow
def test_most_are_of_the_digits_that_mnist_lacks() -> None:
    """Each digit has the intended share, within four standard deviations, and all ten digits occur."""
    counts = np.bincount(synthetic_digits(3000, 0)[1], minlength=10)
    for digit, share in SHARES.items():
        assert counts[digit] == pytest.approx(3000 * share, abs=4 * (3000 * share * (1 - share)) ** 0.5)
    assert counts.min() > 50


def test_no_two_drawn_digits_are_alike() -> None:
    """Drawn a hundred times, a digit is different each time."""
    numbers = np.random.default_rng(0)
    assert len({draw_digit(1, numbers).tobytes() for _ in range(100)}) == 100


def slow_curve(points: npt.NDArray[np.float64], steps: int) -> npt.NDArray[np.float64]:
    """Catmull and Rom's spline by its matrix, point by point."""
    basis = 0.5 * np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]])
    padded = [points[0], *points, points[-1]]
    found = []
    for i in range(len(points) - 1):
        for k in range(steps):
            t = k / steps
            found.append(np.array([1, t, t * t, t**3]) @ basis @ np.stack(padded[i : i + 4]))
    return np.stack([*found, points[-1]])


def test_curves_go_through_their_points() -> None:
    """Curves equal the slow version's and go through their points, also at a corner."""
    points = np.array([(0, 0), (1, 0.5), (1, 0.5), (0.3, 1), (0, 2)])
    assert np.allclose(curve(points, 6), slow_curve(points, 6))
    assert np.allclose(curve(points, 6)[::6], points)
    assert np.array_equal(curve(points[:2]), points[:2])


def test_drawn_digits_join_the_training_images_alone(sample_file: Path) -> None:
    """`--synthetic 40` adds forty training images, counted as synthetic, and changes nothing else."""
    plain, joined = (run.load_splits(TrainOptions(data=sample_file, synthetic=count))[1] for count in (0, 40))
    assert len(joined.train) == len(plain.train) + 40
    assert (plain.synthetic, joined.synthetic) == (0, 40)
    assert np.array_equal(joined.train.images[-40:].numpy(), synthetic_digits(40, 0)[0])
    assert joined.val.sha256() == plain.val.sha256()
    assert joined.test.sha256() == plain.test.sha256()


@pytest.mark.parametrize("changes", [{}, {"dataset": "fashion-mnist"}, {"recipe": "cnn"}])
def test_drawn_digits_join_mnist_only(changes: dict[str, Any], tiny_folder: Path) -> None:
    """`--synthetic 40` beside other data is refused, because digits of MNIST's writers do not fit them."""
    with pytest.raises(OptionError, match=r"--synthetic 40: the data .* are not MNIST"):
        run.load_splits(TrainOptions(data=tiny_folder, synthetic=40, **changes))


def test_drawn_digits_of_a_recipe_are_left_out_beside_other_data(
    tiny_folder: Path, sample_file: Path
) -> None:
    """A recipe with synthetic digits works for other data too, and a note says what is missing."""
    recipe = dataclasses.replace(find_recipe("cnn"), val_size=None)
    for options in (
        dataclasses.replace(recipe, data=tiny_folder),
        dataclasses.replace(recipe, data=tiny_folder, dataset="fashion-mnist"),
        dataclasses.replace(recipe, data=sample_file, mirror=True),
    ):
        collection, splits = run.load_splits(options)
        assert splits.synthetic == 0
        assert collection.notices[-1].startswith("The 6,000 synthetic digits of the recipe are left out")
