"""Named options, as data. `digits train --recipe NAME`; any option given beside it wins.

`digits recipes` lists them with what they reach. The figures are those that benchmarks/accuracy.py wrote to
benchmarks/results; a test holds the two together.
"""

import dataclasses
import textwrap
from dataclasses import dataclass

from digits.options import Augmentation, Recipe, TrainOptions

CNN = TrainOptions(
    recipe="cnn",
    model="cnn",
    val_size=2000,
    drawn=6000,
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
    "plain": TrainOptions(
        recipe="plain",
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
        drawn=6000,
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
    "ensemble": dataclasses.replace(CNN, recipe="ensemble", ensemble=8, view="turns"),
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
    "plain": Figures("How far two hidden layers come without augmentation.", 5, 0.9901, 0.0004, 339.9),
    "mlp": Figures("Two hidden layers at their best, taught by the cnn.", 3, 0.9957, 0.0003, 462.0),
    "fast-cnn": Figures("99 % in seconds.", 5, 0.9913, 0.0007, 3.7),
    "cnn": Figures("The most accurate single network.", 4, 0.9974, 0.0001, 727.0),
    "ensemble": Figures(
        "Eight of those, answering as one; four see upright digits.", 1, 0.9977, 0.0000, 5794.0
    ),
}


def listing() -> str:
    """All recipes as text: what each is for, what it reaches, how."""
    return "\n".join(map(_entry, RECIPES))


def _entry(name: Recipe) -> str:
    recipe, figures = RECIPES[name], FIGURES[name]
    spread = f" ± {figures.deviation:.2%}" if figures.deviation else ""
    time = f"{figures.seconds:.1f} s" if figures.seconds < 60 else f"{figures.seconds / 60:.0f} min"
    reached = f"{figures.test:.2%}{spread} of the test images read right after {time} of training"
    lines = [reached, network(recipe), training(recipe)]
    wrapped = [textwrap.fill(line, 98, initial_indent="  ", subsequent_indent="    ") for line in lines]
    return "\n".join([f"{name:<10}{figures.purpose}", *wrapped, ""])


VIEWED = {
    "as-is": "",
    "upright": "upright digits",
    "turns": "upright digits for every second network",
}
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}


def network(o: TrainOptions) -> str:
    """The kind and size of the network, in a line."""
    if o.model == "mlp":
        a, b = o.hidden
        weights = 784 * a + a * b + b * 10 + a + b + 10
        return f"784 -> {a} -> {b} -> 10 with ReLU, {weights:,} weights"
    a, b, c = o.channels
    kernels = 25 * a + 4 * a * a + 9 * (a * b + b * b + b * c + c * c)
    weights = kernels + 4 * (a + b + c) + 10 * c + 10  # batch normalisation has two a channel
    return f"convolutions of {a}, {b} and {c} channels, {weights:,} weights"


def training(o: TrainOptions) -> str:
    """How it is trained, in a line: everything that is not as in the textbook."""
    strengths = dataclasses.asdict(o.augmentation)
    if not o.augmentation.elastic:
        del strengths["smoothness"]
    extras = [
        f"{'Nesterov ' if o.nesterov else ''}momentum {o.momentum:g}" if o.momentum else "",
        f"weight decay {o.weight_decay:g}" if o.weight_decay else "",
        o.schedule if o.schedule != "constant" else "",
        f"warm-up {o.warmup:.0%}" if o.warmup else "",
        f"gradients clipped at {o.clip:g}" if o.clip else "",
        f"dropout {o.dropout:g}" if o.dropout else "",
        f"input dropout {o.input_dropout:g}" if o.input_dropout else "",
        f"label smoothing {o.label_smoothing:g}" if o.label_smoothing else "",
        f"averaged weights {o.ema:g}" if o.ema else "",
        f"taught by {o.teacher} ({o.teacher_weight:.0%} of the loss, temperature {o.temperature:g})"
        if o.teacher
        else "",
        f"patience {o.patience}" if o.patience else "",
        f"{o.drawn:,} drawn digits" if o.drawn else "",
        VIEWED[o.view],
        *(f"{name} {strength:g}" for name, strength in strengths.items() if strength),
    ]
    parts = [
        f"{OPTIMIZERS[o.optimizer]}, learning rate {o.learning_rate:g}",
        *filter(None, extras),
        f"batches of {o.batch_size}",
        f"{o.epochs} epoch{'s' * (o.epochs > 1)}",
        *(["the last one kept"] if o.keep == "last" else []),
        f"{o.ensemble} networks" if o.ensemble > 1 else "one network",
        f"seed {o.seed}",
        f"{o.threads} thread{'s' * (o.threads > 1)}",
    ]
    return " · ".join(parts)
