"""Read images and labels from CSV files with one image in each row."""

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

CSV_COLUMNS = SIDE * SIDE + 1  # columns of a file: the pixels of an image and its label
LONGEST_LINE = 4 * CHUNK  # bytes; a longer line is an error (a row of MNIST has 2,000 to 4,000 bytes)
PIXEL_VALUES = frozenset(range(256))  # a set, because `7.0 in range(256)` is slow
LABEL_NAMES = {"label", "labels", "class", "target", "digit", "y"}  # column names, compared in lower case
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # Windows programs write these bytes at the start of UTF-8 text
LINE_ENDS = b"\r\n "  # characters of blank lines at the end of a file

Table = npt.NDArray[np.uint8]  # all cells of a file, (rows, CSV_COLUMNS)


def read_csv(path: Path, label_column: Literal["first", "last"] | None = None) -> LabelledImages:
    """Read images and labels from a CSV file.

    Each row has 785 cells: 784 pixels row by row, with the label before or after them.
    The first line may be a header, and the file may be compressed with gzip.

    The first rule that applies decides which column has the labels:
        1. `label_column`, if it is given.
        2. The column that the header calls label, labels, class, target, digit or y.
        3. The first or the last column: the one with a maximum from 1 to 9.

    Args:
        path: The file; its name does not matter. Separators are commas, semicolons or tabs.
            Cells are whole numbers, written as 7, "7" or 7.0.
        label_column: Position of the labels, or None to find it.
    Returns:
        Images, uint8 (N, 28, 28), and labels, uint8 (N,).
    Raises:
        DataError: if a cell or a row is wrong, or the label column is not clear.
    """
    with contextlib.closing(_line_blocks(path)) as blocks:
        block = next(blocks, [])
        separator = max(",;\t", key=block[0].count) if block else ","
        header = _header(_cells(block[0], separator)) if block else []
        first_line = 2 if header else 1  # line number of the first image, for error messages
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
    """Yield the lines of a text file, a list of lines at a time.

    Raises:
        DataError: if a line is too long, or the file cannot be read.
    """
    # Blank lines at the end of the file are left out.
    rest = b""
    with contextlib.closing(read_content(path, content_limit(path))) as chunks:
        for chunk in chunks:
            rest = rest + chunk if rest else chunk.removeprefix(BYTE_ORDER_MARK)
            complete = rest.rstrip(LINE_ENDS).rfind(b"\n") + 1  # bytes before the last line that is not blank
            if complete:
                yield _lines(rest[: complete - 1])
            rest = rest[complete:]
            if len(rest) > LONGEST_LINE:
                raise DataError(
                    f"{path}: contains a line longer than {LONGEST_LINE:,} bytes; expected a CSV file"
                )
    if rest := rest.rstrip(LINE_ENDS):
        yield _lines(rest)


def _lines(text: bytes) -> list[str]:
    """Divide ASCII text into lines without line ends."""
    # Other bytes become the character U+FFFD, which makes their cell invalid later.
    return text.decode("ascii", "replace").replace("\r\n", "\n").split("\n")


def _cells(line: str, separator: str) -> list[str]:
    """Divide a line into its cells, without quotation marks."""
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # the line contains a carriage return, or a cell is too long
        return [line]  # one cell, so that the check of CSV_COLUMNS reports this line


def _header(cells: list[str]) -> list[str]:
    """Return the column names in lower case, or [] without a header."""
    # A header has a known name for the labels, or no numbers.
    names = [cell.strip().casefold() for cell in cells]
    is_header = bool(LABEL_NAMES.intersection(names)) or all(_number(name) is None for name in names)
    return names if is_header and len(names) == CSV_COLUMNS else []


def _number(cell: str) -> float | None:
    """Return the number in a cell, or None for other text."""
    try:
        return float(cell)
    except ValueError:
        return None


def _read_rows(path: Path, blocks: Iterator[list[str]], separator: str, first_line: int) -> Table:
    """Parse all rows of a file.

    Args:
        path: The file, for error messages.
        blocks: Lists of lines, without the header.
        separator: Character between cells.
        first_line: Line number of the first row, for error messages.
    Returns:
        uint8 (rows, CSV_COLUMNS).
    Raises:
        DataError: if there are no rows, or a row is wrong.
    """
    table, line = bytearray(), first_line  # a bytearray, because it grows without a second copy
    for lines in blocks:
        if lines:
            table += _parse_rows(path, lines, separator, line).tobytes()
            line += len(lines)
    if not table:
        raise DataError(
            f"{path}: has no rows; expected rows of {CSV_COLUMNS} columns (784 pixels and a label)"
        )
    return np.frombuffer(table, np.uint8).reshape(-1, CSV_COLUMNS)


def _parse_rows(path: Path, lines: list[str], separator: str, first_line: int) -> Table:
    """Parse lines into uint8 (len(lines), CSV_COLUMNS).

    Args:
        path: The file, for error messages.
        lines: One row each.
        separator: Character between cells.
        first_line: Line number of lines[0], for error messages.
    Raises:
        DataError: if a row is wrong.
    """
    if all(map(str.strip, lines)):  # np.loadtxt skips blank lines, but here they are errors
        with contextlib.suppress(ValueError):  # raised for rows of unequal length and cells without a number
            cells = np.loadtxt(lines, delimiter=separator, quotechar='"', comments=None, ndmin=2)
            with np.errstate(invalid="ignore"):
                pixels = cells.astype(np.uint8)
            # They are equal only if every cell is a whole number from 0 to 255.
            if pixels.shape == (len(lines), CSV_COLUMNS) and np.array_equal(pixels, cells):
                return pixels
    raise _first_error(path, lines, separator, first_line)


def _first_error(path: Path, lines: list[str], separator: str, first_line: int) -> DataError:
    """Return an error that names the first wrong line and column."""
    # This search is slow, so it runs only after the fast parser has failed.
    for number, line in enumerate(lines, first_line):
        cells = _cells(line, separator)
        if len(cells) != CSV_COLUMNS:
            return DataError(
                f"{path}, line {number}: {len(cells)} columns, expected {CSV_COLUMNS}: 784 pixels, a label"
            )
        for column, cell in enumerate(cells, 1):
            if _number(cell) not in PIXEL_VALUES:
                return DataError(
                    f"{path}, line {number}, column {column}: {cell[:20]!r},"
                    " expected a whole number from 0 to 255"
                )
    last_line = first_line + len(lines) - 1
    return DataError(f"{path}: lines {first_line} to {last_line} cannot be read as rows of whole numbers")


def _label_column(
    path: Path, table: Table, header: list[str], chosen: Literal["first", "last"] | None
) -> int:
    """Return the index of the column with the labels.

    Args:
        path: The file, for the error message.
        table: uint8 (rows, CSV_COLUMNS).
        header: Column names in lower case; empty without a header.
        chosen: Position that the caller gave, or None.
    Raises:
        DataError: if no column or several columns fit.
    """
    # The three rules are listed in `read_csv`. The third one works because corner pixels are usually all 0.
    first, last = 0, CSV_COLUMNS - 1
    if chosen is not None:
        return first if chosen == "first" else last
    named = [index for index, name in enumerate(header) if name in LABEL_NAMES]
    likely = named or [index for index in (first, last) if 0 < table[:, index].max() < CLASSES]
    if len(likely) != 1:
        raise DataError(
            f"{path}: cannot find the column of the labels; expected a header with one column called 'label',"
            " or that only one of the first and the last column contains numbers from 0 to 9"
        )
    return likely[0]
