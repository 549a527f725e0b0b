"""Trials of a search and the report on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from optuna.trial import FrozenTrial, TrialState

from digits.options import TrainOptions
from digits.tuning import space

ANSWERS: dict[TrialState, Literal["complete", "pruned", "failed"]] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


@dataclass(frozen=True)
class Trial:
    """A training that has ended."""

    number: int
    state: Literal["complete", "pruned", "failed"]
    accuracies: tuple[float, ...]  # on the validation images, epoch by epoch
    seconds: float
    options: TrainOptions
    note: str  # why it ended early, where that is not for its accuracy

    @property
    def accuracy(self) -> float:
        """That of the network that `digits train` would keep. 0 where no epoch was finished."""
        return kept_accuracy(self.accuracies, self.options)


@dataclass(frozen=True)
class Report:
    """What a study has found so far."""

    folder: Path
    trials: tuple[Trial, ...]  # by number
    best: tuple[Trial, ...]  # the complete ones, best first
    importances: dict[str, float]  # by parameter, largest first, sum 1; empty when there are too few trials
    command: str  # that trains with the best trial's options; empty when no trial is complete
    picture: Path | None


def kept_accuracy(accuracies: Sequence[float], options: TrainOptions) -> float:
    """The highest one, or with --keep last the last one."""
    return (accuracies[-1] if options.keep == "last" else max(accuracies)) if accuracies else 0.0


def to_trial(found: FrozenTrial, start: TrainOptions) -> Trial:
    begun, ended = found.datetime_start, found.datetime_complete
    return Trial(
        number=found.number,
        state=ANSWERS[found.state],
        accuracies=tuple(found.intermediate_values[n] for n in sorted(found.intermediate_values)),
        seconds=(ended - begun).total_seconds() if begun and ended else 0.0,
        options=space.at(start, found.params),
        note=found.user_attrs.get("note", "its worker died" if found.state == TrialState.FAIL else ""),
    )


def is_complete(trial: Trial) -> bool:
    return trial.state == "complete"


def by_accuracy(trial: Trial) -> tuple[float, int]:
    return -trial.accuracy, trial.number
