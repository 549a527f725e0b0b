"""Draw the pictures of docs/photos.md.

    python docs/photo_pictures.py [FOLDER]

FOLDER is docs/pictures unless named. The photographs are made here, digits, paper, light and all: nobody's
handwriting is in the pictures.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from augmentation_pictures import STROKES, Stroke, smooth
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFilter

from digits import figure_style
from digits.reading.explanation import explain
from digits.reading.reader import Reader

FOLDER = Path(__file__).parent / "pictures"
PAPER, TABLE, RULES, BLUE, PENCIL = (
    (243, 239, 228),
    (74, 60, 50),
    (176, 196, 216),
    (34, 44, 130),
    (128, 126, 124),
)
Colour = tuple[int, int, int]


def write(
    paper: Image.Image,
    strokes: Sequence[Stroke],
    at: tuple[float, float],
    size: float,
    pen: float,
    ink: Colour,
) -> None:
    """A digit, `size` px a unit of its strokes, in round pen strokes `pen` px wide."""
    draw = ImageDraw.Draw(paper)
    for stroke in strokes:
        points = [(at[0] + size * x, at[1] + size * y) for x, y in smooth(stroke).tolist()]
        draw.line(points, fill=ink, width=round(pen), joint="curve")
        for x, y in points:
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=ink)


def scribble(paper: Image.Image, at: tuple[float, float], size: float, pen: float, ink: Colour) -> None:
    """A flower that is no digit."""
    t = np.linspace(0, 2 * np.pi, 400)
    radius = size * (0.55 + 0.45 * np.cos(7 * t))
    points = list(zip(at[0] + radius * np.cos(t), at[1] + radius * np.sin(t), strict=True))
    ImageDraw.Draw(paper).line(
        [(float(x), float(y)) for x, y in points], fill=ink, width=round(pen), joint="curve"
    )


def photographed(paper: Image.Image, *, turn: float = 0.0, dark: float = 0.45, seed: int = 0) -> Image.Image:
    """A sheet on a table, not quite straight, in light that fades to one side, blurred and grainy."""
    table = Image.new("RGB", paper.size, TABLE)
    sheet = paper.convert("RGBA").rotate(turn, Image.Resampling.BICUBIC, expand=False)
    table.paste(sheet, (0, 0), sheet)
    pixels = np.asarray(table.filter(ImageFilter.GaussianBlur(0.8)), np.float64)
    height, width = pixels.shape[:2]
    light = 1 - dark * np.linspace(0, 1, width)[None, :] * (0.6 + 0.4 * np.linspace(0, 1, height)[:, None])
    noise = np.random.default_rng(seed).normal(0, 4, (height, width, 1))
    return Image.fromarray(np.clip(pixels * light[..., None] + noise, 0, 255).astype(np.uint8))


def ruled_sheet() -> Image.Image:
    """Two lines of digits in blue ink on ruled paper, and a flower below them."""
    paper = Image.new("RGB", (1000, 640), PAPER)
    draw = ImageDraw.Draw(paper)
    for y in range(70, 640, 60):
        draw.line((0, y, 1000, y), fill=RULES, width=2)
    for i, name in enumerate("2479"):
        write(paper, STROKES[name], (110 + 190 * i, 75 + 9 * (i % 2)), 8.5, 11, BLUE)
    for i, name in enumerate("35"):
        write(paper, STROKES[name], (120 + 190 * i, 300 + 8 * i), 8.5, 11, BLUE)
    scribble(paper, (640, 536), 70, 10, BLUE)
    return photographed(paper, turn=-1.5)


def pens() -> list[tuple[str, Image.Image]]:
    """The same 5 by different hands' means: what it was written with, and a picture of it."""
    found: list[tuple[str, Image.Image]] = []
    for name, pen, ink, size, paper_colour, at in (
        ("pencil", 3.0, PENCIL, 7.0, PAPER, (90.0, 90.0)),
        ("ball pen", 5.0, BLUE, 4.5, PAPER, (190.0, 40.0)),
        ("marker", 30.0, (20, 20, 20), 15.0, (252, 252, 252), (2.0, 8.0)),
        ("chalk", 13.0, (228, 232, 228), 10.0, (38, 62, 52), (60.0, 40.0)),
    ):
        paper = Image.new("RGB", (320, 320), paper_colour)
        write(paper, STROKES["5"], at, size, pen, ink)
        found.append((name, photographed(paper, dark=0.35, seed=len(found))))
    return found


def pens_figure(reader: Reader) -> Figure:
    """Pictures above, what the network sees of each below."""
    pictures = pens()
    side = 28 * 8
    title = "Four pens, one form"
    text = "Above: pictures of a 5. Below: what the network sees of each, in 28 × 28 pixels, and its answer."
    figure, canvas, top = figure_style.open_sheet(title, text, 40 + 2 * side + 30 + 50)
    for (x, y), (name, picture) in zip(
        figure_style.grid(len(pictures), len(pictures), side, 0, top), pictures, strict=True
    ):
        (digit,) = reader.read(picture, single=True).digits
        figure_style.write(canvas, x, y + 10, name, weight="bold")
        shown = np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC))
        figure_style.draw_image(canvas, x, y + 36, shown, 1)
        figure_style.draw_image(canvas, x, y + 36 + side + 24, digit.image, 8, limits=(0, 1))
        answer = f"{digit.digit}, {figure_style.whole_percent(digit.probability)}"
        figure_style.write(
            canvas, x, y + 36 + 2 * side + 24 + 26, answer, weight="bold", color=figure_style.BLUE
        )
    return figure


def main(folder: Path) -> None:
    """Write all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    reader = Reader.load("cnn")
    explain(reader.read(ruled_sheet(), explain=True), folder / "explain.png")
    with Image.open(folder / "explain.png") as full:  # with 256 colours it takes half of the bytes
        full.convert("RGB").quantize(256).save(folder / "explain.png", optimize=True)
    figure_style.save_png(pens_figure(reader), folder / "pens.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    main(parser.parse_args().folder)
