"""Plot the weights of the first layer as images."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from digits.figure_style import GREY, MARGIN, SMALL, WIDTH, draw_image, grid, open_sheet, write
from digits.mnist import SIDE

WEIGHTS = "RdBu_r"  # white at 0; safe for colour-blind eyes: Harrower and Brewer, "ColorBrewer.org", 2003
MAX_NEURONS = 64
UNSATURATED = 0.9995  # of the weights; a few extreme ones would leave all others pale


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
