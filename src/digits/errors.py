"""All errors that a user can cause or fix, as one tree of classes.

    DigitsError
    ├── OptionError          an option has an invalid value
    ├── MissingPackageError  an optional package is not installed
    ├── DataError            a data file is missing, damaged or in an unknown format
    │   ├── DownloadError    a file could not be downloaded from any mirror
    │   └── PhotoError       a picture cannot be read or is too large
    ├── CheckpointError      a saved model or checkpoint is damaged or does not fit
    ├── RunError             a run's folder cannot be used
    ├── ServeError           the server cannot start
    └── TrainingError        the loss became infinite or not a number

Each message says what happened, what was expected and what to do next. The command line catches DigitsError
in one place and prints its message. Any other exception is a bug and shows its traceback.
"""

from typing import Literal


class DigitsError(Exception):
    """Base class of all errors that a user can cause or fix."""


class OptionError(DigitsError):
    """An option has an invalid value, or two options do not go together."""


class MissingPackageError(DigitsError):
    """An optional package is not installed; the message has the pip command that installs it."""


class DataError(DigitsError):
    """A data file is missing, damaged or in an unknown format."""


class DownloadError(DataError):
    """A file could not be downloaded; the message gives the reason for each mirror."""


class PhotoError(DataError):
    """A picture cannot be read.

    `kind` is the reason: "format" for a file that is not a picture in a supported format, "limit" for a
    picture that is too large, "damaged" for one whose pixels cannot be decoded.
    """

    def __init__(self, message: str, kind: Literal["format", "limit", "damaged"]) -> None:
        super().__init__(message)
        self.kind = kind


class CheckpointError(DigitsError):
    """A saved model or checkpoint is damaged, was not written by digits or does not fit the network."""


class RunError(DigitsError):
    """A run's folder is in use, missing, not writable or was made with other options."""


class ServeError(DigitsError):
    """The server cannot listen at its address, or its options do not allow it to start."""


class TrainingError(DigitsError):
    """The loss or a weight became infinite or not a number during training."""
