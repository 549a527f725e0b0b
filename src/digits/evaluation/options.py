"""Options of `digits evaluate` and `digits compare`."""

from dataclasses import dataclass
from pathlib import Path

from digits.options import at_least


@dataclass(frozen=True)
class EvaluateOptions:
    """Test a saved network on images that were not used to train it."""

    model: str
    """Folder of a run, a model file, or the name of a bundled network: cnn, mlp."""
    data: Path | None = None
    """Folder or file with the data. Default: $DIGITS_DATA, the cache, or a download."""
    unverified: bool = False
    """Accept data files with the right size and a wrong checksum."""
    json: bool = False
    """Print one JSON object instead of a table."""
    threads: int = 1
    """Number of processor threads."""

    def __post_init__(self) -> None:
        at_least("threads", self.threads, 1)


@dataclass(frozen=True)
class CompareOptions:
    """Compare two saved networks on the same test images. Say whether the difference may be chance."""

    first: str
    """Folder of a run, a model file, or the name of a bundled network: cnn, mlp."""
    second: str
    """The other network: folder of a run, a model file, or cnn or mlp."""
    data: Path | None = None
    """Folder or file with the data. Default: $DIGITS_DATA, the cache, or a download."""
    unverified: bool = False
    """Accept data files with the right size and a wrong checksum."""
    json: bool = False
    """Print one JSON object instead of a table."""
    threads: int = 1
    """Number of processor threads."""

    def __post_init__(self) -> None:
        at_least("threads", self.threads, 1)
