"""Plot the confusion matrix."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from digits.evaluation.metrics import Evaluation
from digits.figure_style import (
    GLYPH,
    GREY,
    LINE,
    MARGIN,
    PAPER,
    POINT,
    SMALL,
    TEXT,
    VERMILLION,
    WIDTH,
    Array,
    hundredths,
    open_sheet,
    percent,
    wrapped,
    write,
)

MISTAKES = LinearSegmentedColormap.from_list("mistakes", [PAPER, "#fbd9bd", "#f0a06a", VERMILLION])


ROW, HEADER, SLANTED_HEADER = 66, 64, 130  # px


def confusion_figure(evaluation: Evaluation, class_names: Sequence[str]) -> Figure:
    """How many images of each class were read as which, the mistakes standing out by colour."""
    counts = np.array(evaluation.confusion)
    low, high = evaluation.interval
    title = f"{percent(evaluation.accuracy)} of {evaluation.total:,} test images read right"
    text = f"95 % interval {hundredths(low)} to {percent(high)}. {_worst_confusion(counts, class_names)}"
    longest = max(map(len, class_names)) * GLYPH * TEXT * POINT  # px
    left = MARGIN + 20 + max(longest, len("precision") * GLYPH * TEXT * POINT)
    column = (WIDTH - MARGIN - left) / (len(counts) + 1)
    header = SLANTED_HEADER if longest > column else HEADER
    body = ROW * (len(counts) + 1)
    figure, canvas, top = open_sheet(title, text, header + body + 70)
    top += header
    _class_labels(canvas, class_names, left, top, column, slanted=longest > column)
    _cells(canvas, counts, left, top, column)
    for i, figures in enumerate(evaluation.per_class):
        recall = hundredths(figures.recall, 1) if figures.support else "–"
        precision = hundredths(figures.precision, 1) if counts[:, i].any() else "–"
        write(canvas, left + (len(counts) + 0.5) * column, top + (i + 0.5) * ROW, recall, SMALL, ha="center")
        write(canvas, left + (i + 0.5) * column, top + body - ROW / 2, precision, SMALL, ha="center")
    note = (
        "Recall (%): of the images of a class, the share read as it. "
        "Precision (%): of the images read as a class, the share that are of it."
    )
    write(canvas, MARGIN, top + body + 16, wrapped(note, SMALL), SMALL, color=GREY, va="top")
    return figure


def _worst_confusion(counts: Array, class_names: Sequence[str]) -> str:
    """The most frequent mistake as a sentence."""
    wrong = counts - np.diag(np.diag(counts))
    truth, guess = divmod(int(wrong.argmax()), len(wrong))
    if not wrong[truth, guess]:
        return "No mistakes."
    times = "once" if wrong[truth, guess] == 1 else f"{wrong[truth, guess]:,} times"
    return f"Most often wrong: {class_names[truth]} read as {class_names[guess]}, {times}."


def _class_labels(
    canvas: Axes, class_names: Sequence[str], left: float, top: float, column: float, *, slanted: bool
) -> None:
    """Name the rows and columns of the table whose top left corner is given."""
    slant: dict[str, Any] = {"rotation": 45, "rotation_mode": "anchor"} if slanted else {}
    for i, name in enumerate([*class_names, "recall"]):
        x, y = left + (i + 0.5) * column, top - 14
        write(canvas, x, y, name, ha="left" if slanted else "center", va="baseline", **slant)
    for i, name in enumerate([*class_names, "precision"]):
        write(canvas, left - 12, top + (i + 0.5) * ROW, name, ha="right")
    write(canvas, left - 12, top - 10, "read as →\ntrue ↓", SMALL, color=GREY, ha="right", va="bottom")


def _cells(canvas: Axes, counts: Array, left: float, top: float, column: float) -> None:
    """The counts of at least 1, row by row; mistakes coloured by their number, right answers grey."""
    most = max(1, (counts - np.diag(np.diag(counts))).max())
    size = min(SMALL, 0.9 * column / (len(str(counts.max())) * GLYPH * POINT))
    for (truth, guess), count in np.ndenumerate(counts):
        x, y, right, share = left + guess * column, top + truth * ROW, truth == guess, count / most
        colour = LINE if right else MISTAKES(share)
        canvas.add_patch(Rectangle((x + 2, y + 2), column - 4, ROW - 4, color=colour, linewidth=0))
        if count:
            style = {"color": GREY} if right else {"weight": "bold"}
            write(canvas, x + column / 2, y + ROW / 2, str(count), size, ha="center", **style)
