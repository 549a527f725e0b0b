"""What a search varies: options of `digits train` as points in a space, and back."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

from digits.options import ADAPTIVE_RATE, SGD_RATE, Augmentation, Optimizer, TrainOptions, flat
from digits.recipes import RECIPES
from digits.tuning.options import Group


class Range(NamedTuple):
    """From where to where, evenly or evenly in the logarithm."""

    low: float
    high: float
    log: bool = False
    whole: bool = False  # numbers without a fraction


# Wider than what is known to be good, so that the ends are seen to be worse.
SPACE: dict[Group, dict[str, Range]] = {
    "hidden": {
        "hidden1": Range(32, 1024, log=True, whole=True),
        "hidden2": Range(16, 1024, log=True, whole=True),
    },
    # Times the optimiser's usual rate, so that one range fits all: 0.001 to 0.3 for sgd, a tenth for others.
    "lr": {"lr_factor": Range(0.1, 30, log=True)},
    "optimizer": {"momentum": Range(0, 0.98)},  # beside the optimiser itself
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
UNTOLD = ("recipe", "out", "name", "plots")  # options that a command for the same weights does not need


def groups(start: TrainOptions, asked: Sequence[Group]) -> tuple[Group, ...]:
    """Those of the groups that the network has."""
    return tuple(group for group in SPACE if group in asked and (start.model == "mlp" or group != "hidden"))


def ranges(start: TrainOptions, asked: Sequence[Group]) -> dict[str, Range]:
    """The numbers to vary, each with its range, which is widened where `start` lies outside."""
    here = point(start)
    return {
        name: usual._replace(low=min(usual.low, here[name]), high=max(usual.high, here[name]))
        for group in groups(start, asked)
        for name, usual in SPACE[group].items()
    }


def point(options: TrainOptions) -> dict[str, Any]:
    """The options as a point in the space."""
    return {
        "hidden1": options.hidden[0],
        "hidden2": options.hidden[1],
        "optimizer": options.optimizer,
        "momentum": options.momentum,
        "lr_factor": options.learning_rate / _usual_rate(options.optimizer),
        "batch_size": options.batch_size,
        **dataclasses.asdict(options.augmentation),
    }


def at(start: TrainOptions, where: Mapping[str, Any]) -> TrainOptions:
    """The options at a point; what it leaves out stays as it is in `start`."""
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
    """The options that are searched, as people are shown them: by the names of their parameters' labels."""
    values = point(options) | {"lr_factor": options.learning_rate}
    varied = [*(["optimizer"] if "optimizer" in asked else []), *ranges(options, asked)]
    return {label(name): values[name] for name in varied}


def label(name: str) -> str:
    """A parameter's name for people, who are shown the rate itself."""
    return "lr" if name == "lr_factor" else name


def train_command(options: TrainOptions) -> str:
    """The shortest `digits train ...` that trains with these options, whatever the folder and name."""
    words = ["digits", "train"]
    if options.recipe != TrainOptions.recipe:
        words += ["--recipe", options.recipe]
    before = flat(RECIPES[options.recipe])
    for name, value in flat(options).items():
        if value != before[name] and name not in UNTOLD:
            words += _words(name.replace("_", "-"), value)
    return shlex.join(words)


def _words(name: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [f"--{'' if value else 'no-'}{name}"]
    return [f"--{name}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]


def _usual_rate(optimizer: str) -> float:
    return SGD_RATE if optimizer == "sgd" else ADAPTIVE_RATE


def _short(value: float) -> float:
    """Four digits are enough, and can be typed."""
    return float(f"{value:.4g}")
