"""Describe the finished trials of a search, and sort them by accuracy.

A trial is one training with the options that the search proposed. Its state is one of:

    complete    all epochs were trained
    pruned      stopped early because its accuracy was low or its loss was not finite
    failed      stopped by the user or by a crash
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from optuna.trial import FrozenTrial, TrialState

from digits.options import TrainOptions
from digits.tuning import space

FINISHED: dict[TrialState, Literal["complete", "pruned", "failed"]] = {  # Optuna's state -> our name
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


@dataclass(frozen=True)
class Trial:
    """A finished trial of a search."""

    number: int  # counted from 0
    state: Literal["complete", "pruned", "failed"]
    accuracies: tuple[float, ...]  # validation accuracy after each epoch, from 0 to 1
    seconds: float  # time from its start to its end
    options: TrainOptions  # the options it was trained with
    note: str  # "diverged", "stopped" or "its worker died"; empty otherwise

    @property
    def accuracy(self) -> float:
        """Validation accuracy of the trial, from 0 to 1; see `kept_accuracy`."""
        return kept_accuracy(self.accuracies, self.options)


def kept_accuracy(accuracies: Sequence[float], options: TrainOptions) -> float:
    """Return the validation accuracy of the saved network.

    Args:
        accuracies: validation accuracy after each epoch, from 0 to 1.
        options: the training options; `keep` selects the saved network.
    Returns:
        An accuracy from 0 to 1; 0 if `accuracies` is empty.
    """
    return (accuracies[-1] if options.keep == "last" else max(accuracies)) if accuracies else 0.0


def to_trial(found: FrozenTrial, start: TrainOptions) -> Trial:
    """Convert Optuna's record of a finished trial to a Trial.

    Args:
        found: Optuna's record; its state is a key of FINISHED.
        start: the options from which the search started.
    """
    # A killed worker did not measure its time. The times of day may differ by a change of the clock.
    begun, ended = found.datetime_start, found.datetime_complete
    about = max(0.0, (ended - begun).total_seconds()) if begun and ended else 0.0
    return Trial(
        number=found.number,
        state=FINISHED[found.state],
        accuracies=tuple(found.intermediate_values[n] for n in sorted(found.intermediate_values)),
        seconds=found.user_attrs.get("seconds", about),
        options=space.options_at(start, found.params),
        note=found.user_attrs.get("note", "its worker died" if found.state == TrialState.FAIL else ""),
    )


def by_rank(trials: Sequence[Trial]) -> list[Trial]:
    """Return the complete trials, the most accurate first."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return sorted(complete, key=lambda trial: (-trial.accuracy, trial.number))
