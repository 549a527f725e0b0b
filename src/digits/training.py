"""The training loop, and all that it must remember to go on as if it had never been interrupted."""

import contextlib
import copy
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digits import augment, backprop, evaluate
from digits.checkpoint import fit
from digits.data import Batches, Digits, generator
from digits.distributed import World, share_batch_norm
from digits.errors import CheckpointError, OptionError, TrainingError
from digits.loss import Loss, smoothed
from digits.models import CLASSES, CNN, MLP, Dropout, Network
from digits.optimizers import Optimizer
from digits.options import Device, Model, Precision, TrainOptions, to_json

COUNT_EVERY = 16  # steps between two sums of loss and accuracy; one by one they cost a tenth of the time
DIVERGED = 2**20  # nats, for one image; sums of anything higher could leave 64 bits and turn negative
ALIGNED = 4  # numbers of 4 bytes: cuDNN refuses tensors that begin elsewhere than at multiples of 16 bytes
ONE_CYCLE_RISE = 0.3  # of the steps; OneCycleLR's default
FIXED_POINT = 2**24  # losses are summed as multiples of 2^-24: whole numbers add up to the same in any order


@dataclass(frozen=True)
class Epoch:
    """One line of the table. Losses are mean cross-entropies in nats, accuracies fractions.

    Training figures are taken while the network learns, on augmented images where there is augmentation.
    """

    number: int  # from 1
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float  # of training, validation not counted
    images: int  # seen in those seconds


def train(
    options: TrainOptions,
    train_set: Digits,
    val_set: Digits,
    *,
    state: "State | None" = None,
    world: World | None = None,
    teacher: nn.Module | None = None,
    after_step: Callable[["State"], None] | None = None,
) -> Iterator[Epoch]:
    """Train, yielding one Epoch at a time; the network is `state.network`.

    `state` is where to go on (`begin` or `State.restore`); `teacher` is a network whose answers are learned
    too; `after_step` is called after every step and may raise to stop. Raises TrainingError within
    COUNT_EVERY steps of a loss that is not finite.
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
        world=world,
    )
    total = options.epochs * len(batches)
    one_hot = torch.eye(train_set.classes, device=state.device)
    augmentation = options.augmentation
    while not state.finished:
        state.model.train()
        state.start_clock()
        for images, labels in batches.epoch(state.epoch, start=state.step):
            rate = learning_rate(options, state.epoch * len(batches) + state.step, total)
            size = batches.size(state.step)  # of the batch of all processes
            if augmentation.changes:
                draws = generator(options.seed, "augment", state.epoch, state.step)
                numbers = augment.draw(size, augmentation, draws)  # for all processes
                images = augment.distort(images, augmentation, world.share(numbers))
            state.draw_dropout(size, world)
            targets = smoothed(one_hot.index_select(0, labels), options.label_smoothing)  # (B, 10)
            loss = Loss(targets, _taught(teacher, images, state), options.teacher_weight, options.temperature)

            logits = _backward(state, images, loss, 1 / size)  # (B, 10)
            world.sum(state.shared)  # gradients of all processes, and whether one of them was told to stop
            clip(state.gradient, options.clip)
            state.optimizer.step(rate)
            state.update_average()

            state.step += 1
            state.count(logits, labels)
            if after_step:
                after_step(state)
        state.stop_clock()
        yield state.finish_epoch(_validate(state, val_set, world))


def _backward(state: "State", images: Tensor, loss: Loss, scale: float) -> Tensor:
    """Leave the gradient of `scale` times the summed loss in `state.gradient`; returns the logits."""
    if isinstance(state.model, MLP) and not state.options.autograd and not state.dropouts:
        with torch.no_grad():
            return backprop.gradients(state.model, images, loss, scale)
    state.gradient.zero_()
    with _repeatable():
        with computing_in(state.dtype, state.device):
            logits: Tensor = state.model(images)
        (loss.summed(logits) * scale).backward()
    return logits.detach()


def _repeatable() -> contextlib.AbstractContextManager[Any]:
    """Within `with`, cuDNN repeats itself to the bit, in true float32: it would shorten factors to 10 bits.

    https://docs.pytorch.org/docs/stable/notes/randomness.html and notes/cuda.html, TensorFloat-32.
    """
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def _taught(teacher: nn.Module | None, images: Tensor, state: "State") -> Tensor | None:
    """The teacher's logits (B, 10) for the very images that the pupil sees."""
    if teacher is None:
        return None
    kind: Model = "mlp" if isinstance(teacher, MLP) else "cnn"
    dtype = pick_precision(state.options.precision, kind, state.device)
    with torch.no_grad(), computing_in(dtype, state.device):
        logits: Tensor = teacher(images)
    return logits.float()


def clip(gradient: Tensor, longest: float) -> None:
    """Shorten a gradient (N,) of all weights to that length where it is longer, in place; 0 never does.

    Pascanu, Mikolov and Bengio 2013, algorithm 1.
    """
    if longest:
        gradient.mul_((longest / gradient.norm()).clamp(max=1))


def _validate(state: "State", val_set: Digits, world: World) -> Epoch:
    """The epoch's figures: those of training as they were counted, those of validation measured now."""
    state.count_pending()
    logits = evaluate.predict(state.network, world.share(val_set.images))
    val = _totals(logits, world.share(val_set.labels))
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


def learning_rate(options: TrainOptions, step: int, total: int) -> float:
    """The rate for step number `step` of `total`.

    cosine: from the rate down to 0 (Loshchilov and Hutter 2017, without restarts). one-cycle: from 1/25 up
    to the rate in the first 30 % of the steps, then down to 1/250,000 of it, both along a cosine (Smith
    2018, with the constants of torch.optim.lr_scheduler.OneCycleLR). `warmup` is another share than 30 % for
    one-cycle; the other schedules begin after a rise in a straight line from 0 (Goyal et al. 2017, 2.2).
    """
    peak = options.learning_rate
    if options.schedule == "one-cycle":
        share = ONE_CYCLE_RISE if options.warmup is None else options.warmup
        top = max(share * total - 1, 0)  # the step at which the rate is highest
        if step < top:
            return _along_cosine(peak / 25, peak, step / top)
        return _along_cosine(peak, peak / 250_000, (step - top) / max(total - 1 - top, 1e-9))
    rise = (options.warmup or 0) * total
    if step < rise:
        return peak * (step + 1) / (rise + 1)
    if options.schedule == "cosine":
        return _along_cosine(peak, 0.0, (step - rise) / (total - rise))
    return peak


def _along_cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(part, 1.0))) / 2


def _totals(logits: Tensor, labels: Tensor) -> Tensor:
    """[sum of losses in fixed point, correct, seen] as int64, exact whatever the order of adding."""
    logits, labels = logits.cpu(), labels.cpu()  # Apple's devices have no double precision
    losses = F.cross_entropy(logits, labels, reduction="none")
    if not bool((losses < DIVERGED).all()):  # so that NaN fails too
        what = "beyond a million nats" if bool(losses.isfinite().all()) else "not a finite number"
        raise TrainingError(f"the loss is {what}; lower --lr, or look for damaged images")
    loss = (losses.double() * FIXED_POINT).round().long().sum()
    correct = (logits.argmax(dim=1) == labels).sum()
    return torch.stack([loss, correct, torch.full_like(correct, len(labels))])


# ----------------------------------------------------------------------------------------------- state


def begin(options: TrainOptions, train_set: Digits, world: World | None = None) -> "State":
    """The state before the first step: weights from the seed, normalisation from the training images."""
    model = _network(options, world or World(), train_set.classes)
    mean, std = train_set.mean_and_std()
    model.mean.fill_(mean)
    model.std.fill_(std)
    return State(options, model)


def architecture(options: TrainOptions) -> dict[str, Any]:
    """What kind of network, and how large: as `checkpoint.build` takes it."""
    view = options.view_of(0)
    seen = {} if view == "as-is" else {"view": view}
    if options.model == "cnn":
        return {"name": "cnn", "channels": list(options.channels), **seen}
    return {"name": "mlp", "hidden": list(options.hidden), **seen}


def _network(options: TrainOptions, world: World, classes: int = CLASSES) -> Network:
    """A network with first weights from the seed; the caller's own random numbers stay as they were."""
    dropout, view = options.dropout, options.view_of(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        if options.model == "cnn":
            return share_batch_norm(CNN(options.channels, classes, dropout=dropout, view=view), world)
        return MLP(*options.hidden, classes, dropout=dropout, input_dropout=options.input_dropout, view=view)


def pick_precision(precision: Precision, model: Model, device: torch.device) -> torch.dtype:
    """What the layers compute with. bfloat16 by itself only where it was measured: docs/log.md.

    Weights, gradients, optimiser, loss and validation are float32 in any case.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    made_for_it = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    if model == "cnn" and device.type == "cpu" and made_for_it():
        return torch.bfloat16
    return torch.float32


def computing_in(dtype: torch.dtype, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Within `with`, layers compute in `dtype`."""
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype)


def pick_device(name: Device) -> torch.device:
    """The device called for; auto is cuda where there is one, else the processor."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if (name == "cuda" and not torch.cuda.is_available()) or (
        name == "mps" and not torch.backends.mps.is_available()
    ):
        raise OptionError(f"--device {name}: this PyTorch finds no such device here; use --device cpu")
    return torch.device(name)


@dataclass
class State:
    """A training under way. Between two steps it can be saved and restored to the last bit."""

    options: TrainOptions
    model: Network
    epoch: int = 0  # finished epochs
    step: int = 0  # finished steps of the current one
    history: list[Epoch] = field(default_factory=list)
    best: Epoch | None = None  # highest validation accuracy, then lowest validation loss
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.device = pick_device(self.options.device)
        self.model.to(self.device)
        self.weights, self.shared = _as_one(self.model)
        self.gradient = self.shared[:-1]
        self.average = copy.deepcopy(self.model) if self.options.ema else None
        self.average_weights = _as_one(self.average)[0] if self.average else self.weights
        self.dropouts = [layer for layer in self.model.modules() if isinstance(layer, Dropout) and layer.p]
        self.dtype = pick_precision(self.options.precision, self.options.model, self.device)
        self.optimizer = Optimizer(self.options, self.weights, self.gradient)
        self.totals = torch.zeros(3, dtype=torch.int64)  # this epoch's: see _totals
        self._pending: list[tuple[Tensor, Tensor]] = []  # logits and labels not yet in the totals
        self._spent = 0.0  # seconds of this epoch, up to when the clock was last stopped
        self._started: float | None = None

    @property
    def network(self) -> Network:
        """What is validated and saved: the average of the weights, where there is one, else the weights."""
        return self.average or self.model

    def draw_dropout(self, size: int, world: World) -> None:
        """New masks for a batch of `size` images of all processes, from the seed, the epoch and the step."""
        if self.dropouts:
            draws = generator(self.options.seed, "dropout", self.epoch, self.step)
            for layer in self.dropouts:
                layer.mask = world.share(layer.draw(size, draws)).to(self.device)

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the average a little towards the weights: Polyak and Juditsky 1992, exponentially weighted.

        While there are few steps to average over, the decay is (1 + steps) / (10 + steps), as in
        TensorFlow's ExponentialMovingAverage. The statistics of batch normalisation are averaged alike.
        """
        if self.average is None:
            return
        steps = int(self.optimizer.memory["steps"])
        share = 1 - min(self.options.ema, (1 + steps) / (10 + steps))
        self.average_weights.lerp_(self.weights, share)
        for average, current in zip(self.average.buffers(), self.model.buffers(), strict=True):
            if average.is_floating_point():
                average.lerp_(current, share)
            else:
                average.copy_(current)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or `patience` of them passed without a higher validation accuracy."""
        if self.epoch >= self.options.epochs:
            return True
        best = max((e.val_accuracy, -e.number) for e in self.history) if self.history else (0.0, 0)
        return 0 < self.options.patience <= self.epoch + best[1]

    @property
    def stop(self) -> bool:
        """Whether any process was told to stop; all of them read the same answer after a step."""
        return bool(self.shared[-1] > 0)

    def ask_to_stop(self) -> None:
        """Have every process read `stop` as true after the next step."""
        self.shared[-1] = 1

    def start_clock(self) -> None:
        """Count the seconds of this epoch from now on, on top of those before an interruption."""
        self._started = time.perf_counter()

    def stop_clock(self) -> None:
        """Stop counting."""
        self._spent, self._started = self.seconds, None

    @property
    def seconds(self) -> float:
        """Seconds of training in this epoch so far."""
        running = 0.0 if self._started is None else time.perf_counter() - self._started
        return self._spent + running

    def count(self, logits: Tensor, labels: Tensor) -> None:
        """Take a batch into the epoch's loss and accuracy, now or a few steps later."""
        self._pending.append((logits, labels))
        if len(self._pending) == COUNT_EVERY:
            self.count_pending()

    def count_pending(self) -> None:
        """Bring the totals up to date. Raises TrainingError where a loss is not finite."""
        if self._pending:
            logits, labels = (torch.cat(parts) for parts in zip(*self._pending, strict=True))
            self._pending.clear()
            try:
                self.totals += _totals(logits, labels)
            except TrainingError as error:
                raise TrainingError(f"epoch {self.epoch + 1}, step {self.step}: {error}") from None

    def finish_epoch(self, epoch: Epoch) -> Epoch:
        """Close the epoch with its figures, and keep the weights if they are the best so far.

        With `keep` last, the last epoch counts as the best.
        """
        self.epoch, self.step, self._spent = self.epoch + 1, 0, 0.0
        self.totals.zero_()
        self.history.append(epoch)
        if (
            self.best is None
            or self.options.keep == "last"
            or (-epoch.val_accuracy, epoch.val_loss) < (-self.best.val_accuracy, self.best.val_loss)
        ):
            self.best, self.best_weights = epoch, _copies(self.network)
        return epoch

    # ---------------------------------------------------------------------------- to a file and back

    def snapshot(self, world: World) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """All there is to remember, as meta data and tensors. Every process must call it at the same step."""
        self.count_pending()
        meta = {
            "options": json.loads(to_json(self.options)),
            "epoch": self.epoch,
            "step": self.step,
            "seconds": self.seconds,
            "history": [asdict(epoch) for epoch in self.history],
            "best": self.best.number if self.best else 0,
        }
        tensors = {
            **_prefixed("model/", _copies(self.model)),
            **_prefixed("best/", self.best_weights),
            **_prefixed("optimizer/", self.optimizer.memory),
            **_prefixed("average/", _copies(self.average) if self.average else {}),
            "totals": world.sum(self.totals.clone()),
        }
        for name, tensor in tensors.items():
            if not bool(tensor.isfinite().all()):  # a file that could not be read again
                raise TrainingError(
                    f"epoch {self.epoch + 1}, step {self.step}: {name} is not finite; lower --lr"
                )
        return meta, tensors

    @classmethod
    def restore(
        cls, options: TrainOptions, meta: dict[str, Any], tensors: dict[str, Tensor], world: World
    ) -> "State":
        """The state that `snapshot` took, under `options`. Raises CheckpointError where it does not fit."""
        state = cls(options, _network(options, world))
        state._read_meta(meta)
        weights = _copies(state.model)
        expected = {
            **_prefixed("model/", weights),
            **_prefixed("best/", weights if state.best else {}),
            **_prefixed("optimizer/", state.optimizer.memory),
            **_prefixed("average/", weights if state.average else {}),
            "totals": state.totals,
        }
        fit(tensors, expected, "the checkpoint")
        state.model.load_state_dict(_stripped("model/", tensors))
        if state.average:
            state.average.load_state_dict(_stripped("average/", tensors))
        state.best_weights = _stripped("best/", tensors)
        for name, tensor in _stripped("optimizer/", tensors).items():
            state.optimizer.memory[name].copy_(tensor)
        if world.first:  # the totals are of all processes; one of them brings them back in
            state.totals.copy_(tensors["totals"])
        return state

    def _read_meta(self, meta: dict[str, Any]) -> None:
        try:
            self.epoch, self.step, self._spent = int(meta["epoch"]), int(meta["step"]), float(meta["seconds"])
            self.history = [Epoch(**epoch) for epoch in meta["history"]]
            self.best = self.history[meta["best"] - 1] if meta["best"] else None
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise CheckpointError(f"the checkpoint's meta data are incomplete ({error!r})") from None
        if len(self.history) != self.epoch or self.step < 0:
            raise CheckpointError(
                f"the checkpoint has {len(self.history)} epochs in its table, not {self.epoch}"
            )


def _as_one(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Lay all parameters out in one vector, and all gradients in another, which has one number more.

    The parameters become views of the first vector. One vector makes the optimiser, the sum over processes
    and the check for finite numbers one operation each. Each view begins at a multiple of 16 bytes, where
    cuDNN demands it; the numbers between them are 0 and stay so.
    """
    parameters = list(model.parameters())
    starts = [0]
    for p in parameters:
        starts.append(starts[-1] + math.ceil(p.numel() / ALIGNED) * ALIGNED)
    weights = torch.zeros(starts[-1], device=parameters[0].device)
    shared = torch.zeros(len(weights) + 1, device=weights.device)  # the last one: whether to stop
    for p, start in zip(parameters, starts, strict=False):
        place = slice(start, start + p.numel())
        weights[place] = _in_memory_order(p.detach()).flatten()
        p.data, p.grad = (_like(p, vector[place]) for vector in (weights, shared))
    return weights, shared


def _in_memory_order(kernels: Tensor) -> Tensor:
    """Convolution kernels (out, in, H, W) as channels-last memory holds them, (out, H, W, in); else as is."""
    return kernels.permute(0, 2, 3, 1) if kernels.ndim == 4 else kernels


def _like(p: Tensor, numbers: Tensor) -> Tensor:
    """A view of `numbers` with the parameter's shape, the inverse of `_in_memory_order`."""
    return numbers.view(_in_memory_order(p).shape).permute(0, 3, 1, 2) if p.ndim == 4 else numbers.view_as(p)


def _copies(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _stripped(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
