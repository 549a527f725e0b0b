"""The state of a training, which can be saved and restored to the last bit."""

import copy
import json
import math
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from digits.data.dataset import Digits
from digits.errors import CheckpointError, TrainingError
from digits.evaluation.epoch import Epoch
from digits.mnist import CLASSES
from digits.networks.cnn import CNN
from digits.networks.dropout import Dropout
from digits.networks.mlp import MLP
from digits.networks.network import Network
from digits.networks.optimizers import Optimizer
from digits.networks.tensor_file import check_fit
from digits.options import TrainOptions, to_json
from digits.seeds import generator
from digits.training.devices import pick_device, pick_precision
from digits.training.distributed import World, share_batch_norm
from digits.training.totals import count_totals

COUNT_EVERY = 16  # steps between two sums of loss and accuracy; one by one they cost a tenth of the time
ALIGNED = 4  # numbers of 4 bytes: cuDNN refuses tensors that begin elsewhere than at multiples of 16 bytes


def begin(options: TrainOptions, train_set: Digits, world: World | None = None) -> "State":
    """The state before the first step: weights from the seed, normalisation from the training images."""
    model = new_network(options, world or World(), train_set.classes)
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


def new_network(options: TrainOptions, world: World, classes: int = CLASSES) -> Network:
    """A network with first weights from the seed; the caller's own random numbers stay as they were."""
    dropout, view = options.dropout, options.view_of(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        if options.model == "cnn":
            return share_batch_norm(CNN(options.channels, classes, dropout=dropout, view=view), world)
        return MLP(*options.hidden, classes, dropout=dropout, input_dropout=options.input_dropout, view=view)


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
        self.optimizer = Optimizer(
            self.options.optimizer,
            self.weights,
            self.gradient,
            momentum=self.options.momentum,
            nesterov=self.options.nesterov,
            weight_decay=self.options.weight_decay,
        )
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
                self.totals += count_totals(logits, labels)
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
        state = cls(options, new_network(options, world))
        state._read_meta(meta)
        weights = _copies(state.model)
        expected = {
            **_prefixed("model/", weights),
            **_prefixed("best/", weights if state.best else {}),
            **_prefixed("optimizer/", state.optimizer.memory),
            **_prefixed("average/", weights if state.average else {}),
            "totals": state.totals,
        }
        check_fit(tensors, expected, "the checkpoint")
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
