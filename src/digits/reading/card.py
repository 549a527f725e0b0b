"""Find a small sheet that lies on something darker. Such a sheet is called a card here.

A card is found as a solid block of ink, with thin strokes inside. The limits were chosen on the development
pictures: docs/log.md, 2026-11-26, "tight crops, thumbs, cloths and cards".
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.mnist import BOX
from digits.reading.components import Component, union
from digits.reading.decoding import Picture
from digits.reading.ink import stroke_width
from digits.reading.marks import PictureMarks

SHORTER_SIDE = (32, 0.3)  # px, and share of the longer side; the shorter side is at least this
SOLID = 0.6  # smallest share of its box that is ink
CARD_STROKE_WIDTH = 0.3  # of MNIST's box of 20 pixels; a mark with wider strokes is a block, not writing
MIN_DIGIT_SIZE = 0.2  # of the card's longer side; smallest size of a digit


def card_among(components: Sequence[Component], picture: Picture) -> Component | None:
    """Find a component that may be a card (a small sheet).

    Args:
        components: Components that were chosen as the only digit.
        picture: The picture.

    Returns:
        The component; None if none can be a card.
    """
    if not components:
        return None
    card = max(components, key=lambda c: c.area)
    shorter = min(card.height, card.width)
    if union(components).size > card.size or shorter < max(SHORTER_SIDE[0], SHORTER_SIDE[1] * card.size):
        return None
    fills_picture = (card.height, card.width) == picture.pixels.shape[:2]
    return None if fills_picture or card.area < SOLID * card.height * card.width else card


def cut_out_card(card: Component, picture: Picture) -> Picture:
    """Cut the box of a card out of its picture.

    Args:
        card: Component that is the card.
        picture: The whole picture.

    Returns:
        The part inside the box, as a picture.
    """
    return Picture(picture.pixels[card.rows_and_columns], card.width, card.height)


def moved_to_picture(found: PictureMarks, card: Component, picture: Picture) -> PictureMarks | None:
    """Convert a mark on a card to pixels of the whole picture.

    Args:
        found: The card's marks (candidate digits); exactly one.
        card: Component that is the card.
        picture: The whole picture.

    Returns:
        The mark and the steps of the whole picture. None if the mark is not writing.
    """
    (mark,) = found.marks
    x, y, width, height = mark.box
    # A mark that is blank, a solid block, or small on the card is not writing.
    block = stroke_width(mark.image) > CARD_STROKE_WIDTH * BOX
    if mark.blank or block or max(width, height) < MIN_DIGIT_SIZE * card.size:
        return None
    high, wide = picture.pixels.shape[0] / picture.height, picture.pixels.shape[1] / picture.width
    box = (int((card.left + x) / wide), int((card.top + y) / high), int(width / wide), int(height / high))
    steps = {name: _step_in_picture(step, card, picture) for name, step in found.steps.items()}
    if steps:
        steps["picture"] = picture.pixels
    marks = (replace(mark, box=box),)
    return PictureMarks(picture.width, picture.height, marks, found.light_ink, steps, picture.notes)


def _step_in_picture(step: npt.NDArray[np.uint8], card: Component, picture: Picture) -> npt.NDArray[np.uint8]:
    """Place a card's step into an image of the whole picture.

    Args:
        step: uint8 (H, W) or (H, W, 3), a step for the card.
        card: Component that is the card.
        picture: The whole picture.

    Returns:
        uint8 (H, W), size of `picture.pixels`, 0 outside the card.
    """
    whole = np.zeros(picture.pixels.shape[:2], np.uint8)
    grey = Image.fromarray(step).convert("L").resize((card.width, card.height), Image.Resampling.BOX)
    whole[card.rows_and_columns] = np.asarray(grey)
    return whole
