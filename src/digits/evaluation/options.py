"""Options of `digits evaluate` and `digits compare`."""

from dataclasses import dataclass
from pathlib import Path

from digits.options import at_least


@dataclass(frozen=True)
class EvaluateOptions:
    """Test a saved network on the images that were held out of its training."""

    model: str
    """Folder of a run, a model file, or the name of a bundled network: cnn, mlp."""
    data: Path | None = None
    """Folder or file with the data. Default: found or downloaded as for training."""
    unverified: bool = False
    """Accept files of the published sizes whose content is not the published one."""
    json: bool = False
    """Print one JSON object instead of a table."""
    threads: int = 1
    """Number of processor threads."""

    def __post_init__(self) -> None:
        at_least("threads", self.threads, 1)


@dataclass(frozen=True)
class CompareOptions:
    """Compare two saved networks on the same test images: is one better, or is it chance?"""

    first: str
    """Folder of a run, a model file, or the name of a bundled network: cnn, mlp."""
    second: str
    """The network to compare it with, named likewise."""
    data: Path | None = None
    """Folder or file with the data. Default: found or downloaded as for training."""
    unverified: bool = False
    """Accept files of the published sizes whose content is not the published one."""
    json: bool = False
    """Print one JSON object instead of a table."""
    threads: int = 1
    """Number of processor threads."""

    def __post_init__(self) -> None:
        at_least("threads", self.threads, 1)
