"""Define the options of `digits adapt`.

Each field has a name, a type and a default. The text under it is shown by `digits adapt --help`.
"""

from dataclasses import dataclass
from pathlib import Path

from digits.options import DataOptions, Seed, Threads, check_name


@dataclass(frozen=True)
class AdaptOptions(DataOptions):
    """Train a network further on custom digits, and test it before and after."""

    folder: Path
    """Folder with one folder of pictures per digit, named 0 to 9: my_digits/7/photo.jpg shows a 7."""
    model: str = "cnn"
    """Network to start from: a run's folder, a model file, or the name of a bundled network, cnn or mlp."""
    seed: Seed = 0
    """Random seed. Two calls with the same seed on the same machine give identical weights."""
    threads: Threads = 1
    """Number of CPU threads."""
    json: bool = False
    """Print the results as one JSON object instead of a table."""
    out: Path = Path("runs")
    """Folder that will contain the new network's folder."""
    name: str | None = None
    """Name of the new network's folder. Default: adapt and the next free number, such as adapt-1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.name)
