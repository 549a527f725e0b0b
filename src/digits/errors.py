"""Everything that can go wrong, as one tree.

    DigitsError
    ├── OptionError        an option has a value it cannot have
    ├── DataError          a data file is not what it claims to be
    │   └── DownloadError  no mirror gave the file
    ├── CheckpointError    a saved file is damaged, foreign or does not fit
    ├── RunError           a run's folder cannot be used
    └── TrainingError      the numbers went wrong (NaN, infinity)

Each message says what happened, what was expected and what to do next. The command line catches
DigitsError at one place and prints the message; everything else is a bug and shows its traceback.
"""


class DigitsError(Exception):
    """Any failure a user can act on."""


class OptionError(DigitsError):
    """An option has a value it cannot have."""


class DataError(DigitsError):
    """A data file is missing, damaged or not what it claims to be."""


class DownloadError(DataError):
    """No mirror gave the file; the message lists why, mirror by mirror."""


class CheckpointError(DigitsError):
    """A saved file is damaged, foreign or does not fit the network."""


class RunError(DigitsError):
    """A run's folder is in use, missing or belongs to other options."""


class TrainingError(DigitsError):
    """Training produced a number that is not finite."""
