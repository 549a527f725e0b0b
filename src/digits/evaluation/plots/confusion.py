"""Draw the confusion matrix as a figure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.evaluation.metrics import Evaluation
from digits.figure_style import (
    DIGIT_WIDTH,
    GREY,
    LIGHT_GREY,
    MARGIN,
    PALE_GREY,
    PX_PER_POINT,
    SMALL_SIZE,
    TEXT_SIZE,
    VERMILLION,
    WIDTH,
    open_sheet,
    percent,
    percent_number,
    wrapped,
    write,
)
from digits.matplotlib_classes import Axes, Figure, LinearSegmentedColormap, Rectangle

# Colours of the cells with mistakes, from the rarest mistake to the most frequent one.
MISTAKE_COLOURS = LinearSegmentedColormap.from_list("mistakes", [PALE_GREY, "#fbd9bd", "#f0a06a", VERMILLION])
CELL_HEIGHT = 66  # px; height of a row of the table
HEADER_HEIGHT = 64  # px; height of the line with the class names above the table
SLANTED_HEADER_HEIGHT = 130  # px; the same for long names, which are rotated by 45 degrees


def confusion_figure(evaluation: Evaluation, class_names: Sequence[str]) -> Figure:
    """Draw a confusion matrix with recall and precision.

    A row is a true class, and a column is a predicted class.

    Args:
        evaluation: the result for the test images.
        class_names: names of the classes, from class 0 on.

    Returns:
        A Matplotlib figure.
    """
    counts = np.array(evaluation.confusion)
    low, high = evaluation.interval
    title = f"{percent(evaluation.accuracy)} of {evaluation.total:,} test images read right"
    text = f"95 % interval {percent_number(low)} to {percent(high)}. {_worst_confusion(counts, class_names)}"
    longest = max(map(len, class_names)) * DIGIT_WIDTH * TEXT_SIZE * PX_PER_POINT  # px
    left = MARGIN + 20 + max(longest, len("precision") * DIGIT_WIDTH * TEXT_SIZE * PX_PER_POINT)
    column = (WIDTH - MARGIN - left) / (len(counts) + 1)
    header = SLANTED_HEADER_HEIGHT if longest > column else HEADER_HEIGHT
    body = CELL_HEIGHT * (len(counts) + 1)
    figure, canvas, top = open_sheet(title, text, header + body + 70)
    top += header
    _write_class_names(canvas, class_names, left, top, column, slanted=longest > column)
    _draw_cells(canvas, counts, left, top, column)
    for i, figures in enumerate(evaluation.per_class):
        recall = "–" if figures.recall is None else percent_number(figures.recall, 1)
        precision = "–" if figures.precision is None else percent_number(figures.precision, 1)
        end = left + (len(counts) + 0.5) * column
        write(canvas, end, top + (i + 0.5) * CELL_HEIGHT, recall, SMALL_SIZE, ha="center")
        write(
            canvas,
            left + (i + 0.5) * column,
            top + body - CELL_HEIGHT / 2,
            precision,
            SMALL_SIZE,
            ha="center",
        )
    note = (
        "Recall (%): of the images of a class, the share read as it. "
        "Precision (%): of the images read as a class, the share that are of it."
    )
    write(canvas, MARGIN, top + body + 16, wrapped(note, SMALL_SIZE), SMALL_SIZE, color=GREY, va="top")
    return figure


def _worst_confusion(counts: npt.NDArray[Any], class_names: Sequence[str]) -> str:
    """Write a sentence about the most frequent mistake.

    Args:
        counts: confusion matrix, (classes, classes).
        class_names: names of the classes, from class 0 on.
    """
    wrong = counts - np.diag(np.diag(counts))
    truth, guess = divmod(int(wrong.argmax()), len(wrong))
    if not wrong[truth, guess]:
        return "No mistakes."
    times = "once" if wrong[truth, guess] == 1 else f"{wrong[truth, guess]:,} times"
    return f"Most often wrong: {class_names[truth]} read as {class_names[guess]}, {times}."


def _write_class_names(
    canvas: Axes, class_names: Sequence[str], left: float, top: float, column: float, *, slanted: bool
) -> None:
    """Write the names of the table's rows and columns.

    Args:
        canvas: axes that cover the figure, with x and y in px.
        class_names: names of the classes, from class 0 on.
        left, top: top left corner of the table in px.
        column: width of a column in px.
        slanted: rotate the names of the columns by 45 degrees.
    """
    slant: dict[str, Any] = {"rotation": 45, "rotation_mode": "anchor"} if slanted else {}
    for i, name in enumerate([*class_names, "recall"]):
        x, y = left + (i + 0.5) * column, top - 14
        write(canvas, x, y, name, ha="left" if slanted else "center", va="baseline", **slant)
    for i, name in enumerate([*class_names, "precision"]):
        write(canvas, left - 12, top + (i + 0.5) * CELL_HEIGHT, name, ha="right")
    write(canvas, left - 12, top - 10, "read as →\ntrue ↓", SMALL_SIZE, color=GREY, ha="right", va="bottom")


def _draw_cells(canvas: Axes, counts: npt.NDArray[Any], left: float, top: float, column: float) -> None:
    """Draw the cells of the table with their counts.

    Args:
        canvas: axes that cover the figure, with x and y in px.
        counts: confusion matrix, (classes, classes).
        left, top: top left corner of the table in px.
        column: width of a column in px.
    """
    most = max(1, (counts - np.diag(np.diag(counts))).max())
    size = min(SMALL_SIZE, 0.9 * column / (len(str(counts.max())) * DIGIT_WIDTH * PX_PER_POINT))
    for (truth, guess), count in np.ndenumerate(counts):
        x, y, right, share = left + guess * column, top + truth * CELL_HEIGHT, truth == guess, count / most
        # Correct predictions are grey. In the other cells, more mistakes give a darker colour.
        colour = LIGHT_GREY if right else MISTAKE_COLOURS(share)
        canvas.add_patch(Rectangle((x + 2, y + 2), column - 4, CELL_HEIGHT - 4, color=colour, linewidth=0))
        if count:
            style = {"color": GREY} if right else {"weight": "bold"}
            write(canvas, x + column / 2, y + CELL_HEIGHT / 2, str(count), size, ha="center", **style)
