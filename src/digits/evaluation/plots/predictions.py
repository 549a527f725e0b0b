"""The figure of test images with the network's most probable classes."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from digits.evaluation.logits import probabilities
from digits.evaluation.plots.mistakes import SHORT_NAME
from digits.figure_style import (
    LIGHT_GREY,
    PALE_BLUE,
    PALE_GREY,
    PALE_VERMILLION,
    ROW_GAP,
    SMALL_SIZE,
    VERMILLION,
    draw_image,
    grid,
    open_sheet,
    whole_percent,
    write,
)
from digits.mnist import SIDE

MAX_PREDICTIONS = 24  # images in the figure
BAR_HEIGHT = 32  # px
BARS = 3  # for each image


def predictions_figure(images: Tensor, labels: Tensor, logits: Tensor, class_names: Sequence[str]) -> Figure:
    """Draw the first 24 images, each with bars for its three most probable classes.

    Arguments as for `mistakes_figure`. Returns a Matplotlib figure.
    """
    narrow = max(map(len, class_names)) <= SHORT_NAME
    columns, enlarged = (6, 5) if narrow else (4, 8)  # images in a row, px for each pixel
    shown = range(min(len(images), MAX_PREDICTIONS))
    chances = probabilities(logits[: len(shown)])
    right = int((chances.argmax(1) == labels[: len(shown)].cpu()).sum())
    title = f"{right} of these {len(shown)} test images read right"
    text = "The network's likeliest answers. Bold on blue: the truth. Orange: wrong."
    width = enlarged * SIDE
    pitch = width + 8 + BARS * BAR_HEIGHT + ROW_GAP
    figure, canvas, top = open_sheet(title, text, pitch * math.ceil(len(shown) / columns) - ROW_GAP)
    for (x, y), i in zip(grid(len(shown), columns, width, pitch, top), shown, strict=True):
        wrong = chances[i].argmax() != labels[i]
        draw_image(canvas, x, y, images[i].cpu().numpy(), enlarged, frame=VERMILLION if wrong else LIGHT_GREY)
        _draw_bars(canvas, x, y + width + 8, width, chances[i].numpy(), int(labels[i]), class_names)
    return figure


def _draw_bars(
    canvas: Axes,
    x: float,
    y: float,
    width: float,
    chances: npt.NDArray[Any],
    truth: int,
    class_names: Sequence[str],
) -> None:
    """Draw the bars of one image, from (x, y) downwards: its most probable classes and the true one.

    `chances` has the probabilities (classes,), and `truth` is the index of the true class. If the true class
    is not among the most probable ones, it takes the place of the last.
    """
    ranked = np.argsort(-chances, kind="stable")[:BARS]
    if truth not in ranked:
        ranked[-1] = truth
    for row, answer in enumerate(ranked):
        colour = PALE_BLUE if answer == truth else PALE_VERMILLION if row == 0 else LIGHT_GREY
        top, middle = y + row * BAR_HEIGHT, y + (row + 0.5) * BAR_HEIGHT
        canvas.add_patch(Rectangle((x, top + 2), width, BAR_HEIGHT - 4, color=PALE_GREY, linewidth=0))
        canvas.add_patch(
            Rectangle((x, top + 2), width * chances[answer], BAR_HEIGHT - 4, color=colour, linewidth=0)
        )
        weight = "bold" if answer == truth else "normal"
        write(canvas, x + 6, middle, class_names[answer], SMALL_SIZE, weight=weight)
        write(canvas, x + width - 6, middle, whole_percent(chances[answer]), SMALL_SIZE, ha="right")
