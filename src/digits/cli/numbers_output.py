"""Write the numbers of many pictures as a CSV file.

    path,number,probability,box,error
    scans/1.png,4071,0.9731,30 52 310 80,
    scans/2.png,12.50,0.9312,41 60 280 77,
    scans/2.png,-7,0.9902,400 61 90 75,
    scans/3.png,,,,the file is empty; expected a picture

Every picture has a line for each of its numbers, or one line without a number that says why.
"""

import csv
import io
from pathlib import Path

from digits.errors import OptionError, PhotoError
from digits.files import atomic_write, printable
from digits.reading.results import Reading

COLUMNS = ("path", "number", "probability", "box", "error")
# A spreadsheet takes a text that begins so for a formula, and runs it: OWASP, "CSV Injection".
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
NOTHING_READ = "no number was found"


class NumbersTable:
    """The lines of a CSV file, in the order of the pictures."""

    def __init__(self) -> None:
        """Begin with the names of the columns."""
        self.numbers = 0  # lines with a number
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text, lineterminator="\n")
        self._writer.writerow(COLUMNS)

    def add(self, path: Path, answer: Reading | PhotoError) -> None:
        """Add the lines of one picture.

        Args:
            path: the picture.
            answer: its result, or the error.
        """
        name = _harmless(printable(str(path)))
        if isinstance(answer, PhotoError):
            self._writer.writerow((name, "", "", "", _harmless(printable(str(answer)))))
            return
        for number in answer.numbers:
            box = " ".join(map(str, number.box))
            self._writer.writerow((name, number.text, f"{number.probability:.4f}", box, ""))
        self.numbers += len(answer.numbers)
        if not answer.numbers:
            why = "; ".join(answer.notes) or NOTHING_READ
            self._writer.writerow((name, "", "", "", _harmless(printable(why))))

    def text(self) -> str:
        """Return the content of the file."""
        return self._text.getvalue()

    def save(self, target: Path) -> None:
        """Write the file; it has all lines, or it is as it was before.

        Args:
            target: the CSV file.

        Raises:
            OptionError: if it cannot be written.
        """
        try:
            atomic_write(target, self.text().encode())
        except OSError as error:
            raise OptionError(
                f"could not write {target}: {error.strerror or error}; choose another file for --csv"
            ) from error


def _harmless(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would take for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
