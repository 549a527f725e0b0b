"""Pages that cost far more to read than they look, made in code, and honest pages to compare them with.

Every page is grey, at most 1,600 pixels wide and high unless its point is its size. `hostile_pages()` names
them; a page is made only when its function is called.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from .strokefont import write

SIDE = 1600  # px; the reader makes larger pictures smaller
MARGIN = 60  # px; a few of the blocks in which the reader looks for paper
Bits = npt.NDArray[np.bool_]  # (H, W), True for ink
Page = Callable[[], Image.Image]


def hostile_pages() -> dict[str, Page]:
    """Return the makers of all hostile pages by name."""
    pages: dict[str, Page] = {}
    for cell in (1, 2, 3, 5, 8, 16, 40, 100):
        pages[f"checkerboard-{cell}"] = functools.partial(_checkerboard, cell)
        pages[f"blocks-{cell}"] = functools.partial(_blocks, cell)
        pages[f"dots-{cell}"] = functools.partial(_dots, cell)
    for density in (0.002, 0.02, 0.1, 0.3, 0.5):
        pages[f"noise-{density}"] = functools.partial(_noise, density)
    for blur in (1, 2, 4, 8, 16):
        pages[f"blobs-{blur}"] = functools.partial(_blobs, blur)
    for angle in (0, 1, 3, 20, 45, 89, 90):
        for period in (2, 4, 8, 25):
            pages[f"grating-{angle}-{period}"] = functools.partial(_grating, angle, period)
    for gap in (4, 12, 40):
        pages[f"mesh-{gap}"] = functools.partial(_mesh, gap)
        pages[f"comb-{gap}"] = functools.partial(_comb, gap)
        pages[f"combs-{gap}"] = functools.partial(_combs, gap)
        pages[f"spiral-{gap}"] = functools.partial(_spiral, gap)
        pages[f"frames-{gap}"] = functools.partial(_frames, gap)
        pages[f"staircases-{gap}"] = functools.partial(_staircases, gap)
        pages[f"maze-{gap}"] = functools.partial(_maze, gap)
        pages[f"dashes-{gap}"] = functools.partial(_dashes, gap)
    for size in (12, 20, 40, 80):
        pages[f"rings-{size}"] = functools.partial(_rings, size)
        pages[f"chained-rings-{size}"] = functools.partial(_chained_rings, size)
        pages[f"text-{size}"] = functools.partial(_text, size)
        pages[f"scribbles-{size}"] = functools.partial(_scribbles, size)
    for height in (20, 40, 80):
        pages[f"long-row-{height}"] = functools.partial(_long_row, height)
        pages[f"touching-row-{height}"] = functools.partial(_touching_row, height)
        pages[f"touching-page-{height}"] = functools.partial(_touching_page, height)
    pages["wiggle"] = _wiggle
    pages["wiggle-through-digits"] = _wiggle_through_digits
    pages["wide-20000"] = functools.partial(_stripes, 20_000, 1250)
    pages["high-20000"] = functools.partial(_stripes, 1250, 20_000)
    pages["digits-25-megapixels"] = functools.partial(digits_page, 100, 100, side=5000)
    return pages


def digits_page(columns: int, rows: int, *, side: int = SIDE, seed: int = 0) -> Image.Image:
    """Return an honest page: rows of random digits by the stroke font, none touching another."""
    page = Image.new("L", (side, side), 255)
    generator = np.random.default_rng(seed)
    across, down = side / (columns + 1), side / (rows + 1)
    height = 0.7 * min(across / 0.7, down)
    for row in range(rows):
        text = "".join(map(str, generator.integers(0, 10, columns)))
        at = (across / 2, (row + 0.5) * down)
        write(page, text, at, height, space=across / height - 0.7)
    return page


def _page(bits: Bits) -> Image.Image:
    """Return black ink on white paper, with a white margin: a page without paper counts as blank."""
    bits[:MARGIN], bits[-MARGIN:], bits[:, :MARGIN], bits[:, -MARGIN:] = False, False, False, False
    return Image.fromarray(np.where(bits, np.uint8(0), np.uint8(255)))


def _places() -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return row and column of every pixel of a page."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return y, x


def _checkerboard(cell: int) -> Image.Image:
    y, x = _places()
    return _page((y // cell + x // cell) % 2 == 0)


def _blocks(cell: int) -> Image.Image:
    """Fill half of the cells at random."""
    n = -(-SIDE // cell)
    bits = np.random.default_rng(0).random((n, n)) < 0.5
    return _page(bits.repeat(cell, 0).repeat(cell, 1)[:SIDE, :SIDE])


def _dots(cell: int) -> Image.Image:
    """Put a square of `cell` pixels into each square of twice the side."""
    y, x = _places()
    return _page((y % (2 * cell) < cell) & (x % (2 * cell) < cell))


def _noise(density: float) -> Image.Image:
    return _page(np.random.default_rng(0).random((SIDE, SIDE)) < density)


def _blobs(blur: int) -> Image.Image:
    """Smooth noise and cut it in the middle: islands of all forms, with lakes."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), np.uint8))
    smooth = np.asarray(noise.filter(ImageFilter.GaussianBlur(blur)))
    return _page(smooth > np.quantile(smooth, 0.55))


def _grating(angle: float, period: int) -> Image.Image:
    y, x = _places()
    across = x * math.sin(math.radians(angle)) + y * math.cos(math.radians(angle))
    return _page(np.floor(across).astype(int) % period < max(1, period // 3))


def _mesh(gap: int) -> Image.Image:
    """Draw one component full of holes."""
    y, x = _places()
    inside = (y > 20) & (y < SIDE - 20) & (x > 20) & (x < SIDE - 20)
    thick = max(1, gap // 6)
    return _page(inside & ((y % gap < thick) | (x % gap < thick)))


def _comb(gap: int) -> Image.Image:
    """Draw one beam with teeth over the whole page."""
    y, x = _places()
    inside = (y > 50) & (y < SIDE - 50) & (x > 50) & (x < SIDE - 50)
    return _page(inside & ((y < 60) | (x % gap < max(1, gap // 3))))


def _combs(gap: int) -> Image.Image:
    """Draw low combs, one below the other."""
    y, x = _places()
    inside, low = (x > 50) & (x < SIDE - 50), y % (4 * gap)
    return _page(inside & ((low < 2) | ((low < 3 * gap) & (x % gap < max(1, gap // 3)))))


def _spiral(gap: int) -> Image.Image:
    y, x = _places()
    y, x = y - SIDE // 2, x - SIDE // 2
    turn = (np.hypot(y, x) - np.arctan2(y, x) * gap / (2 * math.pi)) % gap
    return _page((turn < max(1.5, gap / 4)) & (np.hypot(y, x) < 0.47 * SIDE))


def _frames(gap: int) -> Image.Image:
    """Nest frames."""
    y, x = _places()
    depth = np.minimum(np.minimum(y, SIDE - 1 - y), np.minimum(x, SIDE - 1 - x))
    return _page((depth > 20) & (depth % gap < max(1, gap // 4)))


def _staircases(gap: int) -> Image.Image:
    y, x = _places()
    return _page((y // gap * gap + x // gap * gap) % (3 * gap) < max(1, gap // 2))


def _maze(gap: int) -> Image.Image:
    """Draw one wall beside each cell, to the right or below, at random."""
    n = SIDE // gap
    right = np.random.default_rng(0).random((n, n)) < 0.5
    cells = np.zeros((n, gap, n, gap), bool)
    thick = max(1, gap // 4)
    cells[:, :, :, -thick:] |= right[:, None, :, None]
    cells[:, -thick:] |= ~right[:, None, :, None]
    return _page(cells.reshape(n * gap, n * gap))


def _dashes(gap: int) -> Image.Image:
    """Draw thousands of short strokes that nearly touch."""
    page = Image.new("L", (SIDE, SIDE), 255)
    draw, generator = ImageDraw.Draw(page), np.random.default_rng(0)
    for y in range(gap, SIDE - gap, gap):
        for x in range(gap, SIDE - gap, gap):
            angle, length = generator.uniform(0, math.pi), 0.45 * gap
            dx, dy = length * math.cos(angle), length * math.sin(angle)
            draw.line((x - dx, y - dy, x + dx, y + dy), fill=0, width=max(1, gap // 8))
    return page


def _rings(size: int) -> Image.Image:
    page = Image.new("L", (SIDE, SIDE), 255)
    draw = ImageDraw.Draw(page)
    for y in range(size // 2, SIDE - size, size + size // 4):
        for x in range(size // 2, SIDE - size, size + size // 4):
            for inner in range(0, size // 2 - 2, 5):
                draw.ellipse((x + inner, y + inner, x + size - inner, y + size - inner), outline=0, width=2)
    return page


def _chained_rings(size: int) -> Image.Image:
    """Draw rows of rings, each ring touching the next."""
    page = Image.new("L", (SIDE, SIDE), 255)
    draw = ImageDraw.Draw(page)
    for y in range(size // 2, SIDE - size, size + size // 4):
        for x in range(size // 2, SIDE - size, size - 2):
            draw.ellipse((x, y, x + size, y + size), outline=0, width=2)
    return page


def _text(size: int) -> Image.Image:
    """Draw bars and bows in the rhythm of printed text: words, lines, no digits."""
    page = Image.new("L", (SIDE, SIDE), 255)
    draw, generator = ImageDraw.Draw(page), np.random.default_rng(0)
    for y in range(size, SIDE - 2 * size, round(1.5 * size)):
        x = size
        while x < SIDE - size:
            kind, wide = generator.integers(5), max(3, size // 2)
            box = (x, y, x + wide, y + size)
            thick = max(1, size // 8)
            if kind == 0:
                draw.line((x, y, x, y + size), fill=0, width=thick)
            elif kind == 1:
                draw.ellipse(box, outline=0, width=thick)
            elif kind == 2:
                draw.arc(box, 0, 200, fill=0, width=thick)
            elif kind == 3:
                draw.line((x, y + size, x + wide // 2, y, x + wide, y + size), fill=0, width=thick)
            x += wide + max(1, size // 6) if kind < 4 else size
    return page


def _scribbles(size: int) -> Image.Image:
    """Draw scribbles beside one another, each with many loops."""
    page = Image.new("L", (SIDE, SIDE), 255)
    draw, generator = ImageDraw.Draw(page), np.random.default_rng(0)
    for y in range(size, SIDE - size, round(1.4 * size)):
        for x in range(size, SIDE - size, round(1.4 * size)):
            points = generator.uniform(-0.5, 0.5, (14, 2)) * size + (x, y)
            draw.line([tuple(point) for point in points], fill=0, width=2)
    return page


def _long_row(height: int) -> Image.Image:
    """Write digits in one row as long as the limits allow."""
    page = Image.new("L", (SIDE, 2 * height), 255)
    text = "0123456789" * 200
    write(page, text, (4, height / 2), height, space=0.1, pen=0.08)
    return page


def _touching_row(height: int) -> Image.Image:
    """Write zeros and eights that all touch their neighbours in one row."""
    page = Image.new("L", (SIDE, 2 * height), 255)
    write(page, "08" * 300, (4, height / 2), height, space=-0.1, pen=0.08)
    return page


def _touching_page(height: int) -> Image.Image:
    page = Image.new("L", (SIDE, SIDE), 255)
    for y in range(height // 2, SIDE - height, round(1.4 * height)):
        for x in range(4, SIDE - 3 * height, round(3.2 * height)):
            write(page, "0689", (x, y), height, space=-0.05, pen=0.1)
    return page


def _wiggle() -> Image.Image:
    """Draw one line that runs to and fro over the whole page."""
    page = Image.new("L", (SIDE, SIDE), 255)
    points = [(x, 800 + 700 * math.sin(x * 1.7) * math.cos(x * 0.11)) for x in range(50, 1550, 2)]
    ImageDraw.Draw(page).line(points, fill=0, width=2)
    return page


def _wiggle_through_digits() -> Image.Image:
    """Draw one line through every row of an honest page."""
    page = digits_page(20, 20)
    points = [(x, 80 + 76.2 * row + 30 * math.sin(x / 9)) for row in range(20) for x in range(30, 1570, 3)]
    ImageDraw.Draw(page).line(points, fill=0, width=4)
    return page


def _stripes(width: int, height: int) -> Image.Image:
    """Return a page of the largest side allowed, with blocks of all sizes."""
    y, x = np.ogrid[:height, :width]
    return _page(((y // 37) * (x // 61)) % 7 < 3)
