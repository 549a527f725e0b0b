"""Pen strokes as rows, digits of several strokes, and signs."""

import numpy as np
import pytest
from support.strokefont import FONT, arc

from digits.data.pen import Points
from digits.reading.reader import Reader
from digits.reading.stroke_rows import Stroke, distance, rows_of_strokes
from digits.reading.strokes import find_in_strokes


@pytest.fixture(scope="module")
def reader() -> Reader:
    """The bundled CNN with the rejection network."""
    return Reader.load("cnn")


def stroke(*points: tuple[float, float]) -> Points:
    """Return a stroke from its points."""
    return np.array(points, np.float64)


def written(text: str, *, x: float = 0.0, y: float = 0.0, pitch: float = 1.0) -> list[Points]:
    """Return the strokes of digits 100 high, side by side; the upper left corner is (x, y)."""
    return [
        np.array(points) * 100 + (x + 100 * pitch * i, y)
        for i, digit in enumerate(text)
        for points in FONT[int(digit)]
    ]


def rows(strokes: list[Points], reader: Reader) -> list[str]:
    """Return the text of each row: accepted digits, signs, and ? for other marks."""
    reading = reader.read_strokes(strokes)
    parts = [(d.row, d.box[0] + d.box[2] / 2, str(d.digit) if d.accepted else "?") for d in reading.digits]
    signs = find_in_strokes(strokes, reader.probabilities).signs
    parts += [(sign.row, sign.box[0] + sign.box[2] / 2, sign.character) for sign in signs]
    count = max((row for row, *_ in parts), default=-1) + 1
    return ["".join(c for row, _, c in sorted(parts) if row == number) for number in range(count)]


SEVERAL_STROKES = {
    "4 with its stem apart": ([stroke((20, 0), (5, 60), (60, 58)), stroke((70, 20), (68, 100))], "4"),
    "5 with its bar apart": (
        [
            stroke((12, 5), (10, 42), *(np.array(arc(0.32, 0.68, 0.34, 0.32, 230, 510)) * 100)),
            stroke((22, 2), (66, 0)),
        ],
        "5",
    ),
    "7 with a bar across": ([*written("7"), stroke((25, 50), (68, 50))], "7"),
    "1 with a base": ([*written("1"), stroke((15, 102), (65, 102))], "1"),
    "8 of two rings": (
        [
            np.array(arc(0.35, 0.23, 0.22, 0.23, -90, 270)) * 100,
            np.array(arc(0.35, 0.74, 0.3, 0.26, -90, 270)) * 100,
        ],
        "8",
    ),
    "0 with a slash": ([*written("0"), stroke((70, -8), (0, 108))], "0"),
    "9 with its stem below": (
        [np.array(arc(0.35, 0.25, 0.28, 0.25, 0, 360)) * 100, stroke((60, 30), (52, 100))],
        "9",
    ),
}


@pytest.mark.parametrize(("strokes", "digit"), SEVERAL_STROKES.values(), ids=SEVERAL_STROKES)
def test_strokes_of_one_digit_belong_together(strokes: list[Points], digit: str, reader: Reader) -> None:
    """A digit of several strokes is one digit: alone, in any order of drawing, and inside a number."""
    assert rows(strokes, reader) == [digit]
    assert rows(strokes[::-1], reader) == [digit]
    inside = [points + np.array([100, 0]) for points in strokes]
    assert rows([*written("3"), *inside, *written("6", x=205)], reader) == [f"3{digit}6"]


def test_strokes_are_read_as_rows(reader: Reader) -> None:
    """Rows may slope, have several sizes, and be drawn in any order."""
    first, second = written("407"), [s * 0.7 + (10, 135) for s in written("1852")]
    assert rows([*first, *second], reader) == ["407", "1852"]
    assert rows([*second, *first], reader) == ["407", "1852"]
    sloping = [
        np.column_stack([s[:, 0], s[:, 1] + 0.2 * s[:, 0]])
        for s in (*written("90413"), *written("286", y=150))
    ]
    assert rows(sloping, reader) == ["90413", "286"]


def test_digits_that_touch_stay_apart(reader: Reader) -> None:
    """Neighbours that touch or overlap are two digits."""
    assert rows(written("147174", pitch=0.66), reader) == ["147174"]
    assert rows(written("5520", pitch=0.6), reader) == ["5520"]


SIGNS = {
    "3.5": ([stroke((86, 98))], 20),
    "3,5": ([stroke((90, 95), (82, 118))], 20),
    "3-5": ([stroke((76, 52), (106, 50))], 40),
    "3:5": ([stroke((86, 35)), stroke((86, 85))], 20),
    "3/5": ([stroke((125, -20), (80, 120))], 60),
}


@pytest.mark.parametrize("text", SIGNS)
def test_signs_are_no_digits(text: str, reader: Reader) -> None:
    """Point, comma, dash, colon and slash are signs by their size and place."""
    sign, space = SIGNS[text]
    assert rows([*written(text[0]), *sign, *written(text[2], x=100 + space)], reader) == [text]


def test_a_minus_and_a_last_point(reader: Reader) -> None:
    """A dash before a number and a point behind it are signs, in the row that is nearest."""
    minus, point = stroke((-60, 50), (-20, 50)), stroke((190, 97), (192, 99))
    assert rows([minus, *written("74"), point, *written("28", y=140)], reader) == ["-74.", "28"]
    alone = find_in_strokes([minus], reader.probabilities)
    assert (len(alone.marks), alone.signs) == (1, ())  # without a digit nothing says that it is a sign


def test_size_and_place_change_nothing(reader: Reader) -> None:
    """The same drawing, ten times as large and elsewhere, has the same answer."""
    strokes = [*written("25"), stroke((200, 98)), *written("8", x=230), *written("61", y=150)]
    assert rows([s * 10 - 5000 for s in strokes], reader) == rows(strokes, reader) == ["25.8", "61"]


def test_every_stroke_is_in_one_mark_or_sign() -> None:
    """Of nonsense, each stroke lies in the box of a mark or sign, and each group is classified once."""
    random = np.random.default_rng(0)
    asked: list[bytes] = []

    def classify(images: np.ndarray) -> np.ndarray:
        asked.extend(image.tobytes() for image in images)
        return random.dirichlet(np.ones(11), len(images))[:, :10]

    strokes = [random.uniform(0, 300, (random.integers(1, 9), 2)) for _ in range(40)]
    found = find_in_strokes(strokes, classify)
    boxes = np.array([mark.box for mark in found.marks] + [sign.box for sign in found.signs])
    for points in strokes:
        low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
        assert ((boxes[:, :2] <= low) & (boxes[:, :2] + boxes[:, 2:] >= high)).all(axis=1).any()
    assert len(set(asked)) > len(asked) - 5  # two short strokes may look the same


def test_many_strokes_are_few_images() -> None:
    """Of three hundred strokes on one another, each is classified with few neighbours."""
    random = np.random.default_rng(1)
    strokes = [random.uniform(0, 500, 2) + random.normal(0, 20, (10, 2)) for _ in range(300)]
    images = 0

    def classify(batch: np.ndarray) -> np.ndarray:
        nonlocal images
        images += len(batch)
        return np.full((len(batch), 10), 0.01)

    find_in_strokes(strokes, classify)
    assert images < 5 * 300


def test_the_distance_of_strokes() -> None:
    """Strokes that cross have the distance 0; others that of their nearest points, up to a limit."""
    across, down, point = (
        Stroke.of(n, s)
        for n, s in enumerate((stroke((0, 5), (10, 5)), stroke((4, 0), (4, 9)), stroke((14, 8))))
    )
    assert distance(across, down, 1) == 0
    assert distance(across, point, 10) == distance(point, across, 10) == pytest.approx(5)
    assert distance(across, point, 2) == np.inf
    dense = Stroke.of(3, np.column_stack([np.linspace(0, 100, 500), np.zeros(500)]))
    assert distance(dense, across, 10) == pytest.approx(5)


def test_nothing_is_no_row() -> None:
    """Without strokes there are no rows."""
    assert rows_of_strokes([]) == []


LETTERS = {
    "A": [stroke((0, 100), (35, 0), (70, 100)), stroke((15, 62), (55, 62))],
    "H": [stroke((0, 0), (0, 100)), stroke((60, 0), (60, 100)), stroke((0, 50), (60, 50))],
    "K": [stroke((0, 0), (0, 100)), stroke((55, 0), (2, 52), (60, 100))],
    "N": [stroke((0, 100), (0, 0), (60, 100)), stroke((60, 100), (60, 0))],
}


@pytest.mark.parametrize("letter", LETTERS)
def test_a_letter_does_not_come_apart_into_digits(letter: str, reader: Reader) -> None:
    """Strokes that touch and are no sure digits stay one mark, which is not accepted."""
    reading = reader.read_strokes(LETTERS[letter])
    assert (len(reading.digits), reading.text) == (1, "")
