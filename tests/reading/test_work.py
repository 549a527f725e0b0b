"""The work for a picture is limited, whatever it shows, and what was left out is said."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from reliability import pictures
from support.hostile_pages import digits_page, hostile_pages
from support.strokefont import write
from support.templates import found_in, probabilities

from digits.reading.characters import (
    CRUMB_SIZE,
    MAX_GAP,
    MAX_HEIGHT,
    MIN_CRUMB,
    SHARED_COLUMNS,
    characters_of,
)
from digits.reading.components import MAX_BOX_PIXELS, Component, components_and_rest, gap, union
from digits.reading.find_digits import find
from digits.reading.image_files import PictureLimits, open_picture
from digits.reading.ink import Ink
from digits.reading.reader import Reader
from digits.reading.ruled_lines import ink_without_ruled_lines
from digits.reading.work import Work

WORST = (
    "blobs-1", "blobs-2", "blobs-8", "scribbles-20", "scribbles-80", "touching-page-80", "rings-40",
    "maze-40", "grating-3-4", "grating-45-8",
)  # fmt: skip


def test_a_page_of_six_hundred_digits_is_read_whole() -> None:
    """All 600 digits are marks in 24 rows, most are classified once, and there is no note."""
    classified = 0

    def counting(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        nonlocal classified
        classified += len(images)
        return probabilities(images)

    found = found_in(digits_page(25, 24, side=1200), classify=counting)
    rows = [sum(mark.row == row for mark in found.marks) for row in range(24)]
    assert (len(found.marks), rows, found.notes) == (600, [25] * 24, ())
    assert classified < 800


def test_marks_without_work_are_counted() -> None:
    """With work for a part of 100 digits, marks and the number in the note are 100 together, and repeat."""
    picture = open_picture(digits_page(10, 10, side=600))
    found = [find(picture, classify=probabilities, work=60_000) for _ in range(2)]
    count = 100 - len(found[0].marks)
    assert 0 < count < 100
    assert found[0].notes[0].startswith(f"{count} marks were not read: ")
    assert [mark.box for mark in found[0].marks] == [mark.box for mark in found[1].marks]


def test_digits_that_touch_are_one_mark_without_work() -> None:
    """Two touching digits are two marks; without work for a cut they are one, and the note counts it."""
    page = Image.new("L", (500, 120), 255)
    write(page, "00", (20, 30), 60, space=-0.12)
    write(page, "1234", (200, 30), 60)
    picture = open_picture(page)
    enough, little = (find(picture, classify=probabilities, work=work) for work in (1_000_000, 9_000))
    assert (len(enough.marks), enough.notes) == (6, ())
    assert len(little.marks) == 5
    assert little.notes[0].startswith("1 mark was not divided into digits: ")


def test_the_limits_of_a_picture_have_its_work() -> None:
    """`PictureLimits(work=...)` limits `Reader.read` and `read_many`; the note is in the reading."""
    reader = Reader.load("mlp", rejection=None)
    page, limits = digits_page(3, 3, side=300), PictureLimits(work=5_000)
    (many,) = reader.read_many([page], limits=limits)
    notes = reader.read(page, limits=limits).notes
    assert notes == getattr(many, "notes", None)
    assert "were not read" in notes[0]
    assert not reader.read(page).notes


def test_work_is_spent_only_if_enough_is_left() -> None:
    """What costs too much is not spent; what is charged may leave nothing."""
    work = Work(10.0)
    assert work.spend(6)
    assert not work.spend(6)
    work.charge(6)
    assert not work.spend(0.1)


def test_components_are_limited_by_their_boxes() -> None:
    """Of 300 slanting lines, whose boxes overlap, those with the smallest boxes are kept."""
    y, x = np.mgrid[:1200, :1200]
    found, rest = components_and_rest((x + y) % 8 < 2)
    assert sum(c.height * c.width for c in found) <= MAX_BOX_PIXELS
    assert len(found) + len(rest) == 300
    assert max(c.size for c in found) <= rest.min()


def together(small: Component, large: Component, height: float) -> bool:
    """Decide if two components belong together, one pair at a time."""
    if min(small.size, large.size) < CRUMB_SIZE * height:
        crumb = min(small.size, large.size) >= MIN_CRUMB * height
        return gap(small, large) == 0 and crumb and small.bottom < large.bottom
    shared = min(small.right, large.right) - max(small.left, large.left)
    if shared < SHARED_COLUMNS * min(small.width, large.width):
        return False
    both = union([small, large])
    distance = max(small.top - large.bottom, large.top - small.bottom)
    return distance <= MAX_GAP * height and both.height <= MAX_HEIGHT * height


def joined_slowly(components: Sequence[Component], height: float) -> list[Component]:
    """Join components by comparing all pairs again and again."""
    characters = sorted(components, key=lambda c: -c.area)
    merged = True
    while merged:
        merged = False
        for i in range(len(characters)):
            for j in range(len(characters) - 1, i, -1):
                if together(characters[j], characters[i], height):
                    characters[i] = union([characters[i], characters.pop(j)])
                    merged = True
    return characters


def test_characters_are_those_of_a_slow_search() -> None:
    """Random boxes are joined to the same characters as by comparing all pairs."""
    generator, joined = np.random.default_rng(0), 0
    for _ in range(10):
        components = []
        for _ in range(40):
            height, width, top, left = generator.integers((1, 1, 0, 0), (30, 30, 200, 200)).tolist()
            components.append(
                Component(top, left, top + height, left + width, np.ones((height, width), bool))
            )
        slow = [c for c in joined_slowly(components, 20.0) if c.size >= 7 and c.height >= 6]
        quick = characters_of(components, 20.0)
        assert [(c.top, c.left, c.bottom, c.right, c.area) for c in quick] == [
            (c.top, c.left, c.bottom, c.right, c.area) for c in slow
        ]
        joined += len(components) - len(quick)
    assert joined > 50


def test_a_grating_costs_no_more_than_a_page() -> None:
    """Two hundred level lines are removed as ruled lines, up to the limit of 60, in under a second."""
    mask = np.zeros((800, 800), bool)
    mask[60:-60:4, 30:-30] = True
    start = time.process_time()
    left = ink_without_ruled_lines(Ink(mask.astype(np.float32), mask), several=True).mask
    assert time.process_time() - start < 1
    assert left[:, 100].sum() == mask[:, 100].sum() - 60


@pytest.mark.slow
def test_the_worst_pages_keep_the_bounds(tmp_path: Path) -> None:
    """Ten pages that once took up to ten seconds take at most 2 s of one core and 400 MB each."""
    found = [pictures.measure(tmp_path, name, pictures.as_png(hostile_pages()[name])) for name in WORST]
    assert [cost for cost in found if not cost.passed] == []
