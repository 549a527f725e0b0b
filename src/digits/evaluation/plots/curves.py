"""Draw the learning curves, accuracy and loss of each epoch, as a figure."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.evaluation.epoch import Epoch
from digits.evaluation.plots.panels import NAME_HEIGHT, add_panel
from digits.figure_style import (
    BLUE,
    FONT,
    GREY,
    TEXT_SIZE,
    VERMILLION,
    open_sheet,
    percent,
    write,
)
from digits.matplotlib_classes import Axes, Figure, FuncFormatter

ACCURACY_HEIGHT, LOSS_HEIGHT = 400, 310  # px; heights of the two panels
PANEL_GAP = 70  # px; free space below each panel
MAX_MARKED_EPOCHS = 30  # up to this number of epochs, each epoch is marked by a dot on the line


def curves_figure(epochs: Sequence[Epoch]) -> Figure:
    """Draw the accuracy and the loss of all epochs.

    A ring marks the epoch with the highest validation accuracy.

    Args:
        epochs: at least one epoch, in order.

    Returns:
        A Matplotlib figure.
    """
    # If several epochs have the highest accuracy, the one with the lowest validation loss is the best.
    best = min(
        epochs, key=lambda e: (-_finite_or(e.val_accuracy, -math.inf), _finite_or(e.val_loss, math.inf))
    )
    title = f"{percent(best.val_accuracy)} of the validation images read right"
    best_of = "" if len(epochs) == 1 else f"Ringed: the best of {len(epochs)} epochs, number {best.number}. "
    note = "Training figures are averages while the network still learns."
    figure, canvas, top = open_sheet(title, best_of + note, ACCURACY_HEIGHT + LOSS_HEIGHT + 2 * PANEL_GAP)
    accuracy = add_panel(figure, canvas, top, ACCURACY_HEIGHT, "Accuracy")
    accuracy.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g} %"))
    _draw_curves(accuracy, epochs, lambda e: (e.train_accuracy, e.val_accuracy), percent, epochs.index(best))
    loss = add_panel(figure, canvas, top + ACCURACY_HEIGHT + PANEL_GAP, LOSS_HEIGHT, "Loss")
    loss.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:.3g}"))
    _draw_curves(loss, epochs, lambda e: (e.train_loss, e.val_loss), _format_loss, epochs.index(best))
    loss.set_xlabel("epoch", fontsize=TEXT_SIZE, color=GREY, fontfamily=FONT)
    return figure


def _draw_curves(
    panel: Axes,
    epochs: Sequence[Epoch],
    values: Callable[[Epoch], tuple[float, float]],
    format_value: Callable[[float], str],
    best: int,
) -> None:
    """Draw one line for training and one line for validation.

    Args:
        panel: the axes to draw in.
        epochs: the epochs to draw.
        values: returns the training value and the validation value of an epoch.
        format_value: returns a value as text, for the end of its line.
        best: index of the epoch whose validation value gets a ring.
    """
    numbers = [epoch.number for epoch in epochs]
    lines = np.array([values(epoch) for epoch in epochs], dtype=float).T  # (2, epochs)
    lines[~np.isfinite(lines)] = math.nan  # gives a gap in the line
    marker = "o" if len(epochs) <= MAX_MARKED_EPOCHS else ""
    style: dict[str, Any] = {"marker": marker, "markersize": 3.5, "linewidth": 2, "clip_on": False}
    for line, colour in zip(lines, (VERMILLION, BLUE), strict=True):
        panel.plot(numbers, line, color=colour, **style)
    ring: dict[str, Any] = {
        "markersize": 11,
        "markerfacecolor": "none",
        "markeredgewidth": 1.5,
        "clip_on": False,
    }
    panel.plot(numbers[best], lines[1][best], "o", color=BLUE, **ring)
    room = 0.02 * (numbers[-1] - numbers[0]) or 0.5
    panel.set_xlim(numbers[0] - room, numbers[-1] + room)
    _write_names(panel, lines, format_value)


def _write_names(panel: Axes, lines: npt.NDArray[Any], format_value: Callable[[float], str]) -> None:
    """Write the name and the last value beside each line.

    Args:
        panel: the axes with the two lines.
        lines: training values and validation values, float (2, epochs).
        format_value: returns a value as text.
    """
    panel.get_ylim()  # this call makes Matplotlib choose the limits, which the positions below depend on
    ends = [line[np.isfinite(line)][-1:] for line in lines]  # each (1,), or (0,) without a finite value
    heights = [panel.transData.transform((0, end[0]))[1] if len(end) else panel.bbox.y0 for end in ends]
    middle, lower = sum(heights) / 2, int(heights[1] <= heights[0])
    # If the two texts would overlap, they are moved apart.
    distance = max(abs(heights[0] - heights[1]), NAME_HEIGHT)
    for i, (name, colour) in enumerate((("training", VERMILLION), ("validation", BLUE))):
        height = middle + distance / 2 * (-1 if i == lower else 1)
        place = panel.transAxes.inverted().transform((0, height))[1]
        text = f"{name}\n{format_value(lines[i][-1])}"
        write(panel, 1.02, place, text, color=colour, transform=panel.transAxes, va="center")


def _finite_or(value: float, otherwise: float) -> float:
    """Replace NaN and infinity by `otherwise`."""
    return value if math.isfinite(value) else otherwise


def _format_loss(value: float) -> str:
    """Return a loss as text, such as "0.0512".

    From 1,000 on, it is in scientific notation, such as "1.2e+03".
    """
    if not math.isfinite(value):
        return "not a number"
    return f"{value:.4f}" if value < 1000 else f"{value:.1e}"
