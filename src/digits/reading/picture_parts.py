"""Convert what was found in a part of a picture (a sheet, a card) to pixels of the whole picture."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.reading.decoding import Picture, Pixels
from digits.reading.marks import Box, PictureMarks


def moved_to_whole(found: PictureMarks, part: Pixels, at: tuple[int, int], picture: Picture) -> PictureMarks:
    """Convert boxes and steps from a part of a picture to the whole picture.

    Args:
        found: What was found in the part.
        part: uint8 (H, W) or (H, W, 3), the part.
        at: First row and first column of the part in `picture.pixels`.
        picture: The whole picture.

    Returns:
        The same with boxes in pixels of the upright picture, and steps in the size of `picture.pixels`.
    """
    high, wide = picture.pixels.shape[0] / picture.height, picture.pixels.shape[1] / picture.width

    def moved(box: Box) -> Box:
        x, y, width, height = box
        left, top = int((at[1] + x) / wide), int((at[0] + y) / high)
        return left, top, max(1, int(width / wide)), max(1, int(height / high))

    steps = {name: _step_in_picture(step, part, at, picture) for name, step in found.steps.items()}
    if steps:
        steps["picture"] = picture.pixels
    return replace(
        found,
        width=picture.width,
        height=picture.height,
        marks=tuple(replace(mark, box=moved(mark.box)) for mark in found.marks),
        signs=tuple(replace(sign, box=moved(sign.box)) for sign in found.signs),
        cells=tuple(replace(cell, box=moved(cell.box)) for cell in found.cells),
        steps=steps,
        notes=picture.notes + found.notes,
    )


def _step_in_picture(
    step: npt.NDArray[np.uint8], part: Pixels, at: tuple[int, int], picture: Picture
) -> npt.NDArray[np.uint8]:
    """Place a part's step into an image of the whole picture.

    Args:
        step: uint8 (H, W) or (H, W, 3), a step for the part.
        part: The part.
        at: Its first row and first column in the picture.
        picture: The whole picture.

    Returns:
        uint8 (H, W), size of `picture.pixels`, 0 outside the part.
    """
    whole = np.zeros(picture.pixels.shape[:2], np.uint8)
    height, width = part.shape[:2]
    grey = Image.fromarray(step).convert("L").resize((width, height), Image.Resampling.BOX)
    whole[at[0] : at[0] + height, at[1] : at[1] + width] = np.asarray(grey)
    return whole
