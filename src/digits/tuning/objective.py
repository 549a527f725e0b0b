"""Run one trial of a search.

make_sampler()    make the sampler: it proposes options from the results of earlier trials
propose()         propose the options of one trial
train_trial()     train with these options, and return the validation accuracy
"""

import dataclasses
from collections.abc import Callable, Sequence

import optuna

from digits.combinations import WITH_MOMENTUM
from digits.data.dataset import Digits
from digits.errors import TrainingError
from digits.networks.ensemble import Ensemble
from digits.networks.network import Network
from digits.options import TrainOptions
from digits.training.loop import train
from digits.training.state import State
from digits.training.threads import pick_threads
from digits.tuning import space
from digits.tuning.options import Group
from digits.tuning.trials import kept_accuracy

STARTUP = 10  # number of random trials before the sampler uses earlier results; Optuna's default
SEED_STEP = 1_000_003  # a large prime, so that searches with different seeds have different sampler seeds


class SearchStopped(Exception):  # noqa: N818  # not an error: the user asked for it
    """The user stopped the search during a training."""


def make_sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    """Make the sampler for one trial.

    A sampler proposes options. Equal arguments give equal random numbers.

    Args:
        seed: seed of the search.
        number: number of the trial, counted from 0.
    Returns:
        Optuna's TPE sampler (tree-structured Parzen estimator).
    """
    # A new sampler for each trial: so an interrupted search continues as if it had not been interrupted.
    seed = (SEED_STEP * seed + number) % 2**32
    return optuna.samplers.TPESampler(n_startup_trials=STARTUP, constant_liar=True, seed=seed)


def propose(trial: optuna.Trial, start: TrainOptions, groups: Sequence[Group]) -> TrainOptions:
    """Propose the options of one trial.

    Args:
        trial: Optuna's record of the trial; it stores the proposed values.
        start: the options from which the search started.
        groups: groups of options to vary.
    Returns:
        `start` with the proposed values.
    """
    if "optimizer" in groups:
        trial.suggest_categorical("optimizer", space.OPTIMIZERS)
    for name, (low, high, log, whole) in space.ranges(start, groups).items():
        if whole:
            trial.suggest_int(name, int(low), int(high), log=log)
        elif name != "momentum" or trial.params["optimizer"] in WITH_MOMENTUM:
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
    """Train one network, and return its validation accuracy.

    Args:
        trial: Optuna's record of the trial; it stores the accuracy after each epoch.
        options: the training options.
        train_set: training images and labels.
        val_set: validation images and labels.
        teacher: the network to distil from. None: no distillation.
        stop: called after each step; returns True to end the training.
    Returns:
        Validation accuracy from 0 to 1; see `kept_accuracy`.
    Raises:
        optuna.TrialPruned: if the pruner stops the trial.
        optuna.TrialPruned: if the loss becomes infinite or NaN.
        Stopped: if `stop` returned True.
    """

    def after_step(state: State) -> None:
        if stop():
            trial.set_user_attr("note", "stopped")
            raise SearchStopped

    accuracies: list[float] = []
    try:
        threads, _ = pick_threads(options, train_set)
        trial.set_user_attr("threads", threads)
        options = dataclasses.replace(options, threads=threads)
        for epoch in train(options, train_set, val_set, teacher=teacher, after_step=after_step):
            accuracies.append(epoch.val_accuracy)
            trial.report(epoch.val_accuracy, epoch.number)
            if epoch.number < options.epochs and trial.should_prune():
                raise optuna.TrialPruned
    except TrainingError:  # A pruned trial tells the sampler that its options are bad.
        trial.set_user_attr("note", "diverged")
        raise optuna.TrialPruned from None
    return kept_accuracy(accuracies, options)
