"""Draw what probabilities are worth, for docs/photos.md, from benchmarks/results.

    python docs/confidence_picture.py [FOLDER]

FOLDER is docs/pictures unless named. The figures are those of benchmarks/handwriting.py and
benchmarks/made_numbers.py. The axes are logarithmic in the share of mistakes, so that 98 % and 99.8 % are far
apart: a "height" is -log10(1 - share), 1 for 90 % and 2 for 99 %.
"""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from digits import figure_style
from digits.evaluation.plots.panels import add_panel
from digits.figure_style import BLUE, FONT, GREY, LIGHT_GREY, SMALL_SIZE, TEXT_SIZE, VERMILLION
from digits.matplotlib_classes import Axes, Figure, FixedLocator, FuncFormatter

FOLDER = Path(__file__).parent / "pictures"
RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
LEAST_ERROR = 5e-4  # a smaller share of mistakes, and none, is drawn as this
SHARES = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.998)  # for ticks
FEW = 20  # answers; a smaller group is not drawn
LEAST_KEPT = 10  # %; of fewer answers, one mistake or none decides
HEIGHT = 470  # px of a panel
MARKED = 0.9  # the probability that is marked on the curves
LINE_PX = 27  # px; height of a line of a name beside the curves


@dataclass(frozen=True)
class Series:
    """The figures of one set of pictures and how they are drawn.

    Attributes:
        name: Its name in the figure; at most 13 characters a line.
        found: The set's `confidence`, as in the results file.
        colour: Colour of points and curve.
        marker: Matplotlib's sign for its points.
    """

    name: str
    found: Mapping[str, Any]
    colour: str
    marker: str


def all_series() -> list[Series]:
    """Return what is drawn, from the results files."""
    people, made = (_sets(name) for name in ("handwriting", "made-numbers"))
    return [
        Series("single digits", people["scans and strokes"]["confidence"], "#009E73", "s"),
        Series("made numbers", made["made numbers"]["confidence"], BLUE, "o"),
        Series("bank cheques", people["ORAND-CAR-A, other half"]["confidence"], VERMILLION, "D"),
    ]


def _sets(name: str) -> dict[str, Any]:
    return dict(json.loads((RESULTS / f"{name}.json").read_text())["sets"])


def height(share: float) -> float:
    """Return the height of a share on the axes."""
    return -math.log10(max(1 - share, LEAST_ERROR))


def confidence_figure(series: Sequence[Series]) -> Figure:
    """Draw how often answers are right, by what they claim, and by how many of them are kept."""
    title = "What a probability is worth"
    text = (
        "Single digits of old scans, numbers made of MNIST's test images, and amounts on bank cheques. "
        f"Lines: 95 % intervals. Marked on the curves: the answers with {MARKED:.0%} or more."
    ).replace("0%", "0 %")
    figure, canvas, top = figure_style.open_sheet(title, text, 2 * HEIGHT + 150)
    first = _panel(figure, canvas, top, "Right as often as it says?")
    first.set_xlim(0.1, height(1))
    _share_ticks(first.xaxis)
    first.grid(axis="x", color=LIGHT_GREY, linewidth=0.8)
    first.plot([0, height(1)], [0, height(1)], color=GREY, linewidth=1.5, linestyle=(0, (5, 4)))
    figure_style.write(
        first, 1.03, 1.0, "on the line:\nas honest\nas can be", SMALL_SIZE, color=GREY,
        transform=first.transAxes, va="top",
    )  # fmt: skip
    for one in series:
        _draw_groups(first, one)
    first.set_xlabel("probability that the reader gives", fontsize=TEXT_SIZE, color=GREY, fontfamily=FONT)
    _key(first, series)
    second = _panel(figure, canvas, top + HEIGHT + 86, "Right among the surest answers")
    second.set_xlim(0, 100)
    second.xaxis.set_major_locator(FixedLocator(range(0, 101, 20)))
    second.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.0f} %"))
    for one in series:
        _draw_curve(second, one)
    _names(second, series)
    text = "share of the answers, the surest first"
    second.set_xlabel(text, fontsize=TEXT_SIZE, color=GREY, fontfamily=FONT)
    return figure


def _panel(figure: Figure, canvas: Axes, top: float, name: str) -> Axes:
    panel = add_panel(figure, canvas, top, HEIGHT, name)
    panel.set_ylim(0.1, height(1))
    _share_ticks(panel.yaxis, 1.0)
    return panel


def _share_ticks(axis: Any, *more: float) -> None:
    axis.set_major_locator(FixedLocator([height(share) for share in (*SHARES, *more)]))
    axis.set_major_formatter(
        FuncFormatter(lambda h, _: "all" if h >= height(1) else f"{100 - 100 * 10**-h:.3g} %")
    )


def _draw_groups(panel: Axes, series: Series) -> None:
    """Draw a point with its 95 % interval for each group of answers of like probability."""
    for group in series.found["groups"]:
        right = group["right"]
        if right["of"] >= FEW:
            x, ends = height(group["probability"]), [height(right["low"]), height(right["high"])]
            panel.plot([x, x], ends, color=series.colour, linewidth=1.6, solid_capstyle="butt")
            look: dict[str, Any] = {"markersize": 7, "color": series.colour, "clip_on": False}
            panel.plot(x, height(right["share"]), series.marker, **look)


def _draw_curve(panel: Axes, series: Series) -> None:
    """Draw the share of right answers among the surest, and where a probability ends."""
    curve = np.array(series.found["curve"])
    kept = 100 * np.arange(1, len(curve) + 1) / len(curve)
    shown = kept >= LEAST_KEPT
    heights = [height(1 - error) for error in curve[shown].tolist()]
    panel.plot(kept[shown], heights, color=series.colour, linewidth=2.5, clip_on=False)
    for at in series.found["coverage"]:
        if at["limit"] == MARKED and at["wrong"] is not None:
            x, y = 100 * at["reached"]["share"], height(1 - at["wrong"]["share"])
            panel.plot(x, y, series.marker, color=series.colour, markersize=8, clip_on=False)


def _key(panel: Axes, series: Sequence[Series]) -> None:
    """Name the signs in the lower right corner, where no honest answer is."""
    for n, one in enumerate(reversed(series)):
        y = 0.07 + 0.085 * n
        look: dict[str, Any] = {"markersize": 7, "color": one.colour, "transform": panel.transAxes}
        panel.plot(0.72, y, one.marker, **look)
        at = panel.transAxes.transform((0.745, y))
        x, middle = panel.transData.inverted().transform(at)
        panel.text(
            x, middle, one.name, fontsize=TEXT_SIZE, color=one.colour, fontfamily=FONT, va="center_baseline"
        )


def _names(panel: Axes, series: Sequence[Series]) -> None:
    """Name each curve beside its end, with the share of all answers that is right."""
    room = 2.6 * LINE_PX / panel.bbox.height  # of the panel's height
    limits = panel.get_ylim()
    ends = [(height(1 - one.found["curve"][-1]) - limits[0]) / (limits[1] - limits[0]) for one in series]
    order = np.argsort(ends)
    lowest = 0.0
    for i in order:
        at = max(ends[i], lowest)
        lowest = at + room
        text = f"{series[i].name}\n{1 - series[i].found['curve'][-1]:.1%}".replace("%", " %")
        figure_style.write(
            panel, 1.012, at, text, SMALL_SIZE, color=series[i].colour, transform=panel.transAxes, va="center"
        )


def main(folder: Path) -> None:
    """Write the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    figure_style.save_png(confidence_figure(all_series()), folder / "confidence.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    main(parser.parse_args().folder)
