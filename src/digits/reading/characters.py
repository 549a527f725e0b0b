"""Join components to characters, such as the bar of a 5 and its belly.

All limits are in typical heights of the page's components and were chosen on the development pictures.
"""

from collections.abc import Sequence

from digits.reading.components import Component, gap, union

MIN_SIZE, MIN_HEIGHT = 0.35, 0.3  # of a character; from 0.25 on fewer cheques: docs/log.md, 2026-11-26
SMALL = 0.3  # smaller components are specks, dots, or crumbs inside a digit
MIN_CRUMB = 0.1  # smaller ones join nothing
SHARED_COLUMNS = 0.5  # of the narrower component's width, at least
MAX_GAP = 0.2  # between components above one another
MAX_HEIGHT = 1.6  # of two components joined


def characters_of(components: Sequence[Component], typical: float) -> list[Component]:
    """Return the characters of a page, each as one component; specks, dots and dashes are left out.

    `typical` is the typical height of the components in pixels.
    """
    characters = _joined(components, typical)
    return [c for c in characters if c.size >= MIN_SIZE * typical and c.height >= MIN_HEIGHT * typical]


def _joined(components: Sequence[Component], typical: float) -> list[Component]:
    """Join components that belong to one character until no two of them do."""
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
    """Return True if two components lie above one another and near enough to be one character."""
    if min(small.size, large.size) < SMALL * typical:
        crumb = min(small.size, large.size) >= MIN_CRUMB * typical
        return gap(small, large) == 0 and crumb and small.bottom < large.bottom
    shared = min(small.right, large.right) - max(small.left, large.left)
    if shared < SHARED_COLUMNS * min(small.width, large.width):
        return False
    distance = max(small.top - large.bottom, large.top - small.bottom)
    height = max(small.bottom, large.bottom) - min(small.top, large.top)
    return distance <= MAX_GAP * typical and height <= MAX_HEIGHT * typical
