"""Options of `digits tune`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from digits.errors import OptionError
from digits.options import at_least, check_name

Group = Literal["hidden", "lr", "optimizer", "batch-size", "augmentation"]
Pruner = Literal["median", "halving", "none"]
TRIALS = 50  # default budget


@dataclass(frozen=True)
class TuneOptions:
    """Search for training options with a better validation accuracy.

    It starts from the options of `digits train`, which may be given too. Repeat the command to continue.
    """

    search: tuple[Group, ...] = ("hidden", "lr", "optimizer", "batch-size", "augmentation")
    """Groups of options to vary."""
    trials: int | None = None
    """Trials to finish, including pruned ones and earlier calls. Default: 50, or no limit with --minutes."""
    minutes: float | None = None
    """Stop starting trials after this many minutes; running trials finish."""
    pruner: Pruner = "median"
    """Stop a trial early if it is below the median of earlier trials, by successive halving, or never."""
    workers: int = 1
    """Number of processes that run trials, each with --threads threads."""
    storage: str | None = None
    """URL of a database: sqlite:///FILE or postgresql://USER@HOST/NAME. Default: a journal file."""
    out: Path = Path("runs")
    """Folder that holds the study's folder."""
    name: str | None = None
    """Name of the study and of its folder. Default: tune- and the recipe, such as tune-fast."""

    def __post_init__(self) -> None:
        if not self.search:
            raise OptionError("--search has no group; expected at least one of " + ", ".join(get_args(Group)))
        at_least("workers", self.workers, 1)
        for name in ("trials", "minutes"):
            if getattr(self, name) is not None:
                at_least(name, getattr(self, name), 0)
        check_name(self.name)

    @property
    def budget(self) -> int | None:
        """Number of trials to finish; None if only --minutes limits the search."""
        return TRIALS if self.trials is None and self.minutes is None else self.trials
