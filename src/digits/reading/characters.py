"""Join components to characters, such as the upper bar and the lower part of a 5.

A component is a connected piece of ink. A character is one digit, or several digits that touch. All limits
were chosen on the development pictures. Lengths are in typical heights of the page's components
(`components.typical_height`), unless a line names another unit.
"""

from collections.abc import Sequence

from digits.reading.components import Component, gap, union

MIN_SIZE, MIN_HEIGHT = 0.35, 0.3  # of a character; 0.25 read fewer cheques: docs/log.md, 2026-11-26
SMALL = 0.3  # a smaller component is a speck, a dot, or a bit of a digit
MIN_CRUMB = 0.1  # a smaller component is never joined
SHARED_COLUMNS = 0.5  # of the narrower component's width; at least this part lies above the other one
MAX_GAP = 0.2  # between two components, one above the other
MAX_HEIGHT = 1.6  # of two components together


def characters_of(components: Sequence[Component], typical: float) -> list[Component]:
    """Join components to characters, and remove specks, dots and dashes.

    Args:
        components: Components of a page.
        typical: Typical height of the components in pixels.

    Returns:
        The characters, each as one component, in no particular order.
    """
    characters = _joined(components, typical)
    return [c for c in characters if c.size >= MIN_SIZE * typical and c.height >= MIN_HEIGHT * typical]


def _joined(components: Sequence[Component], typical: float) -> list[Component]:
    """Join components that belong to the same character until no two of them do."""
    characters = sorted(components, key=lambda c: -c.area)
    merged = True
    while merged:
        merged = False
        for i in range(len(characters)):
            for j in range(len(characters) - 1, i, -1):
                if _belong_together(characters[j], characters[i], typical):
                    characters[i] = union([characters[i], characters.pop(j)])
                    merged = True
    return characters


def _belong_together(small: Component, large: Component, typical: float) -> bool:
    """Return True if two components are parts of one character.

    They lie one above the other and near each other. A tiny component belongs to a larger one if their boxes
    touch.

    Args:
        small: The component with less ink.
        large: The component with more ink.
        typical: Typical height of the components in pixels.
    """
    if min(small.size, large.size) < SMALL * typical:
        crumb = min(small.size, large.size) >= MIN_CRUMB * typical
        return gap(small, large) == 0 and crumb and small.bottom < large.bottom
    shared = min(small.right, large.right) - max(small.left, large.left)
    if shared < SHARED_COLUMNS * min(small.width, large.width):
        return False
    distance = max(small.top - large.bottom, large.top - small.bottom)
    height = max(small.bottom, large.bottom) - min(small.top, large.top)
    return distance <= MAX_GAP * typical and height <= MAX_HEIGHT * typical
