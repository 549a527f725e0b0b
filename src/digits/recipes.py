"""Named options, as data. `digits train --recipe NAME`; any option given beside it wins.

`digits recipes` lists them with what they reach. The figures are those that benchmarks/accuracy.py wrote to
benchmarks/results; a test holds the two together.
"""

import dataclasses
from dataclasses import dataclass

from digits.options import Augmentation, Recipe, TrainOptions

CNN = TrainOptions(
    recipe="cnn",
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
RECIPES: dict[Recipe, TrainOptions] = {
    # The mission's: a textbook network, plain SGD.
    "classic": TrainOptions(),
    # 97 % validation accuracy in the shortest time on one core.
    # What else was tried: docs/log.md, "The fast recipe".
    "fast": TrainOptions(
        recipe="fast",
        epochs=2,
        batch_size=200,
        lr=0.2,
        momentum=0.9,
        nesterov=True,
        weight_decay=0.0005,
        schedule="one-cycle",
    ),
    # How far two hidden layers come if no image is ever changed at random.
    "baseline": TrainOptions(
        recipe="baseline",
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
    # Two hidden layers at their best: no image seen twice, and the cnn's answers learned besides the labels.
    "mlp": TrainOptions(
        recipe="mlp",
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
        augmentation=Augmentation(rotation=10, scaling=0.1, shear=5, translation=1, elastic=25, sharpness=2),
    ),
    # 99 % of the test images in the shortest time on two cores: 36,000 of the training images are enough.
    "fast-cnn": TrainOptions(
        recipe="fast-cnn",
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
    # The most accurate single network.
    "cnn": CNN,
    # Eight of them that answer as one. Four see digits upright and make other mistakes.
    "ensemble": dataclasses.replace(CNN, recipe="ensemble", ensemble=8, view="alternate"),
}


@dataclass(frozen=True)
class Figures:
    """What a recipe is for, and what `python benchmarks/accuracy.py NAME` measured."""

    purpose: str
    seeds: int
    test: float  # mean accuracy on the test images, of the last epoch, a fraction
    deviation: float  # over the seeds; 0 where there was one only
    seconds: float  # of training, mean over the seeds; the machines stand in benchmarks/results


FIGURES: dict[Recipe, Figures] = {
    "classic": Figures("The textbook: two hidden layers, plain SGD.", 5, 0.9731, 0.0018, 8.8),
    "fast": Figures("97 % in half a second.", 10, 0.9753, 0.0009, 0.5),
    "baseline": Figures("How far two hidden layers come without augmentation.", 5, 0.9901, 0.0004, 339.9),
    "mlp": Figures("Two hidden layers at their best, taught by the cnn.", 3, 0.9957, 0.0003, 462.0),
    "fast-cnn": Figures("99 % in seconds.", 5, 0.9913, 0.0007, 3.7),
    "cnn": Figures("The most accurate single network.", 4, 0.9974, 0.0001, 727.0),
    "ensemble": Figures(
        "Eight of those, answering as one; four see upright digits.", 1, 0.9977, 0.0000, 5794.0
    ),
}
