"""Join components to characters, such as the two parts of a 5.

A component is a connected piece of ink. A character is one digit, or several digits that touch.
Lengths are in median heights of the page's components (`components.median_height`), unless a line names
another unit. All limits were chosen on the development pictures.
"""

from collections.abc import Sequence

from digits.reading.components import Component, gap, union

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
    """Join all components that belong to the same character."""
    characters = sorted(components, key=lambda c: -c.area)
    # A joined component may be near others that were too far before. So repeat until nothing changes.
    merged = True
    while merged:
        merged = False
        for i in range(len(characters)):
            for j in range(len(characters) - 1, i, -1):
                if _belong_together(characters[j], characters[i], character_height):
                    characters[i] = union([characters[i], characters.pop(j)])
                    merged = True
    return characters


def _belong_together(small: Component, large: Component, character_height: float) -> bool:
    """Decide if two components are parts of one character.

    Args:
        small: The component with less ink.
        large: The component with more ink.
        character_height: Median height of the components in pixels.
    """
    if min(small.size, large.size) < CRUMB_SIZE * character_height:
        # A tiny component is joined only if the boxes touch.
        crumb = min(small.size, large.size) >= MIN_CRUMB * character_height
        return gap(small, large) == 0 and crumb and small.bottom < large.bottom
    # Larger components are joined if one lies above the other and they are near.
    shared = min(small.right, large.right) - max(small.left, large.left)
    if shared < SHARED_COLUMNS * min(small.width, large.width):
        return False
    distance = max(small.top - large.bottom, large.top - small.bottom)
    height = max(small.bottom, large.bottom) - min(small.top, large.top)
    return distance <= MAX_GAP * character_height and height <= MAX_HEIGHT * character_height
