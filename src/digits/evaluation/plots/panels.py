"""Axes that several plots share."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from digits.figure_style import FONT, GREY, LINE, MARGIN, SMALL, write

PANEL_LEFT, PANEL_WIDTH = 104, 716  # px; tick labels stand to the left, the lines' names to the right
NAME_HEIGHT = 64  # px; of a line's name and final value


def add_panel(figure: Figure, canvas: Axes, top: float, height: int, name: str) -> Axes:
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
