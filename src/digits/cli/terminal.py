"""Make all output safe for the terminal.

Names and messages may come from files and servers of strangers: class names, file names, status lines. Their
escape codes could change colours, move the cursor or rename the window. And a terminal may know few
characters: ASCII, or a code page of Windows.

Inside `safe_output`, standard output and standard error pass every text through `visible`, and characters
that their encoding lacks become similar ones. Two writers have escape codes of their own and write to the
`trusted` streams: tyro's help, which holds no text of strangers, and rich, whose `PlainConsole` passes each
piece of text through `visible`.
"""

import codecs
import contextlib
import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from typing import Any, TextIO

from digits.files import printable

COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # the escape codes of tyro's error messages; they are left out
SIMILAR = {  # character -> ASCII text for encodings that lack it
    "±": "+-", "×": "x", "−": "-", "–": "-", "—": "-", "…": "...", "·": "|", "•": "*", "→": "->", "←": "<-",
    "≥": ">=", "≤": "<=", "²": "^2", "³": "^3", "°": " degrees", "‘": "'", "’": "'", "“": '"', "”": '"',
    "\N{NO-BREAK SPACE}": " ",
    **dict.fromkeys("─━╴╶╸╺", "-"), **dict.fromkeys("│┃", "|"), **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼", "+"),
}  # fmt: skip
ENCODE_ERRORS = "digits.similar"  # name of the error handler for encodings


def visible(text: str) -> str:
    """Replace control characters by question marks, also those that change the direction of writing.

    Line breaks and tabs stay; codes of colours are left out.
    """
    if text.isprintable():
        return text
    parts = re.split(r"([\n\t])", COLOURS.sub("", text))
    return "".join(part if part in ("\n", "\t") else printable(part) for part in parts)


def similar(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that an encoding lacks; an error handler for `codecs.register_error`.

    Args:
        error: what could not be encoded.
    Returns:
        ASCII text instead of it, such as "+-" for ±, "e" for é and "?" for 二; and where to go on.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_similar, error.object[error.start : error.end])), error.end


def _similar(character: str) -> str:
    letter = unicodedata.normalize("NFKD", character)[0]  # é -> e and an accent
    return SIMILAR.get(character) or (letter if letter.isascii() and letter.isalpha() else "?")


codecs.register_error(ENCODE_ERRORS, similar)


class VisibleStream:
    """A text stream that writes only visible characters to another one; all else is that stream's."""

    def __init__(self, stream: TextIO) -> None:
        """Put this stream before `stream`."""
        self.stream = stream

    def write(self, text: str) -> int:
        """Write `visible(text)`."""
        self.stream.write(visible(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def safe_output() -> Iterator[None]:
    """Make standard output and standard error safe during a `with` block."""
    with contextlib.ExitStack() as stack:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is None:  # it was closed before the start, as with `>&-`
                stream = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            elif hasattr(stream, "reconfigure"):
                stack.callback(stream.reconfigure, errors=stream.errors)
                stream.reconfigure(errors=ENCODE_ERRORS)
            stack.callback(setattr, sys, name, getattr(sys, name))
            setattr(sys, name, VisibleStream(stream))
        yield


def trusted(stream: TextIO | VisibleStream) -> TextIO:
    """Return `sys.stdout` or `sys.stderr` for writers whose escape codes are their own."""
    return stream.stream if isinstance(stream, VisibleStream) else stream


@contextlib.contextmanager
def trusted_output() -> Iterator[None]:
    """Let tyro print its help in colours during a `with` block."""
    with contextlib.redirect_stdout(trusted(sys.stdout)):
        yield
