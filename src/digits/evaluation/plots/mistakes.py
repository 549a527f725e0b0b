"""Draw the wrongly classified images with the highest confidence as a figure."""

import math
from collections.abc import Sequence

from torch import Tensor

from digits.evaluation.logits import probabilities
from digits.evaluation.metrics import most_confident_mistakes
from digits.figure_style import (
    BLUE,
    ROW_GAP,
    SMALL_SIZE,
    VERMILLION,
    WIDTH,
    draw_image,
    grid,
    open_sheet,
    percent,
    write,
)
from digits.matplotlib_classes import Circle, Figure
from digits.mnist import SIDE

MAX_MISTAKES = 25  # images in the figure
SHORT_NAME = 1  # characters; a longer class name needs a wider column


def mistakes_figure(images: Tensor, labels: Tensor, logits: Tensor, class_names: Sequence[str]) -> Figure:
    """Draw the mistakes with the highest confidence.

    The confidence of an image is the probability of its predicted class.

    Args:
        images: the whole test set, uint8 (N, 28, 28) in 0..255, white ink on black.
        labels: the true classes, integers (N,).
        logits: float (N, classes).
        class_names: names of the classes, from class 0 on.

    Returns:
        A Matplotlib figure with at most 25 images.
    """
    wrong = most_confident_mistakes(logits, labels, len(labels))
    if len(wrong) == 0:
        return _no_mistakes_figure(len(labels))
    narrow = max(map(len, class_names)) <= SHORT_NAME
    # Number of images in a row; px of the figure for each pixel of an image; height of the caption in px.
    columns, enlarged, caption = (5, 6, 42) if narrow else (4, 8, 72)
    shown = wrong[: MAX_MISTAKES // columns * columns].tolist()
    title = f"{len(wrong):,} of {len(labels):,} test images read wrong"
    which = f"The {len(shown)} it was surest of" if len(shown) < len(wrong) else "Surest first"
    text = f"{which}: truth → the network's answer, and how sure it was."
    width = enlarged * SIDE
    pitch = width + caption + ROW_GAP
    figure, canvas, top = open_sheet(title, text, pitch * math.ceil(len(shown) / columns) - ROW_GAP)
    chances, answers = (column.tolist() for column in probabilities(logits[shown]).max(1))
    places = grid(len(shown), columns, width, pitch, top)
    for (x, y), i, answer, chance in zip(places, shown, answers, chances, strict=True):
        draw_image(canvas, x, y, images[i].cpu().numpy(), enlarged)
        truth, last = f"{class_names[int(labels[i])]} →", y + width + caption - 18
        if narrow:
            write(canvas, x, last, f"{truth} {class_names[answer]}", weight="bold")
        else:
            write(canvas, x, last - 30, truth, SMALL_SIZE)
            write(canvas, x, last, class_names[answer], SMALL_SIZE, weight="bold")
        write(canvas, x + width, last, percent(chance), SMALL_SIZE, color=VERMILLION, ha="right")
    return figure


def _no_mistakes_figure(total: int) -> Figure:
    """Draw a check mark for a network without mistakes.

    Args:
        total: number of test images.
    """
    title = f"All {total:,} test images read right"
    figure, canvas, top = open_sheet(
        title, "There are no mistakes to show. Try harder images, such as your own handwriting.", 300
    )
    x, y = WIDTH / 2, top + 140
    canvas.add_patch(Circle((x, y), 120, color=BLUE, linewidth=0))
    canvas.plot([x - 52, x - 14, x + 56], [y + 4, y + 44, y - 42], color="white", linewidth=9)
    return figure
