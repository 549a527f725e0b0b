"""Run one trial of a search: propose options, train with them, and stop early if the trial is bad.

make_sampler()   Optuna's algorithm that proposes options from the results of earlier trials
propose()        the options of one trial
train_trial()    the validation accuracy with these options
"""

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
from digits.tuning.options import Group
from digits.tuning.trials import kept_accuracy

STARTUP = 10  # number of random trials before the sampler uses earlier results; Optuna's default
SEED_STEP = 1_000_003  # a large prime, so that searches with different seeds have different sampler seeds


class Stopped(Exception):  # noqa: N818  # not an error: the user asked for it
    """A training was ended because the user stopped the search."""


def make_sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    """Return the sampler that proposes the options of one trial.

    Its random numbers depend only on the arguments. Therefore an interrupted search continues exactly like
    one that was not interrupted.

    Args:
        seed: seed of the search.
        number: number of the trial, counted from 0.
    Returns:
        Optuna's TPE sampler (tree-structured Parzen estimator).
    """
    seed = (SEED_STEP * seed + number) % 2**32
    return optuna.samplers.TPESampler(n_startup_trials=STARTUP, constant_liar=True, seed=seed)


def propose(trial: optuna.Trial, start: TrainOptions, groups: Sequence[Group]) -> TrainOptions:
    """Let Optuna choose the options of one trial.

    Args:
        trial: Optuna's record of the trial; the chosen values are stored in it.
        start: the options from which the search started.
        groups: groups of options to vary.
    Returns:
        `start` with the chosen values.
    """
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
    """Train a network with the options of a trial, and return its validation accuracy.

    Args:
        trial: Optuna's record of the trial; it gets the validation accuracy after each epoch.
        options: the training options.
        train_set: training images and labels.
        val_set: validation images and labels.
        teacher: the network to distil from; None: no distillation.
        stop: called after each training step; if it returns True, the training ends.
    Returns:
        Validation accuracy, from 0 to 1, of the network that `digits train` would save.
    Raises:
        optuna.TrialPruned: if the pruner stops the trial, or the loss is infinite or NaN.
        Stopped: if `stop` returned True.
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
    except TrainingError:  # A pruned trial tells the sampler that its options are bad.
        trial.set_user_attr("note", "diverged")
        raise optuna.TrialPruned from None
    return kept_accuracy(accuracies, options)
