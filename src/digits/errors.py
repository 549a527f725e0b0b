"""Everything that can go wrong, as one tree.

    DigitsError
    ├── OptionError        an option has a value it cannot have
    ├── MissingPackageError  an optional package is not installed
    ├── DataError          a data file is not what it claims to be
    │   ├── DownloadError  no mirror gave the file
    │   └── PhotoError     a file or array is no picture that can be read, or too large a one
    ├── CheckpointError    a saved file is damaged, foreign or does not fit
    ├── RunError           a run's folder cannot be used
    ├── ServeError         the server cannot listen, or a part it needs is not installed
    └── TrainingError      the numbers went wrong (NaN, infinity)

Each message says what happened, what was expected and what to do next. The command line catches
DigitsError at one place and prints the message; everything else is a bug and shows its traceback.
"""

from typing import Literal


class DigitsError(Exception):
    """Any failure a user can act on."""


class OptionError(DigitsError):
    """An option has a value it cannot have."""


class MissingPackageError(DigitsError):
    """A package is not installed that this part needs; the message has pip's line."""


class DataError(DigitsError):
    """A data file is missing, damaged or not what it claims to be."""


class DownloadError(DataError):
    """No mirror gave the file; the message lists why, mirror by mirror."""


class PhotoError(DataError):
    """A picture cannot be read; `kind` says why.

    "format": no picture of a kind that is read here; "limit": larger than allowed; "damaged": its pixels
    cannot be decoded.
    """

    def __init__(self, message: str, kind: Literal["format", "limit", "damaged"]) -> None:
        super().__init__(message)
        self.kind = kind


class CheckpointError(DigitsError):
    """A saved file is damaged, foreign or does not fit the network."""


class RunError(DigitsError):
    """A run's folder is in use, missing or belongs to other options."""


class ServeError(DigitsError):
    """The server cannot listen where it was told to, or a part it needs is not installed."""


class TrainingError(DigitsError):
    """Training produced a number that is not finite."""
