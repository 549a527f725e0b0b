"""The training loop: forward, loss, backward, step."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from digits.data.augmentation import distort, draw
from digits.data.batches import Batches
from digits.data.dataset import Digits
from digits.errors import OptionError
from digits.evaluation.epoch import Epoch
from digits.evaluation.logits import compute_logits
from digits.networks import backpropagation
from digits.networks.loss import Loss, smoothed
from digits.networks.mlp import MLP
from digits.options import Model, TrainOptions
from digits.seeds import generator
from digits.training.devices import computing_in, pick_precision, repeatable
from digits.training.distributed import World
from digits.training.schedules import learning_rate
from digits.training.state import State, begin
from digits.training.totals import FIXED_POINT, count_totals


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
    """Train a network and yield the figures of each epoch; the network is `state.network`.

    Args:
        state: where to begin, from `begin` or from a checkpoint. Default: new weights from the seed.
        world: this process's place among several. Default: a single process.
        teacher: a network whose logits are learned too (distillation).
        after_step: called after every step; it may raise an exception to stop training.

    Raises TrainingError within COUNT_EVERY steps of a loss that is not finite.
    """
    world = world or World()
    state = state or begin(options, train_set, world)
    if teacher is not None:
        teacher = teacher.to(state.device).eval()
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
        state.model.train()
        state.start_clock()
        for images, labels in batches.epoch(state.epoch, start=state.step):  # (B, 1, 28, 28), (B,)
            rate = learning_rate(options, state.epoch * len(batches) + state.step, steps)
            size = batches.size(state.step)  # images in the batch of all processes
            if augmentation.changes:
                draws = generator(options.seed, "augment", state.epoch, state.step)
                numbers = draw(size, augmentation, draws)  # for all processes, so that one equals many
                images = distort(images, augmentation, world.share(numbers))
            state.draw_dropout(size, world)
            targets = smoothed(one_hot.index_select(0, labels), options.label_smoothing)  # (B, classes)
            answers = _teacher_logits(teacher, images, state)
            loss = Loss(targets, answers, options.teacher_weight, options.temperature)

            logits = _forward_backward(state, images, loss, 1 / size)  # (B, classes)
            world.sum(state.shared)  # the gradients of all processes, and whether one of them should stop
            clip(state.gradient, options.clip)
            state.optimizer.step(rate)
            state.update_average()

            state.step += 1
            state.count(logits, labels)
            if after_step:
                after_step(state)
        state.stop_clock()
        yield state.finish_epoch(_validate(state, val_set, world))


def _forward_backward(state: State, images: Tensor, loss: Loss, scale: float) -> Tensor:
    """Return the logits (B, classes) of the images, and write the gradient to `state.gradient`.

    The gradient is that of `scale` times the summed loss. MLPs without dropout use the formulas in
    backpropagation.py, everything else PyTorch's automatic differentiation.
    """
    if isinstance(state.model, MLP) and not state.options.autograd and not state.dropouts:
        with torch.no_grad():
            return backpropagation.gradients(state.model, images, loss, scale)
    state.gradient.zero_()
    with repeatable():
        with computing_in(state.dtype, state.device):
            logits: Tensor = state.model(images)
        (loss.summed(logits) * scale).backward()
    return logits.detach()


def _teacher_logits(teacher: nn.Module | None, images: Tensor, state: State) -> Tensor | None:
    """Return the teacher's logits (B, classes), float32, for the same images; None without a teacher."""
    if teacher is None:
        return None
    kind: Model = "mlp" if isinstance(teacher, MLP) else "cnn"
    dtype = pick_precision(state.options.precision, kind, state.device)
    with torch.no_grad(), computing_in(dtype, state.device):
        logits: Tensor = teacher(images)
    return logits.float()


def clip(gradient: Tensor, limit: float) -> None:
    """Scale the gradient (N,) in place so that its L2 norm is at most `limit`; 0 means no limit.

    Pascanu, Mikolov and Bengio 2013, algorithm 1.
    """
    if limit:
        gradient.mul_((limit / gradient.norm()).clamp(max=1))


def _validate(state: State, val_set: Digits, world: World) -> Epoch:
    """Return the figures of the epoch: training figures as counted, validation figures measured now."""
    state.count_pending()
    logits = compute_logits(state.network, world.share(val_set.images))
    val = count_totals(logits, world.share(val_set.labels))
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
