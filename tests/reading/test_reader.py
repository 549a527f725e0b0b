"""Reading from picture to text: one object, the same answers by every way in."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from support.strokefont import FONT, Points, arc, sheet, write

import digits
from digits.data import catalogue, dataset
from digits.errors import OptionError, PhotoError
from digits.networks import model_file
from digits.networks.mlp import MLP
from digits.networks.numpy_inference import Classifier
from digits.networks.numpy_layers import Array
from digits.reading.decoding import Picture
from digits.reading.find_digits import find
from digits.reading.reader import Reader
from digits.reading.results import Reading


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader.load("cnn")


def test_a_row_of_digits_is_read(reader: Reader) -> None:
    """A row of digits gives the text, boxes from left to right, and probabilities that sum to at most 1."""
    reading = reader.read(sheet("40735", size=(700, 300), height=90))
    assert reading.text == "40735"
    lefts = [digit.box[0] for digit in reading.digits]
    assert lefts == sorted(lefts)
    for digit in reading.digits:
        assert digit.accepted
        assert digit.reason is None
        assert digit.probability == max(digit.probabilities)
        assert sum(digit.probabilities) <= 1 + 1e-6


def test_rows_are_lines_of_text(reader: Reader) -> None:
    """The text of two rows is joined by a newline."""
    paper = Image.new("L", (500, 420), 255)
    write(paper, "147", (60, 50), 110)
    write(paper, "20", (60, 240), 110)
    assert reader.read(paper).text == "147\n20"


ALPHA = [[(0.9, 0.1), (0.55, 0.7), *arc(0.33, 0.5, 0.3, 0.4, 40, 320), (0.55, 0.3), (0.95, 0.95)]]
PI = [[(0.0, 0.1), (1.0, 0.05)], [(0.3, 0.1), (0.25, 0.95)], [(0.7, 0.08), (0.72, 0.8), (0.85, 0.95)]]
W = [[(0.0, 0.0), (0.25, 0.95), (0.5, 0.2), (0.75, 0.95), (1.0, 0.0)]]
FLOWER = [
    [
        (0.5 + r * math.cos(t), 0.5 + r * math.sin(t))
        for t in np.linspace(0, 2 * math.pi, 200).tolist()
        for r in [0.28 + 0.22 * math.cos(7 * t)]
    ]
]


@pytest.mark.parametrize("strokes", [ALPHA, PI, W, FLOWER], ids=["alpha", "pi", "w", "flower"])
def test_what_is_no_digit_does_not_come_apart_into_some(reader: Reader, strokes: list[Points]) -> None:
    """A letter alone on its page is one rejected mark, even if a part of it looks like a digit."""
    paper = Image.new("L", (320, 300), 255)
    for stroke in strokes:
        points = [(60 + 190 * x, 50 + 190 * y) for x, y in stroke]
        ImageDraw.Draw(paper).line(points, fill=0, width=13, joint="curve")
    reading = reader.read(paper)
    assert reading.text == ""
    assert len(reading.digits) == 1


@pytest.mark.parametrize("pair", ["00", "25", "53", "80", "38"])
def test_digits_that_touch_and_stand_alone_are_read(reader: Reader, pair: str) -> None:
    """One component is read as two digits if each of them is certain."""
    assert reader.read(sheet(pair, size=(500, 300), height=150, space=-0.01)).text == pair


class Counting(Classifier):
    """The bundled cnn, which records every image that it classifies."""

    def __init__(self) -> None:
        cnn = Classifier.load("cnn")
        super().__init__(cnn.members, cnn.temperature, cnn.classes, cnn.meta)
        object.__setattr__(self, "seen", [])

    def probabilities(self, images: Array) -> Array:
        getattr(self, "seen").extend(image.tobytes() for image in images)  # noqa: B009  # frozen
        return super().probabilities(images)


@pytest.mark.parametrize("text", ["7", "40735", "53", "0"])
def test_each_image_is_classified_once(text: str) -> None:
    """No image of a picture is classified twice, for a single digit, a row and touching digits."""
    counting = Counting()
    space = -0.01 if text == "53" else 0.35
    pictures = [sheet(text, size=(800, 300), height=110, space=space)]
    assert Reader(counting).read(pictures[0]).text == text
    (reading,) = Reader(counting).read_many(pictures)
    assert isinstance(reading, Reading)
    assert reading.text == text
    seen = getattr(counting, "seen")  # noqa: B009  # frozen
    assert len(seen) == 2 * len(set(seen))
    assert {digit.image.tobytes() for digit in reading.digits} <= set(seen)


def test_single_lists_exactly_one_mark(reader: Reader) -> None:
    """With `single` there is exactly one mark; on blank paper it is blank and not accepted."""
    assert reader.read(sheet("3"), single=True).text == "3"
    (blank,) = reader.read(np.full((90, 60), 255, np.uint8), single=True).digits
    assert (blank.accepted, blank.reason, blank.probability) == (False, "blank", 0.0)
    assert reader.read(np.full((90, 60), 255, np.uint8)).digits == ()


def test_many_pictures_are_read_as_one_by_one(reader: Reader) -> None:
    """`read_many` gives the answers of `read`, in order, with errors in their places."""
    sources = [sheet(str(i % 10)) if i % 5 else b"no picture" for i in range(23)]
    together = list(reader.read_many(sources, single=True))
    for source, found in zip(sources, together, strict=True):
        if isinstance(found, PhotoError):
            assert source == b"no picture"
        else:
            alone = reader.read(source, single=True)
            assert (found.text, found.digits[0].box) == (alone.text, alone.digits[0].box)
            assert found.digits[0].probabilities == pytest.approx(alone.digits[0].probabilities, abs=1e-5)


def test_strokes_are_read(reader: Reader) -> None:
    """Three digits drawn with a pen are read, with boxes where they were drawn."""
    strokes = [np.array(s) * 100 + (150 * i, 20) for i, d in enumerate((4, 0, 7)) for s in FONT[d]]
    reading = reader.read_strokes(strokes)
    assert reading.text == "407"
    assert reading.digits[2].box == (303, 20, 65, 100)
    assert reader.read_strokes([stroke.tolist() for stroke in strokes]) == reading
    assert reader.read_strokes([]).digits == ()


def test_an_image_in_mnists_form_is_read_as_it_is(reader: Reader, sample: dataset.Digits) -> None:
    """MNIST images are read right by `read_image`, and `find` hardly changes most of them."""
    images, labels = sample.images[::100].numpy(), sample.labels[::100].tolist()
    read = [reader.read_image(image / np.float32(255)).digits[0] for image in images]
    assert sum(d.digit == label for d, label in zip(read, labels, strict=True)) >= 49
    found = [find(Picture(image, 28, 28), single=True).marks[0].image for image in images]
    same = [np.abs(f - image / np.float32(255)).max() < 0.5 for f, image in zip(found, images, strict=True)]
    assert sum(same) >= 25


def test_the_front_door_reads() -> None:
    """`digits.read` returns a Reading with the text."""
    reading = digits.read(sheet("8"))
    assert isinstance(reading, Reading)
    assert reading.text == "8"


def test_a_threshold_refuses_what_is_less_probable() -> None:
    """A mark below the threshold is listed with its best guess but is not part of the text."""
    strict = Reader.load("cnn", threshold=1.0).read(sheet("3"), single=True)
    assert strict.text == ""
    (digit,) = strict.digits
    assert (digit.digit, digit.accepted) == (3, False)
    assert digit.reason in ("unclear", "not a digit")


class Fixed(Classifier):
    """Returns fixed answers, one for each mark in order, whatever the images are."""

    def __init__(self, *answers: tuple[int, float]) -> None:
        super().__init__((), 1.0, 10, {})
        rows = [[(1 - p) / 9 if i != digit else p for i in range(10)] for digit, p in answers]
        object.__setattr__(self, "rows", np.array(rows))

    def probabilities(self, images: Array) -> Array:
        return np.asarray(getattr(self, "rows"), np.float32)[: len(images)]  # noqa: B009  # frozen


def read_fixed(*answers: tuple[int, float]) -> str:
    """Read as many drawn bars as there are answers (digit, probability), and return the text."""
    bars = [np.array([(100.0 * i, 0.0), (100.0 * i, 90.0)]) for i in range(len(answers))]
    return Reader(Fixed(*answers), None, threshold=0.9).read_strokes(bars).text


def test_among_digits_less_is_enough() -> None:
    """A mark of 60 % is accepted only in a row of which at least a third reaches the threshold."""
    assert read_fixed((4, 0.6)) == ""
    assert read_fixed((4, 0.6), (2, 0.95)) == "42"
    assert read_fixed((4, 0.6), (2, 0.4), (1, 0.95)) == "421"
    assert read_fixed((4, 0.6), (2, 0.6), (3, 0.6), (1, 0.95)) == "1"


def test_a_dash_in_a_number_is_left_out() -> None:
    """A mark that is almost certainly no digit is not accepted in a number either."""

    class Last(Classifier):
        def probabilities(self, images: Array) -> Array:
            rows = np.zeros((len(images), 11), np.float32)
            rows[-1, -1] = 0.95  # the last mark is no digit
            return rows

    bars = [np.array([(100.0 * i, 0.0), (100.0 * i, 90.0)]) for i in range(3)]
    reading = Reader(Fixed((1, 0.95), (2, 0.95), (3, 0.95)), Last((), 1.0, 11, {})).read_strokes(bars)
    assert reading.text == "12"
    assert [digit.reason for digit in reading.digits] == [None, None, "not a digit"]


def test_the_reason_is_the_larger_doubt() -> None:
    """The reason names the larger uncertainty: which digit it is, or whether it is one."""
    one = np.zeros((1, 28, 28), np.float32)
    one[:, 4:24, 12:15] = 1
    unsure = Reader(Fixed((7, 0.6))).read_image(one[0]).digits[0]
    assert (unsure.accepted, unsure.reason) == (False, "unclear")

    class Half(Classifier):
        def probabilities(self, images: Array) -> Array:
            return np.full((len(images), 11), 0.5, np.float32)

    doubtful = Reader(Fixed((7, 0.99)), Half((), 1.0, 11, {})).read_image(one[0]).digits[0]
    assert (doubtful.accepted, doubtful.reason) == (False, "not a digit")
    assert doubtful.probability == pytest.approx(0.495)


def test_the_rejection_network_is_a_choice(reader: Reader) -> None:
    """`Reader.load` takes the bundled rejection network, another one or none, as a name or a path."""
    weights = Path(digits.__file__).parent / "weights"
    assert reader.rejection is not None
    none = Reader.load(weights / "cnn.npz", rejection=None)
    other = Reader.load(weights / "cnn.npz", rejection=weights / "rejection.npz")
    picture = sheet("3")
    assert sum(none.read(picture).digits[0].probabilities) == pytest.approx(1, abs=1e-6)
    assert other.read(picture) == reader.read(picture)


def test_networks_of_other_things_do_not_read(tmp_path: Path) -> None:
    """A network with classes other than 0 to 9 is refused."""
    path = tmp_path / "shoes.npz"
    classes = {"classes": list(catalogue.DATASETS["fashion-mnist"].classes)}
    model_file.save_model(path, MLP(4, 4).state_dict(), {"name": "mlp", "hidden": [4, 4]}, classes)
    with pytest.raises(OptionError, match="expected a network that knows the digits"):
        Reader.load(str(path))


@pytest.mark.parametrize(
    "strokes",
    [
        [[[0, 0, 0.5], [1, 1, 0.5]]],
        [[0, 0], [1, 1]],
        [[[0, 0], [float("nan"), 1]]],
        [[[0, 0], [1e7, 1]]],
        [[["a", "b"]]],
        7,
    ],
    ids=["with pressure", "a bracket short", "NaN", "far away", "words", "no list"],
)
def test_strokes_of_another_shape_are_refused(reader: Reader, strokes: Any) -> None:
    """Strokes that are no lists of [x, y] pairs raise an error."""
    with pytest.raises(PhotoError, match=r"expected strokes of \[x, y\] pairs"):
        reader.read_strokes(strokes)


def test_strokes_may_lie_anywhere(reader: Reader) -> None:
    """A drawing with negative coordinates is read; its width and height are 0."""
    reading = reader.read_strokes([np.array(s) * 100 - 900 for s in FONT[7]])
    assert reading.text == "7"
    assert (reading.width, reading.height) == (0, 0)


@pytest.mark.parametrize(
    "image", [np.full((28, 28), 255), np.full((28, 28), np.nan), np.zeros((1, 28, 28)), np.full((28, 28), -1)]
)
def test_images_in_another_form_are_refused(reader: Reader, image: Array) -> None:
    """`read_image` refuses other shapes, values outside [0, 1] and NaN."""
    with pytest.raises(PhotoError, match=r"expected \(28, 28\) of numbers from 0 to 1"):
        reader.read_image(image)
