"""Readings as lines of text: aligned ones for people, one JSON object each for programs.

    photo.jpg   4071   4 >99 %  0  98 %  7  97 %  1 >99 %
    page.png    12     1 >99 %  2  99 %  5?  31 % unclear
                38     3  99 %  8 >99 %
    notes.txt   error: it is no picture that can be read here; save it as PNG or JPEG

Name, accepted digits, and every mark with its best guess; one that was not accepted has a question mark and
the reason. A line of writing is a line.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from digits.errors import PhotoError
from digits.files import printable
from digits.reading.results import BLANK, Digit, Reading

WIDEST_NAME = 40  # columns; longer names have a line of their own
TEXT = 5  # columns at least for the accepted digits


def as_json(path: Path, answer: Reading | PhotoError) -> str:
    """One object on one line, in ASCII."""
    if isinstance(answer, PhotoError):
        return json.dumps({"path": str(path), "error": str(answer), "kind": answer.kind})
    return json.dumps({"path": str(path), **answer.to_json()})


def name_width(paths: Sequence[Path]) -> int:
    """Columns for the names of these pictures."""
    lengths = (len(printable(str(path))) for path in paths)
    return max((length for length in lengths if length <= WIDEST_NAME), default=1)


def as_lines(path: Path, answer: Reading | PhotoError, *, names: int, columns: int) -> str:
    """A picture's lines, its name in `names` columns, folded so that they fit into `columns`."""
    name, lines = printable(str(path)), []
    if len(name) > names:
        lines, name = [name], ""
    for start, parts in _lines_of(path, answer):
        lines.append(_folded(f"{name:<{names}}   {start}", parts, columns))
        name = ""
    return "\n".join(lines)


def _without_name(message: str, path: str) -> str:
    """An error's sentence about "it": the file's name stands before it already."""
    for start in ("", "could not read "):
        if message.startswith(start + path):
            return f"{start}it{message.removeprefix(start + path)}"
    return message


def _lines_of(path: Path, answer: Reading | PhotoError) -> Iterator[tuple[str, list[str]]]:
    """The beginning of each line, and what follows and may be folded."""
    if isinstance(answer, PhotoError):
        yield "", [f"error: {printable(_without_name(str(answer), str(path)))}"]
        return
    if not answer.digits:
        yield f"{'-':<{TEXT}}  ", ["no mark found"]
    for _, row in groupby(answer.digits, lambda digit: digit.row):
        marks = list(row)
        text = "".join(str(digit.digit) for digit in marks if digit.accepted) or "-"
        yield f"{text:<{TEXT}}  ", [_mark(digit) for digit in marks]


def percent(probability: float) -> str:
    """In the least room; 0 and 100 % are said of 0 and 1 only."""
    if 0 < probability < 0.01:
        return "<1 %"
    if 0.99 < probability < 1:
        return ">99 %"
    return f"{100 * probability:.0f} %"


def _mark(digit: Digit) -> str:
    if digit.reason == BLANK:
        return BLANK
    chance = percent(digit.probability)
    return f"{digit.digit} {chance:>5}" if digit.accepted else f"{digit.digit}? {chance:>4} {digit.reason}"


def _folded(start: str, parts: Sequence[str], columns: int) -> str:
    """Parts after `start`, going on below the first one where a line is full."""
    words = parts if len(parts) > 1 else parts[0].split(" ")
    between = "  " if len(parts) > 1 else " "
    lines = [start + words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(between) + len(word) <= max(columns, len(start) + 24):
            lines[-1] += between + word
        else:
            lines.append(" " * len(start) + word)
    return "\n".join(lines)
