"""Made pictures of numbers that measure the reader: benchmarks/made_numbers.py."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.benchmark_modules import benchmark_module

from digits.data.synthetic import synthetic_digits


@pytest.fixture(scope="module")
def made_numbers() -> Iterator[Any]:
    """The module benchmarks/made_numbers.py."""
    with benchmark_module("made_numbers") as module:
        yield module


@pytest.fixture(scope="module")
def digits(made_numbers: Any) -> Any:
    """Drawn digits in place of MNIST's test images."""
    return made_numbers.MnistDigits.of(*synthetic_digits(100, seed=0))


@pytest.mark.parametrize(
    ("row", "numbers"),
    [
        ("4071", ["4071"]),
        ("1,234.50", ["1,234.50"]),
        ("-7", ["-7"]),
        ("2014-10-14", ["2014", "10", "14"]),
        ("(555) 171-4833", ["555", "171", "4833"]),
        ("12:30", ["12", "30"]),
        ("12 34", ["12", "34"]),
        ("-0.5 / 3", ["-0.5", "3"]),
    ],
)
def test_numbers_are_units(made_numbers: Any, row: str, numbers: list[str]) -> None:
    """Points, commas and a minus at its front belong to a number, other signs and spaces separate."""
    assert made_numbers.numbers_in(row) == numbers


def test_pictures_have_the_digits_of_their_labels(made_numbers: Any, digits: Any) -> None:
    """Every kind gives grey pictures of dark ink, and its numbers have the label's digits."""
    for kind in made_numbers.KINDS:
        for sample in made_numbers.samples(kind, 2, digits, np.random.default_rng(5)):
            assert "".join(filter(str.isdecimal, "".join(sample.numbers))) == sample.label.replace("_", "")
            height, width = sample.picture.shape
            assert min(height, width) > 40
            assert sample.picture.dtype == np.uint8
            middle = sample.picture[height // 4 : -height // 4, width // 4 : -width // 4]
            assert int(middle.min()) < int(np.median(middle)) - 25


def test_a_seed_gives_the_same_pictures_again(made_numbers: Any, digits: Any) -> None:
    """Results of two measurements are about the same pictures."""
    first, again = (
        made_numbers.samples("cells", 1, digits, np.random.default_rng([14, 0])) for _ in range(2)
    )
    assert first[0].label == again[0].label
    assert np.array_equal(first[0].picture, again[0].picture)
