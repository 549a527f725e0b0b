"""Print short messages to standard error."""

import sys


def complain(what: object, code: int) -> int:
    """Print an error message, and return the exit code `code`."""
    print(f"digits: {what}", file=sys.stderr)
    return code


def note(what: object) -> None:
    """Print a message for the user that is not an error."""
    print(f"note: {what}", file=sys.stderr)
