"""Join components to characters, such as the two parts of a 5.

A component is a connected piece of ink. A character is one digit, or several digits that touch.
Lengths are in median heights of the page's components (`components.median_height`), unless a line names
another unit. All limits were chosen on the development pictures.
"""

from collections.abc import Sequence

import numpy as np

from digits.reading.components import Component, boxes_of, union
from digits.reading.filters import Mask
from digits.reading.labelling import Integers

MIN_SIZE, MIN_CHARACTER_HEIGHT = 0.35, 0.3  # of a character; 0.25 read fewer cheques: docs/log.md, 2026-11-26
CRUMB_SIZE = 0.3  # a smaller component is a speck, a dot, or a bit of a digit
MIN_CRUMB = 0.1  # a smaller component is never joined
SHARED_COLUMNS = 0.5  # of the narrower component's width; at least this part lies above the other one
MAX_GAP = 0.2  # between two components, one above the other
MAX_HEIGHT = 1.6  # of two components together


def characters_of(components: Sequence[Component], character_height: float) -> list[Component]:
    """Join components to characters and remove specks, dots and dashes.

    Args:
        components: Components of a page.
        character_height: Median height of the components in pixels.

    Returns:
        The characters in no particular order, each as one component.
    """
    characters = _joined(components, character_height)
    return [
        c
        for c in characters
        if c.size >= MIN_SIZE * character_height and c.height >= MIN_CHARACTER_HEIGHT * character_height
    ]


def _joined(components: Sequence[Component], character_height: float) -> list[Component]:
    """Join all components that belong to the same character.

    Args:
        components: Components of a page.
        character_height: Median height of the components in pixels.

    Returns:
        The characters; the first components of each are ordered by their ink, most first.
    """
    ordered = sorted(components, key=lambda c: -c.area)
    parts = [[c] for c in ordered]  # components of each character; none if it was joined to an earlier one
    boxes, alive = boxes_of(ordered), np.ones(len(ordered), bool)
    pairs = np.sort(_pairs_in_shared_columns(boxes), axis=0)
    near = _belong_together(boxes[:, pairs[1]], boxes[:, pairs[0]], character_height)
    todo = set(pairs[0, near].tolist())
    # A joined character may be near others that were too far before. So repeat until nothing changes.
    while todo:
        grown = []
        for i in sorted(todo):
            last = len(parts)
            while alive[i]:
                later = slice(i + 1, last)
                joins = alive[later] & _belong_together(
                    boxes[:, later], boxes[:, i : i + 1], character_height
                )
                if not joins.any():
                    break
                last = i + 1 + int(np.flatnonzero(joins)[-1])
                boxes[:2, i] = np.minimum(boxes[:2, i], boxes[:2, last])
                boxes[2:, i] = np.maximum(boxes[2:, i], boxes[2:, last])
                alive[last] = False
                parts[i] += parts[last]
                grown.append(i)
        todo = set(grown)
        for i in set(grown):
            joins = alive[:i] & _belong_together(boxes[:, i : i + 1], boxes[:, :i], character_height)
            todo.update(np.flatnonzero(joins).tolist())
    return [union(group) for group, is_alive in zip(parts, alive, strict=True) if is_alive]


def _pairs_in_shared_columns(boxes: Integers) -> Integers:
    """Find the pairs of boxes that overlap or touch if rows are ignored.

    Args:
        boxes: Top, left, bottom and right of N boxes, (4, N).

    Returns:
        Indices of both boxes of each pair, (2, pairs).
    """
    left, right = boxes[1], boxes[3]
    order = np.argsort(left, kind="stable")
    begins = np.arange(1, len(order) + 1)
    counts = np.searchsorted(left[order], right[order], side="right") - begins
    first = np.repeat(order, counts)
    second = np.arange(len(first)) + np.repeat(begins - (np.cumsum(counts) - counts), counts)
    return np.stack([first, order[second]])


def _belong_together(small: Integers, large: Integers, character_height: float) -> Mask:
    """Decide for pairs of characters if both are parts of one.

    Args:
        small: Boxes of the characters that began with less ink, (4, N) as top, left, bottom, right.
        large: Boxes of the others, (4, N) or (4, 1); `small` may be (4, 1) instead.
        character_height: Median height of the components in pixels.

    Returns:
        bool (N,).
    """
    (top, left, bottom, right), (top2, left2, bottom2, right2) = small, large
    height, width, height2, width2 = bottom - top, right - left, bottom2 - top2, right2 - left2
    size = np.minimum(np.maximum(height, width), np.maximum(height2, width2))
    distance = np.maximum(top - bottom2, top2 - bottom)
    shared = np.minimum(right, right2) - np.maximum(left, left2)
    # A tiny component is joined only if the boxes touch.
    crumb = (distance <= 0) & (shared >= 0) & (size >= MIN_CRUMB * character_height) & (bottom < bottom2)
    # Larger components are joined if one lies above the other and they are near.
    together = np.maximum(bottom, bottom2) - np.minimum(top, top2)
    near = (distance <= MAX_GAP * character_height) & (together <= MAX_HEIGHT * character_height)
    part = (shared >= SHARED_COLUMNS * np.minimum(width, width2)) & near
    return np.asarray(np.where(size < CRUMB_SIZE * character_height, crumb, part))
