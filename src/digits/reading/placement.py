"""Find out where a component lies: on the border, along an edge, or around the writing.

A component is a piece of ink. "Side" is the longer side of the picture in pixels. All limits were chosen by
eye on the development pictures.
"""

from digits.reading.components import Component

TINY = 32  # px; pictures up to this side show no tables or ruled lines: docs/log.md, 2026-11-26
NEAR_BORDER = 0.008  # of the side; a component at most this far from the border touches it
LINE_THICKNESS = 0.15  # largest ratio of width to length of a line: a crease, an edge or a 1

# An outline is thin ink around at least half of the picture, such as a frame or the edges of a sheet.
OUTLINE_SIDE = 0.5  # smallest height and width, as a share of the picture's
OUTLINE_AREA = 0.12  # largest share of its box that is ink
OUTLINE_BAND = 0.04  # of its size; width of a band along each side of its box
OUTLINE_COVERED = 0.6  # at least two bands have ink in more than this share of their length

# An edge is the end of a sheet, table or shadow: long on the border, or in a corner.
STRIP_LENGTH = 3  # thicknesses; an edge on the border is longer than this
STRIP_ALONG = 0.5  # more than this share of its length lies on the border
CORNER_SIDE = 0.4  # an edge in a corner is smaller than this share of the picture's height and width
BORDER_COVERED = 0.6  # an edge may also cover more than this share of one border of the picture


def touches_border(c: Component, shape: tuple[int, ...]) -> bool:
    """Check if a component touches the border of the picture.

    A small distance from the border is allowed.

    Args:
        c: The component.
        shape: (H, W) of the picture in pixels.
    """
    near = round(NEAR_BORDER * max(shape))
    return min(c.top, c.left, shape[0] - c.bottom, shape[1] - c.right) <= near


def is_in_outer_quarter(c: Component, shape: tuple[int, ...]) -> bool:
    """Check if a component lies completely in one outer quarter.

    The outer quarters are the top, bottom, left and right quarter of the picture.

    Args:
        c: The component.
        shape: (H, W) of the picture in pixels.
    """
    height, width = shape
    return c.bottom < height / 4 or c.top > 3 * height / 4 or c.right < width / 4 or c.left > 3 * width / 4


def enters_from_outside(c: Component, shape: tuple[int, ...]) -> bool:
    """Check if a component touches the border and lies in an outer quarter.

    Args:
        c: The component.
        shape: (H, W) of the picture in pixels.
    """
    return is_in_outer_quarter(c, shape) and touches_border(c, shape)


def is_line(c: Component) -> bool:
    """Check if a component is long and thin, such as a 1."""
    return min(c.height, c.width) <= LINE_THICKNESS * c.size


def is_outline(c: Component, shape: tuple[int, ...]) -> bool:
    """Check if a component is a thin outline, such as a frame.

    An outline spans at least half of the picture in both directions.

    Args:
        c: The component.
        shape: (H, W) of the picture in pixels.
    """
    if c.height < OUTLINE_SIDE * shape[0] or c.width < OUTLINE_SIDE * shape[1]:
        return False
    if c.area > OUTLINE_AREA * c.height * c.width:
        return False
    band = max(1, round(OUTLINE_BAND * c.size))
    sides = (c.mask[:band].any(0), c.mask[-band:].any(0), c.mask[:, :band].any(1), c.mask[:, -band:].any(1))
    return sum(float(side.mean()) > OUTLINE_COVERED for side in sides) >= 2


def is_edge(c: Component, shape: tuple[int, ...]) -> bool:
    """Check if a component is the edge of a sheet, table or shadow.

    An edge touches the border and has one of these forms:

    - a long strip along the border,
    - a small piece in a corner,
    - any piece that covers most of one border.

    Args:
        c: The component.
        shape: (H, W) of the picture in pixels.

    Returns:
        True for an edge. Always False in a picture of at most TINY x TINY pixels.
    """
    height, width = shape
    if max(shape) <= TINY:
        return False
    near = round(NEAR_BORDER * max(shape))
    sides = (c.top <= near, c.bottom >= height - near, c.left <= near, c.right >= width - near)
    if not any(sides):
        return False
    lines = (c.mask[0], c.mask[-1], c.mask[:, 0], c.mask[:, -1])
    along = [int(line.sum()) for line, side in zip(lines, sides, strict=True) if side]
    full = [n for n, side in zip((width, width, height, height), sides, strict=True) if side]
    on_border = c.top == 0 or c.bottom == height or c.left == 0 or c.right == width
    long = c.size > STRIP_LENGTH * min(c.height, c.width) and max(along) > STRIP_ALONG * c.size
    small = c.height < CORNER_SIDE * height and c.width < CORNER_SIDE * width
    corner = small and (sides[0] or sides[1]) and (sides[2] or sides[3])
    covers = any(a > BORDER_COVERED * n for a, n in zip(along, full, strict=True))
    return (on_border and long) or corner or covers
