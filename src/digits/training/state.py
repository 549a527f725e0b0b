"""Hold everything that changes during training.

This includes the network, the optimiser and the figures. `begin` makes the State of a new training.
checkpoint.py saves a State to a file and restores it.
"""

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

# The losses of this many steps are added to the totals at once. To add them after every step would take a
# tenth of the training time.
COUNT_EVERY = 16


def begin(options: TrainOptions, train_set: Digits, world: World | None = None) -> "State":
    """Return the state of a new training before its first step.

    The network gets the mean and standard deviation of the training images, to normalise its input.

    Args:
        options: which network to train and how; `options.seed` gives the random weights.
        train_set: the training images and labels.
        world: number of training processes, and the number of this one. Default: one process.

    Raises:
        DataError: if all pixels of all images are the same.
        OptionError: if the device `options.device` does not exist.
    """
    model = new_network(options, world or World(), train_set.classes)
    mean, std = train_set.mean_and_std()
    model.mean.fill_(mean)
    model.std.fill_(std)
    return State(options, model)


def new_network(options: TrainOptions, world: World, classes: int = CLASSES) -> Network:
    """Return a network with random weights.

    The same options give the same weights.

    Args:
        options: kind, sizes, dropout and view of the network, and the seed.
        world: with several processes, batch normalisation uses the batches of all of them.
        classes: number of outputs.
    """
    dropout, view = options.dropout, options.view_of(0)
    with torch.random.fork_rng(devices=[]):  # keeps PyTorch's global random generator unchanged
        torch.manual_seed(options.seed)
        if options.model == "cnn":
            return share_batch_norm(CNN(options.channels, classes, dropout=dropout, view=view), world)
        return MLP(*options.hidden, classes, dropout=dropout, input_dropout=options.input_dropout, view=view)


def architecture(options: TrainOptions) -> dict[str, Any]:
    """Describe the network for its model file.

    Returns:
        Kind, sizes and view, such as {"name": "mlp", "hidden": [128, 64]}.
    """
    view = options.view_of(0)
    seen = {} if view == "as-is" else {"view": view}
    if options.model == "cnn":
        return {"name": "cnn", "channels": list(options.channels), **seen}
    return {"name": "mlp", "hidden": list(options.hidden), **seen}


@dataclass
class State:
    """A training in progress.

    Args:
        options: how the network is trained.
        model: the network to train. It is moved to the device `options.device`.
    """

    options: TrainOptions
    model: Network
    epoch: int = 0  # finished epochs
    step: int = 0  # finished steps of the current epoch
    history: list[Epoch] = field(default_factory=list)
    # The epoch with the highest validation accuracy. If several have it, the one with the lowest loss.
    best: Epoch | None = None
    best_weights: dict[str, Tensor] = field(default_factory=dict)  # of `network` after the best epoch
    earlier_seconds: float = 0.0  # training time of the current epoch, until the clock was last stopped

    def __post_init__(self) -> None:
        self.device = pick_device(self.options.device)
        self.model.to(self.device)
        # `shared` holds all gradients. Its last number is 1 if this process asks all to stop, otherwise 0. In
        # each step, `shared` is summed over all processes.
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
        self.totals = torch.zeros(3, dtype=torch.int64)  # sums over this epoch; see `count_totals`
        self._pending: list[tuple[Tensor, Tensor]] = []  # logits and labels that are not yet in the totals
        self._started: float | None = None  # when the clock was started; None while it is stopped

    @property
    def network(self) -> Network:
        """The network for validation and saving: the average with --ema, otherwise `model`."""
        return self.average or self.model

    def draw_dropout(self, size: int, world: World) -> None:
        """Draw new random dropout masks for one batch.

        The masks choose the activations that become zero. They depend on the seed, the epoch and the step.

        Args:
            size: number of images in the whole batch.
            world: number of training processes, and the number of this one.
        """
        if self.dropouts:
            draws = generator(self.options.seed, "dropout", self.epoch, self.step)
            for layer in self.dropouts:
                # Each process keeps the masks for its share of the images.
                layer.mask = world.share(layer.draw(size, draws)).to(self.device)

    @torch.no_grad()
    def update_average(self) -> None:
        """Update the moving average of the weights.

        The average follows the weights slowly. Without --ema there is no average.

        Sources: Polyak and Juditsky 1992; TensorFlow's ExponentialMovingAverage for the first steps.
        """
        if self.average is None:
            return
        # average = decay * average + (1 - decay) * weights. In the first steps the decay is lower than --ema,
        # so that the average quickly forgets the random initial weights.
        steps = int(self.optimizer.memory["steps"])
        weight = 1 - min(self.options.ema, (1 + steps) / (10 + steps))
        self.average_weights.lerp_(self.weights, weight)
        # Buffers are numbers that are not trained, such as the statistics of batch normalisation.
        for average, current in zip(self.average.buffers(), self.model.buffers(), strict=True):
            if average.is_floating_point():
                average.lerp_(current, weight)
            else:
                average.copy_(current)

    @property
    def finished(self) -> bool:
        """True if training is over.

        This is so in two cases:

        - All epochs are trained.
        - The validation accuracy has not improved for --patience epochs.
        """
        if self.epoch >= self.options.epochs:
            return True
        best = max((e.val_accuracy, -e.number) for e in self.history) if self.history else (0.0, 0)
        # `best` is (highest accuracy, minus the number of its epoch). With --patience 0, there is no limit.
        return 0 < self.options.patience <= self.epoch + best[1]

    @property
    def stop(self) -> bool:
        """True if a process asked to stop; after a step, all processes have the same value."""
        return bool(self.shared[-1] > 0)

    def ask_to_stop(self) -> None:
        """Ask all processes to stop after the next step."""
        self.shared[-1] = 1

    def start_clock(self) -> None:
        """Start the clock that measures the training time of this epoch."""
        self._started = time.perf_counter()

    def stop_clock(self) -> None:
        """Stop the clock, and keep its time for the next start."""
        self.earlier_seconds, self._started = self.seconds, None

    @property
    def seconds(self) -> float:
        """Training time of this epoch in seconds, without pauses of the clock."""
        running = 0.0 if self._started is None else time.perf_counter() - self._started
        return self.earlier_seconds + running

    def count(self, logits: Tensor, labels: Tensor) -> None:
        """Record the results of one batch for this epoch's training figures.

        Args:
            logits: float (B, classes).
            labels: int64 (B,).

        Raises:
            TrainingError: if a loss is infinite, not a number or extremely large.
        """
        self._pending.append((logits, labels))
        if len(self._pending) == COUNT_EVERY:  # Adding after every batch would be slow.
            self.count_pending()

    def count_pending(self) -> None:
        """Add the recorded batches to `totals`.

        Raises:
            TrainingError: if a loss is infinite, not a number or extremely large.
        """
        if self._pending:
            logits, labels = (torch.cat(parts) for parts in zip(*self._pending, strict=True))
            self._pending.clear()
            try:
                self.totals += count_totals(logits, labels)
            except TrainingError as error:
                raise TrainingError(f"epoch {self.epoch + 1}, step {self.step}: {error}") from None

    def finish_epoch(self, epoch: Epoch) -> Epoch:
        """Add a finished epoch to the history.

        The weights of the best epoch are kept. With --keep last, the newest epoch is the best.

        Args:
            epoch: the figures of the finished epoch.

        Returns:
            The same Epoch.
        """
        self.epoch, self.step, self.earlier_seconds = self.epoch + 1, 0, 0.0
        self.totals.zero_()
        self.history.append(epoch)
        if self.options.keep == "last" or epoch.better_than(self.best):
            self.best = epoch
            self.best_weights = {
                name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()
            }
        return epoch
