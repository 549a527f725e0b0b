"""Define the recipes: named sets of options for `digits train --recipe NAME`.

Other options on the command line replace the values of the recipe. To add a recipe, add an entry to
`_RECIPES`. `digits recipes` lists all recipes with their measured results. These results are in recipes.json;
`make docs` copies them from benchmarks/results.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from digits.options import Augmentation, TrainOptions, recipe_options


@dataclass(frozen=True)
class Recipe:
    """A set of training options and its purpose."""

    purpose: str  # one sentence for users
    options: TrainOptions


_CNN = TrainOptions(
    model="cnn",
    val_size=1 / 30,  # 2,000 of MNIST's 60,000
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
    "classic": Recipe("The textbook network: two hidden layers, SGD without momentum.", TrainOptions()),
    # These options reach 97 % validation accuracy in the shortest time on one core. docs/log.md, "The fast
    # recipe", lists the other options that were tried.
    "fast": Recipe(
        "97 % accuracy after half a second of training.",
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
        "The most accurate network with two hidden layers, without augmentation or distillation.",
        TrainOptions(
            hidden=(800, 800),
            view="upright",
            val_size=1 / 30,
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
        "The most accurate network with two hidden layers; it also learns from the cnn's answers.",
        TrainOptions(
            hidden=(800, 400),
            val_size=1 / 30,
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
    # These options reach 99 % test accuracy in the shortest time on two cores. 36,000 training images are
    # enough, so the other 24,000 are for validation.
    "fast-cnn": Recipe(
        "99 % accuracy after a few seconds of training.",
        TrainOptions(
            model="cnn",
            val_size=0.4,
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
    # Networks with upright digits make different mistakes than the others, which improves the average.
    "ensemble": Recipe(
        "Eight cnns whose probabilities are averaged; four of them get upright digits.",
        dataclasses.replace(_CNN, ensemble=8, view="alternate"),
    ),
}
RECIPES = {name: dataclasses.replace(recipe.options, recipe=name) for name, recipe in _RECIPES.items()}
recipe_options |= RECIPES
PURPOSES = {name: recipe.purpose for name, recipe in _RECIPES.items()}
FIGURES_FILE = Path(__file__).with_name("recipes.json")


@dataclass(frozen=True)
class Figures:
    """Measured results of a recipe on MNIST. The files in benchmarks/results name the machine."""

    seeds: int  # number of trainings, each with another seed
    test: float  # mean accuracy on the test images after the last epoch, from 0 to 1
    deviation: float  # sample standard deviation of the test accuracy over the seeds; 0 for a single seed
    seconds: float  # mean training time in seconds


def is_given(options: TrainOptions, name: str) -> bool:
    """Return True if the value of an option is not the one of its recipe.

    A value that only the recipe chose may be left out where it does not fit the data.
    """
    recipe = RECIPES.get(options.recipe, TrainOptions())
    return bool(getattr(options, name) != getattr(recipe, name))


def load_figures() -> dict[str, Figures]:
    """Read the measured results of the recipes.

    Returns:
        Recipe name -> results, only for measured recipes.
    """
    content = json.loads(FIGURES_FILE.read_text())
    return {name: Figures(**values) for name, values in content.items()}
