"""Cut marks out of pages without digits, and of pages with signs and words beside digits, as the finder does.

`benchmarks/rejection.py` trains the rejection network on them. The pages are made in code: printed words in
free fonts, words written by the pen of `digits.data.synthetic`, signs beside MNIST's training digits,
figures, paper. Photos without digits come with scikit-image and scikit-learn. Every page is searched by
`digits.reading.find_digits` with the bundled classifier, so a mark may be a letter, a piece of one, two
joined, a leaf, a wrinkle. What truly looks like a digit, such as an O or an upright bar, is left out.

The fonts are those of Matplotlib and, where installed, these of Debian:

    apt-get install fonts-urw-base35 fonts-freefont-ttf fonts-open-sans fonts-roboto-unhinted fonts-breip \
        fonts-bwht fonts-femkeklaver fonts-ecolier-court fonts-kristi fonts-humor-sans fonts-dancingscript \
        fonts-sjfonts fonts-rufscript fonts-tomsontalks fonts-sil-charis fonts-sil-gentiumplus

    python benchmarks/page_nondigits.py --out FILE [--pages 2000 --seed 0]

writes the marks, uint8 (N, 28, 28), with the labels 0 to 9 or 10 for "no digit".
"""

import argparse
import functools
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import matplotlib
import numpy as np
import numpy.typing as npt
from nondigits import LIKE_DIGITS, letter_paths
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from digits.data import loading
from digits.data.splits import split
from digits.data.synthetic import handwritten
from digits.errors import PhotoError
from digits.reading.find_digits import find
from digits.reading.image_files import open_picture
from digits.reading.marks import Box, Mark, Probabilities
from digits.reading.reader import Reader
from digits.training.rejection_tuning import NO_DIGIT_LABEL

Grey: TypeAlias = npt.NDArray[np.float32]  # (H, W) in [0, 1]: the share of ink

WORDS = """
name date total room amount student number class grade page item price sum score hello invoice street
city phone code order bill table question answer point january monday address thanks value result paid
balance quantity test exam the and for with from this that have not you are was his her they one all
would there their what out about who get which when make can like time just him know take people into
year your good some could them see other than then now look only come over think also back after use two
how our work first well way even new want because any these give day most us mathematics receipt account
signature summer winter garden kitchen machine paper number measure weight height temperature kilogram
"""
SIGNS = "()[]{}$%#+=?!&*€£@<>"  # beside digits; / and | look like a 1
PLAIN = "/-.,:;|"  # these may stand beside digits, but are not learned
DEBIAN = (  # families of the packages above, as their files are named
    *("NimbusSans", "NimbusRoman", "NimbusMono", "C059", "P052", "URW", "Z003", "FreeSans", "FreeSerif"),
    *(
        "FreeMono",
        "OpenSans",
        "Roboto",
        "breip",
        "Because",
        "Ecolier",
        "Kristi",
        "Humor",
        "Dancing",
        "SteveHand",
    ),
    *("Delphine", "ryan", "Rufscript", "TomsonTalks", "Charis", "Gentium", "femkeklaver"),
)
PHOTOS = (  # of scikit-image, none with digits; docs of skimage.data name the licences
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "grass.png"),
    *("gravel.png", "horse.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png"),
    *("retina.jpg", "rocket.jpg"),
)
SAME = 0.6  # a mark is a glyph if their boxes overlap by this share of their union
PIECE = 0.15  # a mark touches a glyph if it covers at least this share of the mark or of the glyph
NARROW = 0.6  # width by height; a narrower mark that the classifier takes for a 1 is an upright bar
ROUND = 0.9  # a mark in a picture or figure that is a 0 with this probability is a ring


@dataclass
class Page:
    """A page: its ink (H, W) in [0, 1], and what was written on it with its boxes.

    A page whose glyphs are unknown, such as a photo, has none.
    """

    ink: Grey
    glyphs: list[tuple[str, Box]] = field(default_factory=list)
    photo: npt.NDArray[np.uint8] | None = None


Maker: TypeAlias = Callable[[Generator], Page]


def marks_of(page: Page, numbers: Generator, classifier: Reader) -> list[tuple[Mark, int]]:
    """Return the marks that the finder cuts out of a page, with their labels."""
    picture = page.photo if page.photo is not None else photographed(page.ink, numbers)
    try:
        found = find(open_picture(picture), classify=classifier.probabilities, work=300_000)
    except PhotoError:
        return []
    labelled = []
    for mark in found.marks:
        label = label_of(mark, page.glyphs, classifier)
        if label is not None and not mark.blank:
            labelled.append((mark, label))
    return labelled


def label_of(mark: Mark, glyphs: Sequence[tuple[str, Box]], classifier: Reader) -> int | None:
    """Return the label of a mark, 0 to 10; None if it may look like a digit without being one."""
    p = mark.probabilities
    if p is None:
        p = classifier.probabilities(mark.image[None])[0]
    touched = []
    for character, box in glyphs:
        shared = _shared(mark.box, box)
        if shared / (_area(mark.box) + _area(box) - shared) >= SAME:
            if character.isdecimal():
                return int(character)
            return None if character in LIKE_DIGITS and character not in SIGNS else NO_DIGIT_LABEL
        if shared >= PIECE * min(_area(mark.box), _area(box)):
            touched.append(character)
    if any(character.isdecimal() or character in PLAIN for character in touched):
        return None  # a piece of a digit, or a digit with something else
    return None if _like_a_digit(mark, p, alone=not glyphs) else NO_DIGIT_LABEL


def _like_a_digit(mark: Mark, p: Probabilities, *, alone: bool) -> bool:
    """Check if a mark is an upright bar or, in a picture without letters, a ring."""
    bar = p.argmax() == 1 and mark.box[2] < NARROW * mark.box[3]
    return bool(bar or (alone and p[0] > ROUND))


def _area(box: Box) -> int:
    return box[2] * box[3]


def _shared(a: Box, b: Box) -> int:
    """Return the area that two boxes share, in square pixels."""
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(0, wide) * max(0, high)


def photographed(ink: Grey, numbers: Generator) -> npt.NDArray[np.uint8]:
    """Return a page as a picture, uint8 (H, W): ink and paper of random brightness, with noise and blur."""
    paper = numbers.uniform(0.7, 1.0)
    dark = paper * numbers.uniform(0.0, 0.6)
    seen = paper - (paper - dark) * ink + numbers.normal(0, numbers.uniform(0, 0.02), ink.shape)
    grey = Image.fromarray(np.clip(seen * 255, 0, 255).astype(np.uint8))
    if numbers.random() < 0.4:
        grey = grey.filter(ImageFilter.GaussianBlur(float(numbers.uniform(0.4, 1.5))))
    return np.asarray(grey)


# ------------------------------------------------------------------------------------------------ fonts


@functools.cache
def fonts() -> list[Path]:
    """Return the files of the fonts: those of Matplotlib and of DEBIAN."""
    names = ("DejaVuSans", "DejaVuSerif", "STIXGeneral", "cmr10", "cmss10", "cmtt10", "cmti10", "cmb10")
    own = sorted((Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob("*.ttf"))
    installed = sorted(p for p in Path("/usr/share/fonts").rglob("*") if p.suffix in (".ttf", ".otf"))
    return [
        *(path for path in own if path.stem.startswith(names) and "Display" not in path.stem),
        *(path for path in installed if path.name.startswith(DEBIAN)),
    ]


def written(text: str, font: ImageFont.FreeTypeFont, at: tuple[int, int], page: Page, bold: int = 0) -> None:
    """Set a text on a page, character by character, and note their boxes."""
    picture = Image.fromarray((page.ink * 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    draw.text(at, text, font=font, fill=255, stroke_width=bold)
    for number, character in enumerate(text):
        if character != " ":
            start = at[0] + font.getlength(text[:number])
            left, top, right, bottom = font.getbbox(character, stroke_width=bold)
            box = (int(start + left), int(at[1] + top), int(right - left), int(bottom - top))
            page.glyphs.append((character, box))
    page.ink = np.asarray(picture, np.float32) / np.float32(255)


def _words(numbers: Generator) -> str:
    """Return one to three words, one in four with a number beside them."""
    words = []
    for _ in range(int(numbers.integers(1, 4))):
        word = str(numbers.choice(WORDS.split()))
        if numbers.random() < 0.3:  # an invented word has rarer letters
            word = "".join(numbers.choice(list("abcdefghjkmnpqrtuvwxyzABCDEFGHKLMNPQRTUVWXYZ"), len(word)))
        words.append([word, word.capitalize(), word.upper()][int(numbers.choice(3, p=[0.5, 0.3, 0.2]))])
    if numbers.random() < 0.25:
        number = "".join(map(str, numbers.integers(0, 10, int(numbers.integers(1, 5)))))
        words.insert(int(numbers.integers(len(words) + 1)), number)
    return " ".join(words)


def printed(numbers: Generator) -> Page:
    """Print one to three lines of words in a font."""
    size = int(np.exp(numbers.uniform(np.log(16), np.log(70))))
    known = fonts()
    font = ImageFont.truetype(known[int(numbers.integers(len(known)))], size)
    lines = [_words(numbers) for _ in range(int(numbers.integers(1, 4)))]
    width = int(max(font.getlength(line) for line in lines)) + 3 * size
    page = Page(np.zeros((int(size * (1.5 * len(lines) + 1.5)), width), np.float32))
    for number, line in enumerate(lines):
        written(line, font, (size, int(size * (0.5 + 1.5 * number))), page)
    return page


# ------------------------------------------------------------------------------------------ handwriting


def drawn(strokes: Sequence[npt.NDArray[np.float64]], page: Page, pen: float) -> None:
    """Draw strokes, each (N, 2) in pixels, on a page."""
    fine = Image.new("L", (2 * page.ink.shape[1], 2 * page.ink.shape[0]))
    draw = ImageDraw.Draw(fine)
    for stroke in strokes:
        draw.line([(2 * x, 2 * y) for x, y in stroke.tolist()], fill=255, width=round(2 * pen), joint="curve")
    drawn_ink = np.asarray(fine.resize(page.ink.shape[::-1], Image.Resampling.BOX), np.float32) / 255
    page.ink = np.maximum(page.ink, drawn_ink.astype(np.float32))


def handwritten_words(numbers: Generator) -> Page:
    """Write one or two words by hand; the letters of some are joined by strokes."""
    size = numbers.uniform(25, 70)
    page = Page(np.zeros((int(2.4 * size), int(11 * size)), np.float32), [("x", (0, 0, 1, 1))])
    paths, left, end = letter_paths(), size / 2, None
    joined, pen = numbers.random() < 0.5, max(1.5, size * numbers.uniform(0.04, 0.14))
    for _ in range(int(numbers.integers(2, 10))):
        small = size * numbers.choice([0.55, 1.0], p=[0.6, 0.4])
        strokes = handwritten(paths[int(numbers.integers(len(paths)))], numbers)
        strokes = [stroke * small + (left, 1.6 * size - small) for stroke in strokes]
        right = max(float(stroke[:, 0].max()) for stroke in strokes)
        if right > page.ink.shape[1] - size / 2:
            break
        if joined and end is not None:
            strokes.append(np.stack([end, strokes[0][0]]))
        drawn(strokes, page, pen)
        end = strokes[0][-1]
        left = right + size * numbers.uniform(0.02, 0.25)
        if numbers.random() < 0.12:
            left, end = left + size / 2, None
    return page


def numbers_with_signs(numbers: Generator) -> Page:
    """Write MNIST's digits in a row, with printed signs and words beside them."""
    images, labels = mnist()
    size = int(numbers.uniform(16, 80))
    known = fonts()
    font = ImageFont.truetype(known[int(numbers.integers(len(known)))], int(size * numbers.uniform(1.1, 1.5)))
    page = Page(np.zeros((int(2.4 * size), 14 * size), np.float32))
    bold, left = int(numbers.integers(0, 1 + size // 25)), size
    thick = numbers.uniform(1.0, 1.8)
    while left < 12 * size:
        if numbers.random() < 0.3:
            known_signs = SIGNS + "$%()" if numbers.random() < 0.85 else PLAIN
            sign = known_signs[int(numbers.integers(len(known_signs)))]
            written(sign, font, (left, int(0.35 * size)), page, bold)
            left += int(font.getlength(sign) + size * numbers.uniform(0.05, 0.3))
            continue
        i = int(numbers.integers(len(images)))
        seen = images[i][np.ix_((images[i] > 60).any(1), (images[i] > 60).any(0))]
        high = int(size * numbers.uniform(0.85, 1.1))
        wide = max(3, int(seen.shape[1] * high / seen.shape[0]))
        top = int(0.6 * size + numbers.normal(0, 0.04 * size))
        digit = np.asarray(Image.fromarray(seen).resize((wide, high), Image.Resampling.BICUBIC), np.float32)
        place = page.ink[max(0, top) : max(0, top) + high, left : left + wide]
        np.maximum(place, np.clip(digit / 255 * thick, 0, 1), out=place)
        page.glyphs.append((str(labels[i]), (left, max(0, top), wide, high)))
        left += wide + int(size * numbers.uniform(0.08, 0.4))
    return page


@functools.cache
def mnist() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return MNIST's images (50000, 28, 28) and labels for training; validation and test are left out."""
    train = split(loading.load_data("mnist"), seed=0).train
    return train.images.numpy(), train.labels.numpy()


# --------------------------------------------------------------------------------------------- pictures


@functools.cache
def photos() -> list[npt.NDArray[np.uint8]]:
    """Return the photos of scikit-image and scikit-learn that are installed, in grey."""
    folders = []
    for package, inside in (("skimage", "data"), ("sklearn", "datasets/images")):
        spec = importlib.util.find_spec(package)
        folders += [Path(spec.origin).parent / inside] if spec and spec.origin else []
    names = (*PHOTOS, "china.jpg", "flower.jpg")
    files = [folder / name for folder in folders for name in names if (folder / name).is_file()]
    return [np.asarray(Image.open(path).convert("L")) for path in files]


def photo(numbers: Generator) -> Page:
    """Take a part of a photo, turned or mirrored and scaled."""
    known = photos()
    whole = known[int(numbers.integers(len(known)))]
    high, wide = (int(side * numbers.uniform(0.3, 1.0)) for side in whole.shape)
    top, left = (int(numbers.integers(a - b + 1)) for a, b in zip(whole.shape, (high, wide), strict=True))
    part = Image.fromarray(np.rot90(whole[top : top + high, left : left + wide], int(numbers.integers(4))))
    scale = numbers.uniform(0.5, 1.0) * min(1.0, 700 / max(part.size))
    part = part.resize((max(40, int(part.width * scale)), max(40, int(part.height * scale))))
    return Page(np.zeros((1, 1), np.float32), photo=np.asarray(part))


def paper(numbers: Generator) -> Page:
    """Return blank, ruled, squared or crumpled paper."""
    high, wide = (int(numbers.integers(150, 600)) for _ in range(2))
    y, x = np.mgrid[:high, :wide]
    page = np.full((high, wide), numbers.uniform(150, 250), np.float32)
    page += numbers.normal(0, 20) * x / wide + numbers.normal(0, 20) * y / high
    pitch, line = int(numbers.integers(12, 60)), int(numbers.integers(1, 4))
    kind = int(numbers.integers(4))
    if kind in (1, 2):
        page[(y + int(numbers.normal(0, 0.02) * 100) * x // 100) % pitch < line] -= numbers.uniform(20, 120)
    if kind == 2:
        page[x % pitch < line] -= numbers.uniform(20, 120)
    if kind == 3:
        folds = numbers.uniform(0, 255, (high // 20, wide // 20)).astype(np.uint8)
        smooth = Image.fromarray(folds).resize((wide, high), Image.Resampling.BICUBIC)
        page -= np.asarray(smooth, np.float32) * np.float32(numbers.uniform(0.05, 0.4))
    page += numbers.normal(0, numbers.uniform(1, 8), page.shape)
    return Page(np.zeros((1, 1), np.float32), photo=np.clip(page, 0, 255).astype(np.uint8))


def figures(numbers: Generator) -> Page:
    """Draw one to six polygons, stars, arrows and waves, as a pen or a program does."""
    page = Page(np.zeros((300, 400), np.float32))
    for _ in range(int(numbers.integers(1, 7))):
        at, size = numbers.uniform((50, 50), (350, 250)), numbers.uniform(20, 90)
        kind, corners = int(numbers.integers(4)), int(numbers.integers(3, 8))
        turns = numbers.uniform(0, 7) + np.linspace(0, 2 * np.pi, corners + 1)
        if kind == 1:  # a star
            turns = numbers.uniform(0, 7) + np.arange(6) * 4 * np.pi / 5
        ring = np.stack([np.cos(turns), np.sin(turns)], axis=1) * size + at
        strokes = [ring]
        if kind == 2:  # an arrow
            strokes = [
                np.stack([at, ring[0]]),
                np.stack([at, at + (ring[0] - at) @ ((0.4, 0.2), (-0.2, 0.4))]),
            ]
        elif kind == 3:  # a wave or a heap of lines
            strokes = [at + numbers.normal(0, size / 2, (corners, 2))]
        drawn(strokes, page, float(numbers.uniform(2, 10)))
    return page


KINDS: dict[Maker, float] = {  # each maker and its share of the pages
    printed: 0.4,
    handwritten_words: 0.2,
    numbers_with_signs: 0.2,
    photo: 0.09,
    figures: 0.06,
    paper: 0.05,
}


def make(pages: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the marks of pages, uint8 (N, 28, 28), and their labels (N,)."""
    numbers = np.random.default_rng([seed, 5])
    classifier = Reader.load("cnn", rejection=None)
    makers, shares = list(KINDS), list(KINDS.values())
    found: list[tuple[Mark, int]] = []
    for _ in range(pages):
        page = makers[int(numbers.choice(len(makers), p=shares))](numbers)
        found += marks_of(page, numbers, classifier)
    images = np.stack([np.rint(mark.image * 255).astype(np.uint8) for mark, _ in found])
    return images, np.array([label for _, label in found])


def main() -> None:
    """Make the pages, and write their marks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    images, labels = make(given.pages, given.seed)
    np.savez_compressed(given.out, images=images, labels=labels)
    print(f"{given.out}: {len(images):,} marks, {int((labels == NO_DIGIT_LABEL).sum()):,} of them no digits")


if __name__ == "__main__":
    main()
