"""Add axes for curves to a figure, in the style that all figures with curves share."""

import numpy as np

from digits.figure_style import FONT, GREY, LIGHT_GREY, MARGIN, SMALL_SIZE, write
from digits.matplotlib_classes import Axes, Figure, MaxNLocator

PANEL_LEFT, PANEL_WIDTH = 104, 716  # px; on the left is space for tick labels, on the right for curve names
NAME_HEIGHT = 64  # px; height of a curve's name and last value, which are two lines of text


def add_panel(figure: Figure, canvas: Axes, top: float, height: int, name: str) -> Axes:
    """Add axes for curves to a figure.

    Args:
        figure, canvas: from `figure_style.open_sheet`.
        top: y of the upper end of the name, in px from the top of the figure.
        height: height of the name and the axes together, in px.
        name: the text above the axes.

    Returns:
        The new axes.
    """
    write(canvas, MARGIN, top, name, weight="bold", va="top")
    bottom = figure.bbox.height - top - height
    bounds = (PANEL_LEFT, bottom, PANEL_WIDTH, height - 40)
    panel = figure.add_axes(tuple(np.divide(bounds, [*figure.bbox.size] * 2)), facecolor="none")
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.spines["bottom"].set_color(LIGHT_GREY)
    panel.grid(axis="y", color=LIGHT_GREY, linewidth=0.8)
    panel.tick_params(labelsize=SMALL_SIZE, labelcolor=GREY, labelfontfamily=FONT, length=0)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    return panel
