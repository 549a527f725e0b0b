"""Plot test images with the network's most likely answers."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from digits.evaluation.logits import probabilities
from digits.evaluation.plots.mistakes import SHORT_NAME
from digits.figure_style import (
    LINE,
    PALE_BLUE,
    PALE_VERMILLION,
    PAPER,
    ROW_GAP,
    SMALL,
    VERMILLION,
    Array,
    draw_image,
    grid,
    open_sheet,
    whole_percent,
    write,
)
from digits.mnist import SIDE

MAX_PREDICTIONS = 24


BAR = 32  # px
ANSWERS = 3  # bars an image


def predictions_figure(images: Tensor, labels: Tensor, logits: Tensor, class_names: Sequence[str]) -> Figure:
    """The first of images uint8 (N, 28, 28), each with its most probable answers as bars.

    labels (N,), logits (N, classes).
    """
    narrow = max(map(len, class_names)) <= SHORT_NAME
    columns, enlarged = (6, 5) if narrow else (4, 8)
    shown = range(min(len(images), MAX_PREDICTIONS))
    chances = probabilities(logits[: len(shown)])
    right = int((chances.argmax(1) == labels[: len(shown)].cpu()).sum())
    title = f"{right} of these {len(shown)} test images read right"
    text = "The network's likeliest answers. Bold on blue: the truth. Orange: wrong."
    width = enlarged * SIDE
    pitch = width + 8 + ANSWERS * BAR + ROW_GAP
    figure, canvas, top = open_sheet(title, text, pitch * math.ceil(len(shown) / columns) - ROW_GAP)
    for (x, y), i in zip(grid(len(shown), columns, width, pitch, top), shown, strict=True):
        wrong = chances[i].argmax() != labels[i]
        draw_image(canvas, x, y, images[i].cpu().numpy(), enlarged, frame=VERMILLION if wrong else LINE)
        _bars(canvas, x, y + width + 8, width, chances[i].numpy(), int(labels[i]), class_names)
    return figure


def _bars(
    canvas: Axes, x: float, y: float, width: float, chances: Array, truth: int, class_names: Sequence[str]
) -> None:
    """Bars of the most probable classes, the true one always among them."""
    ranked = np.argsort(-chances, kind="stable")[:ANSWERS]
    if truth not in ranked:
        ranked[-1] = truth
    for row, answer in enumerate(ranked):
        colour = PALE_BLUE if answer == truth else PALE_VERMILLION if row == 0 else LINE
        top, middle = y + row * BAR, y + (row + 0.5) * BAR
        canvas.add_patch(Rectangle((x, top + 2), width, BAR - 4, color=PAPER, linewidth=0))
        canvas.add_patch(Rectangle((x, top + 2), width * chances[answer], BAR - 4, color=colour, linewidth=0))
        weight = "bold" if answer == truth else "normal"
        write(canvas, x + 6, middle, class_names[answer], SMALL, weight=weight)
        write(canvas, x + width - 6, middle, whole_percent(chances[answer]), SMALL, ha="right")
