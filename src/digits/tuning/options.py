"""Options of `digits tune`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from digits.errors import OptionError
from digits.options import at_least, check_name

Group = Literal["hidden", "lr", "optimizer", "batch-size", "augmentation"]
Pruner = Literal["median", "halving", "none"]
TRIALS = 50  # of a search that is given no budget


@dataclass(frozen=True)
class TuneOptions:
    """Search for better options of `digits train`, judged by validation images alone.

    Options of `digits train` may be given too: the search starts there. Repeat the command to go on.
    """

    search: tuple[Group, ...] = ("hidden", "lr", "optimizer", "batch-size", "augmentation")
    """What to vary."""
    trials: int | None = None
    """Trials to finish, those pruned or of earlier calls counted. Default: 50, or no end with --minutes."""
    minutes: float | None = None
    """Begin no trial after so many minutes; those under way are finished."""
    pruner: Pruner = "median"
    """Give up a trial below the median of earlier ones at its epoch, or by successive halving, or never."""
    workers: int = 1
    """Processes that work on the study, each with --threads threads."""
    storage: str | None = None
    """URL of a database: sqlite:///FILE, postgresql://USER@HOST/NAME. Default: a journal file."""
    out: Path = Path("runs")
    """Folder that holds the study's folder."""
    name: str | None = None
    """Name of the study and of its folder. Default: tune and the recipe."""

    def __post_init__(self) -> None:
        if not self.search:
            raise OptionError(
                "--search names nothing; expected at least one of " + ", ".join(get_args(Group))
            )
        at_least("workers", self.workers, 1)
        for name in ("trials", "minutes"):
            if getattr(self, name) is not None:
                at_least(name, getattr(self, name), 0)
        check_name(self.name)

    @property
    def budget(self) -> int | None:
        """Trials to finish; None where time alone decides."""
        return TRIALS if self.trials is None and self.minutes is None else self.trials
