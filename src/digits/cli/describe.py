"""Describe a network and its training in one line of text each."""

import dataclasses

from digits.mnist import CLASSES, SIDE
from digits.options import TrainOptions

OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}
VIEWS = {
    "as-is": "",
    "upright": "upright digits",
    "alternate": "upright digits for every second network",
}


def describe_network(o: TrainOptions) -> str:
    """Return the kind and size of the network that the options train."""
    if o.model == "mlp":
        pixels = SIDE * SIDE
        a, b = o.hidden
        weights = pixels * a + a * b + b * CLASSES + a + b + CLASSES
        return f"{pixels} -> {a} -> {b} -> {CLASSES} with ReLU, {weights:,} weights"
    a, b, c = o.channels
    kernels = 25 * a + 4 * a * a + 9 * (a * b + b * b + b * c + c * c)
    weights = kernels + 4 * (a + b + c) + CLASSES * (c + 1)  # batch normalisation has two per channel
    return f"convolutions of {a}, {b} and {c} channels, {weights:,} weights"


def describe_training(o: TrainOptions) -> str:
    """Return the optimizer, the length and everything that differs from textbook training."""
    parts = [
        f"{OPTIMIZERS[o.optimizer]}, learning rate {o.learning_rate:g}",
        *_regularisation(o),
        f"batches of {o.batch_size}",
        f"{o.epochs} epoch{'s' * (o.epochs > 1)}",
        "last epoch kept" if o.keep == "last" else "",
        f"{o.ensemble} networks" if o.ensemble > 1 else "one network",
        f"seed {o.seed}",
        f"{o.threads} thread{'s' * (o.threads > 1)}",
    ]
    return " · ".join(filter(None, parts))


def _regularisation(o: TrainOptions) -> list[str]:
    """Return one text per option that is on; empty texts for the others."""
    strengths = dataclasses.asdict(o.augmentation)
    if not o.augmentation.elastic:
        del strengths["smoothness"]
    teacher = f"distilled from {o.teacher} (weight {o.teacher_weight:g}, temperature {o.temperature:g})"
    return [
        f"{'Nesterov ' if o.nesterov else ''}momentum {o.momentum:g}" if o.momentum else "",
        f"weight decay {o.weight_decay:g}" if o.weight_decay else "",
        o.schedule if o.schedule != "constant" else "",
        f"warm-up {o.warmup:.0%}" if o.warmup else "",
        f"gradients clipped at {o.clip:g}" if o.clip else "",
        f"dropout {o.dropout:g}" if o.dropout else "",
        f"input dropout {o.input_dropout:g}" if o.input_dropout else "",
        f"label smoothing {o.label_smoothing:g}" if o.label_smoothing else "",
        f"averaged weights {o.ema:g}" if o.ema else "",
        teacher if o.teacher else "",
        f"patience {o.patience}" if o.patience else "",
        f"{o.synthetic:,} synthetic digits" if o.synthetic else "",
        VIEWS[o.view],
        *(f"{name} {strength:g}" for name, strength in strengths.items() if strength),
    ]
