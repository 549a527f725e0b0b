"""The labels of marks that benchmarks/page_nondigits.py cuts out of its pages."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digits.reading.marks import Box, Mark

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
LETTER: Box = (10, 10, 30, 40)


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module benchmarks/page_nondigits.py, which is imported from its own folder."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("page_nondigits")


@pytest.mark.parametrize(
    ("character", "box", "digit", "label"),
    [
        ("7", LETTER, 7, 7),
        ("a", LETTER, 9, 10),
        ("$", LETTER, 8, 10),
        ("S", LETTER, 5, None),  # it looks like a digit
        ("m", (10, 10, 15, 40), 2, 10),  # a piece of a letter
        ("m", (10, 10, 6, 40), 1, None),  # an upright bar
        ("7", (10, 10, 12, 40), 1, None),  # a piece of a digit
        ("/", LETTER, 7, None),
    ],
)
def test_what_looks_like_a_digit_is_not_learned(
    pages: Any, character: str, box: Box, digit: int, label: int | None
) -> None:
    """A mark has the label of its glyph; it is left out if it may look like a digit without being one."""
    p = np.eye(10)[digit] * 0.99
    mark = Mark(np.ones((28, 28), np.float32), box, probabilities=p)
    assert pages.label_of(mark, [(character, LETTER)], None) == label


def test_pages_say_where_their_characters_stand(pages: Any) -> None:
    """The ink of a line lies in the boxes of its characters."""
    page = pages.Page(np.zeros((80, 400), np.float32))
    font = pages.ImageFont.truetype(pages.fonts()[0], 40)
    pages.written("Room 217", font, (20, 10), page)
    assert [character for character, _ in page.glyphs] == list("Room217")
    outside = page.ink > 0.5
    for _, (left, top, width, height) in page.glyphs:
        assert page.ink[top : top + height, left : left + width].sum() > 20
        outside[top - 1 : top + height + 1, left - 1 : left + width + 1] = False
    assert not outside.any()
