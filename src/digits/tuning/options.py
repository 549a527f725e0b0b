"""Define the options of `digits tune`. The string under a field is its help text."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from digits.errors import OptionError
from digits.option_values import Limits, check_values
from digits.options import CountOrNone, Processes, check_name, convert_paths

Group = Literal["hidden", "lr", "optimizer", "batch-size", "augmentation"]
Pruner = Literal["median", "halving", "none"]
TRIALS = 50  # default number of trials if neither --trials nor --minutes is given


@dataclass(frozen=True)
class TuneOptions:
    """Search for training options with a better validation accuracy.

    Options of `digits train` are accepted too: the search starts from them. Repeat the command to continue
    a search.
    """

    search: tuple[Group, ...] = ("hidden", "lr", "optimizer", "batch-size", "augmentation")
    """Groups of options to search. The other options keep their values."""
    trials: CountOrNone | None = None
    """Total number of trials, including pruned trials and trials of earlier calls.
    Default: 50, or no limit if --minutes is given."""
    minutes: Annotated[float, Limits(0, 525_600)] | None = None
    """Start no trial after this many minutes; running trials finish. Default: no limit."""
    pruner: Pruner = "median"
    """Rule that stops bad trials early.
    median: stop if the accuracy is below the median of earlier trials at the same epoch.
    halving: stop if the trial is not in the best third after 1, 3, 9, ... epochs.
    none: stop no trial."""
    workers: Processes = 1
    """Number of processes that run trials. Each uses --threads CPU threads."""
    storage: str | None = None
    """URL of a database for the trials: sqlite:///FILE or postgresql://USER@HOST/NAME.
    Default: the file journal.log in the folder of the search."""
    out: Path = Path("runs")
    """Folder that contains the folder of the search."""
    name: str | None = None
    """Name of the search and of its folder. Default: tune- and the recipe, such as tune-fast."""

    def __post_init__(self) -> None:
        convert_paths(self)
        check_values(self)
        if not self.search:
            raise OptionError("--search has no group; expected at least one of " + ", ".join(get_args(Group)))
        check_name(self.name)

    @property
    def budget(self) -> int | None:
        """Highest total number of trials; None without such a limit."""
        return TRIALS if self.trials is None and self.minutes is None else self.trials
