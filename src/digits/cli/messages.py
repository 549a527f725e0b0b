"""Print short messages to standard error."""

import contextlib
import sys


def complain(what: object, code: int) -> int:
    """Print an error message to standard error, and return `code`."""
    _print(f"digits: {what}")
    return code


def note(what: object) -> None:
    """Print a note to standard error."""
    _print(f"note: {what}")


def _print(line: str) -> None:
    with contextlib.suppress(OSError):  # standard error is closed or full; the exit code still tells
        print(line, file=sys.stderr, flush=True)
