"""Draw test images with their most probable classes as a figure."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
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
from digits.matplotlib_classes import Axes, Figure, Rectangle
from digits.mnist import SIDE

MAX_PREDICTIONS = 24  # images in the figure
PROBABILITY_BAR_HEIGHT = 32  # px; height of a bar and the space around it
BARS = 3  # number of bars below each image


def predictions_figure(images: Tensor, labels: Tensor, logits: Tensor, class_names: Sequence[str]) -> Figure:
    """Draw the first 24 images with their most probable classes.

    Args:
        images: the test set, uint8 (N, 28, 28) in 0..255, white ink on black.
        labels: the true classes, integers (N,).
        logits: float (N, classes).
        class_names: names of the classes, from class 0 on.

    Returns:
        A Matplotlib figure.
    """
    narrow = max(map(len, class_names)) <= SHORT_NAME
    columns, enlarged = (6, 5) if narrow else (4, 8)  # images in a row, px for each pixel
    shown = range(min(len(images), MAX_PREDICTIONS))
    chances = probabilities(logits[: len(shown)])
    right = int((chances.argmax(1) == labels[: len(shown)].cpu()).sum())
    title = f"{right} of these {len(shown)} test images read right"
    text = "The most probable classes. Bold on blue: the true class. Orange: a wrong prediction."
    width = enlarged * SIDE
    pitch = width + 8 + BARS * PROBABILITY_BAR_HEIGHT + ROW_GAP
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
    """Draw a bar for each of the three most probable classes.

    Args:
        canvas: axes that cover the figure, with x and y in px.
        x, y: top left corner of the first bar in px.
        width: width in px of a bar with probability 1.
        chances: class probabilities, float (classes,).
        truth: index of the true class.
        class_names: names of the classes, from class 0 on.
    """
    ranked = np.argsort(-chances, kind="stable")[:BARS]
    if truth not in ranked:  # the true class always gets a bar
        ranked[-1] = truth
    for row, answer in enumerate(ranked):
        colour = PALE_BLUE if answer == truth else PALE_VERMILLION if row == 0 else LIGHT_GREY
        top, middle = y + row * PROBABILITY_BAR_HEIGHT, y + (row + 0.5) * PROBABILITY_BAR_HEIGHT
        canvas.add_patch(
            Rectangle((x, top + 2), width, PROBABILITY_BAR_HEIGHT - 4, color=PALE_GREY, linewidth=0)
        )
        canvas.add_patch(
            Rectangle(
                (x, top + 2), width * chances[answer], PROBABILITY_BAR_HEIGHT - 4, color=colour, linewidth=0
            )
        )
        weight = "bold" if answer == truth else "normal"
        write(canvas, x + 6, middle, class_names[answer], SMALL_SIZE, weight=weight)
        write(canvas, x + width - 6, middle, whole_percent(chances[answer]), SMALL_SIZE, ha="right")
