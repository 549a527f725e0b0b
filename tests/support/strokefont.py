"""A font of strokes for the ten digits, and pictures of paper with such digits on it."""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Points = list[tuple[float, float]]


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> Points:
    """Return points on the arc of an ellipse; angles are in degrees, clockwise from the right."""
    angles = np.radians(np.linspace(start, end, 24))
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


# Each digit's strokes, as points (x, y) in a box that is 0.7 wide and 1 high.
FONT: dict[int, list[Points]] = {
    0: [arc(0.35, 0.5, 0.3, 0.5, 0, 360)],
    1: [[(0.2, 0.2), (0.4, 0.0), (0.4, 1.0)]],
    2: [[*arc(0.35, 0.28, 0.3, 0.28, 190, 380), (0.05, 1.0), (0.68, 1.0)]],
    3: [[*arc(0.3, 0.25, 0.3, 0.25, 210, 450), *arc(0.3, 0.74, 0.36, 0.26, 270, 510)]],
    4: [[(0.4, 0.0), (0.05, 0.62), (0.68, 0.62)], [(0.5, 0.3), (0.5, 1.0)]],
    5: [[(0.62, 0.0), (0.15, 0.0), (0.1, 0.45), *arc(0.32, 0.68, 0.34, 0.32, 230, 510)]],
    6: [[(0.55, 0.0), (0.2, 0.4), *arc(0.36, 0.7, 0.3, 0.3, 200, 560)]],
    7: [[(0.03, 0.0), (0.68, 0.0), (0.3, 1.0)]],
    8: [[*arc(0.35, 0.24, 0.24, 0.24, 90, 450), *arc(0.35, 0.74, 0.32, 0.26, 270, 630)]],
    9: [[*arc(0.34, 0.28, 0.28, 0.28, 0, 360), (0.6, 0.3), (0.5, 1.0)]],
}


def write(
    paper: Image.Image,
    text: str,
    at: tuple[float, float],
    height: float,
    *,
    pen: float = 0.1,
    ink: object = 0,
    space: float = 0.35,
    slope: float = 0.0,
) -> None:
    """Write digits on a picture with a round pen.

    `at` is the upper left corner and `height` the height of a digit, in pixels; `pen`, the stroke width, and
    `space` are in heights; `slope` is in pixels down for each pixel to the right.
    """
    draw = ImageDraw.Draw(paper)
    x, y = at
    width = max(1, round(pen * height))
    for digit in text:
        for stroke in FONT[int(digit)]:
            points = [(x + px * height, y + py * height + slope * (x - at[0])) for px, py in stroke]
            draw.line(points, fill=ink, width=width, joint="curve")  # type: ignore[arg-type]  # any colour
            radius = width / 2 - 0.5
            for px, py in (points[0], points[-1]):
                draw.ellipse((px - radius, py - radius, px + radius, py + radius), fill=ink)  # type: ignore[arg-type]
        x += (0.7 + space) * height


def sheet(
    text: str,
    *,
    size: tuple[int, int] = (400, 300),
    at: tuple[float, float] | None = None,
    height: float = 150,
    pen: float = 0.1,
    ink: object = 0,
    colour: object = 255,
    mode: str = "L",
    space: float = 0.35,
) -> Image.Image:
    """Return a picture of paper with one line of digits, in the middle unless `at` is given.

    `size` is width and height in pixels; the other arguments are those of `write`.
    """
    paper = Image.new(mode, size, colour)  # type: ignore[arg-type]  # any colour
    length = (len(text) * (0.7 + space) - space) * height
    where = at or ((size[0] - length) / 2, (size[1] - height) / 2)
    write(paper, text, where, height, pen=pen, ink=ink, space=space)
    return paper


def shaded(image: Image.Image, darkest: float = 0.4) -> npt.NDArray[np.uint8]:
    """Return the pixels with light that fades from the upper left to the lower right, and a little noise.

    `darkest` is the light in the lower right corner, 1 being full light.
    """
    pixels = np.asarray(image, np.float64)
    height, width = pixels.shape[:2]
    fade = np.add.outer(np.linspace(0, 0.5, height), np.linspace(0, 0.5, width))
    light = 1 - (1 - darkest) * fade
    noise = np.random.default_rng(0).normal(0, 2, (height, width))
    if pixels.ndim == 3:
        light, noise = light[..., None], noise[..., None]
    return np.clip(pixels * light + noise, 0, 255).astype(np.uint8)
