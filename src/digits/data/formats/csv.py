"""Read labelled images from CSV files: one row an image, 784 pixels and a label."""

import contextlib
import csv
import itertools
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from digits.data.formats.arrays import LabelledImages, check_pair
from digits.data.formats.content import CHUNK, content_limit, read_content
from digits.errors import DataError
from digits.mnist import CLASSES, SIDE

COLUMNS = SIDE * SIDE + 1  # of a row: one image and its label
LONGEST_LINE = 4 * CHUNK  # bytes; a row of MNIST has 2,000 to 4,000
PIXEL_VALUES = frozenset(range(256))  # finds 7.0 at once, where a range compares one value after another
LABEL_NAMES = {"label", "labels", "class", "target", "digit", "y"}  # of a column, in upper or lower case
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # which Windows programs put before UTF-8 text
BLANK = b"\r\n "

Table = npt.NDArray[np.uint8]  # (rows, COLUMNS)


def read_csv(path: Path, label_column: Literal["first", "last"] | None = None) -> LabelledImages:
    """Read a CSV file, raw or gzip, with 785 columns: 784 pixels row by row, and a label.

    Cells are whole numbers (7, "7" or 7.0), separated by commas, semicolons or tabs. The labels are in the
    column `label_column`, or in the one that a header calls label, class, target, digit or y. Without
    either, they are in the first or the last column, whichever alone holds only 0 to 9 and not only 0: the
    other one holds pixels at the border, which are all 0 or have larger values too. Raises DataError if
    that does not decide, and for any other cell or number of columns, with line and column.
    """
    with contextlib.closing(_line_blocks(path)) as blocks:
        block = next(blocks, [])
        separator = max(",;\t", key=block[0].count) if block else ","
        header = _header(_cells(block[0], separator)) if block else []
        first_line = 2 if header else 1  # number of the first line with an image
        table = _read_rows(path, itertools.chain([block[len(header) > 0 :]], blocks), separator, first_line)
    column = _label_column(path, table, header, label_column)
    labels = table[:, column].copy()
    if labels.max() >= CLASSES:
        row = int(np.argmax(labels >= CLASSES))
        raise DataError(
            f"{path}, line {first_line + row}, column {column + 1}: label {labels[row]}, expected 0 to 9"
        )
    return check_pair(np.delete(table, column, axis=1), labels, path, path)


def _line_blocks(path: Path) -> Generator[list[str], None, None]:
    """Yield the lines of a text file without their ends, some at a time.

    Blank lines at the end of the file are left out. Bytes that are not ASCII become U+FFFD, which no number
    contains.
    """
    rest = b""
    with contextlib.closing(read_content(path, content_limit(path))) as chunks:
        for chunk in chunks:
            rest = rest + chunk if rest else chunk.removeprefix(BYTE_ORDER_MARK)
            complete = rest.rstrip(BLANK).rfind(b"\n") + 1  # what follows may be blank lines at the end
            if complete:
                yield _lines(rest[: complete - 1])
            rest = rest[complete:]
            if len(rest) > LONGEST_LINE:
                raise DataError(f"{path}: a line longer than {LONGEST_LINE:,} bytes; expected a CSV file")
    if rest := rest.rstrip(BLANK):
        yield _lines(rest)


def _lines(text: bytes) -> list[str]:
    return text.decode("ascii", "replace").replace("\r\n", "\n").split("\n")


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # a stray carriage return or an endless cell: not a row of COLUMNS cells in any case
        return [line]


def _header(cells: list[str]) -> list[str]:
    """Return the names of the columns in lower case, or an empty list if the first line is no header."""
    names = [cell.strip().casefold() for cell in cells]
    is_header = bool(LABEL_NAMES.intersection(names)) or all(_number(name) is None for name in names)
    return names if is_header and len(names) == COLUMNS else []


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _read_rows(path: Path, blocks: Iterator[list[str]], separator: str, first_line: int) -> Table:
    """Return all rows as one array (rows, COLUMNS); `first_line` is the number of the first of them."""
    table, line = bytearray(), first_line  # a bytearray grows without a second copy
    for lines in blocks:
        if lines:
            table += _parse_rows(path, lines, separator, line).tobytes()
            line += len(lines)
    if not table:
        raise DataError(f"{path}: has no rows; expected {COLUMNS} columns, 784 pixels and a label")
    return np.frombuffer(table, np.uint8).reshape(-1, COLUMNS)


def _parse_rows(path: Path, lines: list[str], separator: str, first_line: int) -> Table:
    """Return lines as an array (len(lines), COLUMNS); `first_line` is the number of the first of them."""
    if all(map(str.strip, lines)):  # loadtxt would skip blank ones
        with contextlib.suppress(ValueError):  # rows of unequal length, or a cell that is no number
            cells = np.loadtxt(lines, delimiter=separator, quotechar='"', comments=None, ndmin=2)
            with np.errstate(invalid="ignore"):
                pixels = cells.astype(np.uint8)
            if pixels.shape == (len(lines), COLUMNS) and np.array_equal(pixels, cells):  # whole, 0 to 255
                return pixels
    raise _first_error(path, lines, separator, first_line)


def _first_error(path: Path, lines: list[str], separator: str, first_line: int) -> DataError:
    """Return an error that names the first wrong line and cell; slow, so only for when there is one."""
    for number, line in enumerate(lines, first_line):
        cells = _cells(line, separator)
        if len(cells) != COLUMNS:
            return DataError(
                f"{path}, line {number}: {len(cells)} columns, expected {COLUMNS} (784 pixels and a label)"
            )
        for column, cell in enumerate(cells, 1):
            if _number(cell) not in PIXEL_VALUES:
                return DataError(
                    f"{path}, line {number}, column {column}: {cell[:20]!r},"
                    " expected a whole number from 0 to 255"
                )
    last_line = first_line + len(lines) - 1
    return DataError(f"{path}: lines {first_line} to {last_line} are not rows of plain numbers")


def _label_column(
    path: Path, table: Table, header: list[str], chosen: Literal["first", "last"] | None
) -> int:
    """Return the index of the column with the labels, by the rules that `read_csv` states."""
    first, last = 0, COLUMNS - 1
    if chosen is not None:
        return first if chosen == "first" else last
    named = [index for index, name in enumerate(header) if name in LABEL_NAMES]
    likely = named or [index for index in (first, last) if 0 < table[:, index].max() < CLASSES]
    if len(likely) != 1:
        raise DataError(
            f"{path}: cannot tell which column holds the labels; expected one called 'label' in a header"
            " line, or either the first or the last column alone to hold 0 to 9"
        )
    return likely[0]
