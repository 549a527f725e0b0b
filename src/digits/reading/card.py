"""Find a small sheet that lies on something darker. Such a sheet is called a card here.

A card is found as a solid block of ink, with thin strokes inside. The limits were chosen on the development
pictures: docs/log.md, 2026-11-26, "tight crops, thumbs, cloths and cards".
"""

from collections.abc import Sequence

from digits.mnist import BOX
from digits.reading.components import Component, union
from digits.reading.decoding import Picture
from digits.reading.ink import stroke_width
from digits.reading.marks import PictureMarks
from digits.reading.picture_parts import moved_to_whole

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
    width, height = mark.box[2:]
    # A mark that is blank, a solid block, or small on the card is not writing.
    block = stroke_width(mark.image) > CARD_STROKE_WIDTH * BOX
    if mark.blank or block or max(width, height) < MIN_DIGIT_SIZE * card.size:
        return None
    part = picture.pixels[card.rows_and_columns]
    return moved_to_whole(found, part, (card.top, card.left), picture)
