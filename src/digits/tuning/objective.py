"""One trial of a search: propose options, train with them, and stop early if the trial is bad."""

from collections.abc import Callable, Sequence

import optuna

from digits.data.dataset import Digits
from digits.errors import TrainingError
from digits.networks.ensemble import Ensemble
from digits.networks.network import Network
from digits.options import TrainOptions
from digits.training.loop import train
from digits.training.state import State
from digits.tuning import space
from digits.tuning.options import Group, Pruner
from digits.tuning.trials import kept_accuracy

WARM_UP = 5  # prune nothing in the first fifth of the epochs, when schedules still raise the learning rate
STARTUP = 10  # random trials before proposals learn from earlier ones; Optuna's default
PRUNER_STARTUP = 5  # complete trials before the median prunes; Optuna's default
REDUCTION = 3  # successive halving continues one trial of three; Li et al. 2020, arXiv 1810.05934
SEED_STEP = 1_000_003  # a large prime, so that searches with different seeds share no sampler seed


class Stopped(Exception):  # noqa: N818  # not an error: the user asked for it
    """Training was cut off because the search has been asked to stop."""


def make_sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    """Return the sampler of trial `number` of a search with this seed.

    It depends on nothing else, so that an interrupted search continues as if it had never stopped.
    """
    seed = (SEED_STEP * seed + number) % 2**32
    return optuna.samplers.TPESampler(n_startup_trials=STARTUP, constant_liar=True, seed=seed)


def make_pruner(name: Pruner, epochs: int) -> optuna.pruners.BasePruner:
    """Return Optuna's pruner of that name for trainings of so many epochs."""
    if name == "median":
        return optuna.pruners.MedianPruner(PRUNER_STARTUP, n_warmup_steps=epochs // WARM_UP)
    if name == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION)
    return optuna.pruners.NopPruner()


def propose(trial: optuna.Trial, start: TrainOptions, groups: Sequence[Group]) -> TrainOptions:
    """Let Optuna choose the options in `groups`; return them together with all others from `start`."""
    if "optimizer" in groups:
        trial.suggest_categorical("optimizer", space.OPTIMIZERS)
    for name, (low, high, log, whole) in space.ranges(start, groups).items():
        if whole:
            trial.suggest_int(name, int(low), int(high), log=log)
        elif name != "momentum" or trial.params["optimizer"] in space.WITH_MOMENTUM:
            trial.suggest_float(name, low, high, log=log)
    return space.options_at(start, trial.params)


def train_trial(
    trial: optuna.Trial,
    options: TrainOptions,
    train_set: Digits,
    val_set: Digits,
    teacher: Network | Ensemble | None,
    stop: Callable[[], bool],
) -> float:
    """Train with these options; return the validation accuracy of the network that would be saved.

    Raises optuna.TrialPruned if the trial is bad or its loss is not finite, and Stopped as soon as `stop`
    returns True.
    """

    def after_step(state: State) -> None:
        if stop():
            trial.set_user_attr("note", "stopped")
            raise Stopped

    accuracies: list[float] = []
    try:
        for epoch in train(options, train_set, val_set, teacher=teacher, after_step=after_step):
            accuracies.append(epoch.val_accuracy)
            trial.report(epoch.val_accuracy, epoch.number)
            if epoch.number < options.epochs and trial.should_prune():
                raise optuna.TrialPruned
    except TrainingError:  # Optuna learns from pruned trials that their options are bad
        trial.set_user_attr("note", "diverged")
        raise optuna.TrialPruned from None
    return kept_accuracy(accuracies, options)
