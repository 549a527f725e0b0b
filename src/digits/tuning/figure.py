"""Draw the figure of a search: accuracy by trial, accuracy by epoch, and importance of the options.

The accuracy axes are logarithmic in the error rate. This makes small differences near 100 % visible. A
"height" is a position on such an axis: -log10(1 - accuracy). An accuracy of 0.9 has the height 1. An accuracy
of 0.99 has the height 2.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from digits.evaluation.plots.panels import add_panel
from digits.figure_style import (
    BLUE,
    FONT,
    GREY,
    MARGIN,
    PALE_BLUE,
    TEXT_SIZE,
    VERMILLION,
    WIDTH,
    open_sheet,
    percent,
    whole_percent,
    write,
)
from digits.matplotlib_classes import Axes, Figure, FixedLocator, FuncFormatter, MaxNLocator, Rectangle
from digits.tuning.trials import Trial

ACCURACIES = (0.1, 0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.993, 0.995, 0.997, 0.998, 0.999)  # for ticks
BEST_ERROR = 1e-4  # error rate at which a trial without errors is drawn, because log10(0) is infinite
ROW_HEIGHT = 40  # pixels; height of one importance bar with the space around it


def tuning_figure(trials: Sequence[Trial], importances: Mapping[str, float]) -> Figure:
    """Draw the accuracies of all trials and the importances of the options.

    Args:
        trials: all finished trials; at least one must be complete.
        importances: option -> share, from 0 to 1, sum 1. Empty: draw no importances.
    Returns:
        A Matplotlib figure.
    """
    tried = [trial for trial in trials if trial.accuracies]  # trials with at least one finished epoch
    best = min((t for t in tried if t.state == "complete"), key=lambda t: (-t.accuracy, t.number))
    title = f"{percent(best.accuracy)} of the validation images read right"
    pruned = " Grey: trials stopped early." if any(t.state != "complete" for t in tried) else ""
    note = f"Ringed: number {best.number}, the best of {len(trials)} trials.{pruned}"
    bars = 70 + ROW_HEIGHT * len(importances) if importances else 0
    figure, canvas, top = open_sheet(title, note, 880 + bars)
    _trial_by_trial(_accuracy_panel(figure, canvas, top, "Trial by trial", tried), tried, best)
    _epoch_by_epoch(_accuracy_panel(figure, canvas, top + 450, "Epoch by epoch", tried), tried, best)
    if importances:
        _importance_bars(canvas, top + 910, importances)
    return figure


def _accuracy_panel(figure: Figure, canvas: Axes, top: float, name: str, trials: Sequence[Trial]) -> Axes:
    """Add axes for accuracies to the figure.

    Args:
        figure: the figure to add the axes to.
        canvas: the axes of the whole figure, for the title.
        top: distance from the top of the figure in pixels.
        name: title of the panel.
        trials: the trials; all their accuracies fit on the axes.
    Returns:
        Axes with heights as y values and percent as tick labels.
    """
    panel = add_panel(figure, canvas, top, 360, name)
    ends = [_height(accuracy) for trial in trials for accuracy in trial.accuracies]
    low, high = min(ends), max(ends)
    room = 0.06 * (high - low) or 0.05
    panel.set_ylim(low - room, high + room)
    panel.yaxis.set_major_locator(FixedLocator(_accuracy_ticks(low - room, high + room)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 - 100 * 10**-y:.4g} %"))
    return panel


def _height(accuracy: float) -> float:
    """Return the height of an accuracy, such as 2 for 0.99; at most 4."""
    return -math.log10(max(1 - accuracy, BEST_ERROR))


def _accuracy_ticks(low: float, high: float) -> list[float]:
    """Choose the ticks of an accuracy axis.

    Args:
        low: height at the lower end of the axis.
        high: height at the upper end of the axis.
    Returns:
        The heights of the ticks.
    """
    # Take round accuracies that are more than a tenth of the axis apart.
    ticks: list[float] = []
    for accuracy in reversed(ACCURACIES):  # from the highest, because good trials are there
        height = _height(accuracy)
        if low <= height <= high and (not ticks or ticks[-1] - height > (high - low) / 10):
            ticks.append(height)
    if len(ticks) > 1:
        return ticks
    # Only one fits, or none. Take about five accuracies with equal distances.
    even = MaxNLocator(5).tick_values(1 - 10**-low, 1 - 10**-high)
    return [_height(accuracy) for accuracy in even if low <= _height(accuracy) <= high]


def _trial_by_trial(panel: Axes, trials: Sequence[Trial], best: Trial) -> None:
    """Draw one point per trial, and a line for the best accuracy so far."""
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
    _set_limits(panel, first, last)
    panel.set_xlabel("trial", fontsize=TEXT_SIZE, color=GREY, fontfamily=FONT)
    text = f"best so far\n{percent(best.accuracy)}"
    at = panel.transAxes.inverted().transform(panel.transData.transform((0, so_far[-1])))[1]
    write(panel, 1.03, at, text, color=VERMILLION, transform=panel.transAxes, va="top")


def _epoch_by_epoch(panel: Axes, trials: Sequence[Trial], best: Trial) -> None:
    """Draw the accuracy by epoch, one line per trial."""
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
    _set_limits(panel, 1, longest)
    panel.set_xlabel("epoch", fontsize=TEXT_SIZE, color=GREY, fontfamily=FONT)
    at = panel.transAxes.inverted().transform(panel.transData.transform((0, _height(best.accuracies[-1]))))[1]
    text = f"number {best.number}\n{percent(best.accuracies[-1])}"
    write(panel, 1.03, at, text, color=BLUE, transform=panel.transAxes, va="top")


def _ring(panel: Axes, x: float, best: Trial) -> None:
    """Draw a ring around the best trial at the x value `x`."""
    look: dict[str, Any] = {"markersize": 11, "markerfacecolor": "none", "markeredgewidth": 1.5}
    panel.plot(x, _height(best.accuracy), "o", color=BLUE, clip_on=False, **look)


def _set_limits(panel: Axes, first: float, last: float) -> None:
    """Set the x axis from `first` to `last`, with small margins."""
    room = 0.02 * (last - first) or 0.5
    panel.set_xlim(first - room, last + room)


def _importance_bars(canvas: Axes, top: float, importances: Mapping[str, float]) -> None:
    """Draw one bar for each option, the most important first.

    Args:
        canvas: the axes of the whole figure; their unit is pixels.
        top: distance from the top of the figure in pixels.
        importances: option -> share, from 0 to 1.
    """
    write(canvas, MARGIN, top, "What set the best quarter apart", weight="bold", va="top")
    left, width = 200, WIDTH - MARGIN - 200 - 90
    largest = max(*importances.values(), 1e-9)
    for row, (name, share) in enumerate(sorted(importances.items(), key=lambda item: -item[1])):
        y = top + 44 + row * ROW_HEIGHT
        length = width * share / largest
        write(canvas, left - 14, y + ROW_HEIGHT / 2, name.replace("_", " "), color=GREY, ha="right")
        canvas.add_patch(Rectangle((left, y + 6), length, ROW_HEIGHT - 12, color=PALE_BLUE, linewidth=0))
        write(canvas, left + length + 12, y + ROW_HEIGHT / 2, whole_percent(share))
