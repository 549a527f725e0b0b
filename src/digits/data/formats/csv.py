"""Read images and labels from CSV files with one image in each row."""

import contextlib
import csv
import itertools
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from digits.data.formats.arrays import DIM, SLACK, WHITE, LabelledImages, check_pair
from digits.data.formats.content import BYTE_ORDER_MARK, CHUNK, content_limit, looks_like, read_content
from digits.errors import DataError
from digits.mnist import CLASSES, SIDE

CSV_COLUMNS = SIDE * SIDE + 1  # columns of a file: the pixels of an image and its label
LONGEST_LINE = 4 * CHUNK  # bytes; a longer line is an error (a row of MNIST has 2,000 to 4,000 bytes)
FRACTIONS = 1 + SLACK  # largest absolute value of pixels that are fractions
DECIDING = 100  # lines that are examined; a file of only 0 and 1 has none that decides
PIXEL_VALUES = frozenset(range(256))  # a set, because `7.0 in range(256)` is slow
LABEL_NAMES = {"label", "labels", "class", "target", "digit", "y"}  # column names, compared in lower case
LINE_ENDS = b"\r\n "  # characters of blank lines at the end of a file

# All cells of a file, (rows, CSV_COLUMNS): uint8, or float32 if its pixels are fractions.
Table = npt.NDArray[np.uint8] | npt.NDArray[np.float32]


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
            Cells are whole numbers, written as 7, "7" or 7.0. Pixels may also be fractions, from 0 to 1 or
            from -1 to 1.
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
            f"{path}, line {first_line + row}, column {column + 1}: label {labels[row]:g}, expected 0 to 9"
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
    Raises:
        DataError: if there are no rows, or a row is wrong.
    """
    blocks = filter(None, blocks)
    first = next(blocks, None)
    if first is None:
        raise DataError(
            f"{path}: has no rows; expected rows of {CSV_COLUMNS} columns (784 pixels and a label)"
        )
    dtype = _dtype(first, separator)
    table, line = bytearray(), first_line  # a bytearray, because it grows without a second copy
    for lines in itertools.chain([first], blocks):
        table += _parse_rows(path, lines, separator, line, dtype).tobytes()
        line += len(lines)
    cells: npt.NDArray[Any] = np.frombuffer(table, dtype)
    return cells.reshape(-1, CSV_COLUMNS)


def _dtype(lines: list[str], separator: str) -> type[np.uint8] | type[np.float32]:
    """Return the type of all cells: float32 if pixels are fractions, otherwise uint8.

    The first line that shows it decides: one with a fraction, or with a number above 1.
    """
    for line in lines[:DECIDING]:
        cells = _parse_numbers([line], separator)
        if cells is None:
            continue
        pixels = cells[:, 1:-1]  # without the label, which is first or last
        least, most = pixels.min(), pixels.max()
        if most > FRACTIONS:
            break
        # With DIM, a single wrong cell among zeros is not taken for a fraction, but reported with its line.
        if least >= -FRACTIONS and most > DIM and (least < 0 or bool((pixels % 1).any())):
            return np.float32
    return np.uint8


def _parse_numbers(lines: list[str], separator: str) -> npt.NDArray[np.float64] | None:
    """Return the numbers in some lines, (len(lines), CSV_COLUMNS), or None if a cell or a row is wrong."""
    if all(map(str.strip, lines)):  # np.loadtxt skips blank lines, but here they are errors
        with contextlib.suppress(ValueError):  # raised for rows of unequal length and cells without a number
            cells = np.loadtxt(lines, delimiter=separator, quotechar='"', comments=None, ndmin=2)
            return np.asarray(cells) if cells.shape == (len(lines), CSV_COLUMNS) else None
    return None


def _parse_rows(
    path: Path,
    lines: list[str],
    separator: str,
    first_line: int,
    dtype: type[np.uint8] | type[np.float32],
) -> Table:
    """Parse lines into a table of len(lines) rows.

    Args:
        path: The file, for error messages.
        lines: One row each.
        separator: Character between cells.
        first_line: Line number of lines[0], for error messages.
        dtype: uint8 for whole numbers, float32 for pixels that are fractions.
    Raises:
        DataError: if a row is wrong.
    """
    cells = _parse_numbers(lines, separator)
    if cells is not None and dtype is np.float32:
        if np.abs(cells[:, 1:-1]).max() <= FRACTIONS and bool((np.abs(cells) <= WHITE).all()):
            return cells.astype(np.float32)
    elif cells is not None:
        with np.errstate(invalid="ignore"):
            pixels = cells.astype(np.uint8)
        if np.array_equal(pixels, cells):  # only if every cell is a whole number from 0 to 255
            return pixels
    raise _first_error(path, lines, separator, first_line, dtype)


def _first_error(
    path: Path,
    lines: list[str],
    separator: str,
    first_line: int,
    dtype: type[np.uint8] | type[np.float32],
) -> DataError:
    """Return an error that names the first wrong line and column."""
    # This search is slow, so it runs only after the fast parser has failed.
    for number, line in enumerate(lines, first_line):
        cells = _cells(line, separator)
        if len(cells) != CSV_COLUMNS:
            found = looks_like(line.encode()) if number == 1 else ""
            return DataError(
                f"{path}, line {number}: {len(cells)} columns, expected {CSV_COLUMNS}: 784 pixels, a label"
                + (f"; the file is {found}, so fetch it again" if found else "")
            )
        for column, cell in enumerate(cells, 1):
            value, outer = _number(cell), column in (1, CSV_COLUMNS)
            if dtype is np.uint8 and value not in PIXEL_VALUES:
                return _cell_error(path, number, column, cell, "a whole number from 0 to 255")
            if dtype is np.float32 and not (
                value is not None and abs(value) <= (WHITE if outer else FRACTIONS)
            ):
                return _cell_error(path, number, column, cell, "a number from -1 to 1, like the others")
    last_line = first_line + len(lines) - 1
    return DataError(f"{path}: lines {first_line} to {last_line} cannot be read as rows of whole numbers")


def _cell_error(path: Path, line: int, column: int, cell: str, expected: str) -> DataError:
    """Return an error about one cell."""
    return DataError(f"{path}, line {line}, column {column}: {cell[:20]!r}, expected {expected}")


def _label_column(
    path: Path, table: Table, header: list[str], chosen: Literal["first", "last"] | None
) -> int:
    """Return the index of the column with the labels.

    Args:
        path: The file, for the error message.
        table: (rows, CSV_COLUMNS).
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
    likely = named or [index for index in (first, last) if _may_be_labels(table[:, index])]
    if len(likely) > 1 and not named:  # with fractions, a corner that is always light has only ones
        likely = [index for index in likely if table[:, index].max() > 1]
    if len(likely) != 1:
        raise DataError(
            f"{path}: cannot find the column of the labels; expected a header with one column called 'label',"
            " or that only one of the first and the last column contains numbers from 0 to 9"
        )
    return likely[0]


def _may_be_labels(column: Table) -> bool:
    """Check whether a column has whole numbers of which the highest is from 1 to 9."""
    return 0 < column.max() < CLASSES and not (column % 1).any()
