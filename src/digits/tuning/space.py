"""The search space: training options as points with named coordinates, and back."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

from digits.options import ADAPTIVE_RATE, SGD_RATE, Augmentation, Optimizer, TrainOptions, flat
from digits.recipes import find_recipe
from digits.tuning.options import Group


class Range(NamedTuple):
    """Lowest and highest value of a coordinate; with `log`, proposals are uniform in the logarithm."""

    low: float
    high: float
    log: bool = False
    whole: bool = False  # whole numbers only


# Wider than the ranges of good values, so that a search shows that values at the ends are worse.
SPACE: dict[Group, dict[str, Range]] = {
    "hidden": {
        "hidden1": Range(32, 1024, log=True, whole=True),
        "hidden2": Range(16, 1024, log=True, whole=True),
    },
    # A factor of the optimizer's default rate, so that one range fits all optimizers: 0.001 to 0.3 for sgd.
    "lr": {"lr_factor": Range(0.1, 30, log=True)},
    "optimizer": {"momentum": Range(0, 0.98)},  # besides the optimizer itself, which is not a number
    "batch-size": {"batch_size": Range(32, 512, log=True, whole=True)},
    "augmentation": {
        "rotation": Range(0, 20),
        "scaling": Range(0, 0.25),
        "shear": Range(0, 15),
        "translation": Range(0, 3),
        "elastic": Range(0, 50),
        "thickness": Range(0, 0.8),
        "sharpness": Range(0, 6),
        "erasing": Range(0, 0.5),
    },
}
OPTIMIZERS: tuple[str, ...] = get_args(Optimizer)
WITH_MOMENTUM = ("sgd", "rmsprop")
UNNEEDED = ("recipe", "out", "name", "plots")  # options that `train_command` leaves out


def groups(start: TrainOptions, asked: Sequence[Group]) -> tuple[Group, ...]:
    """Return the groups in `asked` that the network of `start` has; only the mlp has hidden layers."""
    return tuple(group for group in SPACE if group in asked and (start.model == "mlp" or group != "hidden"))


def ranges(start: TrainOptions, asked: Sequence[Group]) -> dict[str, Range]:
    """Return the range of each number to search, by name, widened to include the value in `start`."""
    here = point(start)
    return {
        name: usual._replace(low=min(usual.low, here[name]), high=max(usual.high, here[name]))
        for group in groups(start, asked)
        for name, usual in SPACE[group].items()
    }


def point(options: TrainOptions) -> dict[str, Any]:
    """Return the options as a point: the value of each coordinate by name."""
    return {
        "hidden1": options.hidden[0],
        "hidden2": options.hidden[1],
        "optimizer": options.optimizer,
        "momentum": options.momentum,
        "lr_factor": options.learning_rate / _usual_rate(options.optimizer),
        "batch_size": options.batch_size,
        **dataclasses.asdict(options.augmentation),
    }


def options_at(start: TrainOptions, where: Mapping[str, Any]) -> TrainOptions:
    """Return the options at the point `where`; coordinates that it leaves out keep their value in `start`."""
    p = point(start) | {name: _short(v) if isinstance(v, float) else v for name, v in where.items()}
    lr = start.lr
    if {"lr_factor", "optimizer"} & where.keys():
        lr = _short(p["lr_factor"] * _usual_rate(p["optimizer"]))
    momentum = p["momentum"] if p["optimizer"] in WITH_MOMENTUM else 0.0
    return dataclasses.replace(
        start,
        hidden=(p["hidden1"], p["hidden2"]),
        optimizer=p["optimizer"],
        momentum=momentum,
        nesterov=start.nesterov and p["optimizer"] == "sgd" and momentum > 0,
        lr=lr,
        batch_size=p["batch_size"],
        augmentation=Augmentation(
            **{field.name: p[field.name] for field in dataclasses.fields(Augmentation)}
        ),
    )


def settings(options: TrainOptions, asked: Sequence[Group]) -> dict[str, Any]:
    """Return the values of the searched options by name, with the learning rate itself, not its factor."""
    values = point(options) | {"lr_factor": options.learning_rate}
    varied = [*(["optimizer"] if "optimizer" in asked else []), *ranges(options, asked)]
    return {label(name): values[name] for name in varied}


def label(name: str) -> str:
    """Return the option name of a coordinate: "lr" for "lr_factor", else the same name."""
    return "lr" if name == "lr_factor" else name


def train_command(options: TrainOptions) -> str:
    """Return the shortest command `digits train ...` that trains the same network, into a default folder."""
    words = ["digits", "train"]
    if options.recipe != TrainOptions.recipe:
        words += ["--recipe", options.recipe]
    before = flat(find_recipe(options.recipe))
    for name, value in flat(options).items():
        if value != before[name] and name not in UNNEEDED:
            words += _words(name.replace("_", "-"), value)
    return shlex.join(words)


def _words(name: str, value: object) -> list[str]:
    """Return the words that set an option on the command line."""
    if isinstance(value, bool):
        return [f"--{'' if value else 'no-'}{name}"]
    return [f"--{name}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]


def _usual_rate(optimizer: str) -> float:
    return SGD_RATE if optimizer == "sgd" else ADAPTIVE_RATE


def _short(value: float) -> float:
    """Round to four significant digits, which is precise enough and easy to type."""
    return float(f"{value:.4g}")
