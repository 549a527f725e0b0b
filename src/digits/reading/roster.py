"""Read a roster: a list of numbers, such as the student IDs of a course, of which one is on the picture.

A roster is a text file with one number a line, or a CSV file as spreadsheets and grading systems write it.
Numbers may hold spaces, points, dashes and slashes; only their digits are compared with the picture.
"""

import csv
import io
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from digits.errors import OptionError, shortened, shortened_path
from digits.files import printable, read_file
from digits.options import expanded
from digits.reading.acceptance import NUMBER_PROBABILITY
from digits.reading.marks import Probabilities
from digits.reading.options import MAX_LENGTH, THRESHOLD
from digits.reading.text_probability import text_probabilities

ROSTER_ENTRIES = 200_000  # an entry costs about a microsecond for each picture
ROSTER_BYTES = 20_000_000  # size of a roster's file: ROSTER_ENTRIES lines of 100 characters
ENTRY = re.compile(r"[0-9]+(?:[ .,/:-]?[0-9]+)*")
FRACTION = re.compile(r"[0-9]+\.0+")  # a spreadsheet or pandas took the number for a fraction
NAMES = {"id", "ids", "number", "numbers"}  # a column with one of these words in its name has the numbers
DELIMITERS = ",;\t|"
BEST_ENTRIES = 8  # entries that are compared with the evidence for a row; one takes some milliseconds
SPARE = 2  # digits; an entry that is by more of them longer or shorter than a line has the probability 0


class Roster:
    """A list of numbers, one of which is expected on the picture."""

    def __init__(self, entries: Iterable[str], *, places: Iterable[str] | None = None) -> None:
        """Store the numbers.

        Args:
            entries: The numbers, such as "20231234" or "2023-1234"; equal ones count once.
            places: For each number a name for messages, such as "line 7". Default: "entry 1" and so on.

        Raises:
            OptionError: if there is none, if there are too many, if one is no number, or if two different
                texts have the same digits.
        """
        texts = tuple(entries)
        names = places or (f"entry {number}" for number in range(1, len(texts) + 1))
        self.entries, self.digits = _checked(zip(names, texts, strict=True))
        self._tables = _tables_of(self.digits)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Roster":
        """Read a roster from a file.

        Args:
            path: A text file in UTF-8 with one number a line, or a CSV file. Of a CSV file the first column
                is read whose name in the first line has the word "id" or "number", or else the first column.

        Returns:
            The roster.

        Raises:
            OptionError: if the file cannot be read, is too large, or a line has no number; it is named.
        """
        name = shortened_path(path)
        try:
            content = read_file(expanded(path), ROSTER_BYTES)
        except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
            reason = getattr(error, "strerror", None) or error
            raise OptionError(f"could not read the roster {name}: {shortened(reason)}") from error
        return cls.parse(content, name)

    @classmethod
    def parse(cls, content: bytes, name: str = "the roster") -> "Roster":
        """Read a roster from the bytes of a file.

        Args:
            content: The file as in `load`.
            name: Name for error messages.

        Raises:
            OptionError: as in `load`.
        """
        try:
            lines = list(_lines_of(content))
            return cls([text for _, text in lines], places=[place for place, _ in lines])
        except OptionError as error:
            raise OptionError(f"{name}: {error}") from error

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.entries)

    def probabilities(self, marks: Probabilities) -> npt.NDArray[np.float64]:
        """Return the probability (N,) that the digits of each of the N entries are the text of some marks.

        Args:
            marks: Probabilities (K, 10) of K marks from left to right.
        """
        found = np.zeros(len(self.entries))
        is_digit = marks.sum(axis=1)
        possible = int((is_digit >= NUMBER_PROBABILITY).sum())
        certain = int((is_digit >= THRESHOLD).sum())
        for places, table in self._tables:
            if certain - SPARE <= table.shape[1] <= possible + SPARE:
                found[places] = text_probabilities(marks, table)
        return found


def _tables_of(numbers: Sequence[str]) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.uint8]]]:
    """Group numbers by their length L: their places in the list (N,) and their digits (N, L)."""
    places = defaultdict(list)
    for place, number in enumerate(numbers):
        places[len(number)].append(place)
    return [
        (
            np.array(found),
            np.frombuffer("".join(numbers[i] for i in found).encode(), np.uint8).reshape(-1, length)
            - np.uint8(ord("0")),
        )
        for length, found in places.items()
    ]


def _checked(lines: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Check the numbers of a roster.

    Args:
        lines: For each number its place for messages, such as "line 7", and the number itself.

    Returns:
        The different numbers as they are written, and their digits.
    """
    known: dict[str, tuple[str, str]] = {}  # digits -> the number and its place
    for place, text in lines:
        entry = text.strip() if isinstance(text, str) else str(text)
        if not ENTRY.fullmatch(entry):
            raise OptionError(
                f"{place} has {_quoted(entry)}; expected a number, because letters are not read"
            )
        if FRACTION.fullmatch(entry):
            raise OptionError(
                f"{place} has {_quoted(entry)}, a fraction; save the numbers as text, without .0"
            )
        digits = "".join(filter(str.isdecimal, entry))
        if len(digits) > MAX_LENGTH:
            raise OptionError(f"{place} has {len(digits):,} digits; expected at most {MAX_LENGTH}")
        before, where = known.setdefault(digits, (entry, place))
        if before != entry:
            raise OptionError(
                f"{where} has {_quoted(before)} and {place} has {_quoted(entry)}, the same digits; "
                "write a number always in the same way"
            )
        if len(known) > ROSTER_ENTRIES:
            raise OptionError(f"there are more than {ROSTER_ENTRIES:,} numbers; expected a shorter list")
    if not known:
        raise OptionError("there are no numbers; expected one a line")
    return tuple(entry for entry, _ in known.values()), tuple(known)


def _lines_of(content: bytes) -> Iterable[tuple[str, str]]:
    """Yield the place and the number of each line of a roster's file."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OptionError(f"byte {error.start:,} is not text in UTF-8; save it as CSV in UTF-8") from error
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    column, is_first = 0, True
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if is_first:
                is_first, column = False, _column_of(row)
                if not any(map(str.isdecimal, row[column])):  # these are the names of the columns
                    continue
            if column >= len(row):
                raise OptionError(
                    f"line {reader.line_num} has {len(row)} columns; expected {column + 1} or more"
                )
            yield f"line {reader.line_num}", row[column]
    except csv.Error as error:
        raise OptionError(f"line {reader.line_num} is not CSV: {shortened(error)}") from error


def _column_of(names: Sequence[str]) -> int:
    """Return the column of the numbers, from the cells of the first line."""
    for column, name in enumerate(names):
        if NAMES & set(re.split(r"[\W_]+", name.lower())):
            return column
    return 0


def _quoted(entry: str) -> str:
    """Return an entry for a message."""
    return f"'{printable(shortened(entry))}'"
