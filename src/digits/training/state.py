"""The state of a training: network, optimiser, progress and figures. checkpoint.py saves and restores it."""

import copy
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from digits.data.dataset import Digits
from digits.errors import TrainingError
from digits.evaluation.epoch import Epoch
from digits.mnist import CLASSES
from digits.networks.cnn import CNN
from digits.networks.dropout import Dropout
from digits.networks.mlp import MLP
from digits.networks.network import Network
from digits.networks.optimizers import Optimizer
from digits.options import TrainOptions
from digits.seeds import generator
from digits.training.devices import pick_device, pick_precision
from digits.training.distributed import World, share_batch_norm
from digits.training.flat_parameters import flatten_parameters
from digits.training.totals import count_totals

COUNT_EVERY = (
    16  # steps between two sums of loss and accuracy; summing at every step takes a tenth of the time
)


def begin(options: TrainOptions, train_set: Digits, world: World | None = None) -> "State":
    """Return the state before the first step.

    The weights come from the seed, the network's mean and standard deviation from the training images.
    """
    model = new_network(options, world or World(), train_set.classes)
    mean, std = train_set.mean_and_std()
    model.mean.fill_(mean)
    model.std.fill_(std)
    return State(options, model)


def new_network(options: TrainOptions, world: World, classes: int = CLASSES) -> Network:
    """Return an untrained network with weights from the seed; torch's global generator is left unchanged."""
    dropout, view = options.dropout, options.view_of(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        if options.model == "cnn":
            return share_batch_norm(CNN(options.channels, classes, dropout=dropout, view=view), world)
        return MLP(*options.hidden, classes, dropout=dropout, input_dropout=options.input_dropout, view=view)


def architecture(options: TrainOptions) -> dict[str, Any]:
    """Return kind, sizes and view of the network, in the form that `model_file.build` takes."""
    view = options.view_of(0)
    seen = {} if view == "as-is" else {"view": view}
    if options.model == "cnn":
        return {"name": "cnn", "channels": list(options.channels), **seen}
    return {"name": "mlp", "hidden": list(options.hidden), **seen}


@dataclass
class State:
    """A training in progress. Between two steps it can be saved and restored to the last bit."""

    options: TrainOptions
    model: Network
    epoch: int = 0  # finished epochs
    step: int = 0  # finished steps of the current epoch
    history: list[Epoch] = field(default_factory=list)
    best: Epoch | None = None  # highest validation accuracy, then lowest validation loss
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    earlier_seconds: float = 0.0  # of the current epoch, up to when its clock was last stopped

    def __post_init__(self) -> None:
        self.device = pick_device(self.options.device)
        self.model.to(self.device)
        # `shared` holds the gradients and, as its last number, whether to stop; after each step it is summed
        # over all processes.
        self.weights, self.shared = flatten_parameters(self.model)
        self.gradient = self.shared[:-1]
        self.average = copy.deepcopy(self.model) if self.options.ema else None
        self.average_weights = flatten_parameters(self.average)[0] if self.average else self.weights
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
        self.totals = torch.zeros(3, dtype=torch.int64)  # of this epoch: see `count_totals`
        self._pending: list[tuple[Tensor, Tensor]] = []  # logits and labels not yet in the totals
        self._started: float | None = None

    @property
    def network(self) -> Network:
        """Return the network that is validated and saved: with --ema the averaged one."""
        return self.average or self.model

    def draw_dropout(self, size: int, world: World) -> None:
        """Draw new dropout masks from the seed, the epoch and the step.

        `size` is the number of images in the batch of all processes; each process keeps its share.
        """
        if self.dropouts:
            draws = generator(self.options.seed, "dropout", self.epoch, self.step)
            for layer in self.dropouts:
                layer.mask = world.share(layer.draw(size, draws)).to(self.device)

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the exponential moving average towards the weights; without --ema do nothing.

        Polyak and Juditsky 1992. In the first steps the decay is (1 + steps) / (10 + steps) if that is
        lower than --ema, as in TensorFlow's ExponentialMovingAverage. The statistics of batch normalisation
        are averaged in the same way.
        """
        if self.average is None:
            return
        steps = int(self.optimizer.memory["steps"])
        weight = 1 - min(self.options.ema, (1 + steps) / (10 + steps))
        self.average_weights.lerp_(self.weights, weight)
        for average, current in zip(self.average.buffers(), self.model.buffers(), strict=True):
            if average.is_floating_point():
                average.lerp_(current, weight)
            else:
                average.copy_(current)

    @property
    def finished(self) -> bool:
        """Return True once all epochs are done, or --patience of them have passed since the best one."""
        if self.epoch >= self.options.epochs:
            return True
        best = max((e.val_accuracy, -e.number) for e in self.history) if self.history else (0.0, 0)
        return 0 < self.options.patience <= self.epoch + best[1]

    @property
    def stop(self) -> bool:
        """Return True if any process asked to stop; after a step, all processes see the same value."""
        return bool(self.shared[-1] > 0)

    def ask_to_stop(self) -> None:
        """Make `stop` true in every process after the next step."""
        self.shared[-1] = 1

    def start_clock(self) -> None:
        """Start counting the seconds of this epoch, on top of those before an interruption."""
        self._started = time.perf_counter()

    def stop_clock(self) -> None:
        """Stop counting the seconds of this epoch."""
        self.earlier_seconds, self._started = self.seconds, None

    @property
    def seconds(self) -> float:
        """Return the seconds of training in this epoch so far."""
        running = 0.0 if self._started is None else time.perf_counter() - self._started
        return self.earlier_seconds + running

    def count(self, logits: Tensor, labels: Tensor) -> None:
        """Add a batch to the epoch's loss and accuracy, at the latest COUNT_EVERY steps from now."""
        self._pending.append((logits, labels))
        if len(self._pending) == COUNT_EVERY:
            self.count_pending()

    def count_pending(self) -> None:
        """Add the batches that wait to `totals`. Raises TrainingError for a loss that is not finite."""
        if self._pending:
            logits, labels = (torch.cat(parts) for parts in zip(*self._pending, strict=True))
            self._pending.clear()
            try:
                self.totals += count_totals(logits, labels)
            except TrainingError as error:
                raise TrainingError(f"epoch {self.epoch + 1}, step {self.step}: {error}") from None

    def finish_epoch(self, epoch: Epoch) -> Epoch:
        """Record the figures of a finished epoch and return them; keep the weights if they are the best.

        With --keep last the last epoch counts as the best.
        """
        self.epoch, self.step, self.earlier_seconds = self.epoch + 1, 0, 0.0
        self.totals.zero_()
        self.history.append(epoch)
        if (
            self.best is None
            or self.options.keep == "last"
            or (-epoch.val_accuracy, epoch.val_loss) < (-self.best.val_accuracy, self.best.val_loss)
        ):
            self.best = epoch
            self.best_weights = {
                name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()
            }
        return epoch
