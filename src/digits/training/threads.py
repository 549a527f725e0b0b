"""Choose how many processor threads a training uses.

PyTorch divides the work of each step among its threads, and each part of a step ends with the slowest of
them. Beside other busy programs, threads therefore wait for each other: two can be many times slower than
one. A few trial steps show this before the training begins.
"""

import time

import torch

from digits.data.dataset import Digits, as_fractions
from digits.networks.loss import Loss
from digits.options import TrainOptions
from digits.training.devices import pick_device, use_threads
from digits.training.distributed import World
from digits.training.loop import forward_backward
from digits.training.state import begin

TRIAL_SECONDS = 0.2  # of steps with one thread, and again with several
TRIAL_STEPS = 200  # limit for very short steps
# Threads hinder each other if a step takes this many times as long as with one thread. On an idle machine
# the figure is 0.6 to 1.2, beside a busy process 3 to 40: docs/log.md, "Two threads beside a busy process".
HINDERED = 1.5


def pick_threads(
    options: TrainOptions, train_set: Digits, world: World | None = None
) -> tuple[int, list[str]]:
    """Return the number of threads that a new training should use.

    All processes of the training must call this.

    Args:
        options: `threads` is the wanted number.
        train_set: training images and labels; the trial steps use the first ones.
        world: number of training processes, and the number of this one. Default: one process.

    Returns:
        threads: `options.threads`, or 1 if they hinder each other.
        notices: a sentence if it is 1 for this reason; otherwise empty.
    """
    world, wanted = world or World(), options.threads
    if wanted == 1 or pick_device(options.device).type != "cpu":
        return wanted, []
    alone, together = (step_seconds(options, threads, train_set, world) for threads in (1, wanted))
    # The processes may measure different times, but must use the same number.
    if world.spread(together <= HINDERED * alone):
        return wanted, []
    return 1, [
        f"{wanted} threads hinder each other, probably because other programs are busy: a step takes "
        f"{1000 * together:.1f} ms, and {1000 * alone:.1f} ms with one thread. This training uses one; "
        "the last digits of its weights depend on that."
    ]


def step_seconds(options: TrainOptions, threads: int, train_set: Digits, world: World) -> float:
    """Measure a training step of a new network, which is then thrown away.

    Args:
        options: kind of the network and size of a batch.
        threads: number of threads to measure.
        train_set: training images and labels.
        world: number of training processes; each has a share of the batch.

    Returns:
        The mean time in seconds.
    """
    state = begin(options, train_set)
    images = world.share(as_fractions(train_set.images[: options.batch_size]).unsqueeze(1))  # (B, 1, 28, 28)
    loss = Loss(torch.eye(train_set.classes)[world.share(train_set.labels[: options.batch_size])])
    state.model.train()
    state.draw_dropout(len(images), World())
    with use_threads(threads):
        forward_backward(state, images, loss, 1 / len(images))  # not measured: it prepares the layers
        started, steps = time.perf_counter(), 0
        while steps < TRIAL_STEPS and time.perf_counter() - started < TRIAL_SECONDS:
            forward_backward(state, images, loss, 1 / len(images))
            steps += 1
        return (time.perf_counter() - started) / steps
