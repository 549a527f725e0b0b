"""Train with several processes as with one; a single process is a World of size 1.

Under `torchrun` each process takes its share of every batch; gradients and figures are summed over all
processes. `torchrun` listens without a password: use it on trusted networks only.
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
TIMEOUT = datetime.timedelta(seconds=60)  # to wait for another process; a generous limit


@dataclass(frozen=True)
class World:
    """The number of this process (`rank`, from 0) and of all processes that train together (`size`)."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Return True for the process that prints and writes files."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """Return this process's share of the batch of all processes: every `size`-th row."""
        return batch if self.size == 1 else batch[self.rank :: self.size]

    def sum(self, tensor: Tensor) -> Tensor:
        """Replace `tensor` by the sum of the tensors of all processes, in place, and return it."""
        if self.size > 1:
            with _peers():
                dist.all_reduce(tensor)
        return tensor

    def spread(self, value: Value) -> Value:
        """Return the value of the first process, in every process."""
        if self.size == 1:
            return value
        box = [value]
        with _peers():
            dist.broadcast_object_list(box, src=0)
        return box[0]

    def require_same(self, what: dict[str, str]) -> None:
        """Raise RunError in every process unless all of them hold the same values."""
        if self.size == 1:
            return
        everyone: list[dict[str, str]] = [{}] * self.size
        with _peers():
            dist.all_gather_object(everyone, what)
        odd = sorted(k for k in what if len({str(other.get(k)) for other in everyone}) > 1)
        if odd:
            raise RunError(
                f"the processes disagree on {', '.join(odd)}; "
                "start all with the same files, options and versions"
            )


class _Sum(torch.autograd.Function):
    """The sum over all processes as an operation for autograd: its gradients are summed as well."""

    @staticmethod
    def forward(ctx: object, tensor: Tensor, world: World) -> Tensor:
        return world.sum(tensor.clone())

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        with _peers():
            dist.all_reduce(gradient := gradient.clone())
        return gradient, None


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation by the mean and variance of the batch of all processes.

    PyTorch's SyncBatchNorm does this on graphics processors only.
    """

    world = World()

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (B, channels, H, W), this process's share, as nn.BatchNorm2d would the whole batch."""
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
    """Replace the network's batch normalisations by shared ones if there are several processes; return it."""
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
def _peers() -> Iterator[None]:
    """Turn PyTorch's error about a process that died or does not answer into a RunError."""
    try:
        yield
    except RuntimeError as error:
        raise RunError(
            f"lost another process of this training ({str(error).splitlines()[0]}); see what that one said, "
            "then start all of them again with --resume"
        ) from error


@contextlib.contextmanager
def join_world(device: str = "cpu") -> Iterator[World]:
    """Yield the World of the processes that torchrun started; without torchrun that of a single process.

    `device` is a torch device type, such as "cpu" or "cuda".
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield World()
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    # Gradients are summed on their device, figures and Python objects on the processor.
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo", timeout=TIMEOUT)
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
