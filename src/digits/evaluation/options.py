"""Options of `digits evaluate` and `digits compare`."""

from dataclasses import dataclass
from pathlib import Path

from digits.options import at_least


@dataclass(frozen=True)
class EvaluateOptions:
    """Test a saved network again, on the images that were kept out of its training."""

    model: str
    """Folder of a run, a model file, or the name of a bundled network: cnn, mlp."""
    data: Path | None = None
    """Folder or file with the data; found as for training without it."""
    unverified: bool = False
    """Accept files of the published sizes whose content is not the published one."""
    json: bool = False
    """Print one JSON object instead of a table."""
    threads: int = 1
    """Processor threads."""

    def __post_init__(self) -> None:
        at_least("threads", self.threads, 1)


@dataclass(frozen=True)
class CompareOptions:
    """Let two saved networks read the same test images: is one of them really better?"""

    first: str
    """Folder of a run, a model file, or the name of a bundled network."""
    second: str
    """The other one."""
    data: Path | None = None
    """Folder or file with the data; found as for training without it."""
    unverified: bool = False
    """Accept files of the published sizes whose content is not the published one."""
    json: bool = False
    """Print one JSON object instead of a table."""
    threads: int = 1
    """Processor threads."""

    def __post_init__(self) -> None:
        at_least("threads", self.threads, 1)
