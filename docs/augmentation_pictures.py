"""Draw the pictures of docs/augmentation.md.

    python docs/augmentation_pictures.py [FOLDER]

FOLDER is docs/pictures unless named. The digits are drawn here, stroke by stroke: no image of any data set
is in the pictures.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from digits import figure_style
from digits.data import digit_styles
from digits.data.augmentation import AFFINE, UNIFORM, augment, distort
from digits.data.pen import render
from digits.data.synthetic import handwritten
from digits.mnist import SIDE
from digits.networks.upright import upright
from digits.options import Augmentation

FOLDER = Path(__file__).parent / "pictures"
COLUMNS, ENLARGED, CAPTION = 6, 5, 46  # digits a row, and px
WIDTH = ENLARGED * SIDE  # px
PITCH = CAPTION + WIDTH + 22  # px

PEN = 2.6  # px; the strokes of digits of this size are two to four pixels wide
MARGIN = 4  # px round the box of 20 x 20 pixels that the strokes are in

Stroke = Sequence[tuple[float, float]]  # points that a line passes through, x to the right and y downwards
STROKES: dict[str, tuple[Stroke, ...]] = {
    "2": (
        ((5, 6), (7, 2.9), (11.5, 2.4), (14.2, 5.4), (12.6, 9.4), (8.4, 13.6), (4.6, 17)),
        ((4.6, 17), (9, 16.4), (15.6, 17.2)),
    ),
    "3": (
        ((5.2, 4), (9, 2.2), (13.4, 3.4), (13.2, 7), (9, 9.2)),
        ((9, 9.2), (13.8, 10.6), (14.6, 14.4), (11, 17.6), (4.8, 16.6)),
    ),
    "4": (
        ((6.6, 2.6), (5.8, 7), (4.6, 11.4), (9, 11.2), (16, 10.6)),
        ((13, 2.2), (12.4, 9), (11.6, 18)),
    ),
    "5": (
        ((15, 2.6), (7, 3)),
        ((7, 3), (6.2, 8.6), (10.8, 7.8), (14.8, 11), (13.4, 15.6), (9, 17.6), (4.6, 16)),
    ),
    "7": (
        ((4.6, 4), (9.4, 3.2), (15.2, 3)),
        ((15.2, 3), (11.6, 9), (8.6, 18)),
    ),
    "9": (
        (
            *((14, 5.4), (10.6, 2.4), (6.4, 4.4), (6.2, 8.4), (9.6, 9.8)),
            *((13.2, 7.6), (14, 5.2), (13.4, 11), (12, 18)),
        ),
    ),
}


@dataclass(frozen=True)
class Picture:
    """One transformation at three strengths: its title, a sentence, and what is said of each strength."""

    title: str
    text: str
    rows: tuple[tuple[float, str, str], ...]  # strength, its name, a remark
    seed: int  # chosen so that six draws show the range


SAME = "The same random numbers in every row."
PICTURES = {
    "rotation": Picture(
        "Rotation: each digit turned its own way",
        SAME,
        (
            (7.5, "up to 7.5°", "mild"),
            (15, "up to 15°", "usual"),
            (45, "up to 45°", "too far: nobody writes like this"),
        ),
        seed=17694,
    ),
    "scaling": Picture(
        "Scaling: wider or narrower, taller or flatter",
        "Width and height separately. " + SAME,
        (
            (0.1, "up to 10 %", "mild"),
            (0.2, "up to 20 %", "usual"),
            (0.5, "up to 50 %", "too far: nobody writes like this"),
        ),
        seed=346,
    ),
    "shear": Picture(
        "Shear: each digit slanted its own way",
        SAME,
        (
            (7.5, "up to 7.5°", "mild"),
            (15, "up to 15°", "usual"),
            (45, "up to 45°", "too far: nobody writes like this"),
        ),
        seed=9241,
    ),
    "translation": Picture(
        "Translation: each digit moved its own way",
        "Moves go to fractions of a pixel. " + SAME,
        (
            (1, "up to 1 pixel", "mild"),
            (2, "up to 2 pixels", "usual"),
            (6, "up to 6 pixels", "for digits that are not centred, as MNIST's are"),
        ),
        seed=18289,
    ),
    "elastic": Picture(
        "Elastic distortion: a hand that trembles",
        "Random fields, smooth over 4 pixels. " + SAME,
        (
            (17, "alpha 17", "pixels move by 0.7 pixels or so: mild"),
            (34, "alpha 34", "by 1.4 pixels or so: as published"),
            (68, "alpha 68", "by 2.8 pixels or so: too far"),
        ),
        seed=2,
    ),
    "thickness": Picture(
        "Thickness: another pen",
        "Edges of strokes move out or in. " + SAME,
        (
            (0.25, "up to 0.25 pixels", "mild"),
            (0.5, "up to 0.5 pixels", "usual"),
            (1, "up to 1 pixel", "the most there is: thin strokes fade"),
        ),
        seed=3365,
    ),
    "sharpness": Picture(
        "Sharpness: a mouse instead of a pen",
        "Soft edges become steeper. " + SAME,
        (
            (1, "up to 2 times", "mild"),
            (4, "up to 5 times", "usual"),
            (20, "up to 21 times", "black or white, and nothing between"),
        ),
        seed=11,
    ),
    "erasing": Picture(
        "Erasing: something lies on the digit",
        "A rectangle of any grey. " + SAME,
        (
            (0.25, "1 in 4", "mild"),
            (0.5, "1 in 2", "usual"),
            (1, "every one", "too far: none is seen whole"),
        ),
        seed=14842,
    ),
}
HABITS = {
    "1 with an up-stroke": digit_styles.one_with_upstroke,
    "1 with a foot": digit_styles.one_with_foot,
    "7 with a bar": digit_styles.seven_crossed,
    "7 with a wave": digit_styles.seven_waved,
    "4, open": digit_styles.four_open,
    "4 with a low bar": digit_styles.four_low,
    "0 with a slash": digit_styles.zero_slashed,
    "0 with a tail": digit_styles.zero_tailed,
    "2, curled": digit_styles.two_curled,
    "9 like a lollipop": digit_styles.nine_lollipop,
}
MANY, SMALL_ENLARGED = 15, 2
TOGETHER = Augmentation(rotation=10, scaling=0.15, shear=10, translation=1, elastic=34, thickness=0.4)


def drawn_digit(strokes: Sequence[Stroke]) -> Tensor:
    """The digit in ink on paper, (1, 28, 28) in [0, 1], its edges one pixel soft."""
    line = np.concatenate([smooth(stroke) for stroke in strokes]) + MARGIN - 0.5
    y, x = np.mgrid[:SIDE, :SIDE]
    distance = np.hypot(x[..., None] - line[:, 0], y[..., None] - line[:, 1]).min(-1)  # (28, 28)
    return torch.tensor(np.clip(PEN / 2 + 0.5 - distance, 0, 1), dtype=torch.float32).unsqueeze(0)


def smooth(stroke: Stroke, steps: int = 24) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Points (N, 2) of a curve through those of the stroke: Catmull and Rom's spline."""
    p = np.array([stroke[0], *stroke, stroke[-1]])
    t = np.linspace(0, 1, steps)[:, None]
    pieces = [
        b + (c - a) * t / 2 + (a - 2.5 * b + 2 * c - d / 2) * t**2 + (1.5 * (b - c) + (d - a) / 2) * t**3
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return np.concatenate(pieces)


def strengths_figure(name: str) -> Figure:
    """The digits as drawn, and below them as one transformation makes them at three strengths."""
    picture = PICTURES[name]
    digits = torch.stack([drawn_digit(strokes) for strokes in STROKES.values()])
    rows = [("as drawn", "", digits)]
    for strength, words, remark in picture.rows:
        how = replace(Augmentation(), **{name: strength})
        rows.append((words, remark, augment(digits, how, torch.Generator().manual_seed(picture.seed))))
    figure, canvas, top = figure_style.open_sheet(picture.title, picture.text, PITCH * len(rows) - 22)
    for words, remark, images in rows:
        figure_style.write(canvas, figure_style.MARGIN, top + 20, words, weight="bold")
        figure_style.write(
            canvas,
            figure_style.WIDTH - figure_style.MARGIN,
            top + 20,
            remark,
            color=figure_style.GREY,
            ha="right",
        )
        _row(canvas, top + CAPTION, images)
        top += PITCH
    return figure


def together_figure() -> Figure:
    """One digit, as drawn and as all transformations of the page but erasing make it."""
    digit = drawn_digit(STROKES["5"])
    others = augment(digit.expand(23, -1, -1, -1), TOGETHER, torch.Generator().manual_seed(0))
    text = "Drawn once, top left. The others were turned, scaled, slanted, moved, bent, thinned or fattened."
    figure, canvas, top = figure_style.open_sheet("One 5 in twenty-four hands", text, 4 * (WIDTH + 22) - 22)
    for images in torch.cat([digit[None], others]).split(COLUMNS):
        _row(canvas, top, images)
        top += WIDTH + 22
    return figure


def habits_figure() -> Figure:
    """Fifteen images of each kind of digit that `--synthetic` adds most of."""
    text = (
        "A pen's path, with a writer's chance: points missed a little, leaning, wide or narrow, thin or bold."
    )
    size = SIDE * SMALL_ENLARGED
    figure, canvas, top = figure_style.open_sheet(
        "Digits drawn in code, in hands that MNIST lacks", text, len(HABITS) * (CAPTION + size + 8) - 8
    )
    numbers = np.random.default_rng(5)
    for words, habit in HABITS.items():
        figure_style.write(canvas, figure_style.MARGIN, top + 26, words, weight="bold")
        for x, y in figure_style.grid(MANY, MANY, size, 0, top + CAPTION):
            image = render(handwritten(habit(numbers), numbers), pen=float(numbers.uniform(1.8, 3.4)))
            figure_style.draw_image(canvas, x, y, image, SMALL_ENLARGED, limits=(0, 1))
        top += CAPTION + size + 8
    return figure


def upright_figure() -> Figure:
    """The digits leaning to either side, and below each what a network with `--view upright` sees."""
    digits = torch.stack([drawn_digit(strokes) for strokes in STROKES.values()])
    text = "Rows move sideways until right and left do not depend on high and low."
    figure, canvas, top = figure_style.open_sheet("Upright: what leaned stands", text, PITCH * 4 - 22)
    for words, degrees in (("leaning right", 25.0), ("leaning left", -25.0)):
        leaning = slanted(digits, degrees)
        for title, images in ((f"{words} by {abs(degrees):g}°", leaning), ("set upright", upright(leaning))):
            figure_style.write(canvas, figure_style.MARGIN, top + 20, title, weight="bold")
            _row(canvas, top + CAPTION, images)
            top += PITCH
    return figure


def slanted(images: Tensor, degrees: float) -> Tensor:
    """All of them slanted alike."""
    numbers = torch.zeros(len(images), UNIFORM)
    numbers[:, AFFINE.start + 3] = math.copysign(1, degrees)  # the slant, of six numbers in that order
    return distort(images, Augmentation(shear=abs(degrees)), numbers)


def _row(canvas: Axes, top: float, images: Tensor) -> None:
    """Images beside each other, from margin to margin."""
    places = figure_style.grid(len(images), COLUMNS, WIDTH, 0, top)
    for (x, y), image in zip(places, images, strict=True):
        figure_style.draw_image(canvas, x, y, image[0].numpy(), ENLARGED, limits=(0, 1))


def main(folder: Path) -> None:
    """Write all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    figure_style.save_png(together_figure(), folder / "augmentation.png")
    figure_style.save_png(upright_figure(), folder / "augmentation-upright.png")
    figure_style.save_png(habits_figure(), folder / "augmentation-drawn.png")
    for name in PICTURES:
        figure_style.save_png(strengths_figure(name), folder / f"augmentation-{name}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    main(parser.parse_args().folder)
