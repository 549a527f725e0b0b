"""How a picture was read, step by step, as one picture to look at."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from digits.files import atomic_write
from digits.reader import Reading


def explain(reading: Reading, path: Path) -> None:
    """Save the steps of a reading that was made with `explain=True` as the PNG `path`."""
    figure = Figure(figsize=(6.25, 6), dpi=160, layout="constrained")
    axes = figure.subplots(1, max(1, len(reading.steps)), squeeze=False)[0]
    for axis, (name, pixels) in zip(axes, reading.steps.items(), strict=False):
        axis.imshow(np.asarray(pixels), cmap="gray", vmin=0, vmax=255)
        axis.set_title(name)
        axis.set_axis_off()
    for digit in reading.digits:
        x, y, w, h = digit.box
        scale = reading.steps["picture"].shape[1] / reading.width
        axes[0].add_patch(
            Rectangle((x * scale, y * scale), w * scale, h * scale, fill=False, color="#D55E00")
        )
    atomic_write(path, _png(figure))


def _png(figure: Figure) -> bytes:
    import io

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
