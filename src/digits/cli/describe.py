"""Describe networks and training options in a line of text."""

import dataclasses
import textwrap

from digits.options import Recipe, TrainOptions
from digits.recipes import FIGURES, RECIPES


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
    "alternate": "upright digits for every second network",
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
        f"{o.synthetic:,} synthetic digits" if o.synthetic else "",
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
