"""A search on made-up digits that takes a second."""

import dataclasses

import torch

from digits.data.dataset import Digits
from digits.options import TrainOptions
from digits.tuning.options import Group, TuneOptions
from digits.tuning.report import Report
from digits.tuning.study import open_study
from digits.tuning.trials import Trial

from .made_up import made_up

SMALL = TrainOptions(hidden=(16, 12), epochs=3, batch_size=32, lr=0.05, device="cpu", plots=False)
QUICK: tuple[Group, ...] = ("lr", "optimizer")
ALL = TuneOptions.search


def digits_of(count: int, seed: int) -> Digits:
    """Return made-up digits that a network can learn."""
    images, labels = made_up(count, seed)
    return Digits(torch.from_numpy(images), torch.from_numpy(labels))


TRAIN, VAL = digits_of(250, seed=1), digits_of(100, seed=2)


def conduct(options: TuneOptions, start: TrainOptions = SMALL) -> Report:
    """Run a whole search on the made-up digits in this process, and return its report."""
    with open_study(options, start, TRAIN, VAL) as study:
        for _ in study.search():
            pass
        return study.report()


def outcome(trials: tuple[Trial, ...]) -> list[Trial]:
    """Return the trials without their times, so that two searches can be compared."""
    return [dataclasses.replace(trial, seconds=0.0) for trial in trials]
