"""Print one-sentence messages on standard error."""

import sys


def complain(what: object, code: int) -> int:
    """Print an error after the program's name, and return the exit code `code`."""
    print(f"digits: {what}", file=sys.stderr)
    return code


def note(what: object) -> None:
    """Print a remark that does not stop the command."""
    print(f"note: {what}", file=sys.stderr)
