"""Recipes: named sets of options. `digits train --recipe NAME` starts from one; other options change it.

A new recipe is one entry in `_RECIPES`. `digits recipes` lists all of them with their measured results, which
`make docs` copies from benchmarks/results into recipes.json.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from digits.errors import OptionError
from digits.options import Augmentation, TrainOptions


@dataclass(frozen=True)
class Recipe:
    """A set of options and one sentence that says what it is good for."""

    purpose: str
    options: TrainOptions


_CNN = TrainOptions(
    model="cnn",
    val_size=2000,
    synthetic=6000,
    epochs=24,
    batch_size=128,
    lr=0.1,
    momentum=0.9,
    nesterov=True,
    weight_decay=0.0005,
    schedule="one-cycle",
    label_smoothing=0.05,
    ema=0.999,
    keep="last",
    augmentation=Augmentation(rotation=10, scaling=0.1, shear=5, translation=1, thickness=0.3, sharpness=2),
)
_RECIPES = {
    "classic": Recipe("The textbook: two hidden layers, plain SGD.", TrainOptions()),
    # Reaches 97 % validation accuracy in the shortest time on one core; docs/log.md, "The fast recipe", lists
    # what else was tried.
    "fast": Recipe(
        "97 % in half a second.",
        TrainOptions(
            epochs=2,
            batch_size=200,
            lr=0.2,
            momentum=0.9,
            nesterov=True,
            weight_decay=0.0005,
            schedule="one-cycle",
        ),
    ),
    "baseline": Recipe(
        "The best that two hidden layers reach without augmentation.",
        TrainOptions(
            hidden=(800, 800),
            view="upright",
            val_size=2000,
            dropout=0.5,
            input_dropout=0.2,
            epochs=30,
            batch_size=250,
            lr=0.1,
            momentum=0.9,
            nesterov=True,
            weight_decay=0.00002,
            schedule="one-cycle",
            ema=0.999,
            keep="last",
        ),
    ),
    "mlp": Recipe(
        "The most accurate two hidden layers, distilled from the cnn.",
        TrainOptions(
            hidden=(800, 400),
            val_size=2000,
            synthetic=6000,
            epochs=40,
            batch_size=200,
            lr=0.15,
            momentum=0.9,
            nesterov=True,
            weight_decay=0.0001,
            schedule="one-cycle",
            teacher="cnn",
            ema=0.999,
            keep="last",
            augmentation=Augmentation(
                rotation=10, scaling=0.1, shear=5, translation=1, elastic=25, sharpness=2
            ),
        ),
    ),
    # Reaches 99 % of the test images in the shortest time on two cores; 36,000 training images are enough.
    "fast-cnn": Recipe(
        "99 % in seconds.",
        TrainOptions(
            model="cnn",
            val_size=24_000,
            channels=(16, 32, 64),
            epochs=1,
            batch_size=128,
            optimizer="adamw",
            lr=0.01,
            schedule="one-cycle",
            threads=2,
            keep="last",
        ),
    ),
    "cnn": Recipe("The most accurate single network.", _CNN),
    # Networks that see upright digits make other mistakes than the others, which helps the average.
    "ensemble": Recipe(
        "Eight cnns whose probabilities are averaged; four see upright digits.",
        dataclasses.replace(_CNN, ensemble=8, view="alternate"),
    ),
}
RECIPES = {name: dataclasses.replace(recipe.options, recipe=name) for name, recipe in _RECIPES.items()}
PURPOSES = {name: recipe.purpose for name, recipe in _RECIPES.items()}
FIGURES_FILE = Path(__file__).with_name("recipes.json")


@dataclass(frozen=True)
class Figures:
    """Measured results of a recipe on MNIST; the machine is named in benchmarks/results."""

    seeds: int  # number of trainings
    test: float  # mean accuracy on the test images after the last epoch, from 0 to 1
    deviation: float  # sample standard deviation of that accuracy; 0 for a single training
    seconds: float  # mean training time


def find_recipe(name: str) -> TrainOptions:
    """Return the options of a recipe. Raises OptionError, with a list of all names, for an unknown name."""
    if name not in RECIPES:
        raise OptionError(f"--recipe is {name!r}; expected one of: {', '.join(RECIPES)}")
    return RECIPES[name]


def load_figures() -> dict[str, Figures]:
    """Return the measured results by recipe name; a recipe without a benchmark result is left out."""
    content = json.loads(FIGURES_FILE.read_text())
    return {name: Figures(**values) for name, values in content.items()}
