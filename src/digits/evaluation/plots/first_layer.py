"""Draw the weights of the first layer as images in a figure."""

import math

import numpy as np
from torch import Tensor

from digits.figure_style import GREY, MARGIN, SMALL_SIZE, WIDTH, draw_image, grid, open_sheet, write
from digits.matplotlib_classes import Axes, Figure
from digits.mnist import SIDE

# Name of a colour map of Matplotlib: blue for negative weights, white for 0, red for positive weights.
# Colour-blind readers can distinguish them. Source: Harrower and Brewer, "ColorBrewer.org", 2003.
WEIGHT_COLOURS = "RdBu_r"
MAX_NEURONS = 64  # images in the figure: eight rows of eight
# Fraction of the weights that the colour scale covers. The few larger weights get its last colour. A scale
# that covers them too would make all other weights look pale.
WITHIN_SCALE = 0.9995


def first_layer_figure(weights: Tensor) -> Figure:
    """Draw the weights of the first layer as images.

    The figure shows at most 64 neurons, largest weights first.

    Args:
        weights: float (neurons, height, width), from `Network.first_layer`.

    Returns:
        A Matplotlib figure.
    """
    neurons = weights.detach().cpu().float()
    # The size of a neuron's weights is their L2 norm.
    strongest = neurons.flatten(1).norm(dim=1).argsort(descending=True, stable=True)[:MAX_NEURONS]
    shown = neurons[strongest].numpy()
    limit = float(np.quantile(abs(shown), WITHIN_SCALE)) or 1.0
    every = len(shown) == len(neurons)
    title = f"What {'the' if every else f'{len(shown)} of'} {len(neurons)} first-layer neurons look for"
    text = (
        "Red: ink here excites the neuron. Blue: ink here calms it. Largest weights first, all on one scale."
    )
    columns, enlarged = 8, 4 * SIDE // neurons.shape[-1]
    pitch = enlarged * neurons.shape[-1] + 8
    figure, canvas, top = open_sheet(title, text, pitch * math.ceil(len(shown) / columns) + 44)
    for (x, y), neuron in zip(grid(len(shown), columns, pitch - 8, pitch, top), shown, strict=True):
        draw_image(canvas, x, y, neuron, enlarged, colours=WEIGHT_COLOURS, limits=(-limit, limit))
    _draw_scale(canvas, figure.bbox.height - MARGIN - 20, limit)
    return figure


def _draw_scale(canvas: Axes, y: float, limit: float) -> None:
    """Draw the colour scale from -limit to limit.

    Args:
        canvas: axes that cover the figure, with x and y in px.
        y: middle of the scale in px.
        limit: weight at the right end of the scale, above 0.
    """
    width = 240  # px
    left = (WIDTH - width) / 2
    ramp = np.linspace(-limit, limit, width)[None]
    canvas.imshow(ramp, WEIGHT_COLOURS, aspect="auto", extent=(left, left + width, y + 10, y - 10))
    write(canvas, left - 12, y, f"−{limit:.2g} or less", SMALL_SIZE, color=GREY, ha="right")
    write(canvas, left + width + 12, y, f"+{limit:.2g} or more", SMALL_SIZE, color=GREY)
