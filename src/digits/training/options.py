"""Options of `digits adapt`."""

from dataclasses import dataclass
from pathlib import Path

from digits.options import at_least, check_name


@dataclass(frozen=True)
class AdaptOptions:
    """Train a network further on your own digits; see what it gained and what it forgot."""

    folder: Path
    """Folder with a folder for each digit and pictures in them: my_digits/7/photo.jpg is a 7."""
    model: str = "cnn"
    """Folder of a run, a model file, or the name of a bundled network: cnn, mlp."""
    data: Path | None = None
    """Folder or file with MNIST, which is trained on as well. Default: as for digits train."""
    unverified: bool = False
    """Accept files of the published sizes whose content is not the published one."""
    seed: int = 0
    """Decides which digits are held out, repeated and distorted: same seed, same machine, same bits."""
    threads: int = 1
    """Processor threads."""
    json: bool = False
    """Print one JSON object instead of a table."""
    out: Path = Path("runs")
    """Folder that holds the runs."""
    name: str | None = None
    """Name of the new folder. Default: adapt and the next free number."""

    def __post_init__(self) -> None:
        at_least("threads", self.threads, 1)
        at_least("seed", self.seed, 0)
        check_name(self.name)
