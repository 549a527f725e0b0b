"""From a picture to digits as MNIST has them, whatever the pen, the paper and the light."""

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage
from support.strokefont import shaded, sheet, write

from digits.mnist import BOX, SIDE
from digits.reading.candidates import Classify
from digits.reading.components import extent
from digits.reading.contrast import contrast_of, ink_is_lighter
from digits.reading.filters import otsu, quantile, running, smooth
from digits.reading.find_digits import find
from digits.reading.image_files import Source, open_picture
from digits.reading.ink import ink_from_contrast, stroke_width
from digits.reading.labelling import label
from digits.reading.marks import PictureMarks
from digits.reading.mnist_form import centre_of_mass, mnist_form, scaled

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


def templates() -> Array:
    """The ten digits of the stroke font, drawn straight into 20-pixel boxes and blurred: (10, 28, 28)."""
    drawn = []
    for digit in range(10):
        ink = 255 - np.asarray(sheet(str(digit), size=(280, 280), height=170, pen=0.13), np.float32)
        drawn.append(mnist_form(ink / np.float32(255)))
    return np.stack(drawn)


TEMPLATES = templates()


def blurred(images: Array) -> Array:
    """Soft enough that a pixel's shift does not matter."""
    return np.asarray(ndimage.gaussian_filter(images, (0, 1.2, 1.2)))


def probabilities(images: Array) -> Array:
    """A small classifier that trusts nothing: softmax of the likeness with the ten templates."""
    ours, theirs = (blurred(x).reshape(len(x), -1) for x in (images, TEMPLATES))
    ours, theirs = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (ours, theirs))
    weights = np.exp(30 * (ours @ theirs.T))
    likeness = (ours @ theirs.T).max(1, keepdims=True)
    return np.asarray(np.clip(likeness, 0, 1) ** 4 * weights / weights.sum(1, keepdims=True))


def found_in(
    source: Source, *, single: bool = False, classify: Classify | None = None, explain: bool = False
) -> PictureMarks:
    """Open a picture and find its digits."""
    return find(open_picture(source), single=single, classify=classify, explain=explain)


def text(page: PictureMarks) -> str:
    """The best guesses, rows joined by a slash."""
    if not page.marks:
        return ""
    guesses = probabilities(np.stack([mark.image for mark in page.marks])).argmax(1)
    rows = [""] * (1 + max(mark.row for mark in page.marks))
    for mark, guess in zip(page.marks, guesses, strict=True):
        rows[mark.row] += str(guess)
    return "/".join(rows)


def one(picture: Image.Image | Pixels | bytes) -> str:
    """What the only digit of a picture is taken for."""
    page = found_in(picture, single=True)
    assert len(page.marks) == 1
    assert page.marks[0].image.shape == (SIDE, SIDE)
    return text(page)


def jpeg(image: Image.Image, quality: int = 60) -> bytes:
    """The picture after JPEG has had its way with it."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def lined(image: Image.Image, *, every: int = 40, squared: bool = False, ink: int = 120) -> Image.Image:
    """Ruled paper under the writing; `ink` is the rules' grey."""
    image = image.copy()
    rules = Image.new("L", image.size, 255)
    draw = ImageDraw.Draw(rules)
    for y in range(every // 2, image.height, every):
        draw.line((0, y, image.width, y + 3), fill=ink, width=2)
    for x in range(every // 2, image.width if squared else 0, every):
        draw.line((x, 0, x - 2, image.height), fill=ink, width=2)
    darker = np.minimum(np.asarray(image), np.asarray(rules))
    return Image.fromarray(darker)


def with_specks(image: Image.Image) -> Image.Image:
    """Dust on the paper."""
    image = image.copy()
    generator = np.random.default_rng(2)
    draw = ImageDraw.Draw(image)
    for x, y in generator.integers(0, (image.width, image.height), (25, 2)).tolist():
        draw.ellipse((x, y, x + 3, y + 3), fill=60)
    return image


def on_a_table(image: Image.Image) -> Image.Image:
    """The sheet photographed on a dark table, seen at two sides."""
    table = Image.new("L", (image.width + 60, image.height + 50), 50)
    table.paste(image, (0, 0))
    return table


def tight(digit: str, *, side: int, pen: float) -> Image.Image:
    """Cropped to the digit itself, `side` pixels long: its strokes go from border to border."""
    large = sheet(digit, size=(700, 700), height=400, pen=pen)
    top, bottom, left, right = extent(np.asarray(large) < 128)
    scale = side / max(bottom - top, right - left)
    size = (round((right - left) * scale), round((bottom - top) * scale))
    return large.crop((left, top, right, bottom)).resize(size, Image.Resampling.BOX)


def beside_a_thumb(image: Image.Image) -> Image.Image:
    """Something dark and heavier than the writing comes in over the border."""
    image = image.copy()
    x, y = image.width, round(0.8 * image.height)
    ImageDraw.Draw(image).ellipse((x - 60, y - 40, x + 60, y + 40), fill=40)
    return image


def beside_a_cloth(image: Image.Image) -> Pixels:
    """A patterned cloth fills the picture above the sheet, without quite touching its border."""
    cloth = Image.new("L", (image.width, 120), 225)
    draw = ImageDraw.Draw(cloth)
    generator = np.random.default_rng(1)
    for _ in range(60):
        x, y = generator.integers((6, 4), (image.width - 6, 90)).tolist()
        dx, dy = generator.integers((-60, 0), (60, 60)).tolist()
        draw.line((x, y, x + dx, min(94, y + dy)), fill=80, width=5)
    return np.concatenate([np.asarray(cloth), np.asarray(image)])


def on_a_card(image: Image.Image) -> Image.Image:
    """A small white card on a dark table that is most of the picture."""
    table = Image.new("L", (2 * image.width, 3 * image.height), 30)
    table.paste(image, (image.width // 2, image.height))
    return table


def with_neighbours(digit: str) -> Image.Image:
    """Cut from a page of digits: those around it come in over the border."""
    paper = sheet(f"8{digit}6", size=(240, 220), height=100, space=0.4)
    write(paper, "3", (90, 190), 100)
    return paper


def broken(image: Image.Image) -> Image.Image:
    """A pen that failed for a moment, twice."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for row in (0.45, 0.6):
        y = round(row * image.height)
        draw.rectangle((0, y, image.width, y + 3), fill=255)
    return image


WAYS: dict[str, Callable[[str], Image.Image | Pixels | bytes]] = {
    "plain": sheet,
    "light on dark": lambda d: sheet(d, ink=255, colour=0),
    "grey paper": lambda d: sheet(d, ink=90, colour=150),
    "faint pencil": lambda d: sheet(d, ink=205, colour=235),
    "blue ink": lambda d: sheet(d, ink=(20, 30, 160), colour=(240, 235, 220), mode="RGB"),
    "red on pink": lambda d: sheet(d, ink=(230, 20, 40), colour=(255, 180, 190), mode="RGB"),
    "green on orange": lambda d: sheet(d, ink=(0, 150, 0), colour=(230, 130, 0), mode="RGB"),
    "thin pen": lambda d: sheet(d, pen=0.02),
    "thick pen": lambda d: sheet(d, pen=0.17),
    "tiny": lambda d: sheet(d, size=(300, 200), height=22, pen=0.12),
    "huge": lambda d: sheet(d, size=(3000, 4000), height=2800),
    "off centre": lambda d: sheet(d, at=(15, 20), height=90),
    "twenty-eight pixels": lambda d: sheet(d, size=(28, 28), height=17, pen=0.12),
    "tight": lambda d: sheet(d, size=(130, 168), height=150),
    "tight, small": lambda d: tight(d, side=28, pen=0.1),
    "tight, bold": lambda d: tight(d, side=160, pen=0.2),
    "tight, bold, light, small": lambda d: 255 - np.asarray(tight(d, side=28, pen=0.2)),
    "beside a thumb": lambda d: beside_a_thumb(sheet(d, height=140, pen=0.04, ink=90, colour=210)),
    "beside a cloth": lambda d: beside_a_cloth(sheet(d, height=130, pen=0.04, ink=70, colour=225)),
    "with neighbours": with_neighbours,
    "on a card": lambda d: on_a_card(sheet(d, size=(150, 200), height=110)),
    "wide strip": lambda d: sheet(d, size=(900, 120), height=80),
    "shadow": lambda d: shaded(sheet(d, ink=40)),
    "colour in shadow": lambda d: shaded(sheet(d, ink=(30, 30, 160), colour=(250, 250, 230), mode="RGB")),
    "light on dark in shadow": lambda d: 255 - shaded(sheet(d, ink=40)),
    "ruled": lambda d: lined(sheet(d)),
    "squared": lambda d: lined(sheet(d), squared=True),
    "specks": lambda d: with_specks(sheet(d)),
    "on a table": lambda d: on_a_table(sheet(d)),
    "broken strokes": lambda d: broken(sheet(d)),
    "jpeg": lambda d: jpeg(sheet(d), 25),
    "blurred": lambda d: sheet(d).filter(ImageFilter.GaussianBlur(5)),
    "noise": lambda d: shaded(sheet(d, ink=60, colour=220), darkest=1.0),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("digit", "0123456789")
def test_one_digit_is_read_whatever_the_paper(digit: str, way: str) -> None:
    """Every digit in every pen, light and paper comes out as the same digit (I3)."""
    assert one(WAYS[way](digit)) == digit


@settings(max_examples=60)
@given(
    digit=st.sampled_from("0123456789"),
    height=st.floats(30, 200),
    x=st.floats(0.0, 1.0),
    y=st.floats(0.0, 1.0),
    pen=st.floats(0.05, 0.15),
    inverted=st.booleans(),
    quality=st.integers(40, 95),
)
def test_place_size_pen_and_compression_do_not_matter(
    digit: str, height: float, x: float, y: float, pen: float, inverted: bool, quality: int
) -> None:
    """Shift, scale, invert, compress: the answer stays."""
    free = (400 - 0.7 * height - 2 * pen * height, 300 - height - 2 * pen * height)
    at = (pen * height + x * free[0], pen * height + y * free[1])
    image = sheet(digit, at=at, height=height, pen=pen)
    assert one(jpeg(image.point(lambda v: 255 - v) if inverted else image, quality)) == digit


@pytest.mark.parametrize("change", [lambda p: p, lambda p: 255 - p, lambda p: np.pad(p, ((9, 4), (0, 30)))])
def test_mnist_comes_out_as_it_went_in(change: Callable[[Pixels], Pixels]) -> None:
    """A picture that is MNIST-like already, even inverted or in a larger one's corner, hardly changes."""
    for template in TEMPLATES:
        pixels = (template * 255).round().astype(np.uint8)
        image = found_in(change(pixels), single=True).marks[0].image
        assert np.abs(image - template).mean() < 0.02


def test_form_is_that_of_mnist() -> None:
    """White on black in [0, 1], a box of 20 px, the centre of mass in the middle, strokes 2 to 4 px wide."""
    for digit in "0123456789":
        image = found_in(sheet(digit, pen=0.03, at=(20, 40)), single=True).marks[0].image
        assert image.dtype == np.float32
        assert image.min() == 0
        assert image.max() == pytest.approx(1)
        top, bottom, left, right = extent(image > 0.2)
        assert max(bottom - top, right - left) in (BOX - 1, BOX, BOX + 1)
        assert centre_of_mass(image) == pytest.approx(((SIDE - 1) / 2, (SIDE - 1) / 2), abs=0.6)
        assert 1.5 < stroke_width(image) < 4


@pytest.mark.parametrize("shape", [(28, 28), (300, 400), (1, 1), (1, 700), (2, 2)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_blank_paper_is_one_blank_mark(shape: tuple[int, int], value: int) -> None:
    """No ink: `single` says so with one blank mark, else there are no marks at all (I5)."""
    pixels = np.full(shape, value, np.uint8)
    page = found_in(pixels, single=True)
    assert [mark.blank for mark in page.marks] == [True]
    assert not page.marks[0].image.any()
    assert found_in(pixels).marks == ()


def test_noise_is_no_ink() -> None:
    """Grainy paper, a smooth shadow and both together are blank."""
    grain = np.random.default_rng(0).normal(200, 6, (300, 400)).clip(0, 255).astype(np.uint8)
    shadow = shaded(Image.new("L", (400, 300), 230))
    for pixels in (grain, shadow):
        assert found_in(pixels, single=True).marks[0].blank


def test_boxes_are_in_pixels_of_the_original() -> None:
    """The box lies round the digit as it was drawn, also when the picture is read smaller than it is."""
    image = sheet("8", size=(4000, 3000), at=(2500, 1000), height=600)
    x, y, width, height = found_in(image, single=True).marks[0].box
    assert (x, y) == pytest.approx((2500, 1000), abs=60)
    assert (x + width, y + height) == pytest.approx((2920, 1600), abs=60)


def test_rows_are_read_from_top_to_bottom() -> None:
    """Three rows of different lengths, in reading order."""
    paper = Image.new("L", (800, 600), 255)
    for row, digits in enumerate(("1472", "035", "869")):
        write(paper, digits, (60 + 40 * row, 50 + 180 * row), 100)
    page = found_in(paper, classify=probabilities)
    assert text(page) == "1472/035/869"
    assert [mark.row for mark in page.marks] == [0] * 4 + [1] * 3 + [2] * 3


@pytest.mark.parametrize("slope", [-0.15, 0.15])
def test_slanting_rows_stay_rows(slope: float) -> None:
    """Rows that climb or fall are not mixed up."""
    paper = Image.new("L", (900, 600), 255)
    for row, digits in enumerate(("24370", "58269")):
        write(paper, digits, (60, 170 + 170 * row), 100, slope=slope)
    assert text(found_in(paper, classify=probabilities)) == "24370/58269"


@pytest.mark.parametrize("way", [lined, with_specks, on_a_table, shaded])
def test_rows_on_difficult_paper(way: Callable[[Image.Image], Image.Image | Pixels]) -> None:
    """Rules, specks, tables and shadows add no mark to a row of digits and take none away."""
    assert text(found_in(way(sheet("40735", size=(700, 300), height=90)))) == "40735"


def test_a_line_under_several_digits_does_not_bind_them() -> None:
    """A thick line from border to border on which every digit of a narrow strip stands is taken away."""
    strip = sheet("446", size=(140, 100), at=(8, 20), height=60, space=0.1)
    ImageDraw.Draw(strip).line((0, 80, strip.width, 80), fill=0, width=4)
    assert text(found_in(strip, classify=probabilities)) == "446"


@pytest.mark.parametrize("tall", ["1", "6"])
def test_small_zeros_behind_a_tall_digit_are_read(tall: str) -> None:
    """What is as high as the digits beside it is no dot, however high the first one is."""
    strip = sheet(tall, size=(800, 250), at=(40, 40), height=150)
    write(strip, "000", (200, 132), 58)
    assert text(found_in(strip, classify=probabilities)) == f"{tall}000"


@pytest.mark.parametrize("pair", ["00", "25", "33", "53", "80", "06", "38", "90"])
def test_touching_digits_are_parted(pair: str) -> None:
    """In a row, two digits that touch are two marks; with the classifier's help both are right."""
    row = sheet("7", size=(700, 300), at=(40, 60), height=150)
    write(row, pair, (200, 60), 150, space=-0.01)
    assert text(found_in(row, classify=probabilities)) == f"7{pair}"


@pytest.mark.parametrize(("digits", "space"), [("000", -0.1), ("4000", -0.1), ("5006", -0.06)])
def test_digits_that_share_a_wall_both_keep_it(digits: str, space: float) -> None:
    """A ring is closed on both sides of a cut, whichever of the two digits the cut gave the wall to."""
    strip = sheet("7", size=(800, 250), at=(40, 60), height=110)
    write(strip, digits, (160, 60), 110, space=space)
    assert text(found_in(strip, classify=probabilities)) == f"7{digits}"


def test_touching_digits_are_parted_by_shape_alone() -> None:
    """Without a classifier, what is far wider than high is cut."""
    assert len(found_in(sheet("000", size=(600, 300), height=150, space=-0.03)).marks) == 3


def test_dots_and_dashes_are_no_digits() -> None:
    """Punctuation of an amount, 12.500.-, gives no mark."""
    paper = sheet("12", size=(900, 250), at=(40, 60), height=120)
    write(paper, "500", (340, 60), 120)
    draw = ImageDraw.Draw(paper)
    draw.ellipse((290, 165, 306, 181), fill=0)
    draw.ellipse((735, 165, 751, 181), fill=0)
    draw.line((770, 120, 850, 120), fill=0, width=11)
    assert text(found_in(paper, classify=probabilities)) == "12500"


def test_a_cross_bar_is_no_ruled_line() -> None:
    """Cropped tightly, the bar of a 7 goes from border to border and stays, like a 2's foot."""
    for digit in "127":
        image = sheet(digit, size=(300, 300), at=(50, 50), height=200)
        top, bottom, left, right = extent(np.asarray(image) < 128)
        tight = np.asarray(image)[top:bottom, left:right]
        assert one(tight.copy()) == digit


def test_steps_are_kept_only_when_asked_for() -> None:
    """`explain` keeps the pictures of the steps as grey or colour bytes."""
    assert found_in(sheet("3")).steps == {}
    steps = found_in(sheet("3"), explain=True).steps
    assert list(steps) == ["picture", "ink", "strokes"]
    assert all(step.dtype == np.uint8 and step.any() for step in steps.values())


@settings(max_examples=200)
@given(height=st.integers(1, 30), width=st.integers(1, 30), share=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_labels_are_those_of_scipy(height: int, width: int, share: float, seed: int) -> None:
    """Components with 8 and with 4 neighbours are numbered as SciPy numbers them."""
    mask = np.random.default_rng(seed).random((height, width)) < share
    for diagonal, structure in ((True, np.ones((3, 3))), (False, None)):
        ours, count = label(mask, diagonal=diagonal)
        theirs, expected = ndimage.label(mask, structure)
        assert count == expected
        assert np.array_equal(ours, theirs)


@settings(max_examples=100)
@given(
    height=st.integers(1, 30), width=st.integers(1, 30), window=st.integers(3, 40), seed=st.integers(0, 99)
)
def test_running_extremes_are_those_of_scipy(height: int, width: int, window: int, seed: int) -> None:
    """Maximum, minimum and mean over a square are SciPy's, with the edges repeated."""
    values = np.random.default_rng(seed).random((height, width), np.float32)
    odd = window // 2 * 2 + 1
    largest = ndimage.maximum_filter(values, odd, mode="nearest")
    least = ndimage.minimum_filter(values, odd, mode="nearest")
    assert np.array_equal(running(np.maximum, values, window), largest)
    assert np.array_equal(running(np.minimum, values, window), least)
    assert smooth(values, odd) == pytest.approx(ndimage.uniform_filter(values, odd, mode="nearest"), abs=1e-5)


@settings(max_examples=50)
@given(count=st.integers(1, 50), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_quantiles_are_those_of_numpy(count: int, share: float, seed: int) -> None:
    """A quantile of sorted values is what NumPy says."""
    values = np.sort(np.random.default_rng(seed).random(count, np.float32))
    assert quantile(values, share) == pytest.approx(np.quantile(values, share), abs=1e-6)


def test_otsu_parts_best() -> None:
    """No other of the 127 thresholds leaves less variance within the two classes."""
    generator = np.random.default_rng(0)
    values = np.concatenate([generator.normal(0.2, 0.05, 500), generator.normal(0.7, 0.1, 100)]).clip(0, 1)

    def within(threshold: float) -> float:
        parts = values[values <= threshold], values[values > threshold]
        return sum(float(part.var()) * part.size for part in parts if part.size)

    least = min(within(float(values.max()) * i / 128) for i in range(1, 128))
    assert within(otsu(values.astype(np.float32))) == pytest.approx(least, rel=1e-3)


@pytest.mark.parametrize("shape", [(17, 12), (28, 28), (64, 3), (1, 40), (90, 50)])
def test_box_is_scaled_as_pillow_scales(shape: tuple[int, int]) -> None:
    """Whether by matrices or by Pillow itself, the box holds Pillow's bicubic picture."""
    ink = np.random.default_rng(0).random(shape, np.float32)
    scale = 20 / max(shape)
    size = (max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale)))
    pillow = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BICUBIC))
    assert scaled(ink, scale) == pytest.approx(pillow.clip(0, 1), abs=1e-6)


@pytest.mark.parametrize("width", [2, 5, 12])
def test_stroke_width_is_that_of_the_pen(width: int) -> None:
    """A long straight stroke is as wide as it was drawn, sharp or, if wider than the blur, blurred."""
    image = Image.new("L", (60, 400), 0)
    ImageDraw.Draw(image).rectangle((20, 20, 19 + width, 380), fill=255)
    for picture in (image, image.filter(ImageFilter.GaussianBlur(width / 8))):
        ink = np.asarray(picture, np.float32) / np.float32(255)
        assert stroke_width(ink) == pytest.approx(width, rel=0.12)


def test_polarity_follows_the_ink() -> None:
    """Dark and light ink are told apart, in evenly lit and in shaded pictures."""
    for digit in "08":
        for pixels in (np.asarray(sheet(digit)), shaded(sheet(digit)), np.asarray(sheet(digit, pen=0.2))):
            assert not ink_is_lighter(pixels)
            assert ink_is_lighter(255 - pixels)


def test_ink_is_full_on_strokes_and_none_on_paper() -> None:
    """The amount of ink nears 1 in the middle of strokes and 0 away from them, in shadow as in light."""
    image = sheet("4", ink=60)
    contrast, _ = contrast_of(shaded(image))
    ink = ink_from_contrast(contrast)
    stroke = ndimage.binary_erosion(np.asarray(image) < 100, iterations=3)
    paper = ~ndimage.binary_dilation(np.asarray(image) < 250, iterations=6)
    assert ink.strength[stroke].min() > 0.7
    assert ink.strength[paper].max() < 0.25


def test_ready_made_digits_are_found_fast() -> None:
    """A picture in MNIST's form is passed on as it is, byte for byte."""
    generator = np.random.default_rng(0)
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 9:19] = generator.integers(200, 256, (20, 10))
    image = found_in(pixels, single=True).marks[0].image
    assert np.array_equal((image * 255).round().astype(np.uint8), pixels)


def test_the_steps_of_a_card_lie_where_the_card_lies() -> None:
    """What was found on the card alone is shown at its place in the whole picture, as is the box."""
    picture = Image.new("L", (800, 600), 60)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((450, 100, 700, 400), fill=235)
    draw.line([(540, 160), (630, 160), (570, 340)], fill=30, width=12)
    page = found_in(picture, single=True, explain=True)
    x, y, width, height = page.marks[0].box
    assert {step.shape for step in page.steps.values()} == {(600, 800)}
    for name in ("ink", "strokes"):
        seen = page.steps[name] > 128
        inside = seen[y - 2 : y + height + 2, x - 2 : x + width + 2]
        assert inside.sum() > 0.98 * seen[130:370, 480:670].sum() > 500


@pytest.mark.parametrize(
    ("width", "height", "first", "second"), [(10, 1600, 100, 1500), (12, 20_000, 500, 19_000)]
)
def test_boxes_on_very_narrow_pictures(width: int, height: int, first: int, second: int) -> None:
    """Width and height are rounded apart when a picture is made smaller; boxes are where the marks are."""
    picture = Image.new("L", (width, height), 255)
    ImageDraw.Draw(picture).rectangle((0, first, width, second - 1), fill=0)  # so much that paper is the ink
    boxes = [mark.box for mark in found_in(picture).marks]
    assert boxes == [(0, 0, width, first), (0, second, width, height - second)]
