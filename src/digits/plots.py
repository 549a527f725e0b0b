"""Matplotlib pictures of a run, each a PNG whose title says what was found.

Every picture is two functions: `..._figure` builds the Figure, its namesake saves it. How all of them look
is said in `canvas`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from torch import Tensor

from digits.canvas import (
    BLUE,
    FONT,
    GLYPH,
    GREY,
    LINE,
    MARGIN,
    PALE_BLUE,
    PALE_VERMILLION,
    PAPER,
    POINT,
    ROW_GAP,
    SMALL,
    TEXT,
    VERMILLION,
    WIDTH,
    Array,
    draw_image,
    grid,
    hundredths,
    open_sheet,
    percent,
    save_png,
    whole_percent,
    wrapped,
    write,
)
from digits.data import SIDE
from digits.evaluate import Evaluation, most_confident_mistakes, probabilities

MISTAKES = LinearSegmentedColormap.from_list("mistakes", [PAPER, "#fbd9bd", "#f0a06a", VERMILLION])
WEIGHTS = "RdBu_r"  # white at 0; safe for colour-blind eyes: Harrower and Brewer, "ColorBrewer.org", 2003

MAX_MISTAKES = 25
MAX_PREDICTIONS = 24
MAX_NEURONS = 64
UNSATURATED = 0.9995  # of the weights; a few extreme ones would leave all others pale
SHORT_NAME = 1  # character; longer class names need wider columns


class Epoch(Protocol):
    """One epoch's figures; accuracies are fractions, the first epoch is number 1."""

    @property
    def number(self) -> int: ...
    @property
    def train_loss(self) -> float: ...
    @property
    def train_accuracy(self) -> float: ...
    @property
    def val_loss(self) -> float: ...
    @property
    def val_accuracy(self) -> float: ...


class Trial(Protocol):
    """One trial of a search; accuracies are fractions, on validation images, epoch by epoch."""

    @property
    def number(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def accuracies(self) -> tuple[float, ...]: ...
    @property
    def accuracy(self) -> float: ...


# ---------------------------------------------------------------------------------------------- saving


def curves(epochs: Sequence[Epoch], path: Path) -> None:
    """Save `curves_figure` as the PNG `path`."""
    save_png(curves_figure(epochs), path)


def confusion(evaluation: Evaluation, class_names: Sequence[str], path: Path) -> None:
    """Save `confusion_figure` as the PNG `path`."""
    save_png(confusion_figure(evaluation, class_names), path)


def mistakes(images: Tensor, labels: Tensor, logits: Tensor, class_names: Sequence[str], path: Path) -> None:
    """Save `mistakes_figure` as the PNG `path`."""
    save_png(mistakes_figure(images, labels, logits, class_names), path)


def first_layer(weights: Tensor, path: Path) -> None:
    """Save `first_layer_figure` as the PNG `path`."""
    save_png(first_layer_figure(weights), path)


def predictions(
    images: Tensor, labels: Tensor, logits: Tensor, class_names: Sequence[str], path: Path
) -> None:
    """Save `predictions_figure` as the PNG `path`."""
    save_png(predictions_figure(images, labels, logits, class_names), path)


def tuning(trials: Sequence[Trial], importances: Mapping[str, float], path: Path) -> None:
    """Save `tuning_figure` as the PNG `path`."""
    save_png(tuning_figure(trials, importances), path)


# ---------------------------------------------------------------------------------------------- curves

PANEL_LEFT, PANEL_WIDTH = 104, 716  # px; tick labels stand to the left, the lines' names to the right
NAME_HEIGHT = 64  # px; of a line's name and final value


def curves_figure(epochs: Sequence[Epoch]) -> Figure:
    """Accuracy and loss in training and validation, epoch by epoch, for at least one epoch.

    The best epoch is ringed: highest validation accuracy, then lowest validation loss, then first. A figure
    that is not finite leaves a gap.
    """
    best = min(epochs, key=lambda e: (-_finite(e.val_accuracy, -math.inf), _finite(e.val_loss, math.inf)))
    title = f"{percent(best.val_accuracy)} of the validation images read right"
    best_of = "" if len(epochs) == 1 else f"Ringed: the best of {len(epochs)} epochs, number {best.number}. "
    note = "Training figures are averages while the network still learns."
    figure, canvas, top = open_sheet(title, best_of + note, 850)
    accuracy = _panel(figure, canvas, top, 400, "Accuracy")
    accuracy.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g} %"))
    _curve(accuracy, epochs, lambda e: (e.train_accuracy, e.val_accuracy), percent, epochs.index(best))
    loss = _panel(figure, canvas, top + 470, 310, "Loss")
    loss.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:.3g}"))
    _curve(loss, epochs, lambda e: (e.train_loss, e.val_loss), _loss, epochs.index(best))
    loss.set_xlabel("epoch", fontsize=TEXT, color=GREY, fontfamily=FONT)
    return figure


def _panel(figure: Figure, canvas: Axes, top: float, height: int, name: str) -> Axes:
    """Axes under their name, together `height` px high."""
    write(canvas, MARGIN, top, name, weight="bold", va="top")
    bottom = figure.bbox.height - top - height
    bounds = (PANEL_LEFT, bottom, PANEL_WIDTH, height - 40)
    panel = figure.add_axes(tuple(np.divide(bounds, [*figure.bbox.size] * 2)), facecolor="none")
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.spines["bottom"].set_color(LINE)
    panel.grid(axis="y", color=LINE, linewidth=0.8)
    panel.tick_params(labelsize=SMALL, labelcolor=GREY, labelfontfamily=FONT, length=0)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    return panel


def _curve(
    panel: Axes,
    epochs: Sequence[Epoch],
    values: Callable[[Epoch], tuple[float, float]],
    written: Callable[[float], str],
    best: int,
) -> None:
    """Draw training and validation values, ring validation's `best`, name the lines at their ends."""
    numbers = [epoch.number for epoch in epochs]
    lines = np.array([values(epoch) for epoch in epochs], dtype=float).T  # (2, epochs)
    lines[~np.isfinite(lines)] = math.nan
    marker = "o" if len(epochs) <= 30 else ""
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
    _name_lines(panel, lines, written)


def _name_lines(panel: Axes, lines: Array, written: Callable[[float], str]) -> None:
    """Write name and final value beside the end of each line, apart from each other."""
    panel.get_ylim()  # settles the scale
    ends = [line[np.isfinite(line)][-1:] for line in lines]  # where a line is still seen
    heights = [panel.transData.transform((0, end[0]))[1] if len(end) else panel.bbox.y0 for end in ends]
    middle, lower = sum(heights) / 2, int(heights[1] <= heights[0])
    distance = max(abs(heights[0] - heights[1]), NAME_HEIGHT)
    for i, (name, colour) in enumerate((("training", VERMILLION), ("validation", BLUE))):
        height = middle + distance / 2 * (-1 if i == lower else 1)
        place = panel.transAxes.inverted().transform((0, height))[1]
        text = f"{name}\n{written(lines[i][-1])}"
        write(panel, 1.02, place, text, color=colour, transform=panel.transAxes, va="center")


# ------------------------------------------------------------------------------------------- confusion

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


# -------------------------------------------------------------------------------------------- mistakes


def mistakes_figure(images: Tensor, labels: Tensor, logits: Tensor, class_names: Sequence[str]) -> Figure:
    """The most confident mistakes among all of a set's images.

    images uint8 (N, 28, 28), labels (N,), logits (N, classes).
    """
    wrong = most_confident_mistakes(logits, labels, len(labels))
    if len(wrong) == 0:
        return _no_mistakes_figure(len(labels))
    narrow = max(map(len, class_names)) <= SHORT_NAME
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
            write(canvas, x, last - 30, truth, SMALL)
            write(canvas, x, last, class_names[answer], SMALL, weight="bold")
        write(canvas, x + width, last, percent(chance), SMALL, color=VERMILLION, ha="right")
    return figure


def _no_mistakes_figure(total: int) -> Figure:
    """A tick for a network that made none."""
    title = f"All {total:,} test images read right"
    figure, canvas, top = open_sheet(
        title, "No mistakes to show. Time for harder ones: your own handwriting?", 300
    )
    x, y = WIDTH / 2, top + 140
    canvas.add_patch(Circle((x, y), 120, color=BLUE, linewidth=0))
    canvas.plot([x - 52, x - 14, x + 56], [y + 4, y + 44, y - 42], color="white", linewidth=9)
    return figure


# ----------------------------------------------------------------------------------------- first layer


def first_layer_figure(weights: Tensor) -> Figure:
    """The weights (neurons, height, width) of the first layer's strongest neurons as images, on one scale."""
    neurons = weights.detach().cpu().float()
    strongest = neurons.flatten(1).norm(dim=1).argsort(descending=True, stable=True)[:MAX_NEURONS]
    shown = neurons[strongest].numpy()
    limit = float(np.quantile(abs(shown), UNSATURATED)) or 1.0
    every = len(shown) == len(neurons)
    title = f"What {'the' if every else f'{len(shown)} of'} {len(neurons)} first-layer neurons look for"
    text = (
        "Red: ink here excites the neuron. Blue: ink here calms it. Largest weights first, all on one scale."
    )
    columns, enlarged = 8, 4 * SIDE // neurons.shape[-1]
    pitch = enlarged * neurons.shape[-1] + 8
    figure, canvas, top = open_sheet(title, text, pitch * math.ceil(len(shown) / columns) + 44)
    for (x, y), neuron in zip(grid(len(shown), columns, pitch - 8, pitch, top), shown, strict=True):
        draw_image(canvas, x, y, neuron, enlarged, colours=WEIGHTS, limits=(-limit, limit))
    _scale(canvas, figure.bbox.height - MARGIN - 20, limit)
    return figure


def _scale(canvas: Axes, y: float, limit: float) -> None:
    """The colours from -limit to limit, with their numbers."""
    width = 240  # px
    left = (WIDTH - width) / 2
    ramp = np.linspace(-limit, limit, width)[None]
    canvas.imshow(ramp, WEIGHTS, aspect="auto", extent=(left, left + width, y + 10, y - 10))
    write(canvas, left - 12, y, f"−{limit:.2g} or less", SMALL, color=GREY, ha="right")
    write(canvas, left + width + 12, y, f"+{limit:.2g} or more", SMALL, color=GREY)


# ----------------------------------------------------------------------------------------- predictions

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


# ---------------------------------------------------------------------------------------------- tuning

ACCURACIES = (0.1, 0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.993, 0.995, 0.997, 0.998, 0.999)  # for ticks
BEST_ERROR = 1e-4  # the accuracy of trials without a mistake is drawn as if they had made one in 10,000
IMPORTANCE = 40  # px, of a bar and the room about it


def tuning_figure(trials: Sequence[Trial], importances: Mapping[str, float]) -> Figure:
    """A search of at least one whole trial: accuracy trial by trial and epoch by epoch, and what mattered.

    Trials that never finished an epoch are left out. Steps of accuracy are drawn as the share of mistakes
    that they save, so that from 98 to 99 % is as far as from 80 to 90 %.
    """
    tried = [trial for trial in trials if trial.accuracies]
    best = min((t for t in tried if t.state == "complete"), key=lambda t: (-t.accuracy, t.number))
    title = f"{percent(best.accuracy)} of the validation images read right"
    pruned = " Grey: trials given up early." if any(t.state != "complete" for t in tried) else ""
    note = f"Ringed: number {best.number}, the best of {len(trials)} trials.{pruned}"
    bars = 70 + IMPORTANCE * len(importances) if importances else 0
    figure, canvas, top = open_sheet(title, note, 880 + bars)
    _trial_by_trial(_accuracy_panel(figure, canvas, top, "Trial by trial", tried), tried, best)
    _epoch_by_epoch(_accuracy_panel(figure, canvas, top + 450, "Epoch by epoch", tried), tried, best)
    if importances:
        _importance_bars(canvas, top + 910, importances)
    return figure


def _accuracy_panel(figure: Figure, canvas: Axes, top: float, name: str, trials: Sequence[Trial]) -> Axes:
    """Axes for values of `_height`, named by accuracy."""
    panel = _panel(figure, canvas, top, 360, name)
    ends = [_height(accuracy) for trial in trials for accuracy in trial.accuracies]
    low, high = min(ends), max(ends)
    room = 0.06 * (high - low) or 0.05
    panel.set_ylim(low - room, high + room)
    panel.yaxis.set_major_locator(FixedLocator(_accuracy_ticks(low - room, high + room)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 - 100 * 10**-y:.4g} %"))
    return panel


def _height(accuracy: float) -> float:
    """Where an accuracy is drawn: one more for a tenth of the mistakes."""
    return -math.log10(max(1 - accuracy, BEST_ERROR))


def _accuracy_ticks(low: float, high: float) -> list[float]:
    """Round accuracies between two heights, not too close to each other."""
    ticks: list[float] = []
    for accuracy in reversed(ACCURACIES):  # the highest are what it is about
        height = _height(accuracy)
        if low <= height <= high and (not ticks or ticks[-1] - height > (high - low) / 10):
            ticks.append(height)
    if len(ticks) > 1:
        return ticks
    even = MaxNLocator(5).tick_values(1 - 10**-low, 1 - 10**-high)
    return [_height(accuracy) for accuracy in even if low <= _height(accuracy) <= high]


def _trial_by_trial(panel: Axes, trials: Sequence[Trial], best: Trial) -> None:
    """A mark for every trial, and the best whole one so far as a line."""
    for whole, marker, colour in ((False, "x", GREY), (True, "o", BLUE)):
        these = [trial for trial in trials if (trial.state == "complete") == whole]
        heights = [_height(trial.accuracy) for trial in these]
        panel.plot([t.number for t in these], heights, marker, color=colour, markersize=5, clip_on=False)
    whole_trials = [trial for trial in trials if trial.state == "complete"]
    so_far = np.maximum.accumulate([_height(trial.accuracy) for trial in whole_trials])
    steps = [trial.number for trial in whole_trials]
    last = max(trial.number for trial in trials)
    line: dict[str, Any] = {"color": VERMILLION, "linewidth": 2, "drawstyle": "steps-post", "zorder": 1.9}
    panel.plot([*steps, last], [*so_far, so_far[-1]], **line)
    _ring(panel, best.number, best)
    first = min(trial.number for trial in trials)
    _bounds(panel, first, last)
    panel.set_xlabel("trial", fontsize=TEXT, color=GREY, fontfamily=FONT)
    text = f"best so far\n{percent(best.accuracy)}"
    at = panel.transAxes.inverted().transform(panel.transData.transform((0, so_far[-1])))[1]
    write(panel, 1.03, at, text, color=VERMILLION, transform=panel.transAxes, va="top")


def _epoch_by_epoch(panel: Axes, trials: Sequence[Trial], best: Trial) -> None:
    """Every trial's course: the best one strong, whole ones pale, those given up grey."""
    for trial in sorted(trials, key=lambda t: (t is best, t.state == "complete")):
        colour = BLUE if trial is best else PALE_BLUE if trial.state == "complete" else GREY
        look: dict[str, Any] = {
            "color": colour,
            "linewidth": 2.5 if trial is best else 1.3,
            "markersize": 3.5,
        }
        heights = [_height(accuracy) for accuracy in trial.accuracies]
        marker = "o" if len(heights) <= 30 or len(heights) == 1 else ""
        panel.plot(range(1, len(heights) + 1), heights, marker=marker, clip_on=False, **look)
    longest = max(len(trial.accuracies) for trial in trials)
    _ring(panel, 1 + best.accuracies.index(best.accuracy), best)
    _bounds(panel, 1, longest)
    panel.set_xlabel("epoch", fontsize=TEXT, color=GREY, fontfamily=FONT)
    at = panel.transAxes.inverted().transform(panel.transData.transform((0, _height(best.accuracies[-1]))))[1]
    text = f"number {best.number}\n{percent(best.accuracies[-1])}"
    write(panel, 1.03, at, text, color=BLUE, transform=panel.transAxes, va="top")


def _ring(panel: Axes, x: float, best: Trial) -> None:
    look: dict[str, Any] = {"markersize": 11, "markerfacecolor": "none", "markeredgewidth": 1.5}
    panel.plot(x, _height(best.accuracy), "o", color=BLUE, clip_on=False, **look)


def _bounds(panel: Axes, first: float, last: float) -> None:
    room = 0.02 * (last - first) or 0.5
    panel.set_xlim(first - room, last + room)


def _importance_bars(canvas: Axes, top: float, importances: Mapping[str, float]) -> None:
    """A bar for each option's share in what set the best trials apart, largest first."""
    write(canvas, MARGIN, top, "What set the best quarter apart", weight="bold", va="top")
    left, width = 200, WIDTH - MARGIN - 200 - 90
    largest = max(*importances.values(), 1e-9)
    for row, (name, share) in enumerate(sorted(importances.items(), key=lambda item: -item[1])):
        y = top + 44 + row * IMPORTANCE
        length = width * share / largest
        write(canvas, left - 14, y + IMPORTANCE / 2, name.replace("_", " "), color=GREY, ha="right")
        canvas.add_patch(Rectangle((left, y + 6), length, IMPORTANCE - 12, color=PALE_BLUE, linewidth=0))
        write(canvas, left + length + 12, y + IMPORTANCE / 2, whole_percent(share))


def _finite(value: float, otherwise: float) -> float:
    """The value, if it is finite."""
    return value if math.isfinite(value) else otherwise


def _loss(value: float) -> str:
    """A loss with four decimals, or as a power of ten where training runs away."""
    if not math.isfinite(value):
        return "not a number"
    return f"{value:.4f}" if value < 1000 else f"{value:.1e}"
