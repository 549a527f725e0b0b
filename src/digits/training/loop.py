"""Train a network.

Each step uses one batch of images. It computes the logits, the loss and the gradient. Then it changes the
weights. `train` is the loop, and the other functions are its parts. A `State` holds everything that changes.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from digits.data.augmentation import distort, draw_numbers
from digits.data.batches import Batches
from digits.data.dataset import Digits, as_digits
from digits.errors import OptionError
from digits.evaluation.epoch import Epoch
from digits.evaluation.logits import compute_logits
from digits.networks import backpropagation
from digits.networks.loss import Loss, smoothed
from digits.networks.mlp import MLP
from digits.options import Model, TrainOptions
from digits.seeds import generator
from digits.training.devices import computing_in, pick_precision, repeatable, use_threads
from digits.training.distributed import World
from digits.training.file_limits import check_file_sizes
from digits.training.schedules import learning_rate
from digits.training.state import State, begin
from digits.training.teacher import check_classes
from digits.training.totals import FIXED_POINT, count_totals

UNUSED_WITHOUT_RUN = (
    "ensemble",
    "resume",
    "checkpoint_every",
    "tensorboard",
)  # options for runs with a folder


def train(
    options: TrainOptions,
    train_set: Digits,
    val_set: Digits,
    *,
    state: State | None = None,
    world: World | None = None,
    teacher: nn.Module | None = None,
    after_step: Callable[[State], None] | None = None,
) -> Iterator[Epoch]:
    """Train a network, and test it after each epoch.

    Pass a `state` to get the trained network: it is `state.network`.

    Args:
        options: which network to train and how. Files and folders are not used.
        train_set: N training images and labels.
        val_set: validation images and labels, for the test after each epoch.
        state: where to start, from `begin` or `restore_state`. Default: a new training.
        world: number of training processes, and the number of this one. Default: one process.
        teacher: maps images (B, 1, 28, 28) to logits (B, classes). The new network imitates it.
            Required if `options.teacher` is set.
        after_step: called with the state after each step. It may raise an exception to stop.

    Yields:
        An Epoch with training and validation figures, after each epoch.

    Raises:
        TrainingError: at most COUNT_EVERY steps after a loss became infinite or not a number.
        OptionError: if an option has no effect here, such as `ensemble`.
        OptionError: if `options.teacher` is set and `teacher` is None, or if `teacher` has other classes.
        DataError: if the training set is smaller than one batch, or a set is neither Digits nor a Subset.
        RunError: if another training process does not answer.
    """
    train_set, val_set = as_digits(train_set), as_digits(val_set)
    if world is None:
        _check_use(options)
        check_file_sizes(options, train_set.classes)
    world = world or World()
    state = state or begin(options, train_set, world)
    if teacher is not None:
        teacher = teacher.to(state.device).eval()
        check_classes(teacher, train_set.classes)
    elif options.teacher is not None:
        raise OptionError(
            f"--teacher is {options.teacher}; pass train(teacher=digits.load({options.teacher!r}))"
        )
    batches = Batches(
        train_set,
        options.batch_size,
        shuffle=options.shuffle,
        drop_last=options.drop_last,
        seed=options.seed,
        device=state.device,
        rank=world.rank,
        processes=world.size,
    )
    steps = options.epochs * len(batches)
    one_hot = torch.eye(train_set.classes, device=state.device)
    augmentation = options.augmentation
    while not state.finished:
        with use_threads(options.threads):
            state.model.train()
            state.start_clock()
            for images, labels in batches.epoch(state.epoch, start=state.step):  # (B, 1, 28, 28), (B,)
                rate = learning_rate(options, state.epoch * len(batches) + state.step, steps)
                size = batches.size(state.step)  # images in the whole batch; each process has a share of them
                if augmentation.changes:
                    draws = generator(options.seed, "augment", state.epoch, state.step)
                    # Each process draws the numbers for the whole batch and uses its share. So the result
                    # does not depend on the number of processes.
                    numbers = draw_numbers(size, augmentation, draws)
                    images = distort(images, augmentation, world.share(numbers))
                state.draw_dropout(size, world)
                targets = smoothed(one_hot.index_select(0, labels), options.label_smoothing)  # (B, classes)
                answers = _teacher_logits(teacher, images, state)
                loss = Loss(targets, answers, options.teacher_weight, options.temperature)

                logits = forward_backward(state, images, loss, 1 / size)  # (B, classes)
                world.sum(state.shared)  # adds up the gradients, and the requests to stop, of all processes
                clip(state.gradient, options.clip)
                state.optimizer.step(rate)
                state.update_average()

                state.step += 1
                state.count(logits, labels)
                if after_step:
                    after_step(state)
            state.stop_clock()
            epoch = state.finish_epoch(validate(state, val_set, world))
        yield epoch


def _check_use(options: TrainOptions) -> None:
    """Check that no option is set which only `digits.run` and `digits train` use.

    Raises:
        OptionError: if one is. Files and folders may be named, so that the same options suit both.
    """
    for name in UNUSED_WITHOUT_RUN:
        if getattr(options, name) != getattr(TrainOptions, name):
            raise OptionError(
                f"{name}={getattr(options, name)!r} has no effect on digits.train; "
                "leave it out, or use digits.run"
            )


def forward_backward(state: State, images: Tensor, loss: Loss, scale: float) -> Tensor:
    """Compute the logits of a batch, and write the gradient to `state.gradient`.

    Args:
        images: float (B, 1, 28, 28) in [0, 1].
        scale: the loss is this number times the sum over the images.

    Returns:
        The logits (B, classes).
    """
    # An MLP in float32 without dropout uses the formulas in backpropagation.py. Every other network uses
    # PyTorch's automatic differentiation.
    automatic = state.options.autograd or state.dropouts or state.dtype != torch.float32
    if isinstance(state.model, MLP) and not automatic:
        with torch.no_grad():
            return backpropagation.gradients(state.model, images, loss, scale)
    state.gradient.zero_()
    with repeatable():
        with computing_in(state.dtype, state.device):
            logits: Tensor = state.model(images)
        (loss.summed(logits) * scale).backward()
    return logits.detach()


def _teacher_logits(teacher: nn.Module | None, images: Tensor, state: State) -> Tensor | None:
    """Return the teacher's logits, float32 (B, classes).

    Args:
        teacher: with None, the result is None.
        images: float (B, 1, 28, 28) in [0, 1].
    """
    if teacher is None:
        return None
    kind: Model = "mlp" if isinstance(teacher, MLP) else "cnn"
    dtype = pick_precision(state.options.precision, kind, state.device)
    with torch.no_grad(), computing_in(dtype, state.device):
        logits: Tensor = teacher.forward(images)  # a call would check every batch
    return logits.float()


def clip(gradient: Tensor, limit: float) -> None:
    """Limit the length of the gradient vector.

    A longer vector is scaled to the length `limit`.

    Args:
        gradient: float (N,), changed in place.
        limit: greatest length (L2 norm); 0 means no limit.

    Source: Pascanu, Mikolov and Bengio 2013, algorithm 1.
    """
    if limit:
        gradient.mul_((limit / gradient.norm()).clamp(max=1))


def validate(state: State, val_set: Digits, world: World) -> Epoch:
    """Test the network on the validation set, and return this epoch's figures."""
    state.count_pending()
    logits = compute_logits(state.network, world.share(val_set.images))
    val = count_totals(logits, world.share(val_set.labels))
    # The training totals were added up during the epoch. Here, all totals are summed over the processes.
    both = world.sum(torch.stack([state.totals, val]))
    (train_loss, train_correct, seen), (val_loss, val_correct, val_seen) = both.tolist()
    return Epoch(
        state.epoch + 1,
        train_loss / FIXED_POINT / seen,
        train_correct / seen,
        val_loss / FIXED_POINT / val_seen,
        val_correct / val_seen,
        state.seconds,
        seen,
    )
