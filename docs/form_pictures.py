"""Draw the forms of docs/forms.md, and the figure that shows how they are read.

    python docs/form_pictures.py                     # docs/pictures/forms.png
    python docs/form_pictures.py FOLDER --examples   # the files that the page's examples read

Digits, boxes, paper and light are made here: nobody's handwriting is in the pictures.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from digits import Field, Reader, Roster, figure_style
from digits.data.digit_styles import STYLES
from digits.data.synthetic import handwritten

FOLDER = Path(__file__).parent / "pictures"
PAPER, INK, RED, GREY = (246, 244, 238), (38, 44, 104), (226, 120, 110), (150, 150, 150)
BOX = (54, 66)  # px; width and height of a box for one digit
HEIGHT = 40  # px of a digit
IDS = ("20231187", "20230942", "20214403", "20225760")
STUDENTS = "name,id\nAda,20231187\nBen,20230942\nCleo,20214403\nDan,20225760\nEve,20198826\nFay,20231178\n"
Colour = tuple[int, int, int]


def write_digit(paper: Image.Image, digit: int, at: tuple[float, float], rng: Generator) -> None:
    """Write one digit with a pen, its middle at a place, in px."""
    styles = STYLES[digit]
    strokes = handwritten(styles[int(rng.integers(len(styles)))](rng), rng)
    points = np.concatenate(strokes)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    size = HEIGHT * rng.uniform(0.92, 1.06) / np.ptp(points[:, 1])
    draw = ImageDraw.Draw(paper)
    for stroke in strokes:
        line = [(float(x), float(y)) for x, y in (stroke - middle) * size + at]
        draw.line(line, fill=INK, width=4, joint="curve")
        for x, y in line:
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=INK)


def boxes(text: str, seed: int, *, colour: Colour = RED) -> Image.Image:
    """A row of boxes with a digit in each; a space leaves a box empty."""
    rng = np.random.default_rng(seed)
    width, height = BOX
    paper = Image.new("RGB", (len(text) * width + 80, height + 80), PAPER)
    draw = ImageDraw.Draw(paper)
    for place, character in enumerate(text):
        left = 40 + place * width
        draw.rectangle((left, 40, left + width, 40 + height), outline=colour, width=2)
        if character != " ":
            at = (left + width / 2 + rng.uniform(-3, 3), 40 + height / 2 + rng.uniform(-3, 3))
            write_digit(paper, int(character), at, rng)
    return scanned(paper, seed)


def line(text: str, seed: int) -> Image.Image:
    """A number on a line, with its points."""
    rng = np.random.default_rng(seed)
    paper = Image.new("RGB", (38 * len(text) + 120, 130), PAPER)
    draw = ImageDraw.Draw(paper)
    draw.line((30, 104, paper.width - 30, 104), fill=GREY, width=2)
    x = 60.0
    for character in text:
        if character == ".":
            draw.ellipse((x - 17, 80, x - 10, 87), fill=INK)
            x += 18
        else:
            write_digit(paper, int(character), (x, 66 + rng.uniform(-2, 2)), rng)
            x += 40 + rng.uniform(0, 4)
    return scanned(paper, seed)


def scanned(paper: Image.Image, seed: int) -> Image.Image:
    """The sheet as a scanner of 150 dpi sees it: a little soft and grainy."""
    pixels = np.asarray(paper.filter(ImageFilter.GaussianBlur(0.7)), np.float64)
    noise = np.random.default_rng(seed).normal(0, 3, (*pixels.shape[:2], 1))
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def write_examples(folder: Path) -> None:
    """Write the files that the examples of docs/forms.md read."""
    (folder / "scans").mkdir(parents=True, exist_ok=True)
    for seed, number in enumerate(IDS):
        boxes(number, seed).save(folder / "scans" / f"exam-{seed + 1}.png")
    (folder / "ids.csv").write_text(STUDENTS)
    boxes("20231187 ", 7).save(folder / "form.png")
    line("4071", 3).save(folder / "meter.png")
    line("12.50", 5).save(folder / "mark.png")


def forms_figure(reader: Reader, folder: Path) -> Figure:
    """The example files, each with how it was read and how sure that is."""
    roster = Roster.load(folder / "ids.csv")
    shown = [
        ("digits predict scans --roster ids.csv", folder / "scans" / "exam-1.png", Field(roster=roster)),
        ("", folder / "scans" / "exam-2.png", Field(roster=roster)),
        ("digits predict meter.png --length 4", folder / "meter.png", Field(length=4)),
        ("digits predict mark.png --pattern ##.##", folder / "mark.png", Field(pattern="##.##")),
    ]
    rows = [(command, path, reader.read(path, field=field)) for command, path, field in shown]
    text = "Left: a scan. Right: the most probable number that fits, and its probability."
    figure, canvas, top = figure_style.open_sheet("Numbers on forms", text, 4 * 186)
    for place, (command, path, reading) in enumerate(rows):
        y = top + 186 * place
        figure_style.write(canvas, figure_style.MARGIN, y + 8, command, size=figure_style.SMALL_SIZE)
        with Image.open(path) as picture:
            figure_style.draw_image(canvas, figure_style.MARGIN, y + 26, np.asarray(picture), 1)
        (number,) = reading.numbers
        answer = f"{number.text}, {figure_style.whole_percent(number.probability)}"
        figure_style.write(canvas, 660, y + 90, answer, weight="bold", color=figure_style.BLUE)
    return figure


def main() -> None:
    """Write the figure, or the examples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--examples", action="store_true", help="write the examples instead of the figure")
    arguments = parser.parse_args()
    if arguments.examples:
        write_examples(arguments.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_examples(Path(folder))
        target = arguments.folder / "forms.png"
        figure_style.save_png(forms_figure(Reader.load("cnn"), Path(folder)), target)
    with Image.open(target) as full:  # with 64 colours it takes a quarter of the bytes
        full.convert("RGB").quantize(64).save(target, optimize=True)


if __name__ == "__main__":
    main()
