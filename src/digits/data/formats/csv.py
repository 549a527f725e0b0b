"""Read labelled images from CSV files."""

import contextlib
import csv
import itertools
from collections.abc import Generator
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from digits.data.formats.arrays import LabelledImages, check_pair
from digits.data.formats.content import CHUNK, content_limit, read_content
from digits.errors import DataError
from digits.mnist import CLASSES, SIDE

COLUMNS = SIDE * SIDE + 1  # of a CSV file: one picture and its label in a row
_GREYS = frozenset(range(256))  # finds 7.0 at once, where a range compares one by one
_LABEL_NAMES = {"label", "labels", "class", "target", "digit", "y"}  # of a CSV column, in any case


def read_csv(path: Path, label_column: Literal["first", "last"] | None = None) -> LabelledImages:
    """The images in a CSV file, plain or gzip: 785 columns, 784 pixels row by row and a label.

    Cells are whole numbers (7, "7" and 7.0 alike), separated by commas, semicolons or tabs. The label's
    column is `label_column`, or the one the header line calls label, class, target, digit or y (in any
    case). Without either it is the first or last column, whichever alone holds 0 to 9 and not only 0:
    border pixels, the other columns there, are 0 throughout or come in all greys. Raises DataError if
    that does not decide, and for any other cell or length of row, naming line and column.
    """
    table = bytearray()  # rows of COLUMNS bytes; grows without keeping a second copy
    with contextlib.closing(_line_blocks(path)) as blocks:
        block = next(blocks, [])
        separator = max(",;\t", key=block[0].count) if block else ","
        header = _csv_header(_cells(block[0], separator)) if block else []
        first = 1 + bool(header)  # the number of the first line with data
        number = first
        for lines in itertools.chain([block[bool(header) :]], blocks):
            if lines:
                table += _csv_rows(path, lines, separator, number).tobytes()
                number += len(lines)
    if not table:
        raise DataError(f"{path}: has no rows; expected {COLUMNS} columns, 784 pixels and a label")
    rows = np.frombuffer(table, np.uint8).reshape(-1, COLUMNS)
    column = _label_index(path, rows, header, label_column)
    labels = rows[:, column].copy()
    if labels.max() >= CLASSES:
        row = int(np.argmax(labels >= CLASSES))
        raise DataError(
            f"{path}, line {first + row}, column {column + 1}: label {labels[row]}, expected 0 to 9"
        )
    return check_pair(np.delete(rows, column, axis=1), labels, path, path)


def _line_blocks(path: Path) -> Generator[list[str], None, None]:
    """The lines of a text file without their ends, some at a time; blank lines at its end are left out.

    What is not ASCII becomes U+FFFD, which no number contains.
    """
    rest = b""
    with contextlib.closing(read_content(path, content_limit(path))) as chunks:
        for chunk in chunks:
            rest = rest + chunk if rest else chunk.removeprefix(b"\xef\xbb\xbf")  # the byte-order mark
            complete = rest.rstrip(b"\r\n ").rfind(b"\n") + 1  # keep what may be blank lines at the end
            if complete:
                yield _lines(rest[: complete - 1])
            rest = rest[complete:]
            if len(rest) > 4 * CHUNK:
                raise DataError(f"{path}: a line longer than {4 * CHUNK:,} bytes; expected a CSV file")
    if rest := rest.rstrip(b"\r\n "):
        yield _lines(rest)


def _lines(text: bytes) -> list[str]:
    return text.decode("ascii", "replace").replace("\r\n", "\n").split("\n")


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # a stray carriage return, an endless cell: whatever it is, not the right columns
        return [line]


def _csv_header(cells: list[str]) -> list[str]:
    """The columns' names if the cells are a header, else nothing: they name a label or hold no number."""
    names = [cell.strip().casefold() for cell in cells]
    named = bool(_LABEL_NAMES.intersection(names)) or not any(_number(name) is not None for name in names)
    return names if named and len(names) == COLUMNS else []


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _csv_rows(path: Path, lines: list[str], separator: str, number: int) -> npt.NDArray[np.uint8]:
    """Lines, of which the first has this number in the file, as (len(lines), COLUMNS)."""
    if all(map(str.strip, lines)):  # loadtxt would skip blank ones
        with contextlib.suppress(ValueError):  # ragged, or a cell is no number
            cells = np.loadtxt(lines, delimiter=separator, quotechar='"', comments=None, ndmin=2)
            with np.errstate(invalid="ignore"):
                greys = cells.astype(np.uint8)
            if greys.shape == (len(lines), COLUMNS) and np.array_equal(greys, cells):  # whole, 0 to 255
                return greys
    raise _csv_culprit(path, lines, separator, number)


def _csv_culprit(path: Path, lines: list[str], separator: str, number: int) -> DataError:
    """What is wrong with the first wrong line: the slow way, for when it is known that one is."""
    for count, line in enumerate(lines, number):
        cells = _cells(line, separator)
        if len(cells) != COLUMNS:
            return DataError(
                f"{path}, line {count}: {len(cells)} columns, expected {COLUMNS} (784 pixels and a label)"
            )
        for column, cell in enumerate(cells, 1):
            if _number(cell) not in _GREYS:
                return DataError(
                    f"{path}, line {count}, column {column}: {cell[:20]!r},"
                    " expected a whole number from 0 to 255"
                )
    return DataError(f"{path}: lines {number} to {number + len(lines) - 1} are not rows of plain numbers")


def _label_index(
    path: Path, rows: npt.NDArray[np.uint8], header: list[str], label_column: Literal["first", "last"] | None
) -> int:
    """Which column holds the labels, by the rules of `read_csv`."""
    first, last = 0, COLUMNS - 1
    if label_column is not None:
        return first if label_column == "first" else last
    named = [index for index, name in enumerate(header) if name in _LABEL_NAMES]
    likely = named or [index for index in (first, last) if 0 < rows[:, index].max() < CLASSES]
    if len(likely) != 1:
        raise DataError(
            f"{path}: cannot tell which column holds the labels; expected one called 'label' in a header"
            " line, or either the first or the last column alone to hold 0 to 9"
        )
    return likely[0]
