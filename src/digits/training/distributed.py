"""Train one network with several processes that PyTorch's command `torchrun` starts.

Each process computes the gradient of its share of every batch. Then the gradients and the figures are summed
over all processes, so that the result is as with one process. A `World` says how many processes there are;
for a single process it is World(). `torchrun` accepts connections without a password: use it on trusted
networks only.
"""

import contextlib
import datetime
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from digits.errors import RunError

Value = TypeVar("Value")
Module = TypeVar("Module", bound=nn.Module)
TIMEOUT = datetime.timedelta(seconds=60)  # limit for waiting for another process; a normal wait is shorter


@dataclass(frozen=True)
class World:
    """The processes that train together, and which of them this one is.

    With a single process, `share`, `sum` and `spread` return their input, and `require_same` does nothing.
    """

    rank: int = 0  # number of this process, from 0 to size - 1
    size: int = 1  # number of processes

    @property
    def first(self) -> bool:
        """True in the first process, which is the only one that prints and writes files."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """Return the rows of a whole batch that belong to this process: rows rank, rank + size and so on.

        Args:
            batch: (B, ...), the same in all processes.
        """
        return batch if self.size == 1 else batch[self.rank :: self.size]

    def sum(self, tensor: Tensor) -> Tensor:
        """Add up the tensors of all processes; every process must call this.

        Args:
            tensor: of the same shape in all processes. It is replaced in place by the sum.

        Returns:
            The same tensor.

        Raises:
            RunError: if another process ended or does not answer. `spread` and `require_same` raise it too.
        """
        if self.size > 1:
            with _lost_process_as_run_error():
                dist.all_reduce(tensor)
        return tensor

    def spread(self, value: Value) -> Value:
        """Send a value from the first process to all; every process must call this.

        Args:
            value: is used in the first process and ignored in the others.

        Returns:
            The value of the first process.
        """
        if self.size == 1:
            return value
        box = [value]
        with _lost_process_as_run_error():
            dist.broadcast_object_list(box, src=0)
        return box[0]

    def require_same(self, what: dict[str, str]) -> None:
        """Check that all processes have the same values; every process must call this.

        Args:
            what: a value for each name, such as {"--epochs": "25"}.

        Raises:
            RunError: in all processes, if a value differs. The message has the names that differ.
        """
        if self.size == 1:
            return
        everyone: list[dict[str, str]] = [{}] * self.size
        with _lost_process_as_run_error():
            dist.all_gather_object(everyone, what)
        odd = sorted(k for k in what if len({str(other.get(k)) for other in everyone}) > 1)
        if odd:
            raise RunError(
                f"the processes have different values of {', '.join(odd)}; "
                "start all of them with the same files, options and versions"
            )


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes, as an operation with a gradient.

    The gradient of its input is the sum of the gradients that reach its output in all processes.
    """

    @staticmethod
    def forward(ctx: object, tensor: Tensor, world: World) -> Tensor:
        return world.sum(tensor.clone())

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        with _lost_process_as_run_error():
            dist.all_reduce(gradient := gradient.clone())
        return gradient, None


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with the mean and variance of the whole batch, over all processes.

    PyTorch's SyncBatchNorm does the same, but on graphics processors only.
    """

    world = World()

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the share of this process, with the statistics of the whole batch.

        Args:
            x: float (B, channels, H, W).

        Returns:
            A tensor of the same shape and type. All shares together are what nn.BatchNorm2d returns for
            the whole batch.
        """
        if not self.training:
            return super().forward(x)
        sums = torch.stack([x.float().sum((0, 2, 3)), torch.full_like(self.weight, x[:, 0].numel())])
        total, count = _Sum.apply(sums, self.world).unbind()  # type: ignore[no-untyped-call]  # torch's
        centred = x - (mean := total / count)[:, None, None]
        squares = _Sum.apply(centred.float().square().sum((0, 2, 3)), self.world)  # type: ignore[no-untyped-call]
        variance = squares / count
        with torch.no_grad():
            weight = self.momentum if self.momentum is not None else 0.1
            self.running_mean.lerp_(mean, weight)  # type: ignore[union-attr]  # they are tracked here
            self.running_var.lerp_(squares / (count - 1), weight)  # type: ignore[union-attr]
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        scale = self.weight * (variance + self.eps).rsqrt()
        normalised: Tensor = (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)
        return normalised


def share_batch_norm(model: Module, world: World) -> Module:
    """Replace every nn.BatchNorm2d in the network by a SharedBatchNorm, if there are several processes.

    The weights stay the same.

    Returns:
        The same network, changed in place.
    """
    if world.size > 1:
        for parent in list(model.modules()):
            for name, layer in parent.named_children():
                if type(layer) is nn.BatchNorm2d:
                    shared = SharedBatchNorm(layer.num_features)
                    shared.load_state_dict(layer.state_dict())
                    shared.world = world
                    setattr(parent, name, shared)
    return model


@contextlib.contextmanager
def _lost_process_as_run_error() -> Iterator[None]:
    """Raise a RunError instead of PyTorch's error if another process ended or does not answer."""
    try:
        yield
    except RuntimeError as error:
        raise RunError(
            f"another process of this training ended or does not answer ({str(error).splitlines()[0]}); "
            "read its error message, then start all processes again with --resume"
        ) from error


@contextlib.contextmanager
def join_world(device: str = "cpu") -> Iterator[World]:
    """Connect the processes that torchrun started, and yield their World.

    Without torchrun it is the World of a single process. After the `with` block the connection is closed.

    Args:
        device: type of the device to train on, "cpu", "cuda" or "mps". With "cuda", each process uses the
            graphics processor whose number torchrun gave it.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield World()
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    # The library gloo sums tensors on the CPU, nccl those on a graphics processor.
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo", timeout=TIMEOUT)
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
