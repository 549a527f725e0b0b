"""Format the results of `digits predict`: as aligned lines, or as one JSON object per picture.

    photo.jpg   4071   4 >99 %  0  98 %  7  97 %  1 >99 %
    page.png    1 2.5  1 >99 %  2  99 %  5  97 %
                38     3  99 %  8 >99 %  5?  31 % unclear
    notes.txt   error: it is no picture in a known format; save it as PNG or JPEG

A picture that was read as a field has one line, with the number and its probability:

    form.jpg    4071   98 %

Each line shows one row of handwriting: the picture's name, the numbers, and all marks. A mark is a
candidate digit: a part of the picture that may be a digit. Each mark has its most likely digit and the
probability of this digit. A mark that is not accepted has a question mark and a reason.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from digits.errors import PhotoError, shortened_path
from digits.files import printable
from digits.reading.results import BLANK, Digit, Reading

WIDEST_NAME = 40  # characters; a longer name is printed on a separate line
TEXT = 5  # characters; smallest width of the column with the numbers


def as_json(path: Path, answer: Reading | PhotoError) -> str:
    """Return the result of one picture as one line of JSON.

    Args:
        path: the picture.
        answer: its result, or the error.
    """
    if isinstance(answer, PhotoError):
        return json.dumps({"path": str(path), "error": str(answer), "kind": answer.kind}, allow_nan=False)
    return json.dumps({"path": str(path), **answer.to_json()}, allow_nan=False)


def _shown(path: Path) -> str:
    """Return a path as it is printed."""
    return printable(shortened_path(path))


def name_width(paths: Sequence[Path]) -> int:
    """Return the width of the column of picture names, in characters."""
    lengths = (len(_shown(path)) for path in paths)
    return max((length for length in lengths if length <= WIDEST_NAME), default=1)


def as_lines(
    path: Path, answer: Reading | PhotoError, *, names: int, columns: int, field: bool = False
) -> str:
    """Return the result of one picture as lines of text.

    Args:
        path: the picture.
        answer: its result, or the error.
        names: width of the column of names, in characters.
        columns: width of the terminal, in characters; longer lines are wrapped.
        field: the picture was read as a field: a line with its number and its boxes.
    """
    name, lines = _shown(path), []
    if len(name) > names:
        lines, name = [name], ""
    for start, parts in _lines_of(path, answer, field=field):
        lines.append(_wrapped(f"{name:<{names}}   {start}", parts, columns))
        name = ""
    return "\n".join(lines)


def notes(path: Path, answer: Reading | PhotoError) -> list[str]:
    """Return the notes about one picture, each with the picture's name."""
    sentences = () if isinstance(answer, PhotoError) else answer.notes
    return [f"{_shown(path)}: {printable(sentence)}" for sentence in sentences]


def _without_name(message: str, path: str) -> str:
    """Replace the picture's name in an error message by "it"."""
    # The line starts with the name already.
    for start in ("", "could not read "):
        if message.startswith(start + shortened_path(path)):
            return f"{start}it{message.removeprefix(start + shortened_path(path))}"
    return message


def _lines_of(path: Path, answer: Reading | PhotoError, *, field: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield the lines of a result.

    Yields:
        The start of the line, and the parts after it.
    """
    if isinstance(answer, PhotoError):
        yield "", [f"error: {printable(_without_name(str(answer), str(path)))}"]
        return
    if field:
        yield f"{answer.text or '-':<{TEXT}}  ", _field_parts(answer)
        return
    if not answer.digits:
        yield f"{'-':<{TEXT}}  ", ["no mark found"]
    for number, row in groupby(answer.digits, lambda digit: digit.row):
        text = " ".join(found.text for found in answer.numbers if found.row == number) or "-"
        yield f"{text:<{TEXT}}  ", [_mark(digit) for digit in row]


def _field_parts(answer: Reading) -> list[str]:
    """Return the probability of the number in a field; for boxes the text of each and its probability."""
    if answer.cells:
        return [f"{cell.text or '-'} {short_percent(cell.probability):>5}" for cell in answer.cells]
    return [short_percent(number.probability) for number in answer.numbers] or ["no number that fits"]


def short_percent(probability: float) -> str:
    """Return a probability from 0 to 1 as a short percentage, such as ">99 %"."""
    # Only exactly 0 and 1 become "0 %" and "100 %".
    if 0 < probability < 0.01:
        return "<1 %"
    if 0.99 < probability < 1:
        return ">99 %"
    return f"{100 * probability:.0f} %"


def _mark(digit: Digit) -> str:
    """Return the text of one mark, such as "5?  31 % unclear"."""
    if digit.reason == BLANK:
        return BLANK
    chance = short_percent(digit.probability)
    return f"{digit.digit} {chance:>5}" if digit.accepted else f"{digit.digit}? {chance:>4} {digit.reason}"


def _wrapped(start: str, parts: Sequence[str], columns: int) -> str:
    """Join the parts of a line, and wrap it at `columns` characters."""
    # A single part is wrapped between its words.
    words = parts if len(parts) > 1 else parts[0].split(" ")
    between = "  " if len(parts) > 1 else " "
    lines = [start + words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(between) + len(word) <= max(columns, len(start) + 24):
            lines[-1] += between + word
        else:
            lines.append(" " * len(start) + word)  # below the first part
    return "\n".join(lines)
