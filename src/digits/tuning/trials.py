"""Finished trials of a search."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from optuna.trial import FrozenTrial, TrialState

from digits.options import TrainOptions
from digits.tuning import space

FINISHED: dict[TrialState, Literal["complete", "pruned", "failed"]] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


@dataclass(frozen=True)
class Trial:
    """One training of a search that has ended."""

    number: int  # from 0
    state: Literal["complete", "pruned", "failed"]
    accuracies: tuple[float, ...]  # validation accuracy after each epoch, from 0 to 1
    seconds: float
    options: TrainOptions
    note: str  # why it ended early, if not because of its accuracy

    @property
    def accuracy(self) -> float:
        """Validation accuracy of the network that `digits train` would save; 0 if no epoch was finished."""
        return kept_accuracy(self.accuracies, self.options)


def kept_accuracy(accuracies: Sequence[float], options: TrainOptions) -> float:
    """Return the highest accuracy, or with `--keep last` the last one; 0 if there is none."""
    return (accuracies[-1] if options.keep == "last" else max(accuracies)) if accuracies else 0.0


def to_trial(found: FrozenTrial, start: TrainOptions) -> Trial:
    """Return Optuna's record of a finished trial as a Trial. `start` has the options not searched."""
    begun, ended = found.datetime_start, found.datetime_complete
    return Trial(
        number=found.number,
        state=FINISHED[found.state],
        accuracies=tuple(found.intermediate_values[n] for n in sorted(found.intermediate_values)),
        seconds=(ended - begun).total_seconds() if begun and ended else 0.0,
        options=space.options_at(start, found.params),
        note=found.user_attrs.get("note", "its worker died" if found.state == TrialState.FAIL else ""),
    )


def by_rank(trials: Sequence[Trial]) -> list[Trial]:
    """Return the complete trials, the highest accuracy first; of equal ones, the first one first."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return sorted(complete, key=lambda trial: (-trial.accuracy, trial.number))
