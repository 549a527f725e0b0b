"""Print short messages to standard error."""

import sys


def complain(what: object, code: int) -> int:
    """Print an error message to standard error, and return `code`."""
    print(f"digits: {what}", file=sys.stderr)
    return code


def note(what: object) -> None:
    """Print a note to standard error."""
    print(f"note: {what}", file=sys.stderr)
