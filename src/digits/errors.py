"""Define the errors that a user can cause or fix.

    DigitsError
    ├── OptionError          an option has an invalid value
    ├── MissingPackageError  an optional package is not installed
    ├── DataError            a data file is missing, damaged or in an unknown format
    │   ├── DownloadError    a file could not be downloaded from any of its addresses
    │   ├── ImageError       images for a network have another shape or range
    │   └── PhotoError       a picture cannot be read or is too large
    ├── CheckpointError      a saved network or checkpoint is damaged or does not fit the options
    ├── RunError             the folder of a run or a search cannot be used
    ├── ServeError           the server cannot start
    └── TrainingError        the loss or a weight became infinite or NaN (not a number)

Each message says what happened, what was expected and what to do next. The command line catches DigitsError
in `digits.cli.main` and prints the message. Any other exception is a bug, and Python prints its traceback.
"""

from typing import Literal

QUOTED = 80  # characters; longest quotation of any input in a message, except a path
LONGEST_PATH = 1000  # characters; a longer "path" is something else, such as a whole file; generous limit


def shortened(value: object) -> str:
    """Return a value as text for a message; a long text loses its middle.

    Returns:
        At most QUOTED characters.
    """
    text = value if isinstance(value, str) else str(value)
    half = (QUOTED - 1) // 2
    return text if len(text) <= QUOTED else f"{text[:half]}…{text[-half:]}"


def shortened_path(path: object) -> str:
    """Return a path as text for a message. One that is far too long loses its middle, as in `shortened`."""
    text = str(path)
    return text if len(text) <= LONGEST_PATH else shortened(text)


class DigitsError(Exception):
    """Base class of all errors that a user can cause or fix."""


class OptionError(DigitsError):
    """An option has an invalid value, or two options cannot be used together."""


class MissingPackageError(DigitsError):
    """An optional package is not installed. The message contains the pip command that installs it."""


class DataError(DigitsError):
    """A data file is missing, damaged or in an unknown format."""


class DownloadError(DataError):
    """A file could not be downloaded. The message gives the reason for each address."""


class ImageError(DataError, ValueError):
    """Images for a network have another shape, or pixels outside [0, 1].

    It is a ValueError too, as Python programs expect of a wrong argument.
    """


class PhotoError(DataError):
    """A picture cannot be read.

    Args:
        message: text for the user.
        kind: the reason, one of:
            "format": the file is not a picture in a supported format.
            "limit": the picture is too large.
            "damaged": its pixels cannot be decoded.
    """

    def __init__(self, message: str, kind: Literal["format", "limit", "damaged"]) -> None:
        super().__init__(message)
        self.kind = kind


class CheckpointError(DigitsError):
    """A saved network or checkpoint is damaged or does not fit the options."""


class RunError(DigitsError):
    """The folder of a run or a search cannot be used.

    It is in use, missing or not writable, or it was made with other options.
    """


class ServeError(DigitsError):
    """The server cannot start. Its address is not available, or an option forbids it."""


class TrainingError(DigitsError):
    """The loss or a weight became infinite or NaN during training."""
