"""Find the digits of a picture and bring each into MNIST's form."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.mnist import BOX, SIDE
from digits.reading.cleaning import without_clutter
from digits.reading.close_up import Sheet, close_up
from digits.reading.components import Component, components_of, extent, union, unless_noise
from digits.reading.filters import Array, Mask
from digits.reading.image_files import Picture, PictureLimits, Source, open_picture
from digits.reading.ink import contrast_of, ink_of, stroke_width
from digits.reading.mnist_form import as_mnist_image, cut_out, mnist_form
from digits.reading.page_edges import TINY, without_rim
from digits.reading.rows import Classify, read_rows
from digits.reading.ruled_lines import unruled, without_rules
from digits.reading.single_digit import single_digit


@dataclass(frozen=True)
class Mark:
    """One thing that may be a digit: `image` (28, 28) in [0, 1], white on black; `box` (x, y, w, h).

    The box is in pixels of the upright original. `row` counts lines of writing from 0. A `blank` mark says
    that there was no ink: its box is the whole picture, its image black.
    """

    image: Array
    box: tuple[int, int, int, int]
    row: int = 0
    blank: bool = False


@dataclass(frozen=True)
class Page:
    """What a picture holds: `marks` in reading order and, if asked for, the `steps` as named pictures."""

    width: int
    height: int
    marks: tuple[Mark, ...]
    light_ink: bool
    steps: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)


def read_page(
    source: Source,
    *,
    single: bool = False,
    classify: Classify | None = None,
    explain: bool = False,
    limits: PictureLimits | None = None,
    name: str = "",
) -> Page:
    """`find` on whatever `open_picture` opens."""
    return find(open_picture(source, limits, name=name), single=single, classify=classify, explain=explain)


def find(
    picture: Picture, *, single: bool = False, classify: Classify | None = None, explain: bool = False
) -> Page:
    """The digits of a picture.

    `single` says that there is one at most: exactly one mark comes out, `blank` if there is no ink at all.
    `classify` helps to take touching digits apart: (N, 28, 28) to probabilities (N, 10); rows that sum to
    less than 1 leave the rest to "no digit". Without it the shape alone decides.
    """
    ready = as_mnist_image(picture.pixels)
    if ready is not None:
        steps = {"picture": picture.pixels} if explain else {}
        return Page(SIDE, SIDE, (Mark(ready, _around(picture.pixels > 0)),), light_ink=True, steps=steps)
    contrast, light = contrast_of(picture.pixels)
    small = max(contrast.shape) <= TINY
    ink = ink_of(contrast) if small else without_rim(contrast if single else unruled(contrast))
    steps = {"picture": picture.pixels, "ink": _grey(ink.amount)} if explain else {}
    ink = ink if small else without_rules(ink, several=not single)
    strokes = unless_noise(components_of(ink.mask), ink.mask.shape)
    strokes = single_digit(strokes, ink) if single else without_clutter(strokes, ink.mask.shape)
    card = _on_a_card(picture, strokes, explain=explain) if single else None
    if card is not None:
        return card
    sheet = close_up(ink, strokes)
    if explain:
        steps["strokes"] = _grey(sheet.amount)
    rows = [[sheet.strokes]] if single else read_rows(sheet, classify)
    marks = [
        Mark(mnist_form(cut_out(sheet.amount, parts)), _original_box(parts, sheet, picture), row)
        for row, characters in enumerate(rows)
        for parts in characters
        if parts
    ]
    if single and not marks:
        whole = (0, 0, picture.width, picture.height)
        marks = [Mark(np.zeros((SIDE, SIDE), np.float32), whole, blank=True)]
    return Page(picture.width, picture.height, tuple(marks), light, steps)


def _around(seen: Mask) -> tuple[int, int, int, int]:
    """x, y, w, h of what is seen."""
    top, bottom, left, right = extent(seen)
    return left, top, right - left, bottom - top


def _grey(values: Array) -> npt.NDArray[np.uint8]:
    return np.asarray(values * np.float32(255), dtype=np.uint8)


def _on_a_card(picture: Picture, strokes: Sequence[Component], *, explain: bool) -> Page | None:
    """What is written on a sheet that lies on something darker and fills less than half of the picture.

    The sheet itself was taken for the ink: it is a solid block with thin strokes inside.
    """
    if not strokes:
        return None
    card = max(strokes, key=lambda s: s.area)
    if union(strokes).size > card.size:
        return None
    if min(card.height, card.width) < max(32, 0.3 * card.size) or card.area < 0.6 * card.height * card.width:
        return None
    inside = picture.pixels[card.top : card.bottom, card.left : card.right]
    if inside.shape == picture.pixels.shape:
        return None
    page = find(Picture(inside, card.width, card.height), single=True, explain=explain)
    mark = page.marks[0]
    x, y, width, height = mark.box
    solid = stroke_width(mark.image) > 0.3 * BOX
    if mark.blank or solid or max(width, height) < 0.2 * card.size:
        return None
    high, wide = picture.pixels.shape[0] / picture.height, picture.pixels.shape[1] / picture.width
    box = (int((card.left + x) / wide), int((card.top + y) / high), int(width / wide), int(height / high))
    steps = {name: _laid_out(step, card, picture) for name, step in page.steps.items()}
    if steps:
        steps["picture"] = picture.pixels
    return Page(picture.width, picture.height, (replace(mark, box=box),), page.light_ink, steps)


def _laid_out(step: npt.NDArray[np.uint8], card: Component, picture: Picture) -> npt.NDArray[np.uint8]:
    """What was made of the card alone, at the card's place in the picture; nothing around it."""
    whole = np.zeros(picture.pixels.shape[:2], np.uint8)
    grey = Image.fromarray(step).convert("L").resize((card.width, card.height), Image.Resampling.BOX)
    whole[card.top : card.bottom, card.left : card.right] = np.asarray(grey)
    return whole


def _original_box(parts: Sequence[Component], sheet: Sheet, picture: Picture) -> tuple[int, int, int, int]:
    """x, y, w, h in the original's pixels."""
    whole = union(parts)
    high, wide = sheet.amount.shape[0] / picture.height, sheet.amount.shape[1] / picture.width
    left, top = int(whole.left / wide), int(whole.top / high)
    right = min(picture.width, math.ceil(whole.right / wide))
    bottom = min(picture.height, math.ceil(whole.bottom / high))
    return left, top, max(1, right - left), max(1, bottom - top)
