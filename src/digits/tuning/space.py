"""Define the search space, and convert training options to points in it and back.

A "point" is a dictionary of values that Optuna can choose. Its entries are called coordinates. Most of them
are options, such as "batch_size". Two options are different:

    hidden    two coordinates: "hidden1" and "hidden2"
    lr        "lr_factor": the learning rate, divided by the optimizer's default rate

The main functions:

    ranges()        return the range of each coordinate
    point()         convert options to a point
    options_at()    convert a point to options
"""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

from digits.combinations import WITH_MOMENTUM
from digits.options import (
    ADAPTIVE_RATE,
    SGD_RATE,
    Augmentation,
    OptimizerName,
    TrainOptions,
    beside,
    find_recipe,
    flat,
)
from digits.tuning.options import Group


class Range(NamedTuple):
    """The range of one coordinate."""

    low: float  # lowest value
    high: float  # highest value
    log: bool = False  # random values are uniform in the logarithm
    whole: bool = False  # only whole numbers


# The ranges are wider than the good values, so that a search also shows that the values at the ends are bad.
SPACE: dict[Group, dict[str, Range]] = {
    "hidden": {
        "hidden1": Range(32, 1024, log=True, whole=True),
        "hidden2": Range(16, 1024, log=True, whole=True),
    },
    # The factor makes one range fit all optimizers. For sgd it means rates from 0.001 to 0.3.
    "lr": {"lr_factor": Range(0.1, 30, log=True)},
    "optimizer": {"momentum": Range(0, 0.98)},  # the optimizer itself has no range; see OPTIMIZERS
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
OPTIMIZERS: tuple[str, ...] = get_args(OptimizerName)  # values that a search tries
UNNEEDED = ("recipe", "out", "name", "plots")  # options that the command does not need; see `train_command`


def groups(start: TrainOptions, asked: Sequence[Group]) -> tuple[Group, ...]:
    """Return the groups of options to search.

    The group "hidden" is left out for a cnn.

    Args:
        start: the options from which the search starts.
        asked: the groups that the user named.
    """
    return tuple(group for group in SPACE if group in asked and (start.model == "mlp" or group != "hidden"))


def ranges(start: TrainOptions, asked: Sequence[Group]) -> dict[str, Range]:
    """Return the ranges of the searched coordinates.

    Each range also contains the value in `start`. The optimizer has no range.

    Args:
        start: the options from which the search starts.
        asked: the groups that the user named.
    Returns:
        Name of the coordinate -> its range.
    """
    here = point(start)
    return {
        name: usual._replace(low=min(usual.low, here[name]), high=max(usual.high, here[name]))
        for group in groups(start, asked)
        for name, usual in SPACE[group].items()
    }


def point(options: TrainOptions) -> dict[str, Any]:
    """Convert options to a point.

    Returns:
        Name of the coordinate -> value.
    """
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
    """Convert a point to options.

    Args:
        start: the options that replace missing coordinates.
        where: name of the coordinate -> value.
    Returns:
        The options. Fractions from the point are rounded to four significant digits.
    """
    p = point(start) | {name: _short(v) if isinstance(v, float) else v for name, v in where.items()}
    lr = start.lr
    if {"lr_factor", "optimizer"} & where.keys():
        lr = _short(p["lr_factor"] * _usual_rate(p["optimizer"]))
    momentum = p["momentum"] if p["optimizer"] in WITH_MOMENTUM else 0.0  # adam and adamw have no momentum
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
    """Return the values of the searched options.

    Args:
        options: the options of a trial.
        asked: the groups that are searched.
    Returns:
        Name of the option -> value. "lr" is the learning rate itself.
    """
    values = point(options) | {"lr_factor": options.learning_rate}
    varied = [*(["optimizer"] if "optimizer" in asked else []), *ranges(options, asked)]
    return {option_label(name): values[name] for name in varied}


def option_label(name: str) -> str:
    """Return the name of a coordinate in tables."""
    return "lr" if name == "lr_factor" else name


def train_command(options: TrainOptions) -> str:
    """Return a short command that trains with these options.

    The command contains only the options that differ from the recipe, or that the recipe would change beside
    those; see `combinations.put_beside`.
    """
    words = ["digits", "train"]
    if options.recipe != TrainOptions.recipe:
        words += ["--recipe", options.recipe]
    recipe, wanted = find_recipe(options.recipe), flat(options)
    given = {name: value for name, value in wanted.items() if value != flat(recipe)[name]}
    left = beside(recipe, given)
    left |= dataclasses.asdict(left["augmentation"])
    for name, value in wanted.items():
        if (name in given or value != left[name]) and name not in UNNEEDED:
            words += _words(name.replace("_", "-"), value)
    return shlex.join(words)


def _words(name: str, value: object) -> list[str]:
    """Return an option as words of a command line, such as ["--lr", "0.1"]."""
    if isinstance(value, bool):
        return [f"--{'' if value else 'no-'}{name}"]
    return [f"--{name}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]


def _usual_rate(optimizer: str) -> float:
    """Return the default learning rate of an optimizer."""
    return SGD_RATE if optimizer == "sgd" else ADAPTIVE_RATE


def _short(value: float) -> float:
    """Round a number to four significant digits."""
    return float(f"{value:.4g}")
