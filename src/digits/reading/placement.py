"""Tell where a component lies in the picture: on the border, along an edge, around the writing.

All limits were chosen by eye on the development pictures; "side" is the picture's longer side in pixels, and
`shape` the picture's (H, W).
"""

from digits.reading.components import Component

TINY = 32  # px; pictures up to this side show neither tables nor ruled lines: docs/log.md, 2026-11-26
NEAR_BORDER = 0.008  # of the side: what lies this close touches the border
LINE_THICKNESS = 0.15  # width over length, up to which a component is a line: a crease, an edge or a 1

# An outline is thin ink around at least half of the picture, such as a frame or the edges of a sheet.
OUTLINE_SIDE = 0.5  # of the picture's height and width, at least
OUTLINE_AREA = 0.12  # of its box, at most
OUTLINE_BAND = 0.04  # of its size; the ink of its sides lies in bands this wide
OUTLINE_COVERED = 0.6  # of a band's length that has ink, on at least two sides

# An edge is the rim of a sheet, table or shadow: long on the border, or in a corner.
STRIP_LENGTH = 3  # times its thickness
STRIP_ALONG = 0.5  # of its length that lies on the border
CORNER_SIDE = 0.4  # of the picture's height and width, at most
BORDER_COVERED = 0.6  # of a side of the picture


def touches_border(c: Component, shape: tuple[int, ...]) -> bool:
    """Return True if the component lies on the border of a picture of `shape` (H, W), or very near to it."""
    near = round(NEAR_BORDER * max(shape))
    return min(c.top, c.left, shape[0] - c.bottom, shape[1] - c.right) <= near


def is_in_outer_quarter(c: Component, shape: tuple[int, ...]) -> bool:
    """Return True if the component lies completely in one outer quarter: top, bottom, left or right."""
    height, width = shape
    return c.bottom < height / 4 or c.top > 3 * height / 4 or c.right < width / 4 or c.left > 3 * width / 4


def enters_from_outside(c: Component, shape: tuple[int, ...]) -> bool:
    """Return True if the component touches the border and stays in an outer quarter of the picture."""
    return is_in_outer_quarter(c, shape) and touches_border(c, shape)


def is_line(c: Component) -> bool:
    """Return True if the component is long and thin: a crease, an edge or a 1."""
    return min(c.height, c.width) <= LINE_THICKNESS * c.size


def is_outline(c: Component, shape: tuple[int, ...]) -> bool:
    """Return True if the component is thin ink around half of the picture or more, such as a frame."""
    if c.height < OUTLINE_SIDE * shape[0] or c.width < OUTLINE_SIDE * shape[1]:
        return False
    if c.area > OUTLINE_AREA * c.height * c.width:
        return False
    band = max(1, round(OUTLINE_BAND * c.size))
    sides = (c.mask[:band].any(0), c.mask[-band:].any(0), c.mask[:, :band].any(1), c.mask[:, -band:].any(1))
    return sum(float(side.mean()) > OUTLINE_COVERED for side in sides) >= 2


def is_edge(c: Component, shape: tuple[int, ...]) -> bool:
    """Return True if the component is the rim of a sheet, table or shadow.

    A rim is long and lies on the border, or it lies in a corner.
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
