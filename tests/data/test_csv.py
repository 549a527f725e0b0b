"""CSV files: every dialect, and every kind of damage."""

import csv
import gzip
import random
import re
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.data_files import attempt, csv_text, some_images, some_labels, thorough, written

from digits.data.dataset import Digits
from digits.data.formats import content as content_module
from digits.data.formats.content import CHUNK
from digits.data.formats.csv import read_csv
from digits.errors import DataError


@given(
    count=st.integers(1, 8),
    position=st.sampled_from([0, 784, 300]),
    header=st.booleans(),
    separator=st.sampled_from(",;\t"),
    cell=st.sampled_from(["{}", "{}.0", '"{}"', " {}", "{:.18e}", "00{}"]),
    end=st.sampled_from(["\n", "\r\n"]),
    close=st.sampled_from(["", "\n", "\r\n\r\n \n"]),
    packed=st.booleans(),
    mark=st.booleans(),
    chunk=st.sampled_from([15_000, CHUNK]),
)
@thorough
def test_csv_round_trip(
    folder: Path,
    count: int,
    position: int,
    header: bool,
    separator: str,
    cell: str,
    end: str,
    close: str,
    packed: bool,
    mark: bool,
    chunk: int,
) -> None:
    """Every dialect gives back the bytes it was made of, however reading is cut into pieces."""
    images, labels = some_images(count, seed=count), some_labels(count) % 9 + 1
    header |= position == 300
    text = csv_text(
        images, labels, position=position, header=header, separator=separator, cell=cell, end=end
    ).removesuffix(end)
    content = (b"\xef\xbb\xbf" if mark else b"") + (text + close).encode()
    path = written(folder, gzip.compress(content, 1) if packed else content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(content_module, "CHUNK", chunk)
        read = read_csv(path)
    np.testing.assert_array_equal(read.images, images, strict=True)
    np.testing.assert_array_equal(read.labels, labels, strict=True)
    assert read.images.flags.writeable


GREYS = frozenset(range(256))


def slow_csv(text: str) -> list[list[int]] | None:
    """Rows by Python's csv module, label first; None if they are not all rows of 785 good cells."""
    rows = list(csv.reader(text.rstrip("\r\n ").split("\n")))
    number = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)
    good = all(
        len(row) == 785
        and all(number.fullmatch(cell) and float(cell) in GREYS for cell in row)
        and float(row[0]) < 10
        for row in rows
    )
    return [[int(float(cell)) for cell in row] for row in rows] if good and rows else None


@pytest.mark.parametrize("count", [100, pytest.param(1_500, marks=pytest.mark.slow)])
def test_mutants_of_csv_files(tmp_path: Path, count: int) -> None:
    """Exactly those damaged copies are read that Python's csv module finds whole, with its values."""
    good = csv_text(some_images(3), some_labels(3))
    chance, path, accepted = random.Random(2), tmp_path / "mutant.csv", 0
    for _ in range(count):
        where = chance.randrange(len(good))
        damage = "".join(chance.choices('0123456789,."\n;- \t\r+exn_\0é', k=chance.randrange(3)))
        text = good[:where] + damage + good[where + chance.randrange(3) :]
        path.write_bytes(text.encode())
        try:
            truth = slow_csv(text)
        except csv.Error:
            truth = None
        read = attempt(lambda path: read_csv(path, "first"), path)
        if isinstance(read, DataError):
            assert truth is None, (damage, where, read)
        else:
            assert np.insert(read.images.reshape(-1, 784), 0, read.labels, axis=1).tolist() == truth
            accepted += 1
    assert accepted > count / 8


ROW = "7," + "0," * 783 + "0"
CSV_REFUSED: dict[str, tuple[str, str]] = {
    "empty": ("", r"has no rows; expected rows of 785 columns"),
    "blank": ("\n \r\n\n", r"has no rows"),
    "only a header": (csv_text(some_images(1), some_labels(1), header=True).split("\n")[0], "has no rows"),
    "a web page": (
        "<!DOCTYPE html>\n<html>",
        r"line 1: 1 columns, expected 785: 784 pixels, a label; the file is a web page",
    ),
    "short row": (f"{ROW}\n{ROW}\n{ROW[:-2]}\n", "line 3: 784 columns, expected 785"),
    "long row": (f"{ROW},0\n", "line 1: 786 columns, expected 785"),
    "no label": (",".join(f"pixel{n}" for n in range(784)) + f"\n{ROW[2:]}\n", "line 1: 784 columns"),
    "blank line": (f"{ROW}\n\n{ROW}\n", "line 2: 0 columns"),
    "word": (f"{ROW}\n{ROW[:-1]}x\n", "line 2, column 785: 'x', expected a whole number from 0 to 255"),
    "empty cell": (f"{ROW}\n{ROW[:-1]}\n", "line 2, column 785: '', expected"),
    "256": (f"{ROW}\n{ROW[:2]}256{ROW[3:]}\n", "line 2, column 2: '256'"),
    "negative": (f"{ROW[:2]}-1{ROW[3:]}\n", "line 1, column 2: '-1'"),
    "half": (f"{ROW[:2]}0.5{ROW[3:]}\n", "line 1, column 2: '0.5'"),
    "nan": (f"{ROW[:2]}nan{ROW[3:]}\n", "line 1, column 2: 'nan'"),
    "endless": (f"{ROW[:2]}1e999{ROW[3:]}\n", "line 1, column 2: '1e999'"),
    "only Python reads it": (
        f"{ROW[:2]}1_0{ROW[3:]}\n",
        "lines 1 to 1 cannot be read as rows of whole numbers",
    ),
    "open quote": (f'{ROW}\n"{ROW}\n', "line 2: 1 columns"),
    "old Macintosh": (f"{ROW}\r{ROW}\r", "line 1: 1 columns"),
    "UTF-16": (f"{ROW}\n{ROW}".encode("utf-16").decode("latin-1"), "line [12]"),  # csv knows NUL since 3.11
    "counted header": (",".join(map(str, range(785))) + f"\n{ROW}", "line 1, column 257: '256'"),
    "label 10": (
        "label" + ",p" * 784 + f"\n{ROW}\n10{ROW[1:]}\n",
        "line 3, column 1: label 10, expected 0 to 9",
    ),
    "two labels": ("label" + ",p" * 783 + f",class\n{ROW}\n", "cannot find the column of the labels"),
    "letters": (f"{ROW}\n26{ROW[1:]}\n", "cannot find the column of the labels; expected a header"),
    "all zero": ("0" + ROW[1:], "cannot find the column of the labels"),
    "two candidates": (ROW[:-1] + "3", "cannot find the column of the labels"),
}


@pytest.mark.parametrize("kind", CSV_REFUSED)
def test_damaged_csv_is_refused(tmp_path: Path, kind: str) -> None:
    """Each kind of damage is a DataError that names the file, the line and the column."""
    text, message = CSV_REFUSED[kind]
    path = written(tmp_path, text.encode("latin-1"), "digits.csv")
    with pytest.raises(DataError, match=message) as error:
        read_csv(path)
    assert str(path) in str(error.value)


def test_csv_errors_name_the_line_across_blocks(tmp_path: Path) -> None:
    """Lines are counted through a file of many blocks and a header."""
    lines = csv_text(some_images(1_000), some_labels(1_000), header=True).split("\n")
    lines[876] = lines[876][:-1] + "?"  # the border pixel at the end is the only 0 there
    path = written(tmp_path, "\n".join(lines).encode())
    assert path.stat().st_size > 4 * CHUNK
    with pytest.raises(DataError, match=r"line 877, column 785: '\?'"):
        read_csv(path)


def test_csv_of_a_line_without_end(tmp_path: Path) -> None:
    """A text without line ends is refused once the line is too long, and is not collected in memory."""
    with pytest.raises(DataError, match="a line longer than 1,048,576 bytes; expected a CSV file"):
        read_csv(written(tmp_path, b"0," * 2_000_000))


def test_csv_label_column_is_found_or_told(tmp_path: Path) -> None:
    """Labels are in the first or last column, whichever alone can hold them, or where the caller says."""
    images = some_images()
    ends: list[tuple[int, Literal["first", "last"]]] = [(0, "first"), (784, "last")]
    for position, told in ends:
        for labels in (some_labels(), np.full(20, 7, np.uint8)):
            path = written(tmp_path, csv_text(images, labels, position=position).encode())
            np.testing.assert_array_equal(read_csv(path).labels, labels)
        only_zeros = written(tmp_path, csv_text(images, np.zeros(20, np.uint8), position=position).encode())
        read = read_csv(only_zeros, told)
        np.testing.assert_array_equal(read.images, images)


@pytest.mark.parametrize("position", [0, pytest.param(784, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("cell", "scale", "shift"),
    [("{:.6f}", 255, 0), ("{:.4g}", 256, 0), ("{:.5f}", 127.5, 1), ("{!r}", 255, 0)],
)
def test_csv_of_fractions(tmp_path: Path, position: int, cell: str, scale: float, shift: float) -> None:
    """Pixels from 0 to 1 or from -1 to 1 give the bytes that they stand for, also dark on light."""
    images, labels = some_images(300), some_labels(300)
    for dark in (False, True):
        pixels = 255 - images if dark and scale != 256 else images
        rows = np.insert(pixels.reshape(-1, 784) / scale - shift, position, labels, axis=1).tolist()
        text = "\n".join(",".join(cell.format(value) for value in row) for row in rows)
        read = read_csv(written(tmp_path, text.encode()))
        np.testing.assert_array_equal(read.images, pixels, strict=True)
        np.testing.assert_array_equal(read.labels, labels, strict=True)
        assert len(read.notes) == 1


def test_csv_errors_among_fractions_name_the_line(tmp_path: Path) -> None:
    """In a file of fractions, a number out of their range is reported with its line and column."""
    good = "3," + "0.75," * 783 + "1"
    for cell in ("1.5", "nan", "255", "x"):
        path = written(tmp_path, f"{good}\n{good[:2]}{cell}{good[6:]}\n".encode())
        with pytest.raises(DataError, match=f"line 2, column 2: '{cell}', expected a number from -1 to 1"):
            read_csv(path, "first")


def test_the_sample_has_500_of_each_digit(sample: Digits) -> None:
    """The label in the last column, without a header, is found: 500 of each class, in order."""
    np.testing.assert_array_equal(sample.labels.numpy(), np.repeat(np.arange(10), 500))
