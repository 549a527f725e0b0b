"""Describe training options in words: the network in one line, the training in another."""

import dataclasses

from digits.mnist import CLASSES, SIDE
from digits.options import TrainOptions

OPTIMIZER_LABELS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}
VIEW_LABELS = {
    "as-is": "",
    "upright": "upright digits",
    "alternate": "upright digits for every second network",
}


def describe_network(options: TrainOptions) -> str:
    """Describe the layers of a network in one line of text.

    For example: "784 -> 128 -> 64 -> 10 with ReLU, 109,386 weights".
    """
    if options.model == "mlp":
        pixels = SIDE * SIDE
        a, b = options.hidden
        weights = pixels * a + a * b + b * CLASSES + a + b + CLASSES
        return f"{pixels} -> {a} -> {b} -> {CLASSES} with ReLU, {weights:,} weights"
    a, b, c = options.channels
    kernels = 25 * a + 4 * a * a + 9 * (a * b + b * b + b * c + c * c)
    weights = kernels + 4 * (a + b + c) + CLASSES * (c + 1)  # batch normalisation has two weights per channel
    return f"convolutions of {a}, {b} and {c} channels, {weights:,} weights"


def describe_training(options: TrainOptions) -> str:
    """Describe the active training options in one line of text.

    For example: "SGD, learning rate 0.01 · batches of 64 · 25 epochs · one network · seed 0 · 1 thread".
    """
    parts = [
        f"{OPTIMIZER_LABELS[options.optimizer]}, learning rate {options.learning_rate:g}",
        *_regularisation(options),
        f"batches of {options.batch_size}",
        f"{options.epochs} epoch{'s' * (options.epochs > 1)}",
        "last epoch kept" if options.keep == "last" else "",
        f"{options.ensemble} networks" if options.ensemble > 1 else "one network",
        f"seed {options.seed}",
        f"{options.threads} thread{'s' * (options.threads > 1)}",
    ]
    return " · ".join(filter(None, parts))


def _regularisation(options: TrainOptions) -> list[str]:
    """Return one text for each option, or an empty text if it is off."""
    strengths = dataclasses.asdict(options.augmentation)
    if not options.augmentation.elastic:
        del strengths["smoothness"]
    strength = f"weight {options.teacher_weight:g}, temperature {options.temperature:g}"
    return [
        f"{'Nesterov ' if options.nesterov else ''}momentum {options.momentum:g}" if options.momentum else "",
        f"weight decay {options.weight_decay:g}" if options.weight_decay else "",
        options.schedule if options.schedule != "constant" else "",
        f"warm-up {options.warmup:.0%}" if options.warmup else "",
        f"gradients clipped at {options.clip:g}" if options.clip else "",
        f"dropout {options.dropout:g}" if options.dropout else "",
        f"input dropout {options.input_dropout:g}" if options.input_dropout else "",
        f"label smoothing {options.label_smoothing:g}" if options.label_smoothing else "",
        f"averaged weights {options.ema:g}" if options.ema else "",
        f"distilled from {options.teacher} ({strength})" if options.teacher else "",
        f"patience {options.patience}" if options.patience else "",
        f"{options.synthetic:,} synthetic digits" if options.synthetic else "",
        VIEW_LABELS[options.view],
        *(f"{name} {value:g}" for name, value in strengths.items() if value),
    ]
